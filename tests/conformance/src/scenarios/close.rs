//! Sections 2 and 3: how channels end. Nothing is lost without a word, and the last word
//! is one `channel_closed`.

use crate::app::{
    App, MessageOf, PATIENCE, Pair, ReceivedOf, eventually, exchange, join, pattern, until,
};
use crate::wire::{Frame, RawClient, RawServer, code};
use crate::world::{Group, Peer, RawWorld, Setup, World};
use std::collections::HashSet;
use std::time::Duration;
use tofu_core::{ChannelNumber, Opcode, Received, Status};

const SHORT: Duration = Duration::from_millis(150);

/// How many messages a test of a graceful close sends.
const MANY: u64 = 500;

/// Everything posted before a ByeRequest reaches a slow reader's application before the close does.
pub fn graceful_close_loses_nothing<W: World>(world: &W) {
    // The reader has room for few messages, so most of them wait on the way.
    let setup = Setup::with_pool(1_088, 24);
    let pair = Pair::with(world, &setup, &Setup::default());
    let mut next = 1;
    for id in 1..=MANY {
        let message = pair.client.message(Opcode::Signal, pair.at_client, id, pattern(500, id));
        post_slowly(world, &pair, message, &mut next);
    }
    let bye = pair.client.message(Opcode::ByeRequest, pair.at_client, MANY + 1, b"");
    post_slowly(world, &pair, bye, &mut next);
    while next <= MANY {
        take_next(&pair, &mut next);
    }
    let request = next_but_pool_empty(&pair.server);
    let Received::Peer(request) = request else { panic!("expected the goodbye: {request:?}") };
    assert_eq!((request.opcode(), request.id()), (Opcode::ByeRequest, MANY + 1));
    pair.server.answer(request);
    assert_eq!(pair.client.peers(Opcode::ByeResponse).id(), MANY + 1);
    pair.both_closed();
}

/// Posts, and lets the server read one whenever there is no room.
fn post_slowly<W: World>(world: &W, pair: &Pair<W>, mut message: MessageOf<W>, next: &mut u64) {
    let id = message.id();
    while let Err(refused) = pair.client.group.post(message) {
        assert_eq!(refused.status, Status::PoolEmpty);
        message = refused.message;
        world.pass(Duration::from_millis(1));
        if *next < id {
            take_next(pair, next);
        }
    }
}

fn take_next<W: World>(pair: &Pair<W>, next: &mut u64) {
    match next_but_pool_empty(&pair.server) {
        Received::Peer(message) => {
            assert_eq!((message.opcode(), message.id()), (Opcode::Signal, *next));
            assert!(message.body() == pattern(500, *next), "body of {next}");
            *next += 1;
        }
        other => panic!("expected message {next}, received {other:?}"),
    }
}

/// The next thing received that is not `pool_empty`.
fn next_but_pool_empty<W: World>(app: &App<W>) -> ReceivedOf<W> {
    loop {
        match app.next() {
            Received::Notice(notice) if notice.status == Status::PoolEmpty => {}
            other => return other,
        }
    }
}

/// What the answering side posted before its ByeResponse arrives before it.
pub fn answering_side_loses_nothing<W: World>(world: &W) {
    let pair = Pair::new(world);
    pair.client.send(Opcode::ByeRequest, pair.at_client, 9, b"");
    let bye = pair.server.peers(Opcode::ByeRequest);
    for id in 1..=100 {
        pair.server.send(Opcode::Signal, pair.at_server, id, pattern(900, id));
    }
    pair.server.answer(bye);
    for id in 1..=100 {
        let got = pair.client.peers(Opcode::Signal);
        assert!(got.id() == id && got.body() == pattern(900, id), "message {id}");
    }
    pair.client.peers(Opcode::ByeResponse);
    pair.both_closed();
}

/// On a graceful path the answering side's close does not reset what is still to be read,
/// though the asking side had more under way.
pub fn no_reset_overtakes_the_last_bytes<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    raw.wire.frame(&Frame::new(code::BYE_REQUEST, 4));
    let bye = raw.server.peers(Opcode::ByeRequest);
    for id in 1..=50 {
        raw.server.send(Opcode::Signal, raw.channel, id, pattern(1_000, id));
    }
    raw.server.answer(bye);
    // A careless peer goes on sending; that must not cost it what it has to read.
    raw.wire.try_send(vec![0; 10_000], SHORT);
    let careless = raw.server.until_closed(raw.channel);
    assert!(careless.iter().all(|received| matches!(received, Received::Peer(_))), "{careless:?}");
    for id in 1..=50 {
        assert_eq!(raw.wire.expect(code::SIGNAL).body, pattern(1_000, id));
    }
    assert_eq!(raw.wire.expect(code::BYE_RESPONSE).id, 4);
    raw.wire.closed();
}

/// ByeSignal drops the connection at once; the peer gets one `channel_closed`.
pub fn bye_signal_closes_both_ends<W: World>(world: &W) {
    for from_client in [true, false] {
        let pair = Pair::new(world);
        match from_client {
            true => pair.client.send(Opcode::ByeSignal, pair.at_client, 0, b""),
            false => pair.server.send(Opcode::ByeSignal, pair.at_server, 0, b""),
        };
        pair.both_closed();
        let (at_server, at_client) = join(&pair.server, &pair.client, &pair.address);
        assert!(at_server != pair.at_server && at_client != pair.at_client);
    }
}

/// ByeSignal hands every unsent message back with `channel_closed`, in order, before the last word.
pub fn bye_signal_hands_unsent_messages_back<W: World>(world: &W) {
    let client = App::new(world);
    let server = App::new(world);
    let (_, address) = server.listen(&world.address());
    let channel = client.connect(&address).channel;
    let (posted, back) = fill_then(world, &client, channel, || {
        client.send(Opcode::ByeSignal, channel, 0, b"");
    });
    check_tail(&posted, &back, &[Status::ChannelClosed]);
}

/// Posts large messages that nobody reads until there is no room, does `end`, and collects what is
/// handed back before `channel_closed`: ids posted, and (id, status) handed back.
pub(super) fn fill_then<W: World>(
    world: &W,
    app: &App<W>,
    channel: ChannelNumber,
    end: impl FnOnce(),
) -> (Vec<u64>, Vec<(u64, Status)>) {
    let mut posted = Vec::new();
    // On a busy machine room comes late.
    let mut refused = 0;
    while refused < 15 {
        let id = posted.len() as u64 + 1;
        let Some(mut message) = app.engine.get() else { break };
        message.prepare(Opcode::Signal, channel).set_id(id);
        let fits = message.set_body(pattern(50_000, id)).is_ok();
        if fits && app.group.post(message).is_ok() {
            posted.push(id);
            refused = 0;
        } else {
            refused += 1;
            world.pass(Duration::from_millis(20));
        }
    }
    end();
    let mut back = Vec::new();
    while let Some(received) = app.group.receive(PATIENCE) {
        match received {
            Received::Returned(message, status) => back.push((message.id(), status)),
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                assert_eq!(notice.channel, channel);
                assert!(app.group.receive(W::QUIET).is_none(), "nothing follows the last word");
                return (posted, back);
            }
            other => panic!("expected unsent messages and the end, received {other:?}"),
        }
    }
    panic!("channel_closed did not come; {} handed back", back.len());
}

/// What came back is the tail of what was posted, each once, with one of these statuses.
pub(super) fn check_tail(posted: &[u64], back: &[(u64, Status)], statuses: &[Status]) {
    assert!(!back.is_empty() && back.len() <= posted.len(), "{back:?}");
    let tail = &posted[posted.len() - back.len()..];
    assert_eq!(back.iter().map(|&(id, _)| id).collect::<Vec<_>>(), tail);
    assert!(back.iter().all(|(_, status)| statuses.contains(status)), "{back:?}");
}

/// A lost connection hands back what was unsent, in order, then says `channel_closed`.
pub fn lost_connection_hands_back<W: RawWorld>(world: &W) {
    let raw = RawServer::new(world);
    let (client, channel) = (raw.client, raw.channel);
    let (wire, listener) = (raw.wire, raw.listener);
    let (posted, back) = fill_then(world, &client, channel, || drop((wire, listener)));
    let lost = [Status::PeerDisconnected, Status::SendFailed, Status::RecvFailed];
    check_tail(&posted, &back, &lost);
}

/// Every posted message has exactly one fate: what arrived and what came back are all that was posted.
pub fn every_message_has_one_fate<W: World>(world: &W) {
    let small = Setup::with_classes(&[(1_088, 32), (60_000, 8)]);
    let pair = Pair::with(world, &small, &Setup::default());
    let Pair { server, client, at_client, at_server, .. } = pair;
    let (posted, back) = fill_then(world, &client, at_client, || {
        server.send(Opcode::ByeSignal, at_server, 0, b"");
    });
    let mut arrived = Vec::new();
    while let Some(received) = server.group.receive(W::QUIET) {
        if let Received::Peer(message) = received {
            assert!(message.body() == pattern(50_000, message.id()), "whole or not at all");
            arrived.push(message.id());
        }
    }
    // The last bytes may have been handed to the transport and died there; never the other way round.
    assert_eq!(arrived, posted[..arrived.len()], "in order, without gaps");
    let returned: HashSet<_> = back.iter().map(|&(id, _)| id).collect();
    assert_eq!(returned.len(), back.len(), "no message comes back twice");
    assert!(arrived.iter().all(|id| !returned.contains(id)), "no message arrives and comes back");
    check_tail(&posted, &back, &[Status::PeerDisconnected, Status::SendFailed, Status::RecvFailed]);
}

/// Whole frames that were received before a loss are delivered first; half a frame never is.
pub fn whole_frames_before_a_loss_are_delivered<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    let mut bytes = Vec::new();
    for id in 1..=30 {
        bytes.extend(Frame::new(code::SIGNAL, id).body(pattern(300, id)).bytes());
    }
    let half = Frame::new(code::SIGNAL, 99).body([1; 300]).bytes();
    bytes.extend(&half[..half.len() / 2]);
    raw.wire.send(bytes);
    drop(raw.wire);
    for id in 1..=30 {
        let got = raw.server.peers(Opcode::Signal);
        assert!(got.id() == id && got.body() == pattern(300, id), "message {id}");
    }
    let notice = raw.server.closed(raw.channel);
    assert!(matches!(notice.reason, Status::PeerDisconnected | Status::RecvFailed), "{notice:?}");
    eventually(world, Setup::default().pool_capacity(), || raw.server.engine.free_messages());
}

/// Both ends ask at once: both close, each with one last word, and nothing posted before is lost.
pub fn crossing_byes_close_both_ends<W: World>(world: &W) {
    let pair = Pair::new(world);
    pair.client.send(Opcode::Signal, pair.at_client, 1, b"up");
    pair.server.send(Opcode::Signal, pair.at_server, 2, b"down");
    pair.client.send(Opcode::ByeRequest, pair.at_client, 3, b"");
    pair.server.send(Opcode::ByeRequest, pair.at_server, 4, b"");
    assert_eq!(pair.server.peers(Opcode::Signal).id(), 1);
    assert_eq!(pair.client.peers(Opcode::Signal).id(), 2);
    assert_eq!(pair.server.peers(Opcode::ByeRequest).id(), 3);
    assert_eq!(pair.client.peers(Opcode::ByeRequest).id(), 4);
    pair.both_closed();
}

/// ByeSignal does not wait for a goodbye that is under way; a second one finds nothing to close.
pub fn bye_signal_overtakes_a_goodbye<W: RawWorld>(world: &W) {
    let mut raw = RawServer::new(world);
    raw.client.send(Opcode::ByeRequest, raw.channel, 3, b"");
    raw.wire.expect(code::BYE_REQUEST);
    let again = raw.client.message(Opcode::ByeSignal, raw.channel, 5, b"");
    raw.client.send(Opcode::ByeSignal, raw.channel, 4, b"");
    assert!(raw.client.group.post(again).is_err());
    raw.client.closed(raw.channel);
    raw.wire.closed();
}

/// ByeSignal right behind a HelloRequest: it comes back unless it was sent, then the last word.
pub fn bye_signal_behind_a_hello<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let (_, address) = server.listen(&world.address());
    let hello = client.connect(&address);
    client.send(Opcode::Signal, hello.channel, 2, b"");
    client.send(Opcode::ByeSignal, hello.channel, 3, b"");
    for received in client.until_closed(hello.channel) {
        match received {
            Received::Returned(message, Status::ChannelClosed) => {
                assert!(message.id() == hello.id || message.id() == 2, "{message:?}");
            }
            other => panic!("expected what was not sent, received {other:?}"),
        }
    }
    eventually(world, 0, || client.engine.channels());
}

/// A goodbye behind a HelloRequest that fails comes back after it.
pub fn goodbye_behind_a_failed_hello<W: World>(world: &W) {
    let client = App::new(world);
    let (address, status) = world.nowhere();
    let channel = client.connect(&address).channel;
    let bye = client.message(Opcode::ByeRequest, channel, 9, b"");
    let posted = client.group.post(bye).is_ok();
    assert_eq!(client.returned(status).opcode(), Opcode::HelloResponse);
    if posted {
        assert_eq!(client.returned(status).id(), 9);
    }
    client.closed(channel);
}

/// A goodbye right behind a WelcomeRequest: its answer, then one last word.
pub fn goodbye_behind_a_welcome<W: World>(world: &W) {
    let app = App::new(world);
    for bye in [Opcode::ByeSignal, Opcode::ByeRequest] {
        let header = app.welcome(&world.address());
        app.send(bye, header.channel, 7, b"");
        let before = app.until_closed(header.channel);
        let welcomes = before.iter().filter(|received| match received {
            Received::Returned(message, _) => message.opcode() == Opcode::WelcomeResponse,
            _ => false,
        });
        assert_eq!(welcomes.count(), 1, "{before:?}");
    }
    eventually(world, 0, || app.engine.channels());
}

/// A group that is dropped: its connections send what was posted, then close.
pub fn dropped_group_sends_what_was_posted<W: World>(world: &W) {
    let Pair { server, client, at_server, at_client, .. } = Pair::new(world);
    for id in 1..=50 {
        client.send(Opcode::Signal, at_client, id, pattern(800, id));
    }
    let App { group, engine } = client;
    drop(group);
    for id in 1..=50 {
        let got = server.peers(Opcode::Signal);
        assert!(got.id() == id && got.body() == pattern(800, id), "message {id}");
    }
    server.closed(at_server);
    eventually(world, 0, || engine.channels());
    eventually(world, Setup::default().pool_capacity(), || engine.free_messages());
}

/// A group that is dropped takes its listeners with it, and what it had not received; other groups live on.
pub fn dropped_group_leaves_others_alone<W: World>(world: &W) {
    let Pair { server, client, at_server, at_client, address, listener: _ } = Pair::new(world);
    let App { group: first, engine } = server;
    let second: App<W> = App { group: engine.group(), engine };
    let (_, second_address) = second.listen(&world.address());
    let other = App::new(world);
    let (at_second, at_other) = join(&second, &other, &second_address);
    client.send(Opcode::Request, at_client, 1, b"never received");
    world.pass(W::QUIET);
    drop(first);
    client.closed(at_client);
    exchange(&other, at_other, &second);
    exchange(&second, at_second, &other);
    second.quiet();
    eventually(world, 2, || second.engine.channels());
    let late = client.connect(&address).channel;
    assert!(matches!(client.next(), Received::Returned(..)));
    client.closed(late);
    let message = second.message(Opcode::Signal, at_server, 1, b"stale");
    second.refuse(message, Status::InvalidChannelNumber);
    eventually(world, Setup::default().pool_capacity(), || second.engine.free_messages());
}

/// A stop hands unsent messages back with `shutdown_started` and ends every channel with `channel_closed`.
pub fn stop_closes_every_channel<W: World>(world: &W) {
    let Pair { server, client, at_server, at_client, listener, address } = Pair::new(world);
    let (second_at_server, second_at_client) = join(&server, &client, &address);
    server.engine.stop();
    let mut closed = HashSet::new();
    for _ in 0..3 {
        assert!(closed.insert(server.notice(Status::ChannelClosed).channel));
    }
    assert_eq!(closed, HashSet::from([listener, at_server, second_at_server]));
    server.quiet();
    let mut closed = HashSet::new();
    for _ in 0..2 {
        assert!(closed.insert(client.notice(Status::ChannelClosed).channel));
    }
    assert_eq!(closed, HashSet::from([at_client, second_at_client]));
    client.quiet();
}

/// What a stop finds unsent comes back with `shutdown_started`, before the last word.
pub fn stop_hands_unsent_messages_back<W: RawWorld>(world: &W) {
    let raw = RawServer::new(world);
    let (posted, back) = fill_then(world, &raw.client, raw.channel, || raw.client.engine.stop());
    check_tail(&posted, &back, &[Status::ShutdownStarted]);
}

/// A peer that vanishes without a goodbye: one `channel_closed`, with a reason.
pub fn vanished_peer_closes_the_channel<W: RawWorld>(world: &W) {
    let RawClient { server, wire, channel, address } = RawClient::new(world);
    drop(wire);
    let notice = server.closed(channel);
    assert!(matches!(notice.reason, Status::PeerDisconnected | Status::RecvFailed), "{notice:?}");
    crate::wire::another_works(world, &server, &address);
    until(world, "only the listener is left", || server.engine.channels() == 1);
}
