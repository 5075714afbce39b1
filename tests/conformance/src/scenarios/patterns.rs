//! Section 6: what applications build.

use crate::app::{App, Pair, eventually, exchange, join, pattern};
use crate::world::{Peer, Setup, World};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tofu_core::{ChannelNumber, Opcode, Received, Status};

/// Request/response: many in flight, answers in any order, matched by id.
pub fn request_response<W: World>(world: &W) {
    let pair = Pair::new(world);
    let mut waiting: HashMap<_, _> = (0..40)
        .map(|number| {
            let body = format!("question {number}");
            (pair.client.send(Opcode::Request, pair.at_client, 0, &body).id, body)
        })
        .collect();
    assert_eq!(waiting.len(), 40);
    let mut requests: Vec<_> = (0..40).map(|_| pair.server.peers(Opcode::Request)).collect();
    requests.reverse();
    requests.swap(3, 30);
    for mut request in requests {
        let answer = [request.body(), b"!"].concat();
        request.set_body(answer).expect("the body fits");
        pair.server.answer(request);
    }
    for _ in 0..40 {
        let response = pair.client.peers(Opcode::Response);
        let question = waiting.remove(&response.id()).expect("an answer to a question");
        assert_eq!(response.body(), format!("{question}!").as_bytes());
    }
}

/// Sends a stream of parts under one id; the last without `more`.
fn stream<W: World>(app: &App<W>, opcode: Opcode, channel: ChannelNumber, id: u64, parts: u64) {
    for part in 1..=parts {
        let mut message = app.message(opcode, channel, id, pattern(200, part));
        message.set_more(part < parts);
        app.post(message);
    }
}

/// Receives a stream of parts.
fn take_stream<W: World>(app: &App<W>, opcode: Opcode, id: u64, parts: u64) {
    for part in 1..=parts {
        let message = app.peers(opcode);
        assert_eq!((message.id(), message.more()), (id, part < parts));
        assert_eq!(message.body(), pattern(200, part));
    }
}

/// Streaming up: Request(more) … Request(last), then one Response, all of one id.
pub fn streaming_up<W: World>(world: &W) {
    let pair = Pair::new(world);
    stream(&pair.client, Opcode::Request, pair.at_client, 42, 30);
    take_stream(&pair.server, Opcode::Request, 42, 30);
    pair.server.send(Opcode::Response, pair.at_server, 42, b"30 parts");
    let response = pair.client.peers(Opcode::Response);
    assert_eq!((response.id(), response.body()), (42, &b"30 parts"[..]));
}

/// Streaming down: Request, then Response(more) … Response(last).
pub fn streaming_down<W: World>(world: &W) {
    let pair = Pair::new(world);
    let id = pair.client.send(Opcode::Request, pair.at_client, 0, b"all of it").id;
    assert_eq!(pair.server.peers(Opcode::Request).id(), id);
    stream(&pair.server, Opcode::Response, pair.at_server, id, 30);
    take_stream(&pair.client, Opcode::Response, id, 30);
}

/// Streaming both ways at once under one id.
pub fn streaming_both_ways<W: World>(world: &W) {
    let pair = Pair::new(world);
    stream(&pair.client, Opcode::Request, pair.at_client, 7, 30);
    stream(&pair.server, Opcode::Response, pair.at_server, 7, 30);
    take_stream(&pair.client, Opcode::Response, 7, 30);
    take_stream(&pair.server, Opcode::Request, 7, 30);
}

/// Progress: Request, Signal … Signal, Response, all of one id.
pub fn progress<W: World>(world: &W) {
    let pair = Pair::new(world);
    let id = pair.client.send(Opcode::Request, pair.at_client, 0, b"work").id;
    let request = pair.server.peers(Opcode::Request);
    for done in 1..=3 {
        let mut signal = pair.server.message(Opcode::Signal, pair.at_server, request.id(), b"");
        signal.add_header_display("Progress", format_args!("{done}:3")).expect("the header fits");
        pair.server.post(signal);
    }
    pair.server.answer(request);
    for done in 1..=3 {
        let signal = pair.client.peers(Opcode::Signal);
        assert_eq!(signal.id(), id);
        assert_eq!(signal.text().get_str("Progress"), Some(&*format!("{done}:3")));
    }
    assert_eq!(pair.client.peers(Opcode::Response).id(), id);
}

/// Heartbeat: empty Signals keep a channel alive; a peer that falls silent is timed out.
pub fn heartbeat<W: World>(world: &W) {
    let beat = Duration::from_millis(60);
    let setup = Setup::default().timeouts(|options| options.idle_timeout = Some(beat * 25));
    let pair = Pair::with(world, &setup, &Setup::default());
    for _ in 0..30 {
        world.pass(beat);
        pair.client.send(Opcode::Signal, pair.at_client, 0, b"");
        assert_eq!(pair.server.peers(Opcode::Signal).body(), b"");
    }
    assert_eq!(pair.server.closed(pair.at_server).reason, Status::CommunicationFailed);
    pair.client.closed(pair.at_client);
}

/// Peers: after hello, Requests from either side, with the same id at once, do not disturb each other.
pub fn peers<W: World>(world: &W) {
    let pair = Pair::new(world);
    pair.client.send(Opcode::Request, pair.at_client, 5, b"from the client");
    pair.server.send(Opcode::Request, pair.at_server, 5, b"from the server");
    pair.client.answer(pair.client.peers(Opcode::Request));
    pair.server.answer(pair.server.peers(Opcode::Request));
    assert_eq!(pair.client.peers(Opcode::Response).body(), b"from the client");
    assert_eq!(pair.server.peers(Opcode::Response).body(), b"from the server");
}

/// Many clients: one receive loop, state by channel number, cleaned up on `channel_closed`.
pub fn many_clients<W: World>(world: &W) {
    let server = App::new(world);
    let (_, address) = server.listen(&world.address());
    let clients: Vec<_> = (0..10).map(|_| App::new(world)).collect();
    let channels: Vec<_> = clients.iter().map(|client| client.connect(&address).channel).collect();
    for (client, &channel) in clients.iter().zip(&channels) {
        for id in 1..=5 {
            client.send(Opcode::Request, channel, id, b"count me");
        }
        client.send(Opcode::ByeRequest, channel, 6, b"");
    }
    let mut state = HashMap::new();
    let mut finished = 0;
    while finished < 10 {
        match server.next() {
            Received::Peer(message) if message.opcode() == Opcode::HelloRequest => {
                assert_eq!(state.insert(message.channel(), 0), None);
            }
            Received::Peer(message) => {
                *state.get_mut(&message.channel()).expect("an open channel") += 1;
                server.answer(message);
            }
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                assert_eq!(state.remove(&notice.channel), Some(6));
                finished += 1;
            }
            other => panic!("expected messages and closes, received {other:?}"),
        }
    }
    assert!(state.is_empty());
    for (client, &channel) in clients.iter().zip(&channels) {
        (1..=5).for_each(|id| assert_eq!(client.peers(Opcode::Response).id(), id));
        client.peers(Opcode::ByeResponse);
        client.closed_now(channel);
    }
    server.quiet();
    eventually(world, 1, || server.engine.channels());
}

/// Several listeners in one group, one loop; clients on each are equal.
pub fn several_listeners<W: World>(world: &W) {
    let server = App::new(world);
    let listeners: Vec<_> = (0..3).map(|_| server.listen(&world.address())).collect();
    let numbers: HashSet<_> = listeners.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers.len(), 3);
    let clients: Vec<_> = listeners
        .iter()
        .map(|(_, address)| {
            let client = App::new(world);
            let (at_server, at_client) = join(&server, &client, address);
            (client, at_server, at_client)
        })
        .collect();
    for (client, at_server, at_client) in &clients {
        exchange(client, *at_client, &server);
        exchange(&server, *at_server, client);
    }
    // One listener goes; the others and every connection stay.
    server.send(Opcode::ByeSignal, listeners[0].0, 0, b"");
    server.closed(listeners[0].0);
    for (client, _, at_client) in &clients {
        exchange(client, *at_client, &server);
    }
    join(&server, &App::new(world), &listeners[1].1);
}

/// Reconnect: on `channel_closed` or a failed hello, the application posts a new HelloRequest.
pub fn reconnect<W: World>(world: &W) {
    let Pair { server, client, at_client, address, .. } = Pair::new(world);
    server.engine.stop();
    client.closed(at_client);
    drop(server);
    let server = App::new(world);
    let mut listening = false;
    // At first nobody is there; then somebody is.
    for attempt in 1.. {
        let channel = client.connect(&address).channel;
        if listening {
            let hello = server.peers(Opcode::HelloRequest);
            server.answer(hello);
            assert_eq!(client.peers(Opcode::HelloResponse).channel(), channel);
            exchange(&client, channel, &server);
            break;
        }
        let failed = client.next();
        assert!(
            matches!(&failed, Received::Returned(message, _) if message.opcode() == Opcode::HelloResponse)
        );
        client.closed_now(channel);
        if attempt == 3 {
            server.listen(&address);
            listening = true;
        }
    }
}
