//! A peer is killed while 100 streams run, in both directions on each.

use std::collections::BTreeMap;
use tofu_faults::process::Process;
use tofu_faults::stage::Stage;
use tofu_std::testing::TempSocketPath;
use tofu_std::{ChannelNumber, Opcode, Options, Received, Status};

/// Streams each way.
const STREAMS: usize = 100;
/// Signals of each stream that have arrived before the peer is killed.
const ARRIVED: u64 = 20;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Server,
    Client,
}

fn tcp() -> String {
    "tcp|127.0.0.1|0".into()
}

/// The killed peer, where it listened if it did, and the channels to it.
fn start(stage: &mut Stage, killed: Killed, at: &str) -> (Process, String, Vec<ChannelNumber>) {
    match killed {
        Killed::Server => {
            let mut peer = Process::start(PEER, &["listen", at]);
            let address = peer.line();
            let channels = (0..STREAMS).map(|_| stage.client.connect(&address).channel);
            let channels = channels.collect();
            for _ in 0..STREAMS {
                stage.client.expect(Opcode::HelloResponse);
            }
            (peer, address, channels)
        }
        Killed::Client => {
            let count = STREAMS.to_string();
            let peer = Process::start(PEER, &["connect", &stage.address, &count]);
            let channels =
                (0..STREAMS).map(|_| stage.server.expect(Opcode::HelloRequest).channel());
            (peer, String::new(), channels.collect())
        }
    }
}

/// `here` is where this process listens, `there` where the peer does, if at all.
fn kill(killed: Killed, here: &str, there: &str) {
    let mut stage = Stage::new(Options::default(), Options::default(), here);
    let (peer, address, channels) = start(&mut stage, killed, there);
    let side = match killed {
        Killed::Server => &mut stage.client,
        Killed::Client => &mut stage.server,
    };
    for &channel in &channels {
        side.say(Opcode::Request, channel, b"stream");
    }
    let mut arrived: BTreeMap<_, _> = channels.iter().map(|&channel| (channel, 0)).collect();
    while arrived.values().any(|&count| count < ARRIVED) {
        match side.receive() {
            Received::Peer(signal) if signal.opcode() == Opcode::Signal => {
                *arrived.get_mut(&signal.channel()).expect("it is known") = signal.id();
                // As many go the other way.
                side.say(Opcode::Signal, signal.channel(), signal.body());
            }
            other => panic!("expected a Signal, got {other:?}"),
        }
    }
    peer.kill();

    let mut left = STREAMS;
    while left > 0 {
        match side.receive() {
            Received::Notice(notice) => {
                let end = side.end(notice);
                assert_eq!(end.reason, Status::PeerDisconnected);
                let signals = end.delivered.iter().filter(|it| it.opcode == Opcode::Signal);
                assert!(signals.map(|it| it.id).eq(1..=arrived[&notice.channel]), "in order");
                left -= 1;
            }
            Received::Peer(signal) => {
                assert_eq!(signal.opcode(), Opcode::Signal);
                arrived.insert(signal.channel(), signal.id());
            }
            Received::Returned(..) => {}
        }
    }
    if killed == Killed::Server {
        assert_replaced(&mut stage, &address);
    }
    stage.end();
}

/// Another peer listens where the killed one did.
fn assert_replaced(stage: &mut Stage, address: &str) {
    let mut peer = Process::start(PEER, &["listen", address]);
    assert_eq!(peer.line(), address);
    let channel = stage.client.connect(address).channel;
    stage.client.expect(Opcode::HelloResponse);
    stage.client.say(Opcode::ByeRequest, channel, b"");
    stage.client.expect(Opcode::ByeResponse);
    assert_eq!(stage.client.expect_end(channel).reason, Status::Success);
}

#[test]
fn every_channel_of_a_server_that_is_killed_ends_over_tcp() {
    kill(Killed::Server, &tcp(), &tcp());
}

#[test]
fn every_channel_of_a_client_that_is_killed_ends_over_tcp() {
    kill(Killed::Client, &tcp(), &tcp());
}

#[test]
fn every_channel_of_a_server_that_is_killed_ends_over_a_unix_socket() {
    let (here, there) = (TempSocketPath::new(), TempSocketPath::new());
    kill(Killed::Server, &here.address(), &there.address());
}

#[test]
fn every_channel_of_a_client_that_is_killed_ends_over_a_unix_socket() {
    let here = TempSocketPath::new();
    kill(Killed::Client, &here.address(), "");
}
