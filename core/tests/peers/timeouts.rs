//! What timeouts end, and what they leave in peace: what goes on, and what waits for ourselves.

use super::{
    BUDGET, Host, Peers, connected_engine, engine, engine_with, frame, listening_engine,
    listening_engine_with, say_hello, settle, settle_at,
};
use std::time::Duration;
use tofu_core::{
    ChannelNumber, Engine, GroupId, Instant, Notice, Opcode, Options, Ready, Received, Status,
};

const SECOND: Duration = Duration::from_secs(1);

/// A client that said goodbye, and has sent it.
fn said_goodbye(messages: u16) -> (Engine<Host>, GroupId, Peers) {
    let (mut engine, group, mut io, channel) = connected_engine(messages);
    post(&mut engine, group, Opcode::ByeRequest, channel);
    settle(&mut engine, &mut io, BUDGET);
    (engine, group, io)
}

fn post(engine: &mut Engine<Host>, group: GroupId, opcode: Opcode, channel: ChannelNumber) {
    let mut message = engine.get().unwrap();
    message.prepare(opcode, channel);
    engine.post(group, message).unwrap();
}

fn at(seconds: u32) -> Instant {
    Instant::ZERO.after(SECOND * seconds)
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
    let later = at(60);
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
        post(&mut engine, group, Opcode::ByeRequest, channel);
    }
    settle(&mut engine, &mut io, BUDGET);
    for peer in 0..crowd {
        io.send(peer, &frame(Opcode::ByeResponse, 1, b""));
    }
    settle_at(at(60), &mut engine, &mut io, BUDGET);
    let all = std::iter::from_fn(|| engine.receive(group));
    let ends = all.filter(|received| {
        matches!(received, Received::Notice(Notice { reason: Status::Success, .. }))
    });
    assert_eq!(ends.count(), crowd);
}

#[test]
fn goodbye_that_is_not_answered_ends() {
    let (mut engine, group, mut io) = said_goodbye(8);
    let now = at(11);
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
    let late = at(60);
    settle_at(late, &mut engine, &mut io, BUDGET);
    let received = receive_all(late, &mut engine, group, &mut io);
    assert_eq!((received, engine.stats().closed_unannounced), ((crowd as u32, None), 0));
}

#[test]
fn goodbye_that_is_not_taken_yet_waits_while_the_peer_has_something_to_say() {
    let (mut engine, group, mut io, channel) = connected_engine(64);
    io.peers[0].deaf = true;
    post(&mut engine, group, Opcode::Signal, channel);
    post(&mut engine, group, Opcode::ByeRequest, channel);
    settle(&mut engine, &mut io, BUDGET);
    for second in 1..=15 {
        io.send(0, &frame(Opcode::Signal, 7, b"first this"));
        settle_at(at(second), &mut engine, &mut io, BUDGET);
        assert_eq!(receive_all(at(second), &mut engine, group, &mut io), (1, None));
    }
    settle_at(at(26), &mut engine, &mut io, BUDGET);
    let (returned, end) = receive_all(at(26), &mut engine, group, &mut io);
    assert_eq!((returned, end), (2, Some(Status::CommunicationFailed)));
}

#[test]
fn goodbye_waits_for_the_staging_buffer_of_one_that_waits_for_the_application() {
    let (mut engine, group) = engine(64);
    let mut io = Peers::new(2);
    let [_, leaves] = [(); 2].map(|()| say_hello(&mut engine, group));
    settle(&mut engine, &mut io, BUDGET);
    post(&mut engine, group, Opcode::ByeRequest, leaves);
    settle(&mut engine, &mut io, BUDGET);
    let answer = frame(Opcode::ByeResponse, 1, b"");
    // Half a header: from now on it is one that brings little.
    io.send(1, &answer[..8]);
    settle(&mut engine, &mut io, BUDGET);
    // The other's second is thrown away once the notice of the first is received; it waits with the buffer.
    io.send(0, &frame(Opcode::Signal, 7, &[0; 600]).repeat(2));
    settle(&mut engine, &mut io, BUDGET);
    io.send(1, &answer[8..]);
    settle(&mut engine, &mut io, BUDGET);
    settle_at(at(60), &mut engine, &mut io, BUDGET);
    let (_, end) = receive_all(at(60), &mut engine, group, &mut io);
    assert_eq!(end, Some(Status::Success));
}

/// Four peers take nothing at first. In the next second they could, and say so; the next turn comes later than
/// `options` allow, and sends no more than one message. Which channels end?
fn ends_of_who_would_take_more(options: &Options, opcodes: &[Opcode]) -> Vec<Status> {
    let (mut engine, group) = engine_with(64, options);
    let mut io = Peers::new(4);
    let channels = [(); 4].map(|()| say_hello(&mut engine, group));
    settle(&mut engine, &mut io, BUDGET);
    io.peers.iter_mut().for_each(|peer| peer.deaf = true);
    for (&opcode, channel) in opcodes.iter().flat_map(|it| channels.map(|channel| (it, channel))) {
        post(&mut engine, group, opcode, channel);
    }
    settle(&mut engine, &mut io, BUDGET);
    io.peers.iter_mut().for_each(|peer| peer.deaf = false);
    io.ready.extend(io.links.iter().map(|&link| (link, Ready::Writable)));
    settle_at(at(11), &mut engine, &mut io, 1);
    let all = std::iter::from_fn(|| engine.receive(group));
    let ends = all.filter_map(|received| match received {
        Received::Notice(notice) => Some(notice.reason),
        _ => None,
    });
    ends.collect()
}

#[test]
fn who_would_take_more_is_not_late_however_late_we_are() {
    let goodbye = [Opcode::Signal, Opcode::ByeRequest];
    assert_eq!(ends_of_who_would_take_more(&Options::DEFAULT, &goodbye), []);
    let options = Options { send_timeout: Some(5 * SECOND), ..Options::DEFAULT };
    assert_eq!(ends_of_who_would_take_more(&options, &[Opcode::Signal]), []);
    let options = Options { idle_timeout: Some(5 * SECOND), ..Options::DEFAULT };
    assert_eq!(ends_of_who_would_take_more(&options, &[Opcode::Signal]), []);
}

#[test]
fn who_takes_no_answers_and_is_not_read_for_it_is_idle() {
    let options = Options { idle_timeout: Some(5 * SECOND), ..Options::DEFAULT };
    let (mut engine, group) = listening_engine_with(16, &options);
    let mut io = Peers::new(1);
    settle(&mut engine, &mut io, BUDGET);
    io.peers[0].deaf = true;
    io.send(0, &frame(Opcode::HelloRequest, 1, b""));
    io.send(0, &frame(Opcode::Request, 2, b"again and again").repeat(64));
    let mut end = None;
    for second in 0..20 {
        settle_at(at(second), &mut engine, &mut io, BUDGET);
        while let Some(received) = engine.receive(group) {
            match received {
                Received::Peer(mut message) if message.opcode() == Opcode::Request => {
                    message.reply().unwrap();
                    engine.post(group, message).unwrap();
                }
                Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                    end = Some(notice.reason);
                }
                _ => {}
            }
            settle_at(at(second), &mut engine, &mut io, BUDGET);
        }
    }
    assert_eq!(end, Some(Status::CommunicationFailed));
}

#[test]
fn who_takes_nothing_is_not_waited_for_beyond_the_send_timeout_whatever_it_says() {
    let options = Options { send_timeout: Some(5 * SECOND), ..Options::DEFAULT };
    let (mut engine, group) = engine_with(16, &options);
    let mut io = Peers::new(1);
    let channel = say_hello(&mut engine, group);
    settle(&mut engine, &mut io, BUDGET);
    io.peers[0].deaf = true;
    post(&mut engine, group, Opcode::Signal, channel);
    post(&mut engine, group, Opcode::ByeRequest, channel);
    settle(&mut engine, &mut io, BUDGET);
    let mut end = None;
    for second in (4..20).step_by(4) {
        io.send(0, &frame(Opcode::Signal, 1, b""));
        settle_at(at(second), &mut engine, &mut io, BUDGET);
        end = end.or(receive_all(at(second), &mut engine, group, &mut io).1);
    }
    assert_eq!(end, Some(Status::CommunicationFailed));
}
