//! Section 4: frames too long for this engine, and announced limits.

use crate::app::{App, Pair, eventually, hold_every_message, join};
use crate::wire::{Frame, RawClient, RawServer, Wire, code};
use crate::world::{Peer, RawWorld, Setup, World};
use tofu_core::{LIMITS, Limits, Opcode, Status};

/// A frame whose body or text headers are too long is read and thrown away, with a notice of its
/// channel, id and status; the channel stays usable.
pub fn too_long_frames_are_skipped_with_a_notice<W: RawWorld>(world: &W) {
    let setup = Setup::with_limits(100, 200);
    let mut raw = RawClient::with(world, &setup);
    let cases = [
        (101, 0, Status::InvalidHeadersLen),
        (0, 201, Status::InvalidBodyLen),
        (100, 65_535, Status::InvalidBodyLen),
        (65_535, 65_535, Status::InvalidHeadersLen),
    ];
    for (index, (text, body, status)) in cases.into_iter().enumerate() {
        let id = index as u64 + 50;
        raw.wire.frame(&Frame::new(code::SIGNAL, id).text(vec![b'x'; text]).body(vec![1; body]));
        raw.wire.frame(&Frame::new(code::SIGNAL, 7).text([b'y'; 100]).body([2; 200]));
        let notice = raw.server.notice(status);
        assert_eq!((notice.channel, notice.id), (raw.channel, id));
        let kept = raw.server.peers(Opcode::Signal);
        assert_eq!(
            (kept.id(), kept.text().as_bytes(), kept.body()),
            (7, &[b'y'; 100][..], &[2; 200][..])
        );
    }
    raw.server.quiet();
    raw.server.send(Opcode::Signal, raw.channel, 8, b"still here");
    assert_eq!(raw.wire.expect(code::SIGNAL).body, b"still here");
    eventually(world, setup.pool_capacity(), || raw.server.engine.free_messages());
}

/// Each skipped frame has its notice, in order with the messages around it.
pub fn every_skipped_frame_has_its_notice<W: RawWorld>(world: &W) {
    let mut raw = RawClient::with(world, &Setup::with_limits(100, 200));
    for id in 1..=20 {
        raw.wire.frame(&Frame::new(code::SIGNAL, id).body(vec![1; 300]));
        raw.wire.frame(&Frame::new(code::SIGNAL, id + 100).body(b"short"));
    }
    for id in 1..=20 {
        assert_eq!(raw.server.notice(Status::InvalidBodyLen).id, id);
        assert_eq!(raw.server.peers(Opcode::Signal).id(), id + 100);
    }
    raw.server.quiet();
}

/// Skipping needs no message: it goes on while the pool is dry, and so does its notice.
pub fn skipping_needs_no_message<W: RawWorld>(world: &W) {
    let mut raw = RawClient::with(world, &Setup::with_pool(1_024, 8));
    let held = hold_every_message(&raw.server, || raw.wire.frame(&Frame::new(code::SIGNAL, 4)));
    raw.wire.frame(&Frame::new(code::SIGNAL, 5).body([1; 5_000]));
    assert_eq!(raw.server.notice(Status::InvalidBodyLen).id, 5);
    drop(held);
    raw.wire.frame(&Frame::new(code::SIGNAL, 6));
    assert_eq!(raw.server.peers(Opcode::Signal).id(), 6);
}

/// A pool whose largest message is small is a limit as well: such frames do not block the channel.
pub fn pool_is_a_limit<W: RawWorld>(world: &W) {
    let mut raw = RawClient::with(world, &Setup { pool: vec![(512, 16)], ..Setup::default() });
    let limits = raw.server.engine.limits();
    assert!(usize::from(limits.headers) + usize::from(limits.body) <= 512 - 16, "{limits}");
    raw.wire.frame(&Frame::new(code::SIGNAL, 5).body([1; 600]));
    raw.wire.frame(&Frame::new(code::SIGNAL, 6));
    assert_eq!(raw.server.notice(Status::InvalidBodyLen).id, 5);
    assert_eq!(raw.server.peers(Opcode::Signal).id(), 6);
}

/// Limits below the maximum are announced in a client's HelloRequest.
pub fn hello_request_announces_limits<W: RawWorld>(world: &W) {
    let raw = RawServer::with(world, &Setup::with_limits(1_000, 2_000));
    assert_eq!(announced(&raw.hello), ["headers=1000,body=2000"]);
}

/// Limits below the maximum are announced in a server's HelloResponse, in place of those
/// an echoing application left there.
pub fn hello_response_announces_limits<W: RawWorld>(world: &W) {
    let server = App::with(world, &Setup::with_limits(1_000, 2_000));
    let (_, address) = server.listen(&world.raw_address());
    let mut open = Vec::new();
    for theirs in ["", "~limits:headers=900,body=900\r\n", "~limits:x\r\nk:v\r\n~limits:y\r\n"] {
        let mut wire = Wire::connect(world, &address);
        let mut hello = Frame::hello();
        hello.text.extend(theirs.as_bytes());
        wire.frame(&hello);
        server.answer(server.peers(Opcode::HelloRequest));
        let response = wire.expect(code::HELLO_RESPONSE);
        assert_eq!(announced(&response), ["headers=1000,body=2000"]);
        let others = String::from_utf8(response.text).expect("text");
        assert_eq!(others.contains("k:v\r\n"), theirs.contains("k:v"), "other headers stay");
        assert!(others.contains("~connect_to:raw\r\n"));
        open.push(wire);
    }
}

/// The announcement counts as well against what the peer takes: an answer that would outgrow it
/// is refused, not sent to be thrown away.
pub fn announcement_counts_against_the_peers_limits<W: RawWorld>(world: &W) {
    let server = App::with(world, &Setup::with_limits(1_000, 2_000));
    let (_, address) = server.listen(&world.raw_address());
    let mut wire = Wire::connect(world, &address);
    wire.frame(&Frame::hello().text("~limits:headers=60,body=60\r\n"));
    let hello = server.peers(Opcode::HelloRequest);
    let mut answer = server.message(Opcode::HelloResponse, hello.channel(), hello.id(), b"");
    answer.add_header("n", [b'x'; 60 - 4]).expect("the header fits");
    server.refuse(answer, Status::InvalidHeadersLen);
    // Its own announcement fits by itself.
    server.send(Opcode::HelloResponse, hello.channel(), hello.id(), b"");
    assert_eq!(announced(&wire.expect(code::HELLO_RESPONSE)), ["headers=1000,body=2000"]);
}

/// An engine with the full limits adds nothing, and takes away an echoed announcement, which
/// would speak for the other side.
pub fn full_limits_announce_nothing<W: RawWorld>(world: &W) {
    let mut raw = RawServer::new(world);
    assert_eq!(announced(&raw.hello), [""; 0]);
    raw.wire.quiet::<W>();

    let server = App::new(world);
    let (_, address) = server.listen(&world.raw_address());
    let mut wire = Wire::connect(world, &address);
    wire.frame(&Frame::hello().text("~connect_to:raw\r\n~limits:headers=900,body=900\r\nk:v\r\n"));
    server.answer(server.peers(Opcode::HelloRequest));
    assert_eq!(wire.expect(code::HELLO_RESPONSE).text, b"~connect_to:raw\r\nk:v\r\n");
}

/// What a frame announces.
pub(super) fn announced(frame: &Frame) -> Vec<String> {
    let text = String::from_utf8(frame.text.clone()).expect("text");
    let values = text.split("\r\n").filter_map(|line| line.strip_prefix("~limits:"));
    values.map(|value| value.trim().to_owned()).collect()
}

/// What was announced holds for posts: up to it is sent, beyond it is refused.
pub fn announced_limits_are_honoured<W: RawWorld>(world: &W) {
    let server = App::new(world);
    let (_, address) = server.listen(&world.raw_address());
    for (text, limits) in [
        ("~limits:headers=20,body=30\r\n", Limits { headers: 20, body: 30 }),
        ("~limits: body=30,headers=20 \r\n", Limits { headers: 20, body: 30 }),
        ("~limits:headers=20,body=30,colour=7\r\n", Limits { headers: 20, body: 30 }),
        ("~limits:body=0\r\n", Limits { headers: u16::MAX, body: 0 }),
    ] {
        let mut wire = Wire::connect(world, &address);
        wire.frame(&Frame::new(code::HELLO_REQUEST, 1).text(text));
        let channel = server.peers(Opcode::HelloRequest).channel();
        check_limits(&server, channel, &mut wire, limits);
        drop(wire);
        server.closed(channel);
    }
}

fn check_limits<W: RawWorld>(
    app: &App<W>,
    channel: tofu_core::ChannelNumber,
    wire: &mut Wire<W::Raw>,
    limits: Limits,
) {
    let body = usize::from(limits.body);
    let fits = app.send(Opcode::Signal, channel, 1, vec![b'b'; body]);
    assert_eq!(usize::from(fits.body_len), body);
    assert_eq!(wire.expect(code::SIGNAL).body.len(), body);
    let long = app.message(Opcode::Signal, channel, 2, vec![b'b'; body + 1]);
    app.refuse(long, Status::InvalidBodyLen);
    if limits.headers < u16::MAX {
        let headers = usize::from(limits.headers);
        let mut message = app.message(Opcode::Signal, channel, 3, b"");
        message.add_header("n", vec![b'h'; headers - 4]).expect("the header fits");
        app.post(message);
        assert_eq!(wire.expect(code::SIGNAL).text.len(), headers);
        let mut long = app.message(Opcode::Signal, channel, 4, b"");
        long.add_header("n", vec![b'h'; headers - 3]).expect("the header fits");
        app.refuse(long, Status::InvalidHeadersLen);
    }
}

/// A peer that announces none, or nonsense, is taken to have the maximum.
pub fn no_announcement_is_the_maximum<W: RawWorld>(world: &W) {
    let server = App::new(world);
    let (_, address) = server.listen(&world.raw_address());
    for text in
        ["", "~limits:\r\n", "~limits:headers=,body=x\r\n", "~limits:headers=99999,body=70000\r\n"]
    {
        let mut wire = Wire::connect(world, &address);
        wire.frame(&Frame::new(code::HELLO_REQUEST, 1).text(text));
        let channel = server.peers(Opcode::HelloRequest).channel();
        server.send(Opcode::Signal, channel, 1, vec![5; 65_535]);
        assert_eq!(wire.expect(code::SIGNAL).body.len(), 65_535, "{text:?}");
        drop(wire);
        server.closed(channel);
    }
}

/// A client learns a server's limits from its HelloResponse.
pub fn client_learns_limits_from_the_answer<W: World>(world: &W) {
    let pair = Pair::with(world, &Setup::with_limits(256, 128), &Setup::default());
    pair.client.send(Opcode::Signal, pair.at_client, 1, [1; 128]);
    assert_eq!(pair.server.peers(Opcode::Signal).body().len(), 128);
    let long = pair.client.message(Opcode::Signal, pair.at_client, 2, [1; 129]);
    pair.client.refuse(long, Status::InvalidBodyLen);
    pair.works();
}

/// What was posted before the limits were known may be too long: it is skipped there, and the channel lives.
pub fn early_posts_over_the_limit_cost_only_themselves<W: World>(world: &W) {
    let (server, client) = (App::with(world, &Setup::with_limits(200, 300)), App::new(world));
    let (_, address) = server.listen(&world.address());
    let at_client = client.connect(&address).channel;
    client.send(Opcode::Signal, at_client, 1, [1; 301]);
    client.send(Opcode::Signal, at_client, 2, [1; 300]);
    let at_server = server.peers(Opcode::HelloRequest).channel();
    let notice = server.notice(Status::InvalidBodyLen);
    assert_eq!((notice.channel, notice.id), (at_server, 1));
    assert_eq!(server.peers(Opcode::Signal).id(), 2);
}

/// Engines of different limits and pools talk to each other within what both can take.
pub fn unequal_engines_talk<W: World>(world: &W) {
    let setups = [
        Setup::default(),
        Setup::with_limits(300, 256),
        Setup::with_pool(1_024, 16),
        Setup::with_pool(65_000, 8),
    ];
    for server_setup in &setups {
        for client_setup in &setups {
            let pair = Pair::with(world, server_setup, client_setup);
            pair.works();
            let largest =
                pair.server.engine.limits().body.min(pair.client.engine.limits().body).min(200);
            for _ in 0..20 {
                let body = vec![9; largest.into()];
                pair.client.send(Opcode::Request, pair.at_client, 1, &body);
                pair.server.answer(pair.server.peers(Opcode::Request));
                assert_eq!(pair.client.peers(Opcode::Response).body(), body);
            }
        }
    }
}

/// An application reads what its peer announced like any other header, under its own name.
pub fn announcement_is_visible_to_the_application<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::with(world, &Setup::with_limits(300, 400)));
    let (_, address) = server.listen(&world.address());
    client.connect(&address);
    let hello = server.peers(Opcode::HelloRequest);
    let value = hello.text().get(LIMITS).expect("the announcement");
    assert_eq!(Limits::parse(value), Limits { headers: 300, body: 400 });
    drop(hello);
    join(&server, &client, &address);
}
