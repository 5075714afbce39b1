//! A peer is killed while 100 streams run, in both directions on each.

use std::collections::BTreeMap;
use tofu_faults::process::Process;
use tofu_faults::stage::Stage;
use tofu_faults::streams::{Peer, Role};
use tofu_std::testing::TempSocketPath;
use tofu_std::{Opcode, Options, Received, Status};

/// Streams each way.
const STREAMS: usize = 100;
/// Signals of each stream that have arrived before the peer is killed.
const ARRIVED: u64 = 20;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn tcp() -> String {
    "tcp|127.0.0.1|0".into()
}

/// `killed` is what the peer is; `here` is where this process listens, `there` where the peer does.
fn kill(killed: Role, here: &str, there: &str) {
    let mut stage = Stage::new(Options::default(), Options::default(), here);
    let Peer { process, address, channels } =
        killed.start(&mut stage, there, STREAMS, |arguments| Process::start(PEER, arguments));
    let side = killed.other(&mut stage);
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
    process.kill();

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
    if let Some(address) = address {
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
    kill(Role::Server, &tcp(), &tcp());
}

#[test]
fn every_channel_of_a_client_that_is_killed_ends_over_tcp() {
    kill(Role::Client, &tcp(), &tcp());
}

#[test]
fn every_channel_of_a_server_that_is_killed_ends_over_a_unix_socket() {
    let (here, there) = (TempSocketPath::new(), TempSocketPath::new());
    kill(Role::Server, &here.address(), &there.address());
}

#[test]
fn every_channel_of_a_client_that_is_killed_ends_over_a_unix_socket() {
    let here = TempSocketPath::new();
    kill(Role::Client, &here.address(), "");
}
