//! Section 2: channel numbers, groups, and what a closed channel leaves behind.

use crate::app::{App, Pair, eventually, exchange, join};
use crate::world::{Group, Peer, Setup, World};
use std::collections::HashSet;
use tofu_core::{Opcode, Received, Status};

/// Numbers are from 1 to 65,534 and unique within an engine.
pub fn numbers_are_unique_and_in_range<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let mut at_server = HashSet::new();
    let mut at_client = HashSet::new();
    for _ in 0..4 {
        let (listener, address) = server.listen(&world.address());
        assert!(at_server.insert(listener));
        for _ in 0..10 {
            let (server_number, client_number) = join(&server, &client, &address);
            assert!(at_server.insert(server_number), "{server_number} twice at the server");
            assert!(at_client.insert(client_number), "{client_number} twice at the client");
        }
    }
    assert!(at_server.iter().chain(&at_client).all(|number| (1..=65_534).contains(&number.get())));
}

/// The two ends of a connection number it for themselves.
pub fn numbers_are_local_to_an_engine<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    for _ in 0..5 {
        let failed = client.connect("nonsense").channel;
        client.returned(Status::InvalidAddress);
        client.closed_now(failed);
    }
    let (_, address) = server.listen(&world.address());
    let (at_server, at_client) = join(&server, &client, &address);
    assert_ne!(at_server, at_client);
    exchange(&client, at_client, &server);
    exchange(&server, at_server, &client);
}

/// 200 connections that come and go leave no channel and no message behind, no number comes
/// twice, and each stale number is refused.
pub fn closed_channels_leave_nothing_behind<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let (_, address) = server.listen(&world.address());
    let mut seen = HashSet::new();
    for cycle in 0..200 {
        let (at_server, at_client) = join(&server, &client, &address);
        assert!(seen.insert(at_client), "{at_client} was given out again in cycle {cycle}");
        match cycle % 3 {
            0 => drop(client.send(Opcode::ByeSignal, at_client, 0, b"")),
            1 => drop(server.send(Opcode::ByeSignal, at_server, 0, b"")),
            _ => {
                client.send(Opcode::ByeRequest, at_client, 0, b"");
                server.answer(server.peers(Opcode::ByeRequest));
                client.peers(Opcode::ByeResponse);
            }
        }
        client.closed_now(at_client);
        server.closed_now(at_server);
        let stale = client.message(Opcode::Signal, at_client, 1, b"");
        client.refuse(stale, Status::InvalidChannelNumber);
    }
    for &stale in &seen {
        client.refuse(client.message(Opcode::Signal, stale, 1, b""), Status::InvalidChannelNumber);
    }
    eventually(world, 1, || server.engine.channels());
    eventually(world, 0, || client.engine.channels());
    eventually(world, Setup::default().pool_capacity(), || server.engine.free_messages());
    eventually(world, Setup::default().pool_capacity(), || client.engine.free_messages());
    server.quiet();
    client.quiet();
}

/// Listeners that come and go leave nothing behind either, and free their address.
pub fn closed_listeners_leave_nothing_behind<W: World>(world: &W) {
    let server = App::new(world);
    let (mut listener, address) = server.listen(&world.address());
    for _ in 0..20 {
        server.send(Opcode::ByeSignal, listener, 0, b"");
        server.closed_now(listener);
        listener = server.listen(&address).0;
    }
    join(&server, &App::new(world), &address);
    eventually(world, 2, || server.engine.channels());
}

/// An accepted connection belongs to its listener's group, a client's to the group that posted its Hello.
pub fn channels_belong_to_their_group<W: World>(world: &W) {
    let first = App::new(world);
    let (_, first_address) = first.listen(&world.address());
    let App { group: first, engine } = first;
    let second: App<W> = App { group: engine.group(), engine };
    let (_, second_address) = second.listen(&world.address());
    let client = App::new(world);
    let to_first = client.connect(&first_address).channel;
    let hello = first.receive(crate::app::PATIENCE).expect("the hello comes to the first group");
    assert!(matches!(&hello, Received::Peer(message) if message.opcode() == Opcode::HelloRequest));
    let (at_second, to_second) = join(&second, &client, &second_address);
    client.send(Opcode::Signal, to_first, 1, b"");
    exchange(&client, to_second, &second);
    let signal = first.receive(crate::app::PATIENCE).expect("the signal comes to the first group");
    assert!(matches!(&signal, Received::Peer(message) if message.opcode() == Opcode::Signal));
    assert_eq!(signal.channel(), hello.channel());
    assert_ne!(signal.channel(), at_second);
    assert!(first.receive(W::QUIET).is_none());
    second.quiet();
}

/// An engine can be its own peer: the two ends of such a connection are two channels.
pub fn engine_connects_to_itself<W: World>(world: &W) {
    let server = App::new(world);
    let (_, address) = server.listen(&world.address());
    let App { group, engine } = server;
    let client_group = engine.group();
    let mut hello = engine.get().expect("a free message");
    hello.connect_to(&address).expect("the address fits");
    let at_client = client_group.post(hello).expect("the post is accepted").channel;
    let hello = group.receive(crate::app::PATIENCE).expect("the hello comes");
    assert!(matches!(&hello, Received::Peer(_)));
    assert_ne!(hello.channel(), at_client);
    assert_eq!(engine.channels(), 3);
}

/// Many channels at once all work, whatever their number.
pub fn many_channels_work_at_once<W: World>(world: &W) {
    let pair = Pair::new(world);
    let ends: Vec<_> = (0..60).map(|_| join(&pair.server, &pair.client, &pair.address)).collect();
    for (id, &(_, at_client)) in (1..).zip(&ends) {
        pair.client.send(Opcode::Request, at_client, id, b"");
    }
    for _ in &ends {
        let request = pair.server.peers(Opcode::Request);
        let (at_server, _) = ends[request.id() as usize - 1];
        assert_eq!(request.channel(), at_server);
        pair.server.answer(request);
    }
    for _ in &ends {
        let response = pair.client.peers(Opcode::Response);
        let (_, at_client) = ends[response.id() as usize - 1];
        assert_eq!(response.channel(), at_client);
    }
    pair.works();
}
