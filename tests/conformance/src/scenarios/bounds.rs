//! Section 4: what a listener bears of its peers.

use super::limits::announced;
use crate::app::{App, eventually, join};
use crate::wire::{Frame, RawClient, RawServer, Wire, another_works, code, raw_join};
use crate::world::{Peer, RawListener, RawWorld, Setup, World};
use tofu_core::{BOUNDS, ChannelNumber, Header, LISTEN_ON, Opcode, Status};

/// The most lines of text headers in the scenarios about them.
const LINES: u16 = 5;

/// Posts a WelcomeRequest with bounds.
#[track_caller]
fn welcome_with<W: World>(app: &App<W>, address: &str, bounds: &str) -> Header {
    let mut message = app.get();
    message.listen_on(address).expect("the address fits");
    message.add_header(BOUNDS, bounds).expect("the bounds fit");
    app.post(message)
}

/// Listens with bounds; the listener's channel and its address.
#[track_caller]
fn listen_with<W: World>(app: &App<W>, address: &str, bounds: &str) -> (ChannelNumber, String) {
    let header = welcome_with(app, address, bounds);
    let answer = app.returned(Status::Success);
    assert_eq!(answer.text().get_str(BOUNDS), Some(bounds), "the Welcome comes back as it was");
    let real = answer.text().get_str(LISTEN_ON).expect("the listener's address");
    (header.channel, real.to_owned())
}

/// The notice of a listener that is full.
#[track_caller]
fn says_it_is_full<W: World>(app: &App<W>, listener: ChannelNumber) {
    let notice = app.notice(Status::AcceptFailed);
    assert_eq!((notice.channel, notice.reason), (listener, Status::NotAllowed));
}

/// A listener with all the channels it may have says so once, and lets others wait. As channels end
/// it accepts the next, and does not say again that it is full.
pub fn full_listener_accepts_again_when_a_channel_ends<W: World>(world: &W) {
    let mut setup = Setup::default();
    setup.protocol.listener_channels = 2;
    let (server, client) = (App::with(world, &setup), App::new(world));
    let (listener, address) = server.listen(&world.address());
    let (mut oldest, _) = join(&server, &client, &address);
    client.connect(&address);
    says_it_is_full(&server, listener);
    let mut newest = server.answer(server.peers(Opcode::HelloRequest)).channel;
    client.peers(Opcode::HelloResponse);
    for _ in 0..3 {
        let next = client.connect(&address);
        server.quiet();
        server.send(Opcode::ByeSignal, oldest, 0, b"");
        server.closed_now(oldest);
        client.notice(Status::ChannelClosed);
        let hello = server.peers(Opcode::HelloRequest);
        assert_eq!(hello.id(), next.id);
        (oldest, newest) = (newest, server.answer(hello).channel);
        client.peers(Opcode::HelloResponse);
    }
    // With room again it has something to say when there is none.
    for channel in [oldest, newest] {
        server.send(Opcode::ByeSignal, channel, 0, b"");
        server.closed_now(channel);
        client.notice(Status::ChannelClosed);
    }
    join(&server, &client, &address);
    client.connect(&address);
    says_it_is_full(&server, listener);
    server.peers(Opcode::HelloRequest);
}

/// The bounds in a WelcomeRequest are those of its listener alone.
pub fn listener_has_bounds_of_its_own<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let (small, at_small) = listen_with(&server, &world.address(), "channels=1");
    let (_, at_large) = server.listen(&world.address());
    client.connect(&at_small);
    says_it_is_full(&server, small);
    let held = server.answer(server.peers(Opcode::HelloRequest)).channel;
    client.peers(Opcode::HelloResponse);
    for _ in 0..3 {
        join(&server, &client, &at_large);
    }
    // What a listener accepted lives on without it, and is nobody's after it.
    server.send(Opcode::ByeSignal, small, 0, b"");
    server.closed(small);
    exchange_at(&server, held, &client);
    server.send(Opcode::ByeSignal, held, 0, b"");
    server.closed(held);
}

#[track_caller]
fn exchange_at<W: World>(server: &App<W>, channel: ChannelNumber, client: &App<W>) {
    server.send(Opcode::Request, channel, 3, b"ping");
    client.answer(client.peers(Opcode::Request));
    assert_eq!(server.peers(Opcode::Response).id(), 3);
}

/// Bounds that cannot be read are refused with their Welcome, and nothing listens.
pub fn bounds_that_cannot_be_read_are_refused<W: World>(world: &W) {
    let app = App::new(world);
    for bounds in ["", "channels", "channels=0", "channels=-1", "chanels=1", "lines=1 body=2"] {
        let mut message = app.get();
        message.listen_on(world.address()).expect("the address fits");
        message.add_header(BOUNDS, bounds).expect("the bounds fit");
        app.refuse(message, Status::InvalidMessage);
    }
    assert_eq!(app.engine.channels(), 0);
    app.quiet();
}

/// A listener's channels take shorter frames than its engine, where its Welcome says so, and
/// announce that.
pub fn listener_takes_shorter_frames_than_its_engine<W: RawWorld>(world: &W) {
    let server = App::with(world, &Setup::with_limits(1_000, 2_000));
    let (_, address) = listen_with(&server, &world.raw_address(), "headers=100,body=200");
    let (mut wire, channel) = raw_join(world, &server, &address);
    server.send(Opcode::HelloResponse, channel, 1, b"");
    assert_eq!(announced(&wire.expect(code::HELLO_RESPONSE)), ["headers=100,body=200"]);
    for (text, body, status) in
        [(101, 0, Status::InvalidHeadersLen), (100, 201, Status::InvalidBodyLen)]
    {
        wire.frame(&Frame::new(code::SIGNAL, 5).text(vec![b'x'; text]).body(vec![1; body]));
        wire.frame(&Frame::new(code::SIGNAL, 6).text([b'y'; 100]).body([2; 200]));
        let notice = server.notice(status);
        assert_eq!((notice.channel, notice.id), (channel, 5));
        assert_eq!(server.peers(Opcode::Signal).id(), 6);
    }
    // A hello too long for it is none.
    let mut rude = Wire::connect(world, &address);
    rude.frame(&Frame::hello().body([0; 201]));
    rude.closed();
    server.quiet();
    // What it connects to itself may send as much as the engine takes.
    let mut listener = world.raw_listen();
    server.connect(&listener.address());
    let hello = Wire::accept(&mut listener).expect(code::HELLO_REQUEST);
    assert_eq!(announced(&hello), ["headers=1000,body=2000"]);
}

/// An engine that takes few lines of text headers.
fn few_lines() -> Setup {
    let mut setup = Setup::default();
    setup.protocol.header_lines = LINES;
    setup
}

fn lines(count: u16) -> Vec<u8> {
    b"k:\r\n".repeat(count.into())
}

/// Frames of more lines than an engine takes are thrown away, each with its notice in order, and
/// the channel goes on; nothing of them stays in the pool.
pub fn frames_of_too_many_lines_are_thrown_away_with_a_notice<W: RawWorld>(world: &W) {
    let mut raw = RawClient::with(world, &few_lines());
    for id in 1..=20 {
        raw.wire.frame(&Frame::new(code::SIGNAL, id).text(lines(LINES + 1)).body(b"gone"));
        raw.wire.frame(&Frame::new(code::SIGNAL, id + 50).text(b"\r\n".repeat(100)));
        raw.wire.frame(&Frame::new(code::SIGNAL, id + 100).text(lines(LINES)).body(b"kept"));
    }
    for id in 1..=20 {
        for gone in [id, id + 50] {
            let notice = raw.server.notice(Status::InvalidHeadersLen);
            assert_eq!((notice.channel, notice.id), (raw.channel, gone));
        }
        let kept = raw.server.peers(Opcode::Signal);
        assert_eq!((kept.id(), kept.text().iter().count()), (id + 100, LINES.into()));
    }
    raw.server.quiet();
    eventually(world, Setup::default().pool_capacity(), || raw.server.engine.free_messages());
}

/// A server is trusted with no more lines than a client.
pub fn client_throws_away_frames_of_too_many_lines<W: RawWorld>(world: &W) {
    let mut raw = RawServer::with(world, &few_lines());
    raw.wire.frame(&Frame::new(code::HELLO_RESPONSE, 1).text(lines(LINES + 1)));
    raw.wire.frame(&Frame::new(code::SIGNAL, 2).text(lines(LINES)));
    let notice = raw.client.notice(Status::InvalidHeadersLen);
    assert_eq!((notice.channel, notice.id), (raw.channel, 1));
    assert_eq!(raw.client.peers(Opcode::Signal).id(), 2);
}

/// A hello of too many lines is no valid one: closed without a word, and counted.
pub fn hello_of_too_many_lines_is_closed_without_a_word<W: RawWorld>(world: &W) {
    let server = App::with(world, &few_lines());
    let (_, address) = server.listen(&world.raw_address());
    let mut wire = Wire::connect(world, &address);
    wire.frame(&Frame::hello().text(lines(LINES + 1)));
    wire.closed();
    eventually(world, 1, || server.engine.stats().closed_unannounced);
    server.quiet();
    another_works(world, &server, &address);
    eventually(world, Setup::default().pool_capacity(), || server.engine.free_messages());
}
