//! A peer that restarts, a cable that is pulled, noise.
#![allow(missing_docs)]

mod support;

use std::time::Duration;
use support::talk::{check, reasons, talk_well};
use support::{Inbox, Node, Pair, close_reason, peers};
use tofu_core::{Opcode, Received, Status};
use tofu_loopback::Rng;

const NOW: Duration = Duration::ZERO;

/// The node at `side` restarts; `session` is the number its line begins with.
fn restart(pair: &mut Pair, side: usize, session: u32) {
    pair.nodes[side] = Node::new(pair.wire.end(side), session);
}

#[test]
fn a_client_that_restarts_ends_its_old_channel() {
    // Even with the session number of the run before.
    for session in [7_000, 1_000] {
        let (mut pair, _) = Pair::connected(1);
        restart(&mut pair, 0, session);
        pair.nodes[0].connect();
        let [_, at_server] = pair.run(NOW);
        let [Received::Notice(closed), Received::Peer(hello)] = &at_server[..] else {
            panic!("{at_server:?}")
        };
        assert_eq!(closed.status, Status::ChannelClosed);
        assert_eq!(closed.reason, Status::CommunicationFailed);
        assert_eq!(hello.opcode(), Opcode::HelloRequest);
        assert_ne!(hello.channel(), closed.channel);
    }
}

#[test]
fn a_client_that_restarts_and_stays_silent_is_noticed() {
    let (mut pair, _) = Pair::connected(1);
    restart(&mut pair, 0, 7_000);
    // The server says that it is alive, and hears that nobody knows it.
    let [_, at_server] = pair.run(Duration::from_secs(2));
    assert_eq!(close_reason(&at_server), Status::CommunicationFailed);
}

#[test]
fn a_server_that_restarts_is_noticed() {
    let (mut pair, [client, _]) = Pair::connected(1);
    restart(&mut pair, 1, 7_000);
    pair.nodes[1].listen();
    pair.nodes[0].send(Opcode::Request, client, 1, b"anybody?");
    let [at_client, _] = pair.run(NOW);
    assert_eq!(close_reason(&at_client), Status::CommunicationFailed);
    drop(at_client);
    talk_well(&mut pair);
}

#[test]
fn an_idle_channel_lives() {
    let (mut pair, [client, _]) = Pair::connected(1);
    for received in pair.run(Duration::from_secs(3_600)) {
        assert!(received.is_empty(), "{received:?}");
    }
    pair.nodes[0].send(Opcode::Request, client, 1, b"");
    assert_eq!(peers(&pair.run(NOW)[1]), [(Opcode::Request, 1)]);
}

#[test]
fn a_pulled_cable_is_noticed_by_both() {
    let (mut pair, [client, _]) = Pair::connected(1);
    pair.wire.cut(true);
    pair.nodes[0].send(Opcode::Request, client, 1, b"lost");
    let received = pair.run(Duration::from_secs(4));
    assert!(received.iter().all(Vec::is_empty), "{received:?}");
    for received in pair.run(Duration::from_secs(2)) {
        assert_eq!(close_reason(&received), Status::CommunicationFailed);
    }
    pair.wire.cut(false);
    talk_well(&mut pair);
}

/// Ends a channel after the cable was out while the client sent.
fn cable_out_for(time: Duration) -> [Inbox; 2] {
    let (mut pair, [client, _]) = Pair::connected(1);
    pair.wire.cut(true);
    pair.nodes[0].send(Opcode::Request, client, 1, &[1; 500]);
    let received = pair.run(time);
    assert!(received.iter().all(Vec::is_empty), "{received:?}");
    pair.wire.cut(false);
    pair.nodes[0].send(Opcode::Request, client, 2, b"after the gap");
    let received = pair.run(Duration::from_secs(2));
    pair.wire.cut(false);
    received
}

#[test]
fn what_went_missing_while_the_cable_was_out_is_noticed() {
    for millis in [0, 500, 3_000] {
        for received in cable_out_for(Duration::from_millis(millis)) {
            assert!(peers(&received).is_empty(), "nothing after a gap is delivered");
            assert_eq!(close_reason(&received), Status::CommunicationFailed);
        }
    }
}

#[test]
fn noise_before_and_between_sessions_does_no_harm() {
    let mut rng = Rng::new(1);
    for seed in 0..100 {
        let mut pair = Pair::listening(seed);
        for _ in 0..3 {
            for side in [0, 1] {
                let noise: Vec<u8> = (0..rng.below(600)).map(|_| rng.next_u64() as u8).collect();
                pair.wire.inject(side, &noise);
            }
            talk_well(&mut pair);
        }
    }
}

#[test]
fn noise_in_a_session_ends_it() {
    for noise in [&b"\x55\x00"[..], b"\x01\x00", b"\xff\xff\xff"] {
        for side in [0, 1] {
            let (mut pair, _) = Pair::connected(1);
            pair.wire.inject(side, noise);
            for received in pair.run(Duration::from_secs(2)) {
                assert_eq!(close_reason(&received), Status::CommunicationFailed);
            }
        }
    }
}

#[test]
fn zeros_are_no_noise() {
    let (mut pair, [client, _]) = Pair::connected(1);
    pair.wire.inject(0, &[0; 100]);
    pair.nodes[0].send(Opcode::Request, client, 1, b"");
    assert_eq!(peers(&pair.run(NOW)[1]), [(Opcode::Request, 1)]);
}

#[test]
fn an_overrun_of_the_receiver_ends_the_channel() {
    let (mut pair, _) = Pair::connected(1);
    pair.wire.overrun(1);
    for received in pair.run(NOW) {
        assert_eq!(close_reason(&received), Status::CommunicationFailed);
    }
    talk_well(&mut pair);
}

#[test]
fn a_restart_at_any_moment_of_a_conversation_is_noticed() {
    let mut unfinished = 0;
    for turns in 0..60 {
        let mut pair = Pair::listening(5);
        let client = pair.nodes[0].connect();
        for id in 1..=5 {
            pair.nodes[0].send(Opcode::Request, client, id, &[9; 200]);
        }
        pair.turn(turns);
        restart(&mut pair, 0, 9_000);
        let [_, at_server] = pair.run(Duration::from_secs(10));
        if !at_server.is_empty() {
            assert_eq!(close_reason(&at_server), Status::CommunicationFailed);
            unfinished += 1;
        }
        drop(at_server);
        let stories = talk_well(&mut pair);
        check(&stories);
        assert_eq!(reasons(&stories).0, Status::Success);
    }
    assert!(unfinished > 10, "restarts hit the conversation");
}
