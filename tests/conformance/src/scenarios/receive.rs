//! Section 4, first part: what a receive yields, in which order, and that the engine's word and a
//! peer's cannot be confused.

use crate::app::{App, Pair, content, join};
use crate::world::{Group, Peer, World};
use tofu_core::{ChannelNumber, Opcode, Received, Status};

/// A woken receiver gets `receiver_update`, about no channel.
pub fn receiver_is_woken_without_message<W: World>(world: &W) {
    let app = App::new(world);
    app.group.update_receiver(None).expect("the receiver is there");
    let notice = app.notice(Status::ReceiverUpdate);
    assert_eq!(notice.channel, ChannelNumber::NONE);
    app.quiet();
}

/// A woken receiver gets the message it was woken with, as it was.
pub fn receiver_is_woken_with_a_message<W: World>(world: &W) {
    let app = App::new(world);
    let mut message = app.message(Opcode::Signal, ChannelNumber::new(99), 1234, b"from a thread");
    message.add_header("k", "v").expect("the header fits");
    message.set_more(true);
    let before = content(&message);
    app.group.update_receiver(Some(message)).expect("the receiver is there");
    assert_eq!(content(&app.returned(Status::ReceiverUpdate)), before);
    app.quiet();
}

/// Each message a receiver is woken with is received, in order; several bare wakes are at least one.
pub fn wakes_are_received_in_order<W: World>(world: &W) {
    let app = App::new(world);
    for id in 1..=20 {
        let message = app.message(Opcode::Request, ChannelNumber::NONE, id, b"");
        app.group.update_receiver(Some(message)).expect("the receiver is there");
        app.group.update_receiver(None).expect("the receiver is there");
    }
    let (mut messages, mut bare) = (0, 0);
    while let Some(received) = app.group.receive(W::QUIET) {
        match received {
            Received::Returned(message, Status::ReceiverUpdate) => {
                messages += 1;
                assert_eq!(message.id(), messages);
            }
            Received::Notice(notice) if notice.status == Status::ReceiverUpdate => bare += 1,
            other => panic!("expected wake-ups, received {other:?}"),
        }
    }
    assert_eq!(messages, 20);
    assert!((1..=20).contains(&bare), "{bare} bare wake-ups");
}

/// A wake-up reaches the group it is for and no other.
pub fn wakes_reach_their_group<W: World>(world: &W) {
    let app = App::new(world);
    let other = app.engine.group();
    other.update_receiver(None).expect("the receiver is there");
    app.quiet();
    let heard = other.receive(crate::app::PATIENCE).expect("the wake-up");
    assert!(matches!(heard, Received::Notice(notice) if notice.status == Status::ReceiverUpdate));
    assert!(other.receive(W::QUIET).is_none());
}

/// Wake-ups and traffic do not disturb each other.
pub fn wakes_mix_with_traffic<W: World>(world: &W) {
    let pair = Pair::new(world);
    for id in 1..=10 {
        pair.client.send(Opcode::Signal, pair.at_client, id, b"");
        pair.server.group.update_receiver(None).expect("the receiver is there");
    }
    let mut next = 1;
    while next <= 10 {
        match pair.server.next() {
            Received::Peer(message) => {
                assert_eq!(message.id(), next);
                next += 1;
            }
            Received::Notice(notice) => assert_eq!(notice.status, Status::ReceiverUpdate),
            other => panic!("expected signals and wake-ups, received {other:?}"),
        }
    }
    pair.works_after_wakes();
}

impl<W: World> Pair<W> {
    /// Leaves bare wake-ups aside, then checks the connection.
    fn works_after_wakes(&self) {
        while let Some(received) = self.server.group.receive(W::QUIET) {
            assert!(matches!(received, Received::Notice(_)), "{received:?}");
        }
        self.works();
    }
}

/// What a peer sends is a peer's message even when it looks like the engine's answer; what the engine
/// says is never a peer's message.
pub fn peer_and_engine_are_told_apart<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let (_, address) = server.listen(&world.address());
    let (at_server, at_client) = join(&server, &client, &address);
    // A HelloResponse of the peer and one of the engine.
    server.send(Opcode::HelloResponse, at_server, 3, b"");
    assert!(matches!(client.next(), Received::Peer(_)));
    let failed = client.connect("nonsense").channel;
    assert!(matches!(client.next(), Received::Returned(..)));
    assert!(matches!(client.next(), Received::Notice(_)));
    assert_ne!(failed, at_client);
}

/// Everything received names its channel.
pub fn everything_names_its_channel<W: World>(world: &W) {
    let pair = Pair::new(world);
    pair.client.send(Opcode::Signal, pair.at_client, 1, b"");
    assert_eq!(pair.server.next().channel(), pair.at_server);
    pair.client.send(Opcode::ByeSignal, pair.at_client, 0, b"");
    assert_eq!(pair.server.next().channel(), pair.at_server);
    assert_eq!(pair.client.next().channel(), pair.at_client);
    let header = pair.client.connect("nonsense");
    assert_eq!(pair.client.next().channel(), header.channel);
    let closed = pair.client.notice(Status::ChannelClosed);
    assert_eq!((closed.channel, closed.id), (header.channel, header.id));
}
