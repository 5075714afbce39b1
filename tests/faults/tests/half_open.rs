//! The connection stands, and nothing comes any more: a timeout ends it, at each side.

use std::time::Instant;
use tofu_faults::eventually;
use tofu_faults::fault::Fault;
use tofu_faults::proxy::{Cut, Proxy, Way};
use tofu_faults::raw::{self, Raw};
use tofu_faults::side::{End, Side};
use tofu_faults::stage::Stage;
use tofu_faults::timeout::{BYE, CONNECT, FRAME, HELLO, IDLE, NONE, SEND, Set, TIMEOUT, only};
use tofu_std::{ChannelNumber, Opcode, Status};

/// The body of a frame that takes many packets.
static LONG: [u8; 60_000] = [7; 60_000];

/// After so many bytes the line falls silent.
const MUCH: usize = 1_000_000;

/// Sends until the line has fallen silent, and nobody takes more.
fn fill(side: &mut Side, channel: ChannelNumber, proxy: &Proxy, way: Way) {
    loop {
        let silent = proxy.passed(way) == MUCH;
        let why = side.say_all_it_may(channel, &LONG);
        if silent || why == Status::ChannelClosed {
            return;
        }
    }
}

/// Connects over a line that falls silent after so many bytes of what the sender then does, or before. Each
/// side has a timeout, and is ended by it. How it ended for the sender and the receiver.
fn fall_silent(
    way: Way,
    after: Option<usize>,
    [sending, receiving]: [Set; 2],
    act: impl Fn(&mut Side, ChannelNumber, &Proxy),
) -> [End; 2] {
    let (server, client) = match way {
        Way::Up => (only(receiving), only(sending)),
        Way::Down => (only(sending), only(receiving)),
    };
    let mut stage = Stage::new(server, client, "tcp|127.0.0.1|0");
    let start = Instant::now();
    let cut = after.map(|after| Cut { fault: Fault::Silence, way, after });
    let mut proxy = Proxy::start(&stage.address, cut);
    let here = stage.client.connect(proxy.address()).channel;
    let there = stage.server.expect(Opcode::HelloRequest).channel();
    if after.is_none() {
        proxy.inflict(Fault::Silence);
    }
    match way {
        Way::Up => act(&mut stage.client, here, &proxy),
        Way::Down => act(&mut stage.server, there, &proxy),
    }
    let client = stage.client.receive_until_end(here);
    let server = stage.server.receive_until_end(there);
    assert!(start.elapsed() >= TIMEOUT);
    assert_eq!([client.reason, server.reason], [Status::CommunicationFailed; 2]);
    drop(proxy);
    stage.end();
    if way == Way::Up { [client, server] } else { [server, client] }
}

#[test]
fn a_frame_that_stays_unfinished_is_given_up() {
    for way in [Way::Up, Way::Down] {
        let [sender, receiver] =
            fall_silent(way, Some(30_000), [IDLE, FRAME], |side, channel, _| {
                side.say(Opcode::Signal, channel, &LONG);
            });
        receiver.assert_received_from(&sender);
        assert!(!receiver.opcodes().contains(&Opcode::Signal));
    }
}

#[test]
fn a_peer_that_takes_nothing_is_given_up_and_all_it_did_not_take_comes_back() {
    for way in [Way::Up, Way::Down] {
        let [sender, receiver] =
            fall_silent(way, Some(MUCH), [SEND, IDLE], |side, channel, proxy| {
                fill(side, channel, proxy, way);
            });
        receiver.assert_received_from(&sender);
        assert!(!sender.returned.is_empty());
    }
}

#[test]
fn a_peer_that_says_nothing_is_given_up() {
    for way in [Way::Up, Way::Down] {
        fall_silent(way, None, [IDLE, IDLE], |_, _, _| {});
    }
}

#[test]
fn a_goodbye_without_an_answer_is_given_up() {
    for way in [Way::Up, Way::Down] {
        let [sender, _] = fall_silent(way, None, [BYE, IDLE], |side, channel, _| {
            side.say(Opcode::ByeRequest, channel, b"");
        });
        assert!(sender.returned.is_empty());
    }
}

#[test]
fn a_goodbye_behind_much_that_is_not_taken_is_given_up() {
    for way in [Way::Up, Way::Down] {
        let [sender, receiver] =
            fall_silent(way, Some(MUCH), [BYE, IDLE], |side, channel, proxy| {
                fill(side, channel, proxy, way);
                side.say(Opcode::ByeRequest, channel, b"");
            });
        receiver.assert_received_from(&sender);
        assert!(sender.returned.len() > 1);
    }
}

#[test]
fn who_connects_and_says_no_hello_or_half_of_one_is_closed_without_a_word() {
    let mut stage = Stage::new(only(HELLO), only(NONE), "tcp|127.0.0.1|0");
    for part in [0, 10, 30_000] {
        let closed = stage.server.engine.stats().closed_unannounced;
        let mut raw = Raw::connect(&stage.address);
        raw.say_part(Opcode::HelloRequest, &LONG, part);
        eventually("it is closed", || stage.server.engine.stats().closed_unannounced > closed);
        drop(raw);
        stage.assert_recovered();
    }
    stage.end();
}

#[test]
fn a_connection_that_does_not_come_about_is_given_up() {
    let mut stage = Stage::new(only(NONE), only(CONNECT), "tcp|127.0.0.1|0");
    let (full, address) = raw::full_listener();
    let start = Instant::now();
    let hello = stage.client.connect(&address);
    assert_eq!(stage.client.expect_refused(hello), Status::ConnectFailed);
    assert!(start.elapsed() >= TIMEOUT);
    drop(full);
    stage.end();
}
