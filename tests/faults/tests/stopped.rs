//! A peer is stopped while streams run, in both directions on each, and goes on after a while, or never.

use rustix::process::Signal;
use std::time::Instant;
use tofu_faults::process::Process;
use tofu_faults::stage::Stage;
use tofu_faults::streams::{PAUSE, Role, assert_whole, counted, ends, fill_up};
use tofu_faults::timeout::{NONE, SEND, TIMEOUT, only};
use tofu_std::{ChannelNumber, Options, Received, Status};

fn start(role: Role, stage: &mut Stage) -> (Process, Vec<ChannelNumber>) {
    role.start(stage, "tcp|127.0.0.1|0", |arguments| {
        Process::start(env!("CARGO_BIN_EXE_peer"), arguments)
    })
}

#[test]
fn what_is_sent_meanwhile_waits_and_arrives_in_order() {
    for role in Role::BOTH {
        let mut stage = Stage::new(Options::default(), Options::default(), "tcp|127.0.0.1|0");
        let (peer, channels) = start(role, &mut stage);
        let side = role.other(&mut stage);
        peer.signal(Signal::STOP);
        let sent = fill_up(side, &channels);
        peer.signal(Signal::CONT);
        assert_whole(side, &channels, sent);
        drop(peer);
        stage.end();
    }
}

#[test]
fn one_that_never_goes_on_is_given_up_and_what_it_did_not_take_comes_back() {
    for role in Role::BOTH {
        let mut stage = Stage::new(only(SEND), only(SEND), "tcp|127.0.0.1|0");
        let (peer, channels) = start(role, &mut stage);
        let side = role.other(&mut stage);
        peer.signal(Signal::STOP);
        let start = Instant::now();
        fill_up(side, &channels);
        for end in ends(side, channels.len()) {
            assert_eq!(end.reason, Status::CommunicationFailed);
            assert!(!end.returned.is_empty());
        }
        assert!(start.elapsed() >= TIMEOUT);
        drop(peer);
        stage.end();
    }
}

#[test]
fn without_a_timeout_it_is_waited_for() {
    let mut stage = Stage::new(only(NONE), only(NONE), "tcp|127.0.0.1|0");
    let (peer, channels) = start(Role::Server, &mut stage);
    peer.signal(Signal::STOP);
    let start = Instant::now();
    while start.elapsed() < 2 * TIMEOUT {
        match stage.client.receive_within(PAUSE) {
            Some(Received::Peer(_)) | None => {}
            other => panic!("expected nothing but messages, got {other:?}"),
        }
    }
    peer.signal(Signal::CONT);
    for channel in channels {
        assert_eq!(counted(&mut stage.client, channel), 0);
        stage.client.close(channel);
    }
    drop(peer);
    stage.end();
}
