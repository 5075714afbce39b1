//! Section 3, first paragraph: what post refuses, at once and with nothing changed.

use crate::app::{App, MessageOf, PATIENCE, Pair, until};
use crate::wire::{Frame, RawClient, RawServer, code};
use crate::world::{Group, Peer, RawWorld, Setup, World};
use std::collections::HashSet;
use tofu_core::{CONNECT_TO, ChannelNumber, LISTEN_ON, Opcode, Status};

/// The opcodes whose role is response and that an application may post.
const RESPONSES: [Opcode; 3] = [Opcode::Response, Opcode::HelloResponse, Opcode::ByeResponse];

/// Refuses from both ends of a connection, and checks that nothing changed.
fn refuses<W: World>(world: &W, status: Status, fill: impl Fn(&mut MessageOf<W>, ChannelNumber)) {
    let pair = Pair::new(world);
    for (app, channel) in [(&pair.client, pair.at_client), (&pair.server, pair.at_server)] {
        let before = (app.engine.free_messages(), app.engine.channels());
        let mut message = app.message(Opcode::Request, channel, 0, b"payload");
        message.add_header("k", "v").expect("the header fits");
        fill(&mut message, channel);
        drop(app.refuse(message, status));
        assert_eq!((app.engine.free_messages(), app.engine.channels()), before);
    }
    pair.works();
    pair.client.quiet();
    pair.server.quiet();
}

/// An opcode no application may post: `invalid_op_code`.
pub fn opcode_that_is_the_engines<W: World>(world: &W) {
    refuses(world, Status::InvalidOpCode, |message, channel| {
        message.prepare(Opcode::WelcomeResponse, channel).set_id(1);
    });
}

/// A Response-role message with id 0: `invalid_message_id`.
pub fn response_without_id<W: World>(world: &W) {
    for opcode in RESPONSES {
        refuses(world, Status::InvalidMessageId, |message, channel| {
            message.prepare(opcode, channel);
        });
    }
}

/// `more` on a message that is not regular: `invalid_more_usage`.
pub fn more_on_what_is_not_regular<W: World>(world: &W) {
    for opcode in
        [Opcode::HelloResponse, Opcode::ByeRequest, Opcode::ByeResponse, Opcode::ByeSignal]
    {
        refuses(world, Status::InvalidMoreUsage, |message, channel| {
            message.prepare(opcode, channel).set_id(1);
            message.set_more(true);
        });
    }
    let address = world.address();
    for opcode in [Opcode::HelloRequest, Opcode::WelcomeRequest] {
        refuses(world, Status::InvalidMoreUsage, |message, _| {
            let name = if opcode == Opcode::HelloRequest { CONNECT_TO } else { LISTEN_ON };
            message.add_header(name, &address).expect("the address fits");
            message.prepare(opcode, ChannelNumber::NONE).set_more(true);
        });
    }
}

/// Channel 0 on anything but Hello and Welcome: `invalid_channel_number`.
pub fn no_channel<W: World>(world: &W) {
    for opcode in [
        Opcode::Request,
        Opcode::Response,
        Opcode::Signal,
        Opcode::HelloResponse,
        Opcode::ByeRequest,
        Opcode::ByeResponse,
        Opcode::ByeSignal,
    ] {
        refuses(world, Status::InvalidChannelNumber, |message, _| {
            message.prepare(opcode, ChannelNumber::NONE).set_id(1);
        });
    }
}

/// A channel that does not exist: `invalid_channel_number`.
pub fn unknown_channel<W: World>(world: &W) {
    for number in [60_000, 65_534, 65_535] {
        refuses(world, Status::InvalidChannelNumber, |message, _| {
            message.set_channel(ChannelNumber::new(number));
        });
    }
}

/// A channel that closed: `invalid_channel_number`.
pub fn closed_channel<W: World>(world: &W) {
    let pair = Pair::new(world);
    pair.client.send(Opcode::ByeSignal, pair.at_client, 0, b"");
    pair.both_closed();
    for (app, channel) in [(&pair.client, pair.at_client), (&pair.server, pair.at_server)] {
        let message = app.message(Opcode::Signal, channel, 1, b"late");
        app.refuse(message, Status::InvalidChannelNumber);
    }
}

/// A connection that has not said hello is not yet announced, so no one can post to it.
pub fn unannounced_channel<W: RawWorld>(world: &W) {
    let server = App::new(world);
    let (_, address) = server.listen(&world.raw_address());
    let mut wire = crate::wire::Wire::connect(world, &address);
    until(world, "the connection is accepted", || server.engine.channels() == 2);
    for number in 1..=8 {
        let message = server.message(Opcode::Request, ChannelNumber::new(number), 1, b"x");
        if let Ok(header) = server.group.post(message) {
            panic!("posted {header:?} to a listener or a channel without hello");
        }
    }
    wire.frame(&Frame::hello());
    server.peers(Opcode::HelloRequest);
}

/// Another group's channel: `invalid_group`.
pub fn another_groups_channel<W: World>(world: &W) {
    let pair = Pair::new(world);
    for (app, channel) in [
        (&pair.client, pair.at_client),
        (&pair.server, pair.at_server),
        (&pair.server, pair.listener),
    ] {
        let other = app.engine.group();
        for opcode in [Opcode::Request, Opcode::ByeSignal, Opcode::ByeRequest] {
            let message = app.message(opcode, channel, 4, b"mine");
            let refused = other.post(message).expect_err("the post is refused");
            assert_eq!(refused.status, Status::InvalidGroup);
            assert_eq!(refused.message.body(), b"mine");
            assert_eq!((refused.message.opcode(), refused.message.id()), (opcode, 4));
        }
    }
    pair.works();
}

/// Longer than the peer's announced limits: `invalid_headers_len`, `invalid_body_len`.
pub fn longer_than_the_peer_takes<W: World>(world: &W) {
    let pair = Pair::with(world, &Setup::with_limits(300, 500), &Setup::with_limits(400, 600));
    let ends = [(&pair.client, pair.at_client, 300, 500), (&pair.server, pair.at_server, 400, 600)];
    for (app, channel, headers, body) in ends {
        let too_long = app.message(Opcode::Request, channel, 1, vec![1; body + 1]);
        app.refuse(too_long, Status::InvalidBodyLen);
        let mut too_long = app.message(Opcode::Request, channel, 1, b"b");
        too_long.add_header("n", vec![b'x'; headers + 1 - 4]).expect("the header fits");
        app.refuse(too_long, Status::InvalidHeadersLen);
    }
    pair.works();
}

/// A Hello or Welcome without its address header: `wrong_address`, and no channel is made.
pub fn opening_without_address<W: World>(world: &W) {
    for opcode in [Opcode::HelloRequest, Opcode::WelcomeRequest] {
        refuses(world, Status::WrongAddress, |message, _| {
            message.prepare(opcode, ChannelNumber::NONE);
        });
    }
    // The other one's header does not do.
    let app = App::new(world);
    let mut message = app.get();
    message.listen_on(world.address()).expect("the address fits");
    message.set_opcode(Opcode::HelloRequest);
    app.refuse(message, Status::WrongAddress);
    let mut message = app.get();
    message.connect_to(world.address()).expect("the address fits");
    message.set_opcode(Opcode::WelcomeRequest);
    app.refuse(message, Status::WrongAddress);
    assert_eq!(app.engine.channels(), 0);
}

/// After a stop: `shutdown_started`, for what exists and for what would be new.
pub fn stopping_engine<W: World>(world: &W) {
    let pair = Pair::new(world);
    let request = pair.client.message(Opcode::Request, pair.at_client, 1, b"late");
    let mut hello = pair.client.get();
    hello.connect_to(&pair.address).expect("the address fits");
    let mut welcome = pair.client.get();
    welcome.listen_on(world.address()).expect("the address fits");
    pair.client.engine.stop();
    for message in [hello, welcome, request] {
        pair.client.refuse(message, Status::ShutdownStarted);
    }
}

/// A ByeRequest or ByeResponse is the last that is accepted.
pub fn after_goodbye<W: RawWorld>(world: &W) {
    let mut raw = RawServer::new(world);
    raw.client.send(Opcode::ByeRequest, raw.channel, 5, b"");
    for opcode in
        [Opcode::Request, Opcode::Response, Opcode::Signal, Opcode::ByeRequest, Opcode::ByeResponse]
    {
        let message = raw.client.message(opcode, raw.channel, 6, b"late");
        raw.client.refuse(message, Status::ChannelClosed);
    }
    raw.wire.expect(code::BYE_REQUEST);
    raw.wire.frame(&Frame::new(code::BYE_RESPONSE, 5));
    raw.client.peers(Opcode::ByeResponse);
    raw.client.closed(raw.channel);
    raw.wire.closed();

    let mut raw = RawClient::new(world);
    raw.wire.frame(&Frame::new(code::BYE_REQUEST, 5));
    raw.server.answer(raw.server.peers(Opcode::ByeRequest));
    let late = raw.server.message(Opcode::Signal, raw.channel, 6, b"late");
    assert!(raw.server.group.post(late).is_err());
    raw.wire.expect(code::BYE_RESPONSE);
    raw.wire.closed();
}

/// An accepted post completes the header: the channel of a Hello or Welcome, a fresh id where it was 0.
pub fn accepted_posts_complete_the_header<W: World>(world: &W) {
    let pair = Pair::new(world);
    let kept = pair.client.send(Opcode::Request, pair.at_client, 77, b"abc");
    assert_eq!((kept.id, kept.channel, kept.body_len), (77, pair.at_client, 3));
    assert_eq!(pair.server.peers(Opcode::Request).id(), 77);

    let fresh = pair.client.send(Opcode::Request, pair.at_client, 0, b"");
    assert_ne!(fresh.id, 0);
    assert_eq!(pair.server.peers(Opcode::Request).id(), fresh.id);

    let mut hello = pair.client.get();
    hello.connect_to(&pair.address).expect("the address fits");
    hello.set_id(0x1122);
    let hello = pair.client.post(hello);
    assert_eq!(hello.id, 0x1122);
    assert!(!hello.channel.is_none());
    assert_eq!(pair.server.peers(Opcode::HelloRequest).id(), 0x1122);
}

/// Fresh ids are never 0 and never come twice in one engine.
pub fn fresh_ids_are_unique<W: World>(world: &W) {
    let pair = Pair::new(world);
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let sent = pair.client.send(Opcode::Signal, pair.at_client, 0, b"");
        assert!(sent.id != 0 && seen.insert(sent.id));
        pair.server.peers(Opcode::Signal);
    }
}

/// Fresh ids are unique in the whole process, not only in one engine.
pub fn fresh_ids_are_unique_in_the_process<W: World>(world: &W) {
    let pair = Pair::new(world);
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let up = pair.client.send(Opcode::Signal, pair.at_client, 0, b"");
        let down = pair.server.send(Opcode::Signal, pair.at_server, 0, b"");
        assert!(seen.insert(up.id) && seen.insert(down.id), "{up:?} {down:?}");
        pair.server.peers(Opcode::Signal);
        pair.client.peers(Opcode::Signal);
    }
}

/// Post never means "sent": it is accepted before the connection is made.
pub fn posts_are_accepted_before_the_connection<W: World>(world: &W) {
    let server = App::new(world);
    let client = App::new(world);
    let (_, address) = server.listen(&world.address());
    let channel = client.connect(&address).channel;
    for id in 1..=10 {
        client.send(Opcode::Request, channel, id, b"early");
    }
    server.peers(Opcode::HelloRequest);
    for id in 1..=10 {
        assert_eq!(server.peers(Opcode::Request).id(), id);
    }
    assert!(client.group.receive(PATIENCE / 100).is_none());
}
