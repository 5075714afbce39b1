//! Section 4: protocol violations close the channel with `invalid_message`, and nobody else notices.

use crate::app::{App, eventually};
use crate::wire::{Frame, RawClient, RawServer, Wire, another_works, code, raw_join};
use crate::world::{Peer, RawWorld, Setup};
use tofu_core::{Opcode, Status};

/// After hello, a client sends two good frames and a bad one: the good ones are delivered, then the channel
/// ends with this reason, and another client works.
fn ends_with<W: RawWorld>(world: &W, raw: &mut RawClient<W>, bad: &Frame, reason: Status) {
    let mut bytes = Frame::new(code::REQUEST, 21).bytes();
    bytes.extend(Frame::new(code::SIGNAL, 22).body("b").bytes());
    bytes.extend(bad.bytes());
    bytes.extend(Frame::new(code::SIGNAL, 23).bytes());
    raw.wire.send(bytes);
    assert_eq!(raw.server.peers(Opcode::Request).id(), 21);
    assert_eq!(raw.server.peers(Opcode::Signal).id(), 22);
    let notice = raw.server.closed(raw.channel);
    assert_eq!(notice.reason, reason, "{bad:?}");
    raw.wire.closed();
    raw.another_works(world);
    assert_eq!(raw.server.engine.stats().closed_unannounced, 0);
    eventually(world, Setup::default().pool_capacity(), || raw.server.engine.free_messages());
}

fn violates<W: RawWorld>(world: &W, bad: Frame) {
    ends_with(world, &mut RawClient::new(world), &bad, Status::InvalidMessage);
}

/// Opcodes 10 to 15.
pub fn unknown_opcodes<W: RawWorld>(world: &W) {
    for opcode in 10..=15 {
        violates(world, Frame::new(opcode, 1));
        violates(world, Frame::new(opcode, 1).body([0; 100]));
    }
}

/// A Welcome from the wire.
pub fn welcome_from_the_wire<W: RawWorld>(world: &W) {
    violates(world, Frame::new(code::WELCOME_REQUEST, 1).text("~listen_on:tcp||0\r\n"));
    violates(world, Frame::new(code::WELCOME_RESPONSE, 1));
}

/// A second HelloRequest.
pub fn second_hello_request<W: RawWorld>(world: &W) {
    violates(world, Frame::hello());
}

/// A HelloRequest to the side that connected.
pub fn hello_request_to_a_client<W: RawWorld>(world: &W) {
    let mut raw = RawServer::new(world);
    raw.wire.frame(&Frame::hello());
    assert_eq!(raw.client.closed(raw.channel).reason, Status::InvalidMessage);
    raw.wire.closed();
}

/// A HelloResponse to the accepting side, which sent no HelloRequest.
pub fn hello_response_to_a_server<W: RawWorld>(world: &W) {
    violates(world, Frame::new(code::HELLO_RESPONSE, 1));
}

/// `more` on a frame that is not regular.
pub fn more_on_what_is_not_regular<W: RawWorld>(world: &W) {
    violates(world, Frame::new(code::BYE_REQUEST | code::MORE, 1));
    violates(world, Frame::new(code::BYE_RESPONSE | code::MORE, 1));
    let mut raw = RawServer::new(world);
    raw.wire.frame(&Frame::new(code::HELLO_RESPONSE | code::MORE, raw.hello.id));
    assert_eq!(raw.client.closed(raw.channel).reason, Status::InvalidMessage);
}

/// A response with id 0.
pub fn response_without_id<W: RawWorld>(world: &W) {
    violates(world, Frame::new(code::RESPONSE, 0));
    violates(world, Frame::new(code::BYE_RESPONSE, 0));
    let mut raw = RawServer::new(world);
    raw.wire.frame(&Frame::new(code::HELLO_RESPONSE, 0));
    assert_eq!(raw.client.closed(raw.channel).reason, Status::InvalidMessage);
}

/// A ByeSignal from the wire is taken as a sudden close.
pub fn bye_signal_from_the_wire<W: RawWorld>(world: &W) {
    let sudden = Frame::new(code::BYE_SIGNAL, 1);
    ends_with(world, &mut RawClient::new(world), &sudden, Status::PeerDisconnected);
}

/// A first frame that is not a valid HelloRequest: closed without a word, and counted.
pub fn first_frame_is_not_hello<W: RawWorld>(world: &W) {
    let server = App::new(world);
    let (_, address) = server.listen(&world.raw_address());
    let more = code::HELLO_REQUEST | code::MORE;
    let opcodes = (0..=15).filter(|&opcode| opcode != code::HELLO_REQUEST).chain([more]);
    for (index, proto) in opcodes.enumerate() {
        let mut wire = Wire::connect(world, &address);
        wire.frame(&Frame::new(proto, 5).text("~connect_to:raw\r\n"));
        wire.closed();
        eventually(world, index as u64 + 1, || server.engine.stats().closed_unannounced);
    }
    server.quiet();
    another_works(world, &server, &address);
    eventually(world, 1, || server.engine.channels());
    eventually(world, Setup::default().pool_capacity(), || server.engine.free_messages());
}

/// A first frame that is no tofu at all.
pub fn first_bytes_are_another_protocol<W: RawWorld>(world: &W) {
    let server = App::new(world);
    let (_, address) = server.listen(&world.raw_address());
    let foreign: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[0xff; 64],
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n\r\n",
    ];
    for (index, bytes) in foreign.into_iter().enumerate() {
        let mut wire = Wire::connect(world, &address);
        wire.send(bytes);
        wire.closed();
        eventually(world, index as u64 + 1, || server.engine.stats().closed_unannounced);
    }
    server.quiet();
    another_works(world, &server, &address);
}

/// A connection that leaves before it said hello: not a word, and counted.
pub fn leaving_before_hello<W: RawWorld>(world: &W) {
    let server = App::new(world);
    let (_, address) = server.listen(&world.raw_address());
    let hello = Frame::hello().body([1; 50]).bytes();
    for (index, cut) in [0, 1, 15, 16, 20, hello.len() - 1].into_iter().enumerate() {
        let mut wire = Wire::connect(world, &address);
        wire.send(&hello[..cut]);
        drop(wire);
        eventually(world, index as u64 + 1, || server.engine.stats().closed_unannounced);
    }
    server.quiet();
    another_works(world, &server, &address);
    eventually(world, 1, || server.engine.channels());
    eventually(world, Setup::default().pool_capacity(), || server.engine.free_messages());
}

/// Connections that send nothing, half a header or half a body and stall cost nobody else anything.
pub fn stalled_connections_disturb_nobody<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    let frame = Frame::hello().body([1; 200]).bytes();
    let mut stalled = Vec::new();
    for cut in [0, 1, 8, 15, 16, 17, 100, frame.len() - 1] {
        let mut wire = Wire::connect(world, &raw.address);
        wire.send(&frame[..cut]);
        stalled.push(wire);
        raw.another_works(world);
    }
    for cut in [1, 15, 16, 17, 150] {
        let (mut wire, _) = raw_join(world, &raw.server, &raw.address);
        wire.send(&Frame::new(code::REQUEST, 1).body([2; 200]).bytes()[..cut]);
        stalled.push(wire);
        raw.another_works(world);
        raw.wire.frame(&Frame::new(code::REQUEST, 2));
        assert_eq!(raw.server.peers(Opcode::Request).channel(), raw.channel);
    }
    raw.server.quiet();
    assert_eq!(raw.server.engine.stats().closed_unannounced, 0);
}
