//! What timeouts end, and what they leave in peace: what goes on, and what waits for ourselves.

use super::{
    BUDGET, Host, Peers, connected_engine, engine, frame, listening_engine, say_hello, settle,
    settle_at,
};
use std::time::Duration;
use tofu_core::{Engine, GroupId, Instant, Notice, Opcode, Received, Status};

const SECOND: Duration = Duration::from_secs(1);

/// A client that said goodbye, and has sent it.
fn said_goodbye(messages: u16) -> (Engine<Host>, GroupId, Peers) {
    let (mut engine, group, mut io, channel) = connected_engine(messages);
    let mut bye = engine.get().unwrap();
    bye.prepare(Opcode::ByeRequest, channel);
    engine.post(group, bye).unwrap();
    settle(&mut engine, &mut io, BUDGET);
    (engine, group, io)
}

/// Receives all there is at this time: how many messages, and why the channel ended if it did.
fn receive_all(
    now: Instant,
    engine: &mut Engine<Host>,
    group: GroupId,
    io: &mut Peers,
) -> (u32, Option<Status>) {
    let (mut messages, mut end) = (0, None);
    while let Some(received) = engine.receive(group) {
        match received {
            Received::Notice(Notice { status: Status::ChannelClosed, reason, .. }) => {
                end = Some(reason);
            }
            _ => messages += 1,
        }
        settle_at(now, engine, io, BUDGET);
    }
    (messages, end)
}

#[test]
fn goodbye_waits_while_the_peer_has_something_to_say() {
    let (mut engine, group, mut io) = said_goodbye(1_000);
    let mut now = Instant::ZERO;
    for id in 1..=15 {
        now = now.after(SECOND);
        io.send(0, &frame(Opcode::Signal, id, b"before that"));
        settle_at(now, &mut engine, &mut io, BUDGET);
        assert_eq!(receive_all(now, &mut engine, group, &mut io), (1, None));
    }
    io.send(0, &frame(Opcode::ByeResponse, 1, b""));
    settle_at(now, &mut engine, &mut io, BUDGET);
    assert_eq!(receive_all(now, &mut engine, group, &mut io), (1, Some(Status::Success)));
}

#[test]
fn goodbye_waits_while_a_long_message_comes_bit_by_bit() {
    let (mut engine, group, mut io) = said_goodbye(8);
    let mut now = Instant::ZERO;
    let long = frame(Opcode::Signal, 7, &[5; 400]);
    for piece in long.chunks(28) {
        now = now.after(SECOND);
        io.send(0, piece);
        settle_at(now, &mut engine, &mut io, BUDGET);
    }
    io.send(0, &frame(Opcode::ByeResponse, 1, b""));
    settle_at(now, &mut engine, &mut io, BUDGET);
    assert_eq!(receive_all(now, &mut engine, group, &mut io), (2, Some(Status::Success)));
}

/// All of this has arrived, and the peer's answer; the application receives it a minute later.
fn receive_late(messages: u16, frames: &[Vec<u8>]) {
    let (mut engine, group, mut io) = said_goodbye(messages);
    for frame in frames {
        io.peers[0].bytes.extend(frame);
    }
    io.send(0, &frame(Opcode::ByeResponse, 1, b""));
    settle(&mut engine, &mut io, BUDGET);
    let later = Instant::ZERO.after(60 * SECOND);
    settle_at(later, &mut engine, &mut io, BUDGET);
    let received = receive_all(later, &mut engine, group, &mut io);
    assert_eq!(received, (frames.len() as u32 + 1, Some(Status::Success)));
}

#[test]
fn goodbye_waits_for_our_own_receiver() {
    let signals =
        |count| (1..=count).map(|id| frame(Opcode::Signal, id, b"here")).collect::<Vec<_>>();
    // More than is read ahead; more than the pool holds; and the second is thrown away only once the first was told.
    receive_late(1_000, &signals(400));
    receive_late(16, &signals(40));
    receive_late(64, &[1, 2].map(|id| frame(Opcode::Signal, id, &[0; 2_000])));
}

#[test]
fn goodbyes_that_are_answered_are_not_late_however_late_we_are() {
    let crowd = 60;
    let (mut engine, group) = engine(1_000);
    let mut io = Peers::new(crowd);
    for _ in 0..crowd {
        let channel = say_hello(&mut engine, group);
        let mut bye = engine.get().unwrap();
        bye.prepare(Opcode::ByeRequest, channel);
        engine.post(group, bye).unwrap();
    }
    settle(&mut engine, &mut io, BUDGET);
    for peer in 0..crowd {
        io.send(peer, &frame(Opcode::ByeResponse, 1, b""));
    }
    settle_at(Instant::ZERO.after(60 * SECOND), &mut engine, &mut io, BUDGET);
    let all = std::iter::from_fn(|| engine.receive(group));
    let ends = all.filter(|received| {
        matches!(received, Received::Notice(Notice { reason: Status::Success, .. }))
    });
    assert_eq!(ends.count(), crowd);
}

#[test]
fn goodbye_that_is_not_answered_ends() {
    let (mut engine, group, mut io) = said_goodbye(8);
    let now = Instant::ZERO.after(11 * SECOND);
    settle_at(now, &mut engine, &mut io, BUDGET);
    let received = receive_all(now, &mut engine, group, &mut io);
    assert_eq!(received, (0, Some(Status::CommunicationFailed)));
}

#[test]
fn what_has_arrived_is_not_late_however_late_we_are() {
    let crowd = 60;
    let (mut engine, group) = listening_engine(1_000);
    let mut io = Peers::new(crowd);
    settle(&mut engine, &mut io, BUDGET);
    assert!(matches!(engine.receive(group), Some(Received::Returned(_, Status::Success))));
    for peer in 0..crowd {
        io.send(peer, &frame(Opcode::HelloRequest, 1, b""));
    }
    // More than one turn reads.
    assert!(crowd > 2 * BUDGET as usize);
    let late = Instant::ZERO.after(60 * SECOND);
    settle_at(late, &mut engine, &mut io, BUDGET);
    let received = receive_all(late, &mut engine, group, &mut io);
    assert_eq!((received, engine.stats().closed_unannounced), ((crowd as u32, None), 0));
}
