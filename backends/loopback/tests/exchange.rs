//! Two engines over a clean network: the exchanges of a connection's life, one by one.
#![allow(missing_docs)]

mod support;

use support::{Node, ROOMY, Sim, is_closed, settle};
use tofu_core::{ChannelNumber, Instant, Opcode, Options, Received, Status};
use tofu_loopback::{Direction, Faults, Network};

/// Long enough for everything but timeouts.
const SOON: Instant = Instant::from_millis(1_000);

struct Pair {
    network: Network,
    server: Node,
    client: Node,
}

impl Pair {
    fn new() -> Pair {
        let network = Network::new(1, Faults::default());
        let server = Node::new(&network, "server", ROOMY);
        let client = Node::new(&network, "client", ROOMY);
        Pair { network, server, client }
    }

    /// What server and client received until all is quiet.
    fn settle(&mut self) -> [Vec<Received<Sim>>; 2] {
        settle(&self.network, &mut self.server, &mut self.client, SOON)
    }

    /// A connection over which hello was said: the channel on either side.
    fn connected() -> (Pair, ChannelNumber, ChannelNumber) {
        let mut pair = Pair::new();
        pair.server.listen("x");
        pair.settle();
        let client = pair.client.connect("x", 77);
        let [at_server, _] = pair.settle();
        let [Received::Peer(hello)] = &at_server[..] else { panic!("{at_server:?}") };
        assert_eq!((hello.opcode(), hello.id()), (Opcode::HelloRequest, 77));
        let server = hello.channel();
        (pair, server, client)
    }
}

fn peers(received: &[Received<Sim>]) -> Vec<(Opcode, u64)> {
    let peer = |received: &Received<Sim>| match received {
        Received::Peer(message) => Some((message.opcode(), message.id())),
        _ => None,
    };
    received.iter().filter_map(peer).collect()
}

/// Reason of the `channel_closed` that must stand last, and nowhere else.
fn close_reason(received: &[Received<Sim>]) -> Status {
    assert_eq!(received.iter().filter(|received| is_closed(received)).count(), 1);
    match received.last() {
        Some(Received::Notice(notice)) if notice.status == Status::ChannelClosed => notice.reason,
        other => panic!("channel_closed is not the last word: {other:?}"),
    }
}

#[test]
fn a_welcome_comes_back_with_the_listeners_address() {
    let mut pair = Pair::new();
    let listener = pair.server.listen("x");
    let [received, _] = pair.settle();
    let [Received::Returned(welcome, Status::Success)] = &received[..] else {
        panic!("{received:?}")
    };
    assert_eq!((welcome.opcode(), welcome.channel()), (Opcode::WelcomeResponse, listener));
    assert_eq!(welcome.text().get("~listen_on"), Some(&b"mem|x"[..]));
}

#[test]
fn hello_request_response_bye() {
    let (mut pair, server, client) = Pair::connected();
    pair.server.send(Opcode::HelloResponse, server, 77, b"");
    pair.client.send(Opcode::Request, client, 1, b"question");
    {
        let [at_server, at_client] = pair.settle();
        assert_eq!(peers(&at_client), [(Opcode::HelloResponse, 77)]);
        assert!(matches!(&at_server[..], [Received::Peer(it)] if it.body() == b"question"));
    }
    pair.server.send(Opcode::Response, server, 1, b"answer");
    {
        let [_, at_client] = pair.settle();
        assert!(matches!(&at_client[..], [Received::Peer(it)] if it.body() == b"answer"));
    }
    pair.client.send(Opcode::ByeRequest, client, 2, b"");
    {
        let [at_server, _] = pair.settle();
        assert_eq!(peers(&at_server), [(Opcode::ByeRequest, 2)]);
    }
    pair.server.send(Opcode::ByeResponse, server, 2, b"");
    {
        let [at_server, at_client] = pair.settle();
        assert_eq!(close_reason(&at_server), Status::Success);
        assert_eq!(peers(&at_client), [(Opcode::ByeResponse, 2)]);
        assert_eq!(close_reason(&at_client), Status::Success);
    }
    pair.server.assert_no_leak();
    pair.client.assert_no_leak();
    assert_eq!((pair.server.engine.channels(), pair.client.engine.channels()), (1, 0));
}

#[test]
fn a_hello_to_nobody_comes_back() {
    let mut pair = Pair::new();
    pair.client.connect("nobody", 5);
    let [_, received] = pair.settle();
    let [Received::Returned(hello, status), _] = &received[..] else { panic!("{received:?}") };
    assert_eq!((hello.opcode(), hello.id()), (Opcode::HelloResponse, 5));
    assert_eq!(*status, Status::ConnectFailed);
    assert_eq!(close_reason(&received), Status::ConnectFailed);
}

#[test]
fn a_taken_name_fails_to_listen_and_a_closed_one_is_free_again() {
    let mut pair = Pair::new();
    let listener = pair.server.listen("x");
    pair.settle();
    pair.client.listen("x");
    let [_, received] = pair.settle();
    assert!(matches!(&received[0], Received::Returned(_, Status::ListenFailed)));
    assert_eq!(close_reason(&received), Status::ListenFailed);

    pair.server.send(Opcode::ByeRequest, listener, 3, b"");
    let [received, _] = pair.settle();
    assert_eq!(close_reason(&received), Status::Success);
    pair.client.listen("x");
    let [_, received] = pair.settle();
    assert!(matches!(&received[..], [Received::Returned(_, Status::Success)]));
}

#[test]
fn other_addresses_are_invalid() {
    let mut pair = Pair::new();
    let mut hello = pair.client.get().unwrap();
    hello.connect_to("tcp|127.0.0.1|7099").unwrap();
    pair.client.post(hello);
    let [_, received] = pair.settle();
    assert_eq!(close_reason(&received), Status::InvalidAddress);
}

#[test]
fn a_bye_signal_ends_both_sides_at_once() {
    let (mut pair, _, client) = Pair::connected();
    pair.client.send(Opcode::ByeSignal, client, 0, b"");
    let [at_server, at_client] = pair.settle();
    assert_eq!(close_reason(&at_server), Status::PeerDisconnected);
    assert_eq!(close_reason(&at_client), Status::ChannelClosed);
}

#[test]
fn a_link_cut_at_any_byte_delivers_the_whole_frames_before_it() {
    // Hello, then two requests: 16 + address + `\r\n`, 16 + 3, 16 + 3.
    let frames = [16 + "~connect_to:mem|x\r\n".len() as u64, 19, 19];
    let all: u64 = frames.iter().sum();
    for cut in 0..=all {
        let mut pair = Pair::new();
        pair.network.cut_after(0, Direction::ToListener, cut);
        pair.server.engine = engine_with_full_limits(&mut pair.server);
        pair.client.engine = engine_with_full_limits(&mut pair.client);
        pair.server.listen("x");
        let mut hello = pair.client.get().unwrap();
        hello.connect_to("mem|x").unwrap();
        let client = pair.client.post(hello);
        for id in [1, 2] {
            pair.client.send(Opcode::Request, client, id, b"abc");
        }
        let [at_server, at_client] = pair.settle();
        let ends = frames.iter().scan(0, |end, len| {
            *end += len;
            Some(*end)
        });
        let whole = ends.filter(|end| *end <= cut).count();
        assert_eq!(peers(&at_server).len(), whole, "cut after {cut}");
        let closed = at_server.iter().filter(|received| is_closed(received)).count();
        assert_eq!(closed, usize::from(whole > 0), "cut after {cut}");
        assert_eq!(close_reason(&at_client), Status::PeerDisconnected, "cut after {cut}");
        drop((at_server, at_client));
        pair.server.assert_no_leak();
        pair.client.assert_no_leak();
    }
}

/// An engine that announces no limits, so that a HelloRequest carries its address alone.
fn engine_with_full_limits(node: &mut Node) -> tofu_core::Engine<Sim> {
    let pool = std::rc::Rc::new(tofu_core::Pool::new());
    pool.add_class(tofu_core::MAX_FRAME_LEN, 16);
    let mut engine = tofu_core::Engine::new(pool, &Options::default());
    node.group = engine.open_group(vec![0; 64].into_boxed_slice()).expect("the first group");
    engine
}
