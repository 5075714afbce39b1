//! Section 4: backpressure and shares. An empty pool and a slow peer slow down, and only
//! whoever they belong to.

use crate::app::{
    App, PATIENCE, Pair, ReceivedOf, eventually, exchange, hold_every_message, join, pattern, until,
};
use crate::wire::{Frame, RawClient, RawServer, Wire, another_works, code, raw_join};
use crate::world::{Group, Peer, RawWorld, Setup, World};
use std::time::Duration;
use tofu_core::{ChannelNumber, Message, Opcode, Received, Status};

const MOMENT: Duration = Duration::from_millis(10);

/// When the pool ran dry, `pool_empty` comes once per episode and group; nothing is dropped, and
/// reading goes on by itself when messages return.
pub fn dry_pool_is_said_once_per_episode<W: World>(world: &W) {
    let pair = Pair::with(world, &Setup::with_pool(1_024, 8), &Setup::default());
    let other = App::new(world);
    let (other_at_server, at_other) = join(&pair.server, &other, &pair.address);
    for episode in 1..=3 {
        let held = pair.dry_out_server();
        for id in 1..=5 {
            pair.client.send(Opcode::Request, pair.at_client, episode * 10 + id, b"one");
            other.send(Opcode::Request, at_other, episode * 100 + id, b"two");
        }
        pair.server.notice(Status::PoolEmpty);
        pair.server.quiet();
        drop(held);
        let mut due = [(pair.at_server, episode * 10 + 1), (other_at_server, episode * 100 + 1)];
        for _ in 0..10 {
            let request = next_message(&pair.server.group);
            let channel = request.channel();
            let next = due.iter_mut().find(|(at, _)| *at == channel).expect("one of the two");
            assert_eq!(request.id(), next.1);
            next.1 += 1;
        }
        pair.server.quiet();
    }
}

/// The next peer's message, whatever is said of the pool before.
fn next_message<G: Group>(group: &G) -> Message<G::Platform> {
    loop {
        match group.receive(PATIENCE).expect("reading goes on") {
            Received::Peer(message) => return message,
            Received::Notice(notice) if notice.status == Status::PoolEmpty => {}
            other => panic!("expected a peer's message, received {other:?}"),
        }
    }
}

/// Every group hears of its own dry pool, each once.
pub fn every_group_hears_of_the_dry_pool<W: World>(world: &W) {
    let first = App::with(world, &Setup::with_pool(1_024, 8));
    let (_, first_address) = first.listen(&world.address());
    let App { group: first, engine } = first;
    let second: App<W> = App { group: engine.group(), engine };
    let (_, second_address) = second.listen(&world.address());
    let client = App::new(world);
    let to_first = client.connect(&first_address).channel;
    assert!(matches!(first.receive(PATIENCE), Some(Received::Peer(_))));
    let (_, to_second) = join(&second, &client, &second_address);
    let held = hold_every_message(&second, || {
        client.send(Opcode::Signal, to_second, 99, b"hold me");
    });
    for id in 1..=3 {
        client.send(Opcode::Signal, to_first, id, b"");
        client.send(Opcode::Signal, to_second, id, b"");
    }
    second.notice(Status::PoolEmpty);
    second.quiet();
    let heard = first.receive(PATIENCE).expect("the first group hears of it too");
    assert!(
        matches!(&heard, Received::Notice(notice) if notice.status == Status::PoolEmpty),
        "{heard:?}"
    );
    assert!(first.receive(W::QUIET).is_none());
    drop(held);
    for id in 1..=3 {
        assert_eq!(next_message(&second.group).id(), id);
        assert_eq!(next_message(&first).id(), id);
    }
}

/// Notices need no message from the pool: a close and a wake-up are heard while it is dry.
pub fn notices_need_no_message<W: World>(world: &W) {
    let pair = Pair::with(world, &Setup::with_pool(1_024, 8), &Setup::default());
    let _held = pair.dry_out_server();
    pair.client.send(Opcode::ByeSignal, pair.at_client, 0, b"");
    pair.server.closed(pair.at_server);
    pair.server.group.update_receiver(None).expect("the receiver is there");
    pair.server.notice(Status::ReceiverUpdate);
    pair.client.closed(pair.at_client);
}

/// An idle channel holds no message.
pub fn idle_channels_hold_no_message<W: World>(world: &W) {
    let setup = Setup::with_pool(1_024, 16);
    let (server, client) = (App::with(world, &setup), App::new(world));
    let (_, address) = server.listen(&world.address());
    let channels: Vec<_> = (0..40).map(|_| join(&server, &client, &address)).collect();
    eventually(world, setup.pool_capacity(), || server.engine.free_messages());
    eventually(world, Setup::default().pool_capacity(), || client.engine.free_messages());
    for (at_server, at_client) in channels {
        exchange(&client, at_client, &server);
        exchange(&server, at_server, &client);
    }
    eventually(world, setup.pool_capacity(), || server.engine.free_messages());
}

/// A frame takes a message only once its header has arrived.
pub fn half_a_header_holds_no_message<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    let capacity = Setup::default().pool_capacity();
    eventually(world, capacity, || raw.server.engine.free_messages());
    let bytes = Frame::new(code::REQUEST, 3).body([1; 10]).bytes();
    raw.wire.send(&bytes[..15]);
    raw.server.quiet();
    assert_eq!(raw.server.engine.free_messages(), capacity);
    raw.wire.send(&bytes[15..]);
    assert_eq!(raw.server.peers(Opcode::Request).id(), 3);
}

/// A pool of 16 and 20 connections that say nothing, or stop in a header: the 21st is served.
pub fn silent_connections_leave_the_pool_to_others<W: RawWorld>(world: &W) {
    let setup = Setup::with_pool(1_024, 16);
    let server = App::with(world, &setup);
    let (_, address) = server.listen(&world.raw_address());
    let mut silent = Vec::new();
    for index in 0..20 {
        let mut wire = Wire::connect(world, &address);
        wire.send(&Frame::hello().bytes()[..index % 16]);
        silent.push(wire);
    }
    another_works(world, &server, &address);
    // The same after hello.
    for index in 0..20 {
        let (mut wire, _) = raw_join(world, &server, &address);
        wire.send(&Frame::new(code::REQUEST, 1).body([1; 99]).bytes()[..index % 16]);
        silent.push(wire);
    }
    another_works(world, &server, &address);
    eventually(world, setup.pool_capacity(), || server.engine.free_messages());
}

/// Posts until a channel has no more room; how many were accepted. Something must always be
/// left in the pool for others.
fn post_until_refused<W: World>(
    world: &W,
    app: &App<W>,
    channel: ChannelNumber,
    size: usize,
) -> u64 {
    let mut accepted = 0;
    let mut refused = 0;
    while refused < 5 {
        let body = pattern(size, accepted + 1);
        match app.group.post(app.message(Opcode::Signal, channel, accepted + 1, &body)) {
            Ok(_) => (accepted, refused) = (accepted + 1, 0),
            Err(error) => {
                assert_eq!(error.status, Status::PoolEmpty);
                assert_eq!((error.message.id(), error.message.body()), (accepted + 1, &body[..]));
                refused += 1;
                world.pass(MOMENT);
            }
        }
    }
    accepted
}

/// A channel whose peer never reads holds at most its share: posts beyond it are refused
/// with `pool_empty` and handed back, and other channels go on.
pub fn channel_holds_at_most_its_share<W: RawWorld>(world: &W) {
    let mut raw = RawServer::with(world, &Setup::with_pool(16_384, 16));
    let server = App::new(world);
    let (_, address) = server.listen(&world.address());
    let (at_server, at_client) = join(&server, &raw.client, &address);
    let accepted = post_until_refused(world, &raw.client, raw.channel, 15_000);
    assert!(raw.client.engine.free_messages() > 0, "something is left for others");
    for _ in 0..20 {
        exchange(&raw.client, at_client, &server);
        exchange(&server, at_server, &raw.client);
    }
    // Once the peer reads, all of it arrives, and there is room again.
    for id in 1..=accepted {
        let frame = raw.wire.expect(code::SIGNAL);
        assert!(frame.id == id && frame.body == pattern(15_000, id), "frame {id}");
    }
    raw.client.send(Opcode::Signal, raw.channel, 7, b"room again");
    assert_eq!(raw.wire.expect(code::SIGNAL).body, b"room again");
    raw.client.quiet();
    eventually(world, 16, || raw.client.engine.free_messages());
}

/// Two engines, one of whose applications does not receive: the other is slowed down, no memory grows, and
/// nothing is lost.
pub fn application_that_does_not_receive_slows_its_peer<W: World>(world: &W) {
    let setup = Setup::with_pool(16_384, 16);
    let pair = Pair::with(world, &setup, &setup);
    let accepted = post_until_refused(world, &pair.client, pair.at_client, 15_000);
    assert!(pair.server.engine.free_messages() > 0, "something is left for others");
    for id in 1..=accepted {
        let got = next_message(&pair.server.group);
        assert!(got.id() == id && got.body() == pattern(15_000, id), "message {id}");
    }
    pair.works();
}

/// An echoing server whose client sends and never reads is paced by it: it can always answer
/// what it was given, and its pool does not fill up.
pub fn echoing_server_is_paced_by_its_slowest_reader<W: RawWorld>(world: &W) {
    echo_to_a_slow_reader(world, &Setup::with_pool(16_384, 16), 15_000);
}

/// The same with messages of which many are read at once.
pub fn echoing_server_of_small_messages_is_paced<W: RawWorld>(world: &W) {
    echo_to_a_slow_reader(world, &Setup::with_pool(1_024, 64), 400);
}

fn echo_to_a_slow_reader<W: RawWorld>(world: &W, setup: &Setup, size: usize) {
    let mut raw = RawClient::with(world, setup);
    let frame = |id| Frame::new(code::REQUEST, id).body(pattern(size, id)).bytes();
    let (mut sent, mut pending) = (0, Vec::new());
    let mut idle = 0;
    while idle < 5 {
        if pending.is_empty() {
            sent += 1;
            pending = frame(sent);
        }
        let taken = raw.wire.try_send(&pending, MOMENT);
        pending.drain(..taken);
        idle = if taken == 0 && echo_all(&raw.server) == 0 { idle + 1 } else { 0 };
        assert!(raw.server.engine.free_messages() > 0, "something is left for others");
    }
    // Another client is served meanwhile.
    let other = App::new(world);
    other.connect(&raw.address);
    until(world, "the other is answered", || {
        echo_all(&raw.server);
        matches!(other.group.receive(MOMENT), Some(Received::Peer(_)))
    });
    // The client comes to its senses, reads, and gets every answer.
    let whole = if pending.is_empty() { sent } else { sent - 1 };
    for id in 1..=whole {
        let mut echo = None;
        until(world, "the next answer", || {
            echo_all(&raw.server);
            echo = raw.wire.try_read(MOMENT);
            echo.is_some()
        });
        let echo = echo.expect("a frame");
        assert_eq!((echo.proto, echo.id), (code::RESPONSE, id));
        assert!(echo.body == pattern(size, id), "echo {id}");
    }
}

/// Answers what was received; how many messages that were.
fn echo_all<W: World>(server: &App<W>) -> usize {
    let mut count = 0;
    while let Some(received) = server.group.receive(Duration::ZERO) {
        match received {
            Received::Peer(request) => {
                server.answer(request);
                count += 1;
            }
            Received::Notice(notice) if notice.status == Status::PoolEmpty => {}
            other => panic!("expected requests, received {other:?}"),
        }
    }
    count
}

/// A group that does not receive holds at most its share of the pool; another group of the same
/// engine goes on as if it were not there.
pub fn stalled_group_does_not_stop_another<W: World>(world: &W) {
    let setup = Setup::with_pool(16_384, 16);
    let stalled = App::with(world, &setup);
    let (_, stalled_address) = stalled.listen(&world.address());
    let App { group: stalled, engine } = stalled;
    let busy: App<W> = App { group: engine.group(), engine };
    let (_, busy_address) = busy.listen(&world.address());
    let flooder = App::new(world);
    let to_stalled = flooder.connect(&stalled_address).channel;
    let flooded = flood(world, &flooder, to_stalled);
    assert!(busy.engine.free_messages() > 0, "something is left for others");
    let client = App::new(world);
    let (at_busy, at_client) = join(&busy, &client, &busy_address);
    for _ in 0..100 {
        exchange(&client, at_client, &busy);
        exchange(&busy, at_busy, &client);
    }
    // And nothing was lost for the group that stalled.
    let mut due = 1;
    assert!(matches!(stalled.receive(PATIENCE), Some(Received::Peer(_))), "the hello");
    while due <= flooded {
        match stalled.receive(PATIENCE).expect("the flood goes on") {
            Received::Peer(message) => {
                assert_eq!(message.id(), due);
                due += 1;
            }
            other => assert_pool_empty::<W>(&other),
        }
    }
}

fn assert_pool_empty<W: World>(received: &ReceivedOf<W>) {
    match received {
        Received::Notice(notice) if notice.status == Status::PoolEmpty => {}
        other => panic!("expected a peer's message, received {other:?}"),
    }
}

/// Posts small messages until the connection takes no more for a while; how many it took.
fn flood<W: World>(world: &W, app: &App<W>, channel: ChannelNumber) -> u64 {
    let (mut posted, mut refused) = (0, 0);
    while refused < 5 && posted < 2_000 {
        let Some(mut message) = app.engine.get() else {
            refused += 1;
            world.pass(MOMENT);
            continue;
        };
        message.prepare(Opcode::Signal, channel).set_id(posted + 1);
        let fits = message.set_body(pattern(5_000, posted)).is_ok();
        if fits && app.group.post(message).is_ok() {
            (posted, refused) = (posted + 1, 0);
        } else {
            refused += 1;
            world.pass(MOMENT);
        }
    }
    posted
}

/// One flooding client of a group does not keep another from being heard.
pub fn flooding_client_does_not_silence_others<W: World>(world: &W) {
    let setup = Setup::with_pool(16_384, 16);
    let pair = Pair::with(world, &setup, &Setup::default());
    let other = App::new(world);
    let (other_at_server, at_other) = join(&pair.server, &other, &pair.address);
    let flooded = flood(world, &pair.client, pair.at_client);
    other.send(Opcode::Request, at_other, 1, b"me too");
    let mut before = 0;
    loop {
        let message = next_message(&pair.server.group);
        if message.channel() == other_at_server {
            assert_eq!(message.body(), b"me too");
            break;
        }
        before += 1;
        assert!(before <= flooded);
    }
    for _ in before..flooded {
        assert_eq!(next_message(&pair.server.group).channel(), pair.at_server);
    }
}

/// While the application holds the pool, a message it gives back lets one more in: the
/// engine needs no other push.
pub fn reading_resumes_by_itself<W: World>(world: &W) {
    let pair = Pair::with(world, &Setup::with_pool(1_024, 4), &Setup::default());
    let mut held = pair.dry_out_server();
    for id in 1..=20 {
        pair.client.send(Opcode::Signal, pair.at_client, id, b"");
    }
    pair.server.notice(Status::PoolEmpty);
    for id in 1..=20 {
        while held.len() > 3 {
            held.pop();
        }
        let message = next_message(&pair.server.group);
        assert_eq!(message.id(), id);
        held.push(message);
    }
    drop(held);
    until(world, "everything returned", || pair.server.engine.free_messages() == 4);
}

/// Large messages are not what everyone waits for: while the application holds them all and a client
/// waits for one, small messages of other clients go through.
pub fn large_messages_are_not_what_everyone_waits_for<W: World>(world: &W) {
    let setup = Setup::with_classes(&[(1_024, 64), (60_000, 2)]);
    let pair = Pair::with(world, &setup, &Setup::default());
    let small = App::new(world);
    let (small_at_server, at_small) = join(&pair.server, &small, &pair.address);
    let mut held = Vec::new();
    loop {
        pair.client.send(Opcode::Signal, pair.at_client, 1, [1; 40_000]);
        match pair.server.next() {
            Received::Peer(message) => held.push(message),
            dry => break assert_pool_empty::<W>(&dry),
        }
    }
    for _ in 0..10 {
        exchange(&small, at_small, &pair.server);
        exchange(&pair.server, small_at_server, &small);
    }
    drop(held);
    assert_eq!(pair.server.peers(Opcode::Signal).body().len(), 40_000);
}

/// So it is when the large message's header came in two pieces, the second with some of the body.
pub fn large_frame_in_pieces_holds_up_nobody<W: RawWorld>(world: &W) {
    let setup = Setup::with_classes(&[(1_024, 64), (60_000, 2)]);
    let mut raw = RawClient::with(world, &setup);
    let small = App::new(world);
    let (small_at_server, at_small) = join(&raw.server, &small, &raw.address);
    let large = Frame::new(code::SIGNAL, 1).body([1; 40_000]).bytes();
    let mut held = Vec::new();
    loop {
        raw.wire.send(&large[..3]);
        world.pass(W::QUIET);
        raw.wire.send(&large[3..]);
        match raw.server.next() {
            Received::Peer(message) => held.push(message),
            dry => break assert_pool_empty::<W>(&dry),
        }
    }
    exchange(&small, at_small, &raw.server);
    exchange(&raw.server, small_at_server, &small);
    drop(held);
    assert_eq!(raw.server.peers(Opcode::Signal).body().len(), 40_000);
}

/// A channel that closes while it waits for a message takes its episode with it: the next
/// time the pool runs dry, that is said again.
pub fn closed_channel_ends_its_episode<W: World>(world: &W) {
    let pair = Pair::with(world, &Setup::with_pool(1_024, 8), &Setup::default());
    let other = App::new(world);
    let (waiting, at_other) = join(&pair.server, &other, &pair.address);
    let mut held = pair.dry_out_server();
    other.send(Opcode::Signal, at_other, 1, b"");
    let dry = pair.server.notice(Status::PoolEmpty);
    assert!(dry.channel.is_none());
    // The server closes the channel that waits, with one of the messages it holds.
    let mut bye = held.pop().expect("a message");
    bye.reset();
    bye.prepare(Opcode::ByeSignal, waiting);
    pair.server.post(bye);
    pair.server.closed(waiting);
    drop(held);
    let held = pair.dry_out_server();
    pair.client.send(Opcode::Signal, pair.at_client, 2, b"");
    pair.server.notice(Status::PoolEmpty);
    drop(held);
    assert_eq!(next_message(&pair.server.group).id(), 2);
}
