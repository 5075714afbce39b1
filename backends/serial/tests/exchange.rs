//! Two engines on a line: opening, talking, slowing down, closing.
#![allow(missing_docs)]

mod support;

use std::time::Duration;
use support::talk::talk_well;
use support::wire::Wire;
use support::{Node, Pair, close_reason, peers};
use tofu_core::{Instant, Opcode, Received, Status};

const NOW: Duration = Duration::ZERO;

#[test]
fn a_conversation_arrives_whole_however_it_is_cut() {
    for seed in 0..200 {
        let mut pair = Pair::listening(seed);
        for _ in 0..3 {
            talk_well(&mut pair);
        }
        pair.nodes.iter().for_each(Node::assert_no_leak);
        assert_eq!(pair.nodes.each_ref().map(|node| node.line.stats().damaged), [0, 0]);
    }
}

#[test]
fn a_listener_says_where_it_listens() {
    let mut pair = Pair::new(1);
    pair.nodes[1].listen();
    let [_, at_server] = pair.run(NOW);
    let [Received::Returned(welcome, Status::Success)] = &at_server[..] else {
        panic!("{at_server:?}")
    };
    assert_eq!(welcome.text().get("~listen_on"), Some(&b"serial|line"[..]));
}

#[test]
fn another_address_is_invalid() {
    for address in ["serial|other", "tcp|127.0.0.1|7099", "mem|line"] {
        let mut pair = Pair::new(1);
        let mut hello = pair.nodes[0].get();
        hello.connect_to(address).unwrap();
        pair.nodes[0].post(hello);
        let mut welcome = pair.nodes[1].get();
        welcome.listen_on(address).unwrap();
        pair.nodes[1].post(welcome);
        for received in pair.run(NOW) {
            assert_eq!(close_reason(&received), Status::InvalidAddress);
        }
    }
}

#[test]
fn nobody_listens() {
    let mut pair = Pair::new(1);
    pair.nodes[0].connect();
    let [at_client, _] = pair.run(NOW);
    assert_eq!(close_reason(&at_client), Status::ConnectFailed);
    drop(at_client);
    // Later somebody does.
    pair.nodes[1].listen();
    pair.run(NOW);
    talk_well(&mut pair);
}

#[test]
fn nobody_is_there() {
    let mut pair = Pair::new(1);
    pair.wire.cut(true);
    pair.nodes[0].connect();
    let [at_client, _] = pair.run(Duration::from_secs(9));
    assert!(at_client.is_empty());
    let [at_client, _] = pair.run(Duration::from_secs(2));
    assert_eq!(close_reason(&at_client), Status::ConnectFailed);
}

#[test]
fn who_comes_late_is_reached() {
    let mut pair = Pair::listening(1);
    pair.wire.cut(true);
    pair.nodes[0].connect();
    pair.run(Duration::from_secs(3));
    pair.wire.cut(false);
    let [_, at_server] = pair.run(Duration::from_secs(2));
    assert_eq!(peers(&at_server).len(), 1);
}

#[test]
fn a_line_carries_one_channel_that_this_side_opened() {
    let (mut pair, [client, server]) = Pair::connected(1);
    pair.nodes[0].connect();
    let [at_client, _] = pair.run(NOW);
    assert_eq!(close_reason(&at_client), Status::ConnectFailed);
    // The first does not notice.
    pair.nodes[0].send(Opcode::Request, client, 5, b"still here");
    let [_, at_server] = pair.run(NOW);
    assert!(matches!(&at_server[..], [Received::Peer(it)] if it.channel() == server));
}

#[test]
fn a_line_has_one_listener() {
    let mut pair = Pair::listening(1);
    pair.nodes[1].listen();
    let [_, at_server] = pair.run(NOW);
    assert_eq!(close_reason(&at_server), Status::ListenFailed);
}

#[test]
fn each_side_opens_a_channel_and_neither_disturbs_the_other() {
    for seed in 0..50 {
        let mut pair = Pair::new(seed);
        for node in &mut pair.nodes {
            node.listen();
        }
        pair.run(NOW);
        let channels = pair.nodes.each_mut().map(Node::connect);
        pair.run(NOW);
        for id in 1..=20 {
            for (node, channel) in pair.nodes.iter_mut().zip(channels) {
                node.send(Opcode::Request, channel, id, &[id as u8; 200]);
            }
        }
        for received in pair.run(NOW) {
            let expected: Vec<_> = (1..=20).map(|id| (Opcode::Request, id)).collect();
            assert_eq!(peers(&received), expected);
        }
        // One ends, the other stays.
        pair.nodes[0].send(Opcode::ByeSignal, channels[0], 0, b"");
        let [at_client, at_server] = pair.run(NOW);
        assert_eq!(close_reason(&at_client), Status::ChannelClosed);
        assert_eq!(close_reason(&at_server), Status::PeerDisconnected);
        pair.nodes[1].send(Opcode::Request, channels[1], 99, b"");
        let [at_client, _] = pair.run(NOW);
        assert_eq!(peers(&at_client), [(Opcode::Request, 99)]);
    }
}

#[test]
fn two_channels_share_the_line() {
    let (mut pair, [opened, _]) = Pair::connected(1);
    pair.nodes[0].listen();
    pair.run(NOW);
    pair.nodes[1].connect();
    let [at_client, _] = pair.run(NOW);
    assert_eq!(peers(&at_client).len(), 1);
    let accepted = at_client[0].channel();
    // All of one first, then all of the other; both are under way at once.
    for channel in [opened, accepted] {
        for id in 1..=10 {
            pair.nodes[0].send(Opcode::Signal, channel, id, &[3; 1_000]);
        }
    }
    let [_, at_server] = pair.run(NOW);
    let arrived: Vec<_> = at_server.iter().map(|received| received.channel()).collect();
    assert_eq!(arrived.len(), 20);
    for (index, arrival) in arrived.chunks(4).enumerate() {
        assert!(arrival.iter().any(|it| *it != arrival[0]), "{index}: {arrived:?}");
    }
}

#[test]
fn a_peer_that_does_not_receive_slows_its_sender_down() {
    let (wire, [a, b]) = Wire::new(1);
    let nodes = [Node::new(a, 1), Node::with_pool(b, 2, 4)];
    let mut pair = Pair { wire, now: Instant::ZERO, nodes };
    pair.nodes[1].listen();
    pair.run(NOW);
    let client = pair.nodes[0].connect();
    let [_, held] = pair.run(NOW);
    for id in 1..=20 {
        pair.nodes[0].send(Opcode::Signal, client, id, &[id as u8; 1_000]);
    }
    // The server turns, and receives nothing.
    pair.turn(2_000);
    // Its messages, the buffers and the line are full, and the rest waits at the client.
    let sent = pair.wire.written(0).len();
    assert!((1_000..6_000).contains(&sent), "{sent} bytes were sent");
    pair.turn(2_000);
    assert_eq!(pair.wire.written(0).len(), sent);
    let pool = pair.nodes[0].engine.pool();
    assert!(pool.capacity() - pool.free() > 12, "the rest waits");
    // Nobody takes this silence for a loss, and all of it arrives once it is received.
    drop(held);
    let [at_client, at_server] = pair.run(Duration::from_secs(30));
    let dry =
        |it: &&Received<_>| matches!(it, Received::Notice(it) if it.status == Status::PoolEmpty);
    assert!(at_client.is_empty(), "{at_client:?}");
    assert!(at_server.iter().filter(dry).count() > 0);
    let mut all = peers(&at_server);
    // What fills the pool is dropped here, and the rest follows.
    drop(at_server);
    for _ in 0..20 {
        all.extend(peers(&pair.run(NOW)[1]));
    }
    let expected: Vec<_> = (1..=20).map(|id| (Opcode::Signal, id)).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_graceful_close_loses_nothing() {
    for seed in 0..50 {
        let mut pair = Pair::listening(seed);
        let client = pair.nodes[0].connect();
        for id in 1..=20 {
            pair.nodes[0].send(Opcode::Signal, client, id, &[7; 300]);
        }
        // The group goes, and what it posted still arrives.
        let group = pair.nodes[0].group;
        pair.nodes[0].engine.close_group(group).unwrap();
        let [_, at_server] = pair.run(NOW);
        assert_eq!(peers(&at_server).len(), 21);
        assert_eq!(close_reason(&at_server), Status::PeerDisconnected);
    }
}

#[test]
fn a_channel_that_closed_makes_room_for_the_next_at_once() {
    let mut pair = Pair::listening(1);
    for _ in 0..20 {
        let client = pair.nodes[0].connect();
        let [_, at_server] = pair.run(NOW);
        assert_eq!(peers(&at_server).len(), 1);
        // Closed and opened again before the server turns.
        pair.nodes[0].send(Opcode::ByeSignal, client, 0, b"");
        pair.nodes[0].turn(pair.now);
        while pair.nodes[0].receive().is_some() {}
        pair.nodes[0].connect();
        let [at_client, at_server] = pair.run(NOW);
        assert!(at_client.is_empty(), "{at_client:?}");
        assert_eq!(peers(&at_server), [(Opcode::HelloRequest, peers(&at_server)[0].1)]);
        let channel = at_server.last().unwrap().channel();
        pair.nodes[1].send(Opcode::ByeSignal, channel, 0, b"");
        let [at_client, _] = pair.run(NOW);
        assert_eq!(close_reason(&at_client), Status::PeerDisconnected);
    }
}

#[test]
fn a_listener_that_stops_refuses_and_leaves_open_channels_alone() {
    let mut pair = Pair::new(1);
    let listener = pair.nodes[1].listen();
    pair.run(NOW);
    let client = pair.nodes[0].connect();
    pair.run(NOW);
    pair.nodes[1].send(Opcode::ByeSignal, listener, 0, b"");
    pair.run(NOW);
    pair.nodes[0].send(Opcode::Request, client, 1, b"");
    assert_eq!(peers(&pair.run(NOW)[1]), [(Opcode::Request, 1)]);
    pair.nodes[0].send(Opcode::ByeSignal, client, 0, b"");
    pair.run(NOW);
    pair.nodes[0].connect();
    assert_eq!(close_reason(&pair.run(NOW)[0]), Status::ConnectFailed);
}
