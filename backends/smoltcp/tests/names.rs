//! Connecting to names: what a name server says of them, and what if it says nothing.

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::dhcp::{DhcpServer, Mood, SERVER};
use support::names::{self, NameServer};
use support::{Plan, Rig};
use tofu_core::{ChannelNumber, Opcode, Options, Received, Status};
use tofu_smoltcp::smoltcp::phy::Medium;
use tofu_smoltcp::smoltcp::socket::{Socket, dhcpv4, dns};
use tofu_smoltcp::smoltcp::wire::{DHCP_SERVER_PORT, DnsQueryType, IpAddress, IpCidr, Ipv4Address};

/// The first node's addresses, where its name server listens, too.
const V4: IpAddress = IpAddress::v4(10, 0, 0, 1);
const V6: IpAddress = IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 1);
/// The second node's.
const CLIENT_V4: IpCidr = IpCidr::new(IpAddress::v4(10, 0, 0, 2), 24);
/// Nobody's.
const NOBODY: [IpAddress; 3] =
    [IpAddress::v4(10, 0, 0, 97), IpAddress::v4(10, 0, 0, 98), IpAddress::v4(10, 0, 0, 99)];
const LEASE: Duration = Duration::from_secs(600);
/// Questions at once: both versions of two names.
const QUERIES: usize = 4;

fn dns_socket(servers: &[IpAddress]) -> Socket<'static> {
    // As a board has it: memory for so many and no more.
    let queries: Vec<Option<dns::DnsQuery>> = (0..QUERIES).map(|_| None).collect();
    Socket::Dns(dns::Socket::new(servers, queries.leak()))
}

/// Two nodes with these addresses; the second asks the name server of the first.
fn rig_with(loss: u8, first: [IpCidr; 2], second: &[IpCidr]) -> (Rig, Rc<RefCell<NameServer>>) {
    let sockets = vec![dns_socket(&[V4])];
    let plans = [
        Plan { addresses: first.to_vec(), ..Plan::default() },
        Plan { addresses: second.to_vec(), sockets, ..Plan::default() },
    ];
    let mut rig = Rig::with(Medium::Ethernet, loss, plans);
    let names = rig.serve(names::PORT, NameServer::default());
    (rig, names)
}

/// Both nodes have both versions of IP.
fn lossy_rig(loss: u8) -> (Rig, Rc<RefCell<NameServer>>) {
    let client_v6 = IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 2);
    let second = [CLIENT_V4, IpCidr::new(client_v6, 64)];
    rig_with(loss, [IpCidr::new(V4, 24), IpCidr::new(V6, 64)], &second)
}

fn rig() -> (Rig, Rc<RefCell<NameServer>>) {
    lossy_rig(0)
}

/// Connects the second node to a name, where the first listens.
#[track_caller]
fn join(rig: &mut Rig, name: &str) -> [ChannelNumber; 2] {
    let client = rig.nodes[1].connect(&format!("tcp|{name}|7099"));
    let server = rig.peer(0, Opcode::HelloRequest).channel();
    [server, client]
}

/// Connects the second node to a name, which fails with this status; how long that took.
#[track_caller]
fn fails(rig: &mut Rig, name: &str, status: Status) -> Duration {
    let began = rig.now;
    let channel = rig.nodes[1].connect(&format!("tcp|{name}|7099"));
    rig.returned(1, status);
    assert_eq!(rig.closed(1, channel), status);
    rig.now.since(began)
}

#[test]
fn a_name_leads_to_its_address() {
    let (mut rig, names) = rig();
    rig.listen(0, "tcp||7099");
    for (name, addresses) in [("v4.test", &[V4][..]), ("v6.test", &[V6]), ("both.test", &[V4, V6])]
    {
        names.borrow_mut().add(name, addresses);
        join(&mut rig, name);
        let asked = std::mem::take(&mut names.borrow_mut().asked);
        assert_eq!(
            asked,
            [DnsQueryType::A, DnsQueryType::Aaaa].map(|kind| (name.to_owned(), kind))
        );
    }
}

#[test]
fn every_address_of_a_name_is_tried() {
    let (mut rig, names) = rig();
    // Refused at one, and heard at the other.
    for (listens, port) in [("10.0.0.1", 1), ("fd00::1", 2)] {
        names.borrow_mut().add("two.test", &[V4, V4, V4, V4, V6]);
        rig.listen(0, &format!("tcp|{listens}|{port}"));
        rig.nodes[1].connect(&format!("tcp|two.test|{port}"));
        rig.peer(0, Opcode::HelloRequest);
    }
}

#[test]
fn every_address_in_an_answer_is_tried() {
    let other = IpAddress::v4(10, 0, 0, 11);
    let (mut rig, names) = rig_with(0, [IpCidr::new(V4, 24), IpCidr::new(other, 24)], &[CLIENT_V4]);
    names.borrow_mut().add("two.test", &[V4, other]);
    for (listens, port) in [("10.0.0.1", 1), ("10.0.0.11", 2)] {
        rig.listen(0, &format!("tcp|{listens}|{port}"));
        rig.nodes[1].connect(&format!("tcp|two.test|{port}"));
        rig.peer(0, Opcode::HelloRequest);
    }
    assert_eq!(rig.nodes[1].stack.stats().refused, 0, "no connection failed in the end");
}

#[test]
fn addresses_where_nobody_answers_leave_time_for_the_next() {
    let (mut rig, names) = rig();
    rig.listen(0, "tcp||7099");
    let [a, b, c] = NOBODY;
    names.borrow_mut().add("late.test", &[a, b, c, V4]);
    let began = rig.now;
    join(&mut rig, "late.test");
    assert!(rig.now.since(began) < Options::DEFAULT.connect_timeout);
}

#[test]
fn a_name_whose_addresses_all_fail_is_a_failed_connection() {
    let (mut rig, names) = rig();
    names.borrow_mut().add("refuses.test", &[V4, V6]);
    // smoltcp looks for one neighbour a second.
    assert!(fails(&mut rig, "refuses.test", Status::ConnectFailed) < Duration::from_secs(2));
    names.borrow_mut().add("silent.test", &NOBODY);
    let took = fails(&mut rig, "silent.test", Status::ConnectFailed);
    assert!(took <= Options::DEFAULT.connect_timeout, "{took:?}");
}

#[test]
fn a_name_without_addresses_is_an_invalid_one() {
    let (mut rig, names) = rig();
    names.borrow_mut().add("empty.test", &[]);
    for name in ["unknown.test", "empty.test"] {
        let took = fails(&mut rig, name, Status::InvalidAddress);
        assert!(took < Duration::from_secs(1), "{name} after {took:?}");
    }
    let long = format!("{}.test", "x".repeat(64));
    for name in ["a..test", ".", &long] {
        assert_eq!(fails(&mut rig, name, Status::InvalidAddress), Duration::ZERO, "{name}");
    }
}

#[test]
fn addresses_of_a_version_that_we_do_not_speak_are_passed_over() {
    let (mut rig, names) = rig_with(0, [IpCidr::new(V4, 24), IpCidr::new(V6, 64)], &[CLIENT_V4]);
    rig.listen(0, "tcp||7099");
    names.borrow_mut().add("both.test", &[V6, V4]);
    join(&mut rig, "both.test");
    names.borrow_mut().add("v6.test", &[V6]);
    assert!(fails(&mut rig, "v6.test", Status::ConnectFailed) < Duration::from_secs(1));
}

#[test]
fn a_silent_name_server_costs_only_the_connections_that_ask_it() {
    let (mut rig, names) = rig();
    rig.listen(0, "tcp||7099");
    let [_, other] = rig.join("tcp|10.0.0.1|7099");
    names.borrow_mut().silence();
    let began = rig.now;
    let channel = rig.nodes[1].connect("tcp|silent.test|7099");
    for id in 1..Options::DEFAULT.connect_timeout.as_secs() {
        rig.nodes[1].send(Opcode::Signal, other, id, b"");
        assert_eq!(rig.peer(0, Opcode::Signal).id(), id);
        let [server, client] = rig.join("tcp|10.0.0.1|7099");
        rig.nodes[1].send(Opcode::ByeSignal, client, 1, b"");
        rig.closed(1, client);
        rig.closed(0, server);
        assert!(rig.now.since(began) < Duration::from_secs(id), "nobody waits");
        let rest = Duration::from_secs(id) - rig.now.since(began);
        rig.pass(rest);
    }
    rig.returned(1, Status::ConnectFailed);
    assert_eq!(rig.closed(1, channel), Status::ConnectFailed);
    assert_eq!(rig.now.since(began), Options::DEFAULT.connect_timeout);
}

#[test]
fn questions_that_are_given_up_make_room_for_others() {
    let (mut rig, names) = rig();
    rig.listen(0, "tcp||7099");
    names.borrow_mut().add("good.test", &[V4]);
    for _ in 0..2 * QUERIES {
        names.borrow_mut().silence();
        fails(&mut rig, "silent.test", Status::ConnectFailed);
        // Nor does the application wait.
        let channel = rig.nodes[1].connect("tcp|silent.test|7099");
        rig.pass(Duration::from_secs(1));
        rig.nodes[1].send(Opcode::ByeSignal, channel, 1, b"");
        rig.returned(1, Status::ChannelClosed);
        rig.closed(1, channel);
    }
    names.borrow_mut().ignores.clear();
    join(&mut rig, "good.test");
}

#[test]
fn one_answer_is_enough() {
    let (mut rig, names) = rig();
    rig.listen(0, "tcp||7099");
    names.borrow_mut().add("both.test", &[V4, V6]);
    // Nor is what was not answered still asked: there would be no room for the last of these.
    for ignored in [DnsQueryType::A, DnsQueryType::Aaaa].repeat(3) {
        names.borrow_mut().ignores = vec![ignored];
        let began = rig.now;
        join(&mut rig, "both.test");
        // smoltcp looks for one neighbour a second.
        assert!(rig.now.since(began) < Duration::from_secs(2), "without {ignored:?}");
    }
}

#[test]
fn a_late_answer_is_used_where_the_first_was_of_no_use() {
    let (mut rig, names) = rig();
    rig.listen(0, "tcp|fd00::1|7099");
    names.borrow_mut().add("both.test", &[V4, V6]);
    names.borrow_mut().ignores = vec![DnsQueryType::Aaaa];
    rig.nodes[1].connect("tcp|both.test|7099");
    rig.pass(Duration::from_millis(500));
    names.borrow_mut().ignores.clear();
    // It asks again.
    rig.peer(0, Opcode::HelloRequest);
}

#[test]
fn more_names_at_once_than_there_is_room_for_fail_without_blame() {
    let (mut rig, names) = rig();
    names.borrow_mut().silence();
    let waiting: Vec<_> =
        (0..QUERIES / 2).map(|_| rig.nodes[1].connect("tcp|silent.test|1")).collect();
    rig.pass(Duration::from_millis(1));
    // The name is not at fault.
    assert_eq!(fails(&mut rig, "good.test", Status::ConnectFailed), Duration::ZERO);
    for channel in waiting {
        rig.returned(1, Status::ConnectFailed);
        rig.closed(1, channel);
    }
}

/// The second node has no address but the one it leases, and asks who the lease says knows names.
fn leasing_rig() -> (Rig, Rc<RefCell<DhcpServer>>, Rc<RefCell<NameServer>>) {
    let dhcp = Socket::Dhcpv4(dhcpv4::Socket::new());
    let plans = [
        Plan { addresses: vec![IpCidr::new(V4, 24), IpCidr::new(V6, 64)], ..Plan::default() },
        Plan { sockets: vec![dhcp, dns_socket(&[])], ..Plan::default() },
    ];
    let mut rig = Rig::with(Medium::Ethernet, 0, plans);
    let leased = Ipv4Address::new(10, 0, 0, 50);
    let leases = rig.serve(DHCP_SERVER_PORT, DhcpServer::new(leased, LEASE.as_secs() as u32));
    let names = rig.serve(names::PORT, NameServer::default());
    names.borrow_mut().add("good.test", &[V4]);
    rig.listen(0, "tcp||7099");
    (rig, leases, names)
}

#[test]
fn the_lease_says_who_knows_names() {
    let (mut rig, leases, names) = leasing_rig();
    rig.pass(Duration::from_secs(1));
    join(&mut rig, "good.test");
    // Another one, who is not there.
    leases.borrow_mut().name_servers = vec![Ipv4Address::new(10, 0, 0, 99)];
    rig.pass(LEASE / 2);
    names.borrow_mut().asked.clear();
    fails(&mut rig, "good.test", Status::ConnectFailed);
    assert_eq!(names.borrow().asked, []);
    leases.borrow_mut().name_servers = vec![SERVER];
    rig.pass(LEASE / 2);
    join(&mut rig, "good.test");
}

#[test]
fn without_a_lease_no_name_is_to_blame() {
    let (mut rig, leases, names) = leasing_rig();
    leases.borrow_mut().mood = Mood::Silent;
    assert!(fails(&mut rig, "good.test", Status::ConnectFailed) < Duration::from_secs(1));
    leases.borrow_mut().mood = Mood::Grants;
    rig.pass(LEASE / 2);
    join(&mut rig, "good.test");
    // It ends between the question and its answer.
    leases.borrow_mut().mood = Mood::Refuses;
    names.borrow_mut().silence();
    let renewal = leases.borrow().asked.len() + 1;
    rig.run(LEASE, |_| (leases.borrow().asked.len() == renewal).then_some(()));
    let channel = rig.nodes[1].connect("tcp|good.test|7099");
    assert!(!rig.nodes[1].stack.interface().ip_addrs().is_empty());
    loop {
        match rig.next(1) {
            // Its other connections end as well.
            Received::Notice(_) => {}
            Received::Returned(message, status) => {
                assert_eq!((message.channel(), status), (channel, Status::ConnectFailed));
                break;
            }
            other => panic!("expected the HelloRequest back, received {other:?}"),
        }
    }
    assert!(rig.nodes[1].stack.interface().ip_addrs().is_empty());
}

#[test]
fn names_are_found_over_a_bad_cable() {
    let (mut rig, names) = lossy_rig(10);
    names.borrow_mut().add("both.test", &[V4, V6]);
    rig.listen(0, "tcp||7099");
    let mut found = 0;
    for _ in 0..50 {
        let client = rig.nodes[1].connect("tcp|both.test|7099");
        let came = rig.run(Options::DEFAULT.connect_timeout * 2, |rig| {
            loop {
                // Those of before end here as well, late.
                if let Received::Peer(_) = rig.nodes[0].receive()? {
                    return Some(());
                }
            }
        });
        if came.is_some() {
            found += 1;
            rig.nodes[1].send(Opcode::ByeSignal, client, 1, b"");
        } else {
            rig.returned(1, Status::ConnectFailed);
        }
        rig.closed(1, client);
    }
    assert!(found >= 45, "{found} of 50");
}
