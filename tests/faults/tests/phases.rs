//! A connection is reset, or its stream ends, in each phase of its life. What is not here is in `every_byte`:
//! right after the hello, and after a ByeRequest.

use std::time::Duration;
use tofu_faults::eventually;
use tofu_faults::fault::Fault;
use tofu_faults::proxy::{Cut, Proxy, Way};
use tofu_faults::raw::{self, Raw};
use tofu_faults::side::{End, Side};
use tofu_faults::stage::Stage;
use tofu_std::{ChannelNumber, Opcode, Options, Received, Status};

/// Connections that wait to be accepted.
const WAITING: usize = 20;
/// The body of a frame that takes many packets.
static LONG: [u8; 60_000] = [7; 60_000];

#[test]
fn before_the_server_accepts_nobody_is_told() {
    let options = Options::default;
    let mut stage = Stage::within(options(), options(), "tcp|127.0.0.1|0", Some("channels=2"));
    for fault in Fault::ENDS {
        let before = stage.pair();
        // The first makes as many as it may have, so that the others wait.
        let waiting: Vec<_> = (0..WAITING).map(|_| Raw::connect(&stage.address)).collect();
        stage.server.expect_notice(Status::AcceptFailed);
        let closed = stage.server.engine.stats().closed_unannounced;
        waiting.into_iter().for_each(|raw| raw.end(fault));
        stage.assert_answers(before);
        stage.say_goodbye(before);
        // Now they are accepted, one after the other, and each makes the next wait again.
        let all = closed + WAITING as u64;
        eventually("all have had their turn", || {
            stage.server.engine.stats().closed_unannounced == all
        });
        while let Some(received) = stage.server.receive_within(Duration::ZERO) {
            assert!(
                matches!(received, Received::Notice(notice) if notice.status == Status::AcceptFailed)
            );
        }
        stage.assert_recovered();
    }
    stage.end();
}

#[test]
fn before_the_hello_is_whole_the_server_says_nothing_but_counts() {
    let mut stage = Stage::tcp();
    for (fault, begun) in Fault::ENDS.into_iter().flat_map(|fault| [(fault, 0), (fault, 5_000)]) {
        let closed = stage.server.engine.stats().closed_unannounced;
        let mut raw = Raw::connect(&stage.address);
        raw.say_part(Opcode::HelloRequest, &LONG, begun);
        eventually("it is accepted", || stage.server.engine.channels() == 2);
        raw.end(fault);
        eventually("it is closed", || stage.server.engine.channels() == 1);
        assert_eq!(stage.server.engine.stats().closed_unannounced, closed + 1);
        stage.assert_recovered();
    }
    stage.end();
}

#[test]
fn before_its_hello_is_read_the_client_is_told() {
    let mut stage = Stage::tcp();
    for fault in Fault::ENDS {
        let (listener, address) = raw::listener();
        let channel = stage.client.connect(&address).channel;
        Raw::accept(&listener).end(fault);
        drop(listener);
        assert_eq!(stage.client.expect_end(channel).reason, Status::PeerDisconnected);
        stage.assert_recovered();
    }
    stage.end();
}

#[test]
fn before_the_client_is_accepted_it_is_told() {
    let mut stage = Stage::tcp();
    let (listener, address) = raw::listener();
    let channel = stage.client.connect(&address).channel;
    eventually("it is connected", || raw::waits(&listener));
    // What waits to be accepted is reset.
    drop(listener);
    assert_eq!(stage.client.expect_end(channel).reason, Status::PeerDisconnected);
    stage.end();
}

/// Connects through a proxy; both channels.
fn connect(stage: &mut Stage, proxy: &Proxy) -> (ChannelNumber, ChannelNumber) {
    let here = stage.client.connect(proxy.address()).channel;
    (here, stage.server.expect(Opcode::HelloRequest).channel())
}

/// Who sends this way, and on which channel.
fn sender(
    stage: &mut Stage,
    way: Way,
    pair: (ChannelNumber, ChannelNumber),
) -> (&mut Side, ChannelNumber) {
    match way {
        Way::Up => (&mut stage.client, pair.0),
        Way::Down => (&mut stage.server, pair.1),
    }
}

/// Both ends are told of the loss; how it ended for who sent this way, and for who received.
fn lost(stage: &mut Stage, way: Way, (here, there): (ChannelNumber, ChannelNumber)) -> (End, End) {
    let client = stage.client.receive_until_end(here);
    let server = stage.server.receive_until_end(there);
    let (sender, receiver) = if way == Way::Up { (client, server) } else { (server, client) };
    assert_eq!([sender.reason, receiver.reason], [Status::PeerDisconnected; 2]);
    receiver.assert_received_from(&sender);
    (sender, receiver)
}

#[test]
fn in_mid_frame_what_is_whole_is_delivered_and_the_rest_is_not() {
    let mut stage = Stage::tcp();
    for (fault, way) in
        Fault::ENDS.into_iter().flat_map(|fault| [(fault, Way::Up), (fault, Way::Down)])
    {
        // The third of three breaks off.
        let cut = Cut { fault: Fault::Silence, way, after: 2 * LONG.len() + 10_000 };
        let mut proxy = Proxy::start(&stage.address, Some(cut));
        let pair = connect(&mut stage, &proxy);
        let (side, channel) = sender(&mut stage, way, pair);
        for _ in 0..3 {
            side.say(Opcode::Signal, channel, &LONG);
        }
        // A reset would take them back while they are on their way.
        let (receiver, _) = sender(&mut stage, way.back(), pair);
        for _ in 0..2 {
            receiver.expect(Opcode::Signal);
        }
        proxy.inflict(fault);
        let (_, received) = lost(&mut stage, way, pair);
        let signals = received.opcodes().into_iter().filter(|&opcode| opcode == Opcode::Signal);
        assert_eq!(signals.count(), 2);
        drop(proxy);
        stage.assert_recovered();
    }
    stage.end();
}

#[test]
fn with_much_unsent_all_of_it_is_handed_back() {
    let mut stage = Stage::tcp();
    for (fault, way) in
        Fault::ENDS.into_iter().flat_map(|fault| [(fault, Way::Up), (fault, Way::Down)])
    {
        let mut proxy = Proxy::start(&stage.address, None);
        let pair = connect(&mut stage, &proxy);
        proxy.inflict(Fault::Silence);
        let (side, channel) = sender(&mut stage, way, pair);
        side.say_all_it_may(channel, &LONG);
        proxy.inflict(fault);
        let (sent, _) = lost(&mut stage, way, pair);
        assert!(!sent.returned.is_empty());
        drop(proxy);
        stage.assert_recovered();
    }
    stage.end();
}

#[test]
fn after_a_goodbye_was_answered_nobody_is_told() {
    let mut stage = Stage::tcp();
    for fault in Fault::ENDS {
        let mut raw = Raw::connect(&stage.address);
        raw.say(Opcode::HelloRequest, 1, b"");
        let channel = stage.server.expect(Opcode::HelloRequest).channel();
        raw.say(Opcode::ByeRequest, 2, b"");
        let bye = stage.server.expect(Opcode::ByeRequest);
        stage.server.answer(bye);
        assert_eq!(stage.server.expect_end(channel).reason, Status::Success);
        // Its socket stays to see the answer delivered.
        assert_eq!(raw.hear().opcode, Opcode::ByeResponse);
        raw.end(fault);
        stage.assert_recovered();
    }
    stage.end();
}
