//! Heartbeat: an empty Signal every so often; the receiver times a silent peer out.
//!
//! A connection whose other end was switched off looks like one that has nothing to say. A
//! heartbeat tells them apart. (The engine's `idle_timeout` option does the receiver's half alone.)

use std::thread;
use std::time::{Duration, Instant};
use tofu_examples::{
    Outcome, POOL_EMPTY, address_argument, both_ends, connect, ensure, expect, listen, receive,
};
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Opcode, Received, Status};

/// How often the client says that it is there.
const BEAT: Duration = Duration::from_millis(100);
/// How long the server believes it: several beats, for one may be late.
const SILENCE: Duration = Duration::from_secs(2);
/// After so many beats the client falls silent.
const BEATS: usize = 5;

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let server = thread::spawn(move || serve(&group));
    both_ends(beat(&address), server)
}

/// The server: greets a client and listens to its heart.
fn serve(group: &ChannelGroup) -> Outcome {
    let mut hello = expect(group, Opcode::HelloRequest)?;
    let channel = hello.channel();
    hello.reply()?;
    group.post(hello)?;

    let mut beats = 0;
    let mut last_heard = Instant::now();
    // Whatever the client says shows that it lives; each time the wait begins anew.
    while let Some(received) = group.wait_receive(SILENCE.saturating_sub(last_heard.elapsed()))? {
        match received {
            Received::Peer(message) => {
                last_heard = Instant::now();
                beats += 1;
                println!("server: {} {beats}", message.opcode());
            }
            other => return Err(format!("instead of a heartbeat came {other:?}").into()),
        }
    }
    println!("server: silent for {SILENCE:?}, closing channel {channel}");
    ensure(beats == BEATS, "a heartbeat is missing")?;
    drop_peer(group, channel)
}

/// A ByeSignal drops the connection at once: a silent peer would not answer a ByeRequest.
fn drop_peer(group: &ChannelGroup, channel: ChannelNumber) -> Outcome {
    let mut bye = group.engine().get().ok_or(POOL_EMPTY)?;
    bye.prepare(Opcode::ByeSignal, channel);
    group.post(bye)?;
    wait_closed("server", group)
}

/// The client: sends its heartbeat, and listens between two beats.
fn beat(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let channel = connect(&group, address)?;

    for _ in 0..BEATS {
        let mut signal = engine.get().ok_or(POOL_EMPTY)?;
        signal.prepare(Opcode::Signal, channel);
        group.post(signal)?;
        // A real client works here: what it receives before the next beat is due.
        if let Some(received) = group.wait_receive(BEAT)? {
            return Err(format!("nobody was asked, but there came {received:?}").into());
        }
    }
    println!("client: falls silent");
    wait_closed("client", &group)
}

/// Waits for the last word about the channel.
fn wait_closed(end: &str, group: &ChannelGroup) -> Outcome {
    match receive(group)? {
        Received::Notice(notice) if notice.status == Status::ChannelClosed => {
            println!("{end}: channel closed: {}", notice.reason);
            Ok(())
        }
        other => Err(format!("instead of channel_closed came {other:?}").into()),
    }
}
