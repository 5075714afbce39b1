//! The link between two networks goes down in mid-transfer, and comes back, or doesn't.

use libtest_mimic::{Failed, Trial};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Instant;
use tofu_conformance::namespace::{Network, enter, prepare};
use tofu_conformance::skip::Needy;
use tofu_faults::process::Process;
use tofu_faults::stage::Stage;
use tofu_faults::streams::{Peer, Role, STREAMS, assert_whole, ends, fill, fill_up};
use tofu_faults::timeout::{IDLE, NONE, SEND, Set, TIMEOUT, only};
use tofu_std::Status;

const NEAR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);

fn main() -> ExitCode {
    let tests = Needy { name: "the tests with networks", variable: "TOFU_FAULTS", threads: 1 };
    let trials = vec![
        Trial::test("when_the_link_is_back_the_streams_go_on_and_nothing_is_lost", comes_back),
        Trial::test("when_it_stays_down_what_was_not_taken_comes_back", not_taken),
        Trial::test("when_it_stays_down_a_silent_channel_is_given_up", silent),
    ];
    tests.run(prepare, trials)
}

/// Two networks, a server and a client in this one, and a peer in the other.
fn start(role: Role, timeout: Set) -> (Network, Stage, Peer) {
    enter().expect("it was tried");
    let network = Network::beside(NEAR, FAR).expect("a cable");
    let mut stage = Stage::new(only(timeout), only(timeout), &format!("tcp|{NEAR}|0"));
    let peer = role.start(&mut stage, &format!("tcp|{FAR}|0"), STREAMS, |arguments| {
        let started = network.run(|| Ok(Process::start(env!("CARGO_BIN_EXE_peer"), arguments)));
        started.expect("it starts")
    });
    (network, stage, peer)
}

fn comes_back() -> Result<(), Failed> {
    for role in Role::BOTH {
        let (network, mut stage, peer) = start(role, NONE);
        let side = role.other(&mut stage);
        network.set_cable(false)?;
        let sent = fill_up(side, &peer.channels);
        network.set_cable(true)?;
        assert_whole(side, &peer.channels, sent);
        drop(peer);
        stage.end();
    }
    Ok(())
}

fn not_taken() -> Result<(), Failed> {
    for role in Role::BOTH {
        let (network, mut stage, peer) = start(role, SEND);
        let side = role.other(&mut stage);
        network.set_cable(false)?;
        let start = Instant::now();
        fill(side, &peer.channels);
        for end in ends(side, peer.channels.len()) {
            assert_eq!(end.reason, Status::CommunicationFailed);
            assert!(!end.returned.is_empty());
        }
        assert!(start.elapsed() >= TIMEOUT);
        drop(peer);
        stage.end();
    }
    Ok(())
}

fn silent() -> Result<(), Failed> {
    for role in Role::BOTH {
        let (network, mut stage, peer) = start(role, IDLE);
        network.set_cable(false)?;
        let side = role.other(&mut stage);
        for end in ends(side, peer.channels.len()) {
            assert_eq!(end.reason, Status::CommunicationFailed);
        }
        drop(peer);
        stage.end();
    }
    Ok(())
}
