//! A graceful close loses nothing, however late its peer reads, and whatever that says meanwhile.

mod support;

use std::thread;
use std::time::{Duration, Instant};
use support::*;
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Opcode, Options, Received, SizeClass, Status};

/// More than the client takes at once.
const COUNT: usize = 20;
static BODY: [u8; 49_000] = [7; 49_000];
/// How long the client computes.
const PAUSE: Duration = Duration::from_secs(4);

fn engine(large: u16) -> Engine {
    let pool = vec![SizeClass { size: 1_088, count: 64 }, SizeClass { size: 66_112, count: large }];
    Engine::with_options(Options { pool, ..Options::default() }).unwrap()
}

/// Sends much, and closes so; the client reads none of it for a while, but says that it lives. What `close` yields is kept
/// until all has arrived.
fn assert_arrives<T>(close: impl FnOnce(Engine, ChannelGroup, ChannelNumber) -> T) {
    let (server, client) = (engine(64), engine(2));
    let (server_group, group) = (server.group().unwrap(), client.group().unwrap());
    let (_, address) = listen(&server_group, "tcp|127.0.0.1|0");
    let (here, there) = pair(&group, &server_group, &address);
    for _ in 0..COUNT {
        let mut signal = server.get_sized_wait(BODY.len(), SOON).unwrap();
        signal.prepare(Opcode::Signal, there).set_body(BODY).unwrap();
        server_group.post_wait(signal, SOON).unwrap();
    }
    let _kept = close(server, server_group, there);
    let start = Instant::now();
    while start.elapsed() < PAUSE {
        thread::sleep(Duration::from_millis(100));
        // Refused once the end is here.
        let _ = group.post(message(&client, Opcode::Signal, here));
    }
    let mut arrived = 0;
    loop {
        match receive(&group) {
            Received::Peer(message) if message.opcode() == Opcode::Signal => arrived += 1,
            Received::Notice(notice) if notice.status == Status::ChannelClosed => break,
            _ => {}
        }
    }
    assert_eq!(arrived, COUNT);
}

#[test]
fn what_was_sent_before_an_answered_goodbye_arrives() {
    assert_arrives(|server, group, channel| {
        let mut bye = message(&server, Opcode::ByeResponse, channel);
        bye.set_id(1);
        group.post(bye).unwrap();
        assert_eq!(notice(&group, Status::ChannelClosed), Status::Success);
        (server, group)
    });
}

#[test]
fn what_was_sent_before_its_engine_is_dropped_arrives() {
    assert_arrives(|server, group, _| drop((group, server)));
}
