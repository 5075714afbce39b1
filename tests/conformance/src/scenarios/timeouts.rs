//! Section 3: timeouts. One that fires closes the channel with `communication_failed`.

use super::close::{check_tail, fill_then};
use crate::app::{App, Pair, eventually, join};
use crate::wire::{Frame, RawClient, RawServer, Wire, code};
use crate::world::{Group, Peer, RawWorld, Setup, World};
use std::time::Duration;
use tofu_core::{Opcode, Received, Status};

const SHORT: Duration = Duration::from_millis(150);
const NEVER: Duration = Duration::from_secs(3_600);

/// A ByeRequest that is not answered in time closes with `communication_failed`.
pub fn unanswered_bye_times_out<W: RawWorld>(world: &W) {
    let setup = Setup::default().timeouts(|options| options.bye_timeout = SHORT);
    let mut raw = RawServer::with(world, &setup);
    raw.client.send(Opcode::ByeRequest, raw.channel, 3, b"");
    raw.wire.expect(code::BYE_REQUEST);
    raw.wire.closed();
    assert_eq!(raw.client.closed(raw.channel).reason, Status::CommunicationFailed);
}

/// So does one whose bytes the peer never reads; what is unsent comes back.
pub fn bye_behind_a_stuck_peer_times_out<W: RawWorld>(world: &W) {
    let setup = Setup::default().timeouts(|options| options.bye_timeout = SHORT);
    let raw = RawServer::with(world, &setup);
    let channel = raw.channel;
    let (posted, back) = fill_then(world, &raw.client, channel, || {
        let mut bye = raw.client.engine.get().expect("small messages are left");
        bye.prepare(Opcode::ByeRequest, channel);
        raw.client.group.post(bye).expect("the goodbye is accepted");
    });
    let (bye, rest) = back.split_last().expect("something comes back");
    assert_eq!(bye.1, Status::CommunicationFailed);
    check_tail(&posted, rest, &[Status::CommunicationFailed]);
}

/// Timeouts fire while the application does not call in, as well where the goodbye waits behind
/// a peer that reads nothing.
pub fn timeouts_need_no_application<W: RawWorld>(world: &W) {
    let setup = Setup::default().timeouts(|options| options.bye_timeout = SHORT);
    let mut raw = RawServer::with(world, &setup);
    while raw.client.engine.get().is_some_and(|mut message| {
        message.prepare(Opcode::Signal, raw.channel);
        message.set_body(vec![1; 50_000]).is_ok() && raw.client.group.post(message).is_ok()
    }) {}
    world.pass(W::QUIET);
    raw.client.send(Opcode::ByeRequest, raw.channel, 3, b"");
    world.pass(SHORT * 4);
    let back = raw.client.group.receive(Duration::ZERO);
    assert!(matches!(back, Some(Received::Returned(..))), "the time ran out by itself: {back:?}");
    // Else the goodbye would follow now.
    let rest = raw.wire.rest();
    let bye = Frame { channel: raw.channel.get(), ..Frame::new(code::BYE_REQUEST, 3) }.bytes();
    assert!(!rest.ends_with(&bye));
}

/// A channel that passes no byte for the idle time closes with `communication_failed`.
pub fn idle_channel_times_out<W: World>(world: &W) {
    let setup = Setup::default().timeouts(|options| options.idle_timeout = Some(SHORT * 10));
    let pair = Pair::with(world, &setup, &Setup::default());
    for _ in 0..12 {
        world.pass(SHORT);
        pair.client.send(Opcode::Signal, pair.at_client, 1, b"");
        pair.server.peers(Opcode::Signal);
    }
    pair.client.closed(pair.at_client);
    assert_eq!(pair.server.closed(pair.at_server).reason, Status::CommunicationFailed);
    // A listener is not idle, it waits.
    world.pass(SHORT * 11);
    join(&pair.server, &pair.client, &pair.address);
}

/// A frame that was begun and does not arrive whole in time closes with `communication_failed`.
pub fn unfinished_frame_times_out<W: RawWorld>(world: &W) {
    let frame = Frame::new(code::REQUEST, 1).text("a:1\r\n").body([7; 100]).bytes();
    for cut in [1, 15, 16, 18, 21, 60, frame.len() - 1] {
        let setup = Setup::default().timeouts(|options| options.frame_timeout = SHORT);
        let mut raw = RawClient::with(world, &setup);
        raw.wire.send(&frame[..cut]);
        raw.wire.closed();
        let notice = raw.server.closed(raw.channel);
        assert_eq!(notice.reason, Status::CommunicationFailed, "cut at {cut}");
        let capacity = setup.pool_capacity();
        eventually(world, capacity, || raw.server.engine.free_messages());
    }
}

/// A connection that says nothing is not a frame begun: it may stay silent.
pub fn silence_between_frames_is_no_timeout<W: RawWorld>(world: &W) {
    let setup = Setup::default().timeouts(|options| {
        options.frame_timeout = SHORT;
        // It runs by now, while the wire is being made.
        options.hello_timeout = SHORT * 10;
        options.bye_timeout = SHORT;
    });
    let mut raw = RawClient::with(world, &setup);
    world.pass(SHORT * 11);
    raw.wire.frame(&Frame::new(code::REQUEST, 5));
    assert_eq!(raw.server.peers(Opcode::Request).id(), 5);
}

/// A connection that does not say hello in time is closed without a word, and counted.
pub fn missing_hello_times_out<W: RawWorld>(world: &W) {
    let setup = Setup::default().timeouts(|options| {
        options.hello_timeout = SHORT;
        options.frame_timeout = NEVER;
    });
    let server = App::with(world, &setup);
    let (_, address) = server.listen(&world.raw_address());
    let hello = Frame::hello().body([1; 20]).bytes();
    for (index, cut) in [0, 5, 16, hello.len() - 1].into_iter().enumerate() {
        let mut wire = Wire::connect(world, &address);
        wire.send(&hello[..cut]);
        wire.closed();
        eventually(world, index as u64 + 1, || server.engine.stats().closed_unannounced);
    }
    server.quiet();
    assert_eq!(server.engine.channels(), 1, "only the listener is left");
    eventually(world, setup.pool_capacity(), || server.engine.free_messages());
}

/// A dropped group does not wait for ever for a peer that never reads: in the end nothing is left of it.
pub fn dropped_group_does_not_wait_for_ever<W: RawWorld>(world: &W) {
    let setup = Setup::default().timeouts(|options| options.bye_timeout = SHORT);
    let RawServer { client: App { group, engine }, channel, wire, .. } =
        RawServer::with(world, &setup);
    while engine.get().is_some_and(|mut message| {
        message.prepare(Opcode::Signal, channel);
        message.set_body(vec![1; 50_000]).is_ok() && group.post(message).is_ok()
    }) {}
    drop(group);
    eventually(world, 0, || engine.channels());
    eventually(world, setup.pool_capacity(), || engine.free_messages());
    drop(wire);
}
