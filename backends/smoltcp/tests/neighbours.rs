//! Neighbours on the cable that are not there: a stack asks for one a second, and others want theirs as well.

mod support;

use std::time::Duration;
use support::frames;
use support::names::{self, NameServer};
use support::{Plan, Rig, SOCKETS};
use tofu_core::{Opcode, Received, Status};
use tofu_smoltcp::Options;
use tofu_smoltcp::smoltcp::phy::Medium;
use tofu_smoltcp::smoltcp::socket::{Socket, dns};
use tofu_smoltcp::smoltcp::wire::{IpAddress, IpCidr, Ipv4Address};

const ANYWHERE: &str = "tcp||7099";
/// Nobody's.
const ABSENT: Ipv4Address = Ipv4Address::new(10, 0, 0, 99);
const TO_ABSENT: &str = "tcp|10.0.0.99|7099";
/// The first port a stack connects from, counted by its seed.
const FIRST_PORT: u16 = 49_152;
/// How long a stack knows a neighbour that says nothing.
const CACHED: Duration = Duration::from_secs(60);

/// The second node asks the first for names, which says that `a.test` is itself.
fn rig_with_names() -> Rig {
    let server = IpAddress::v4(10, 0, 0, 1);
    let queries: Vec<Option<dns::DnsQuery>> = (0..4).map(|_| None).collect();
    let sockets = vec![Socket::Dns(dns::Socket::new(&[server], queries.leak()))];
    let client = IpCidr::new(IpAddress::v4(10, 0, 0, 2), 24);
    let plans = [
        Plan { addresses: vec![IpCidr::new(server, 24)], ..Plan::default() },
        Plan { addresses: vec![client], sockets, ..Plan::default() },
    ];
    let mut rig = Rig::with(Medium::Ethernet, 0, plans);
    let names = rig.serve(names::PORT, NameServer::default());
    names.borrow_mut().add("a.test", &[server]);
    rig.listen(0, ANYWHERE);
    rig
}

/// The second node connects to an address of the first; how long that takes, and how often it failed before. Meanwhile
/// one of them tries again and again to reach somebody who is not there.
fn reach(rig: &mut Rig, address: &str, busy: usize) -> (Duration, u32) {
    let began = rig.now;
    let mut failures = 0;
    let mut wanted = rig.nodes[1].connect(address);
    let found = rig.run(Duration::from_secs(200), |rig| {
        for node in 0..2 {
            while let Some(received) = rig.nodes[node].receive() {
                match received {
                    Received::Peer(message) if message.opcode() == Opcode::HelloRequest => {
                        return Some(());
                    }
                    Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                        if node == 1 && notice.channel == wanted {
                            failures += 1;
                            wanted = rig.nodes[1].connect(address);
                        } else if node == busy {
                            rig.nodes[busy].connect(TO_ABSENT);
                        }
                    }
                    _ => {}
                }
            }
        }
        None
    });
    assert!(found.is_some(), "it is never reached, after {failures} failures");
    (rig.now.since(began), failures)
}

#[test]
fn a_connection_that_was_given_up_leaves_no_traffic() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let channel = rig.nodes[1].connect(TO_ABSENT);
    rig.returned(1, Status::ConnectFailed);
    rig.closed(1, channel);
    rig.pass(Options::DEFAULT.linger * 3);
    let (mut turns, mut frames) = (0, 0);
    rig.run(Duration::from_secs(60), |rig| {
        turns += 1;
        frames += rig.in_flight();
        None::<()>
    });
    assert_eq!(frames, 0);
    assert!(turns <= 2, "{turns} turns in a minute");
}

#[test]
fn after_connections_that_were_given_up_names_are_found_at_once() {
    for given_up in 1..4 {
        let mut rig = rig_with_names();
        for _ in 0..given_up {
            rig.nodes[1].connect(TO_ABSENT);
        }
        for _ in 0..given_up {
            rig.returned(1, Status::ConnectFailed);
            rig.next(1);
        }
        rig.pass(CACHED + Duration::from_millis(300));
        let began = rig.now;
        rig.nodes[1].connect("tcp|a.test|7099");
        rig.peer(0, Opcode::HelloRequest);
        assert!(rig.now.since(began) < Duration::from_millis(100));
    }
}

#[test]
fn while_somebody_absent_is_looked_for_names_are_found() {
    for wait in (0..1_000).step_by(50) {
        let mut rig = rig_with_names();
        rig.nodes[1].connect(TO_ABSENT);
        rig.pass(Duration::from_millis(wait));
        let (time, failures) = reach(&mut rig, "tcp|a.test|7099", 1);
        assert_eq!(failures, 0, "after {wait} ms");
        assert!(time < Duration::from_secs(4), "after {wait} ms it takes {time:?}");
    }
}

#[test]
fn while_somebody_absent_is_looked_for_a_client_that_knows_the_board_gets_in() {
    for wait in (0..1_000).step_by(50) {
        let mut rig = Rig::new(Medium::Ethernet, 0);
        let address = rig.listen(0, ANYWHERE);
        rig.join(&address);
        rig.pass(Duration::from_secs(1));
        rig.reboot(0);
        rig.listen(0, ANYWHERE);
        rig.nodes[0].connect(TO_ABSENT);
        rig.pass(Duration::from_millis(wait));
        let (time, failures) = reach(&mut rig, &address, 0);
        assert_eq!(failures, 0, "after {wait} ms");
        assert!(time < Duration::from_secs(4), "after {wait} ms it takes {time:?}");
    }
}

#[test]
fn a_syn_that_crosses_one_which_was_not_sent_ends_the_connection_and_no_more() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let channel = rig.nodes[1].connect(TO_ABSENT);
    rig.pass(Duration::from_millis(10));
    // One of them is the port.
    for port in FIRST_PORT..FIRST_PORT + 8 {
        rig.inject(1, frames::syn((ABSENT, 7_099), (1, port)));
    }
    let began = rig.now;
    rig.returned(1, Status::ConnectFailed);
    rig.closed(1, channel);
    assert!(rig.now.since(began) < Duration::from_millis(100));
    let address = rig.listen(0, ANYWHERE);
    rig.join(&address);
}

#[test]
fn clients_that_are_not_there_do_not_shut_the_others_out_for_long() {
    for strangers in [SOCKETS as u8, 60] {
        let mut rig = Rig::new(Medium::Ethernet, 0);
        rig.listen(0, ANYWHERE);
        for stranger in 0..strangers {
            let from = Ipv4Address::new(10, 0, 0, 100 + stranger);
            rig.inject(0, frames::syn((from, 7_000), (0, 7_099)));
        }
        rig.pass(Duration::from_millis(10));
        let began = rig.now;
        rig.nodes[1].connect("tcp|10.0.0.1|7099");
        let found = rig.run(Duration::from_secs(200), |rig| {
            while let Some(received) = rig.nodes[1].receive() {
                if matches!(received, Received::Notice(_)) {
                    rig.nodes[1].connect("tcp|10.0.0.1|7099");
                }
            }
            rig.nodes[0].receive()
        });
        assert!(matches!(found, Some(Received::Peer(_))), "{found:?}");
        assert!(rig.now.since(began) < Duration::from_secs(15), "{:?}", rig.now.since(began));
    }
}
