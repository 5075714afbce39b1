//! An address from a DHCP server: had, kept, changed and lost.

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::dhcp::{Asked, DhcpServer, Mood, SERVER};
use support::frames;
use support::{Plan, Rig};
use tofu_core::{ChannelNumber, Opcode, Received, Status};
use tofu_smoltcp::smoltcp::phy::Medium;
use tofu_smoltcp::smoltcp::socket::{Socket, dhcpv4};
use tofu_smoltcp::smoltcp::wire::{
    DHCP_SERVER_PORT, DhcpMessageType, IpAddress, IpCidr, Ipv4Address,
};

const LEASED: Ipv4Address = Ipv4Address::new(10, 0, 0, 50);
const LEASE: Duration = Duration::from_secs(600);
/// The first node is there as well, behind its router.
const ELSEWHERE: Ipv4Address = Ipv4Address::new(192, 0, 2, 7);
/// A client asks that often when there is no answer.
const DISCOVERY: Duration = Duration::from_secs(10);

/// The second node has no address but what it leases from the first.
fn rig() -> (Rig, Rc<RefCell<DhcpServer>>) {
    lossy_rig(0)
}

/// So it is, over a cable that loses so many percent of the frames.
fn lossy_rig(loss: u8) -> (Rig, Rc<RefCell<DhcpServer>>) {
    let server = IpCidr::new(SERVER.into(), 24);
    let plans = [
        Plan { addresses: vec![server, IpCidr::new(ELSEWHERE.into(), 32)], ..Plan::default() },
        Plan { sockets: vec![Socket::Dhcpv4(dhcpv4::Socket::new())], ..Plan::default() },
    ];
    let mut rig = Rig::with(Medium::Ethernet, loss, plans);
    let server = DhcpServer::new(LEASED, LEASE.as_secs() as u32);
    let server = rig.serve(DHCP_SERVER_PORT, server);
    (rig, server)
}

fn addresses(rig: &Rig) -> Vec<IpCidr> {
    rig.nodes[1].stack.interface().ip_addrs().to_vec()
}

fn leased(address: Ipv4Address) -> [IpCidr; 1] {
    [IpCidr::new(address.into(), 24)]
}

/// Waits until the second node has these addresses and no other; how long that took.
#[track_caller]
fn wait_for(rig: &mut Rig, expected: &[IpCidr]) -> Duration {
    let began = rig.now;
    let found = rig.run(LEASE * 2, |rig| (addresses(rig) == expected).then_some(()));
    assert!(found.is_some(), "{:?} in the end", addresses(rig));
    rig.now.since(began)
}

/// Passes a message from the second node to the first.
#[track_caller]
fn say(rig: &mut Rig, [server, client]: [ChannelNumber; 2], what: &[u8]) {
    rig.nodes[1].send(Opcode::Signal, client, 1, what);
    let heard = rig.peer(0, Opcode::Signal);
    assert_eq!((heard.channel(), heard.body()), (server, what));
}

fn count(server: &RefCell<DhcpServer>, kind: DhcpMessageType) -> usize {
    server.borrow().asked.iter().filter(|asked| asked.kind == kind).count()
}

#[test]
fn a_lease_is_address_and_router() {
    let (mut rig, _server) = rig();
    assert_eq!(addresses(&rig), []);
    assert!(wait_for(&mut rig, &leased(LEASED)) < Duration::from_secs(1));
    for host in [SERVER, ELSEWHERE] {
        let address = rig.listen(0, &format!("tcp|{host}|7099"));
        let channels = rig.join(&address);
        say(&mut rig, channels, b"hello");
    }
}

#[test]
fn clients_find_the_leased_address() {
    let (mut rig, _server) = rig();
    wait_for(&mut rig, &leased(LEASED));
    let address = rig.listen(1, "tcp||7099");
    assert_eq!(address, format!("tcp|{LEASED}|7099"));
    let client = rig.nodes[0].connect(&address);
    rig.peer(1, Opcode::HelloRequest);
    rig.nodes[0].send(Opcode::Signal, client, 1, b"found you");
    assert_eq!(rig.peer(1, Opcode::Signal).body(), b"found you");
}

#[test]
fn before_the_lease_nothing_can_be_reached_and_listening_waits_for_it() {
    let (mut rig, server) = rig();
    server.borrow_mut().mood = Mood::Silent;
    let began = rig.now;
    let channel = rig.nodes[1].connect(&format!("tcp|{SERVER}|7099"));
    rig.returned(1, Status::ConnectFailed);
    assert_eq!(rig.closed(1, channel), Status::ConnectFailed);
    assert_eq!(rig.now.since(began), Duration::ZERO, "without an attempt");
    rig.listen(1, "tcp||7099");
    rig.pass(DISCOVERY * 10);
    assert_eq!(addresses(&rig), []);
    assert!(count(&server, DhcpMessageType::Discover) >= 10, "it goes on asking");
    server.borrow_mut().mood = Mood::Grants;
    assert!(wait_for(&mut rig, &leased(LEASED)) <= DISCOVERY);
    rig.nodes[0].connect(&format!("tcp|{LEASED}|7099"));
    rig.peer(1, Opcode::HelloRequest);
}

#[test]
fn a_lease_is_renewed_and_connections_live_on() {
    let (mut rig, server) = rig();
    wait_for(&mut rig, &leased(LEASED));
    let address = rig.listen(0, "tcp||7099");
    let channels = rig.join(&address);
    server.borrow_mut().asked.clear();
    for _ in 0..12 {
        rig.pass(LEASE / 4);
        assert_eq!(addresses(&rig), leased(LEASED));
        say(&mut rig, channels, b"still here");
    }
    // At half time each.
    let renewal = Asked { kind: DhcpMessageType::Request, directly: true };
    assert_eq!(server.borrow().asked, [renewal; 6]);
}

/// What the second node receives up to the end of some channels.
#[derive(Default)]
struct Ends {
    /// The channels, in order, and why they ended.
    closed: Vec<(ChannelNumber, Status)>,
    /// Ids of the messages that came back, and why they did.
    back: Vec<(u64, Status)>,
}

impl Ends {
    #[track_caller]
    fn of(rig: &mut Rig, count: usize) -> Ends {
        let mut ends = Ends::default();
        while ends.closed.len() < count {
            match rig.next(1) {
                Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                    ends.closed.push((notice.channel, notice.reason));
                }
                Received::Returned(message, status) => ends.back.push((message.id(), status)),
                other => panic!("expected the ends of channels, received {other:?}"),
            }
        }
        ends.closed.sort_unstable_by_key(|(channel, _)| *channel);
        ends
    }
}

#[test]
fn a_lease_that_nobody_renews_is_lost_and_its_connections_end() {
    let (mut rig, server) = rig();
    wait_for(&mut rig, &leased(LEASED));
    let began = rig.now;
    let address = rig.listen(0, "tcp||7099");
    let ([_, idle], [_, busy]) = (rig.join(&address), rig.join(&address));
    // The first node has nothing to read into.
    let held: Vec<_> = std::iter::from_fn(|| rig.nodes[0].engine.get()).collect();
    let posted = (1..).take_while(|id| rig.nodes[1].try_send(Opcode::Signal, busy, *id, 1_000));
    let posted = posted.count() as u64;
    server.borrow_mut().mood = Mood::Silent;
    rig.pass(LEASE - Duration::from_secs(5));
    // Nobody is there, and the engine would wait for ten seconds.
    let connecting = rig.nodes[1].connect("tcp|10.0.0.99|1");
    let Ends { closed, back } = Ends::of(&mut rig, 3);
    assert_eq!(rig.now.since(began).as_secs(), LEASE.as_secs());
    let lost = Status::PeerDisconnected;
    assert_eq!(closed, [(idle, lost), (busy, lost), (connecting, Status::ConnectFailed)]);
    let unsent: Vec<_> = back.iter().filter(|(_, status)| *status == lost).map(|it| it.0).collect();
    assert!(unsent.len() > 5, "{back:?}");
    assert!(unsent.iter().copied().eq(posted + 1 - unsent.len() as u64..=posted), "{back:?}");
    assert_eq!(addresses(&rig), []);
    drop(held);
    // And it can be had again.
    server.borrow_mut().mood = Mood::Grants;
    assert!(wait_for(&mut rig, &leased(LEASED)) <= DISCOVERY);
    rig.nodes[1].connect(&address);
    let hello = |received: &Received<_>| matches!(received, Received::Peer(message) if message.opcode() == Opcode::HelloRequest);
    while !hello(&rig.next(0)) {}
}

#[test]
fn another_address_replaces_the_first_and_ends_its_connections() {
    // Granted in place of a renewal, or after a refusal.
    for mood in [Mood::Grants, Mood::Refuses] {
        let (mut rig, server) = rig();
        wait_for(&mut rig, &leased(LEASED));
        let address = rig.listen(0, "tcp||7099");
        let [_, client] = rig.join(&address);
        rig.listen(1, "tcp||7");
        server.borrow_mut().mood = mood;
        let another = Ipv4Address::new(10, 0, 0, 51);
        server.borrow_mut().address = another;
        rig.run(LEASE, |rig| (addresses(rig) != leased(LEASED)).then_some(()));
        server.borrow_mut().mood = Mood::Grants;
        assert!(wait_for(&mut rig, &leased(another)) <= DISCOVERY, "{mood:?}");
        assert_eq!(rig.closed(1, client), Status::PeerDisconnected);
        let channels = rig.join(&address);
        say(&mut rig, channels, b"under another address");
        rig.nodes[0].connect(&format!("tcp|{another}|7"));
        rig.peer(1, Opcode::HelloRequest);
    }
}

#[test]
fn the_router_is_that_of_the_last_lease() {
    let (mut rig, server) = rig();
    wait_for(&mut rig, &leased(LEASED));
    let (near, far) = (format!("tcp|{SERVER}|7099"), format!("tcp|{ELSEWHERE}|7099"));
    rig.listen(0, "tcp||7099");
    let [server_end, client_end] = rig.join(&far);
    rig.nodes[1].send(Opcode::ByeSignal, client_end, 1, b"");
    rig.closed(1, client_end);
    rig.closed(0, server_end);
    server.borrow_mut().router = None;
    rig.pass(LEASE / 2 + DISCOVERY);
    let channel = rig.nodes[1].connect(&far);
    rig.returned(1, Status::ConnectFailed);
    rig.closed(1, channel);
    rig.join(&near);
    server.borrow_mut().router = Some(SERVER);
    rig.pass(LEASE / 2 + DISCOVERY);
    rig.join(&far);
}

#[test]
fn addresses_of_the_applications_own_stay() {
    let (server, own) = (IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 1), "fd00::2");
    let fixed = IpCidr::new(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 2), 64);
    let first = vec![IpCidr::new(SERVER.into(), 24), IpCidr::new(server, 64)];
    let dhcp = Socket::Dhcpv4(dhcpv4::Socket::new());
    let plans = [
        Plan { addresses: first, ..Plan::default() },
        Plan { addresses: vec![fixed], sockets: vec![dhcp], ..Plan::default() },
    ];
    let mut rig = Rig::with(Medium::Ethernet, 0, plans);
    let server = rig.serve(DHCP_SERVER_PORT, DhcpServer::new(LEASED, LEASE.as_secs() as u32));
    assert_eq!(rig.listen(1, "tcp||7"), format!("tcp|{own}|7"));
    let address = rig.listen(0, "tcp|fd00::1|7099");
    let channels = rig.join(&address);
    let [lease] = leased(LEASED);
    wait_for(&mut rig, &[fixed, lease]);
    server.borrow_mut().mood = Mood::Silent;
    wait_for(&mut rig, &[fixed]);
    say(&mut rig, channels, b"the other address is still here");
}

#[test]
fn a_lease_survives_a_bad_cable() {
    let (mut rig, server) = lossy_rig(20);
    wait_for(&mut rig, &leased(LEASED));
    // Half a lease is time for more than one attempt.
    for _ in 0..50 {
        rig.pass(LEASE / 2);
        assert_eq!(addresses(&rig), leased(LEASED));
    }
    let renewals = server.borrow().asked.iter().filter(|asked| asked.directly).count();
    assert!(renewals >= 25, "{renewals} renewals in 25 times the lease");
}

#[test]
fn a_lease_asks_for_no_turn_but_to_be_renewed() {
    let (mut rig, _server) = rig();
    wait_for(&mut rig, &leased(LEASED));
    rig.pass(Duration::from_secs(1));
    let mut turns = 0;
    rig.run(LEASE * 10, |_| {
        turns += 1;
        None::<()>
    });
    // Twenty renewals: question and answer, now and then after asking for the hardware address.
    assert!((40..=120).contains(&turns), "{turns} turns");
}

#[test]
fn a_router_that_no_host_can_be_is_left_away() {
    for router in [[0, 0, 0, 0], [255; 4], [224, 0, 0, 1], [10, 0, 0, 255]] {
        let (mut rig, server) = rig();
        server.borrow_mut().router = Some(Ipv4Address::from(router));
        wait_for(&mut rig, &leased(LEASED));
        rig.nodes[1].connect("tcp|192.0.2.9|7099");
        rig.returned(1, Status::ConnectFailed);
    }
}

#[test]
fn a_server_that_is_nowhere_leases_nothing() {
    for from in [[0, 0, 0, 0], [255; 4], [224, 0, 0, 1]] {
        let (mut rig, server) = rig();
        server.borrow_mut().mood = Mood::Silent;
        for kind in [DhcpMessageType::Offer, DhcpMessageType::Ack] {
            let asked = rig.run(LEASE, |rig| {
                // Too long for anything else.
                rig.frames(0).into_iter().find(|frame| frame.len() > 200)
            });
            let asked = asked.expect("the client asks");
            rig.pass(Duration::from_millis(5));
            rig.inject(1, frames::lease(kind, &asked, Ipv4Address::from(from), LEASED));
        }
        // Beyond the time when it asks for more.
        rig.pass(Duration::from_secs(50));
        server.borrow_mut().mood = Mood::Grants;
        wait_for(&mut rig, &leased(LEASED));
    }
}
