//! Two stacks and a cable: what a connection does when all is well, and when it is not.

mod support;

use std::time::Duration;
use support::{Rig, SOCKETS, body};
use tofu_core::{Opcode, Received, Status};
use tofu_smoltcp::Options;
use tofu_smoltcp::smoltcp::phy::Medium;

const ANYWHERE: &str = "tcp||0";
/// In percent.
const LOSSES: [u8; 2] = [0, 10];

/// A whole conversation with the server at this address.
fn converse(rig: &mut Rig, address: &str) {
    let client = rig.nodes[1].connect(address);
    let mut hello = rig.peer(0, Opcode::HelloRequest);
    let server = hello.channel();
    hello.reply().expect("it takes an answer");
    rig.nodes[0].post(hello);
    rig.peer(1, Opcode::HelloResponse);
    rig.nodes[1].send(Opcode::Request, client, 7, b"ping");
    let mut request = rig.peer(0, Opcode::Request);
    assert_eq!((request.id(), request.body()), (7, &b"ping"[..]));
    request.reply().expect("it takes an answer");
    request.set_body(b"pong").expect("the body fits");
    rig.nodes[0].post(request);
    let response = rig.peer(1, Opcode::Response);
    assert_eq!((response.id(), response.body()), (7, &b"pong"[..]));
    rig.nodes[1].send(Opcode::ByeRequest, client, 8, b"");
    let mut bye = rig.peer(0, Opcode::ByeRequest);
    bye.reply().expect("it takes an answer");
    rig.nodes[0].post(bye);
    rig.peer(1, Opcode::ByeResponse);
    assert_eq!(rig.closed(1, client), Status::Success);
    assert_eq!(rig.closed(0, server), Status::Success);
}

#[test]
fn a_conversation_from_hello_to_bye() {
    for loss in LOSSES {
        for medium in [Medium::Ethernet, Medium::Ip] {
            let mut rig = Rig::new(medium, loss);
            let address = rig.listen(0, "tcp|10.0.0.1|7099");
            assert_eq!(address, "tcp|10.0.0.1|7099");
            converse(&mut rig, &address);
        }
    }
}

#[test]
fn ipv6_works_alike() {
    for loss in LOSSES {
        for medium in [Medium::Ethernet, Medium::Ip] {
            let mut rig = Rig::new(medium, loss);
            let address = rig.listen(0, "tcp|fd00::1|7099");
            converse(&mut rig, &address);
        }
    }
}

#[test]
fn an_empty_host_listens_on_every_address_and_port_0_on_a_free_port() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let first = rig.listen(0, ANYWHERE);
    let second = rig.listen(0, "tcp|::|0");
    assert_ne!(first, second);
    let port = first.strip_prefix("tcp|10.0.0.1|").expect("an address clients can use").to_owned();
    assert_ne!(port, "0");
    for address in [first, second, format!("tcp|fd00::1|{port}")] {
        converse(&mut rig, &address);
    }
}

#[test]
fn connections_one_after_the_other_use_the_sockets_again() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let address = rig.listen(0, ANYWHERE);
    for _ in 0..4 * SOCKETS {
        converse(&mut rig, &address);
    }
    assert_eq!(rig.nodes.each_ref().map(|node| node.stack.stats().cut), [0, 0]);
}

#[test]
fn a_client_that_starts_anew_comes_back_from_the_same_port() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let address = rig.listen(0, ANYWHERE);
    for _ in 0..2 * SOCKETS {
        let began = rig.now;
        converse(&mut rig, &address);
        // It does not have to send its first packet twice.
        assert!(rig.now.since(began) < Duration::from_secs(1));
        rig.pass(Duration::from_millis(100));
        rig.reboot(1);
    }
}

#[test]
fn a_thousand_messages_both_ways_at_once() {
    for loss in LOSSES {
        let mut rig = Rig::new(Medium::Ethernet, loss);
        let address = rig.listen(0, ANYWHERE);
        let channels = rig.join(&address);
        let (mut sent, mut received) = ([0; 2], [0; 2]);
        let done = rig.run(Duration::from_secs(3_600), |rig| {
            for (node, channel) in channels.into_iter().enumerate() {
                while let Some(received_one) = rig.nodes[node].receive() {
                    let Received::Peer(message) = received_one else { continue };
                    received[node] += 1;
                    assert_eq!(message.id(), received[node]);
                    let len = message.body().len();
                    assert_eq!(message.body(), body(message.id(), len));
                }
                while sent[node] < 1_000 {
                    let id = sent[node] + 1;
                    let len = (id * 37 % 1_024) as usize;
                    if !rig.nodes[node].try_send(Opcode::Signal, channel, id, len) {
                        break;
                    }
                    sent[node] = id;
                }
            }
            (received == [1_000; 2]).then_some(())
        });
        assert!(done.is_some(), "{loss} % loss: {received:?} of {sent:?} at {:?}", rig.now);
    }
}

#[test]
fn as_many_clients_as_the_backlog_get_in_at_once() {
    for loss in LOSSES {
        let mut rig = Rig::new(Medium::Ethernet, loss);
        let address = rig.listen(0, ANYWHERE);
        let count = Options::DEFAULT.backlog;
        let clients: Vec<_> = (0..count).map(|_| rig.nodes[1].connect(&address)).collect();
        for _ in &clients {
            let mut hello = rig.peer(0, Opcode::HelloRequest);
            hello.reply().expect("it takes an answer");
            rig.nodes[0].post(hello);
        }
        let mut answered: Vec<_> =
            clients.iter().map(|_| rig.peer(1, Opcode::HelloResponse).channel()).collect();
        answered.sort_unstable();
        assert_eq!(answered, clients, "{loss} % loss");
        assert_eq!(rig.nodes[1].stack.stats().refused, 0);
    }
}

#[test]
fn all_sockets_can_be_connections() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let address = rig.listen(0, ANYWHERE);
    for _ in 0..SOCKETS {
        rig.join(&address);
    }
    // Neither side has a socket left.
    rig.nodes[1].connect(&address);
    rig.returned(1, Status::ConnectFailed);
}

#[test]
fn nobody_listening_is_refused_at_once() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let channel = rig.nodes[1].connect("tcp|10.0.0.1|9");
    let began = rig.now;
    rig.returned(1, Status::ConnectFailed);
    assert_eq!(rig.closed(1, channel), Status::ConnectFailed);
    assert!(rig.now.since(began) < Duration::from_secs(1));
    let stats = rig.nodes[1].stack.stats();
    assert_eq!((stats.refused, stats.unanswered), (1, 0));
}

#[test]
fn nobody_there_is_given_up_after_the_engines_timeout() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let channel = rig.nodes[1].connect("tcp|10.0.0.77|9");
    let began = rig.now;
    rig.returned(1, Status::ConnectFailed);
    assert_eq!(rig.closed(1, channel), Status::ConnectFailed);
    assert_eq!(rig.now.since(began), tofu_core::Options::DEFAULT.connect_timeout);
    let stats = rig.nodes[1].stack.stats();
    assert_eq!((stats.refused, stats.unanswered), (0, 1));
}

#[test]
fn asking_for_somebody_who_is_not_there_keeps_nobody_else_from_being_found() {
    for before in 0..2 {
        let mut rig = Rig::new(Medium::Ethernet, 0);
        let address = rig.listen(0, "tcp|10.0.0.1|7099");
        let began = rig.now;
        for _ in 0..=before {
            rig.nodes[1].connect("tcp|10.0.0.77|9");
        }
        rig.nodes[1].connect(&address);
        rig.nodes[1].connect("tcp|10.0.0.78|9");
        rig.peer(0, Opcode::HelloRequest);
        // One neighbour is asked for in a second.
        assert!(rig.now.since(began) < Duration::from_secs(4), "{:?}", rig.now.since(began));
    }
}

#[test]
fn giving_up_somebody_who_is_not_there_makes_nobody_else_wait() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let address = rig.listen(1, "tcp|10.0.0.2|7099");
    let absent = rig.nodes[1].connect("tcp|10.0.0.77|9");
    rig.pass(Duration::from_millis(1));
    let client = rig.nodes[0].connect(&address);
    let server = rig.peer(1, Opcode::HelloRequest).channel();
    // Whoever is not there is looked for once a second.
    rig.pass(Duration::from_millis(2_100));
    rig.nodes[1].send(Opcode::ByeSignal, absent, 1, b"");
    rig.returned(1, Status::ChannelClosed);
    assert_eq!(rig.closed(1, absent), Status::ChannelClosed);
    rig.nodes[1].send(Opcode::Signal, server, 2, b"at once");
    let began = rig.now;
    assert_eq!(rig.peer(0, Opcode::Signal).channel(), client);
    assert!(rig.now.since(began) < Duration::from_millis(10));
}

#[test]
fn connections_of_an_address_that_is_taken_away_end_with_the_next_turn() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let address = rig.listen(0, "tcp|10.0.0.1|7099");
    let client = rig.nodes[1].connect(&address);
    rig.peer(0, Opcode::HelloRequest);
    rig.nodes[1].stack.interface_mut().update_ip_addrs(|addresses| addresses.clear());
    let began = rig.now;
    assert_eq!(rig.closed(1, client), Status::PeerDisconnected);
    assert!(rig.now.since(began) < Duration::from_millis(10));
}

#[test]
fn addresses_that_cannot_be_used_are_refused() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    for address in ["tcp|name|1", "tcp||1", "tcp|10.0.0.1|0", "uds|/tmp/x", "mem|x", "serial|x"] {
        rig.nodes[1].connect(address);
        rig.returned(1, Status::InvalidAddress);
        rig.next(1);
    }
    let taken = rig.listen(0, "tcp|10.0.0.1|7");
    for (address, status) in [
        ("tcp|name|1", Status::InvalidAddress),
        ("uds|/tmp/x", Status::InvalidAddress),
        ("tcp|10.0.0.2|1", Status::ListenFailed),
        ("tcp||7", Status::ListenFailed),
        (&*taken, Status::ListenFailed),
    ] {
        let mut message = rig.nodes[0].engine.get().expect("the pool has a message");
        message.listen_on(address).expect("the address fits");
        rig.nodes[0].post(message);
        rig.returned(0, status);
        rig.next(0);
    }
}

#[test]
fn a_graceful_close_loses_nothing_to_a_slow_reader() {
    const COUNT: u64 = 12;
    for loss in LOSSES {
        let mut rig = Rig::new(Medium::Ethernet, loss);
        let address = rig.listen(0, ANYWHERE);
        let [server, client] = rig.join(&address);
        // The reader has nothing to read into.
        let mut held: Vec<_> = std::iter::from_fn(|| rig.nodes[1].engine.get()).collect();
        for id in 1..=COUNT {
            assert!(rig.nodes[0].try_send(Opcode::Signal, server, id, 1_000), "message {id}");
        }
        rig.nodes[0].send(Opcode::ByeResponse, server, COUNT + 1, b"");
        for id in 1..=COUNT {
            rig.pass(Duration::from_secs(2));
            held.pop();
            let message = loop {
                match rig.next(1) {
                    Received::Peer(message) => break message,
                    Received::Notice(notice) => assert_eq!(notice.status, Status::PoolEmpty),
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!((message.id(), message.body()), (id, &body(id, 1_000)[..]));
        }
        held.clear();
        rig.peer(1, Opcode::ByeResponse);
        // It never said goodbye itself.
        assert_eq!(rig.closed(1, client), Status::PeerDisconnected);
        assert_eq!(rig.closed(0, server), Status::Success);
        assert_eq!(rig.nodes[0].stack.stats().cut, 0);
    }
}

#[test]
fn a_bye_signal_ends_both_sides_at_once() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let address = rig.listen(0, ANYWHERE);
    let [server, client] = rig.join(&address);
    rig.nodes[1].send(Opcode::ByeSignal, client, 1, b"");
    assert_eq!(rig.closed(1, client), Status::ChannelClosed);
    let began = rig.now;
    assert_eq!(rig.closed(0, server), Status::PeerDisconnected);
    assert!(rig.now.since(began) < Duration::from_millis(100));
    converse(&mut rig, &address);
}

#[test]
fn a_bye_signal_reaches_its_peer_where_a_listener_waits_for_the_socket() {
    for connections in [SOCKETS - 1, SOCKETS] {
        let mut rig = Rig::new(Medium::Ethernet, 0);
        let address = rig.listen(0, ANYWHERE);
        let joined: Vec<_> = (0..connections).map(|_| rig.join(&address)).collect();
        let [server, client] = joined[connections - 1];
        rig.pass(Duration::from_secs(1));
        rig.nodes[0].send(Opcode::ByeSignal, server, 1, b"");
        assert_eq!(rig.closed(0, server), Status::ChannelClosed);
        let began = rig.now;
        assert_eq!(rig.closed(1, client), Status::PeerDisconnected);
        assert!(rig.now.since(began) < Duration::from_millis(100));
    }
}

#[test]
fn a_listener_that_closes_turns_clients_away_and_frees_its_port() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let mut welcome = rig.nodes[0].engine.get().expect("the pool has a message");
    welcome.listen_on("tcp||7").expect("the address fits");
    let listener = rig.nodes[0].post(welcome);
    rig.returned(0, Status::Success);
    let [server, client] = rig.join("tcp|10.0.0.1|7");
    rig.nodes[0].send(Opcode::ByeSignal, listener, 1, b"");
    rig.closed(0, listener);
    rig.nodes[1].connect("tcp|10.0.0.1|7");
    rig.returned(1, Status::ConnectFailed);
    rig.next(1);
    // Who was in before stays.
    rig.nodes[1].send(Opcode::Signal, client, 1, b"still here");
    assert_eq!(rig.peer(0, Opcode::Signal).channel(), server);
    let address = rig.listen(0, "tcp||7");
    converse(&mut rig, &address);
}

#[test]
fn a_dead_link_is_noticed_with_and_without_traffic() {
    for talks in [true, false] {
        let mut rig = Rig::new(Medium::Ethernet, 0);
        let address = rig.listen(0, ANYWHERE);
        let [server, client] = rig.join(&address);
        rig.pass(Options::DEFAULT.timeout * 3);
        assert!(rig.nodes.iter_mut().all(|node| node.receive().is_none()), "silence is no loss");
        rig.cut();
        let began = rig.now;
        if talks {
            rig.nodes[1].send(Opcode::Signal, client, 1, b"anybody there?");
        }
        assert_eq!(rig.closed(1, client), Status::PeerDisconnected);
        assert_eq!(rig.closed(0, server), Status::PeerDisconnected);
        assert!(rig.now.since(began) <= Options::DEFAULT.timeout * 2);
    }
}

#[test]
fn a_closed_connection_whose_peer_vanished_is_cut_and_its_socket_used_again() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let address = rig.listen(0, ANYWHERE);
    let [server, _] = rig.join(&address);
    rig.cut();
    rig.nodes[0].send(Opcode::Signal, server, 1, b"never arrives");
    let mut bye = rig.nodes[0].message(Opcode::ByeResponse, server, 1);
    bye.set_body(b"nor this").expect("the body fits");
    rig.nodes[0].post(bye);
    assert_eq!(rig.closed(0, server), Status::Success);
    assert_eq!(rig.nodes[0].stack.stats().cut, 0);
    rig.pass(Options::DEFAULT.linger * 3);
    assert_eq!(rig.nodes[0].stack.stats().cut, 1);
}

#[test]
fn idle_stacks_ask_for_no_turn_but_keep_alives() {
    let mut rig = Rig::new(Medium::Ethernet, 0);
    let address = rig.listen(0, ANYWHERE);
    rig.join(&address);
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.in_flight(), 0);
    let mut turns = 0;
    rig.run(Duration::from_secs(60), |_| {
        turns += 1;
        None::<()>
    });
    // Two sides, each a probe and an answer every twenty seconds.
    assert!((6..=30).contains(&turns), "{turns} turns in a minute");
}
