//! A peer is stopped under load: for a while, and for good.

use rustix::process::Signal;
use std::time::Duration;
use tofu_faults::process::Process;
use tofu_faults::stage::Stage;
use tofu_std::{ChannelNumber, Opcode, Options, Received, Status};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// How long nothing must come of who is stopped.
const QUIET: Duration = Duration::from_millis(300);
/// How long a peer may take nothing. Longer than a busy machine lets a process wait.
const TIMEOUT: Duration = Duration::from_secs(2);
static BODY: [u8; 8_000] = [7; 8_000];

/// Another process, connected.
fn connect(stage: &mut Stage) -> (Process, ChannelNumber) {
    let mut peer = Process::start(PEER, &["listen", "tcp|127.0.0.1|0"]);
    let address = peer.line();
    let channel = stage.client.connect(&address).channel;
    stage.client.expect(Opcode::HelloResponse);
    (peer, channel)
}

/// Posts Signals with the ids 1, 2, 3, … until the channel has its share; how many.
fn fill(stage: &mut Stage, channel: ChannelNumber) -> u64 {
    for id in 1.. {
        let mut signal = stage.client.message(Opcode::Signal, channel, &BODY);
        signal.set_id(id);
        if let Err(status) = stage.client.post(signal) {
            assert_eq!(status, Status::PoolEmpty);
            return id - 1;
        }
    }
    unreachable!("a pool is finite")
}

#[test]
fn who_is_stopped_slows_its_own_channel_and_loses_nothing() {
    let mut stage = Stage::tcp();
    let neighbour = stage.pair();
    let (peer, channel) = connect(&mut stage);
    stage.client.say(Opcode::Request, channel, b"stream");
    let mut streamed = stage.client.expect(Opcode::Signal).id();
    peer.signal(Signal::STOP);
    let posted = fill(&mut stage, channel);
    assert!(posted > 0);
    while let Some(received) = stage.client.receive_within(QUIET) {
        streamed = next_of_stream(streamed, received);
    }
    stage.assert_answers(neighbour);

    peer.signal(Signal::CONT);
    let count = stage.client.say(Opcode::Request, channel, b"count").expect("it is open");
    loop {
        match stage.client.receive() {
            Received::Peer(message) if message.opcode() == Opcode::Response => {
                assert_eq!(message.id(), count.id);
                assert_eq!(message.body(), posted.to_string().as_bytes());
                break;
            }
            received => streamed = next_of_stream(streamed, received),
        }
    }
    stage.client.say(Opcode::ByeSignal, channel, b"");
    let end = stage.client.receive_until_end(channel);
    assert_eq!(end.reason, Status::ChannelClosed);
    stage.say_goodbye(neighbour);
    drop(peer);
    stage.end();
}

/// What comes is the Signal after this one.
fn next_of_stream(last: u64, received: Received) -> u64 {
    match received {
        Received::Peer(signal) if signal.opcode() == Opcode::Signal => {
            assert_eq!(signal.id(), last + 1);
            last + 1
        }
        other => panic!("expected a Signal, got {other:?}"),
    }
}

#[test]
fn who_is_stopped_for_good_is_given_up_and_all_it_did_not_take_comes_back() {
    let mut options = Options::default();
    options.protocol.send_timeout = Some(TIMEOUT);
    let mut stage = Stage::new(Options::default(), options, "tcp|127.0.0.1|0");
    let neighbour = stage.pair();
    let (peer, channel) = connect(&mut stage);
    peer.signal(Signal::STOP);
    stage.client.say_all_it_may(channel, &BODY);
    let end = stage.client.expect_end(channel);
    assert_eq!(end.reason, Status::CommunicationFailed);
    assert!(!end.returned.is_empty());
    stage.assert_answers(neighbour);
    stage.say_goodbye(neighbour);
    drop(peer);
    stage.end();
}
