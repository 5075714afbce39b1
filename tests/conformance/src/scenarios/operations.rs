//! Section 3, the table: what is posted and what comes back, in success and in failure.

use crate::app::{App, PATIENCE, Pair, content, eventually, exchange, join, pattern};
use crate::wire::{Frame, RawServer, code};
use crate::world::{Group, Peer, RawWorld, World};
use tofu_core::{CONNECT_TO, ChannelNumber, LISTEN_ON, Opcode, Received, Status};

/// Addresses that no transport can make sense of.
const INVALID: [&str; 6] =
    ["", "nonsense", "tcp|127.0.0.1", "tcp|127.0.0.1|99999", "uds|", "quic|x|1"];

/// WelcomeRequest: WelcomeResponse, same channel and id, status 0; then clients can connect.
pub fn welcome_listens<W: World>(world: &W) {
    let server = App::new(world);
    let mut message = server.get();
    message.listen_on(world.address()).expect("the address fits");
    message.set_id(0xabcd);
    let posted = server.post(message);
    assert_eq!((posted.opcode, posted.id), (Opcode::WelcomeRequest, 0xabcd));
    let answer = server.returned(Status::Success);
    assert_eq!(answer.opcode(), Opcode::WelcomeResponse);
    assert_eq!((answer.channel(), answer.id()), (posted.channel, 0xabcd));
    server.quiet();
    let address = answer.text().get_str(LISTEN_ON).expect("the listener's address").to_owned();
    join(&server, &App::new(world), &address);
}

/// A WelcomeRequest that fails: WelcomeResponse from the engine with the status, then `channel_closed`.
fn welcome_fails<W: World>(app: &App<W>, address: &str, status: Status) {
    let mut message = app.message(Opcode::WelcomeRequest, ChannelNumber::NONE, 31, b"payload");
    message.add_header(LISTEN_ON, address).expect("the header fits");
    let posted = app.post(message);
    let answer = app.returned(status);
    assert_eq!(answer.opcode(), Opcode::WelcomeResponse, "{address}");
    assert_eq!((answer.channel(), answer.id()), (posted.channel, 31));
    assert_eq!(answer.text().get_str(LISTEN_ON), Some(address), "the payload is intact");
    assert_eq!(answer.body(), b"payload");
    app.closed(posted.channel);
}

/// A WelcomeRequest to an address that makes no sense: `invalid_address`.
pub fn welcome_to_an_invalid_address<W: World>(world: &W) {
    let app = App::new(world);
    for address in INVALID {
        welcome_fails(&app, address, Status::InvalidAddress);
    }
    eventually(world, 0, || app.engine.channels());
}

/// A scheme the transport does not know: `invalid_address`.
pub fn unknown_scheme<W: World>(world: &W) {
    let app = App::new(world);
    welcome_fails(&app, "serial|nowhere", Status::InvalidAddress);
    hello_fails(&app, "serial|nowhere", Status::InvalidAddress);
}

/// A WelcomeRequest to an address that is taken: `listen_failed`, and the first listener lives on.
pub fn welcome_to_a_taken_address<W: World>(world: &W) {
    let pair = Pair::new(world);
    welcome_fails(&App::new(world), &pair.address, Status::ListenFailed);
    welcome_fails(&pair.client, &pair.address, Status::ListenFailed);
    let late = App::new(world);
    let (at_server, _) = join(&pair.server, &late, &pair.address);
    assert_ne!(at_server, pair.at_server);
    pair.works();
}

/// HelloRequest: the peer's HelloResponse, with the id of the request; text headers and body of both arrive.
pub fn hello_connects<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let (_, address) = server.listen(&world.address());
    let mut hello = client.get();
    hello.connect_to(&address).expect("the address fits");
    hello.add_header("client", "me").expect("the header fits");
    hello.set_body(b"let me in").expect("the body fits");
    let posted = client.post(hello);
    let mut got = server.peers(Opcode::HelloRequest);
    assert_eq!(got.text().get_str("client"), Some("me"));
    assert_eq!(got.text().get_str(CONNECT_TO), Some(&*address));
    assert_eq!((got.id(), got.body()), (posted.id, &b"let me in"[..]));
    client.quiet();
    got.reply().expect("it takes an answer");
    got.set_body(b"welcome").expect("the body fits");
    server.post(got);
    let greeting = client.peers(Opcode::HelloResponse);
    assert_eq!((greeting.id(), greeting.channel()), (posted.id, posted.channel));
    assert_eq!(greeting.body(), b"welcome");
}

/// A HelloRequest that fails: HelloResponse from the engine with the status, then what was posted
/// behind it, then `channel_closed`.
fn hello_fails<W: World>(app: &App<W>, address: &str, status: Status) {
    let mut message = app.message(Opcode::HelloRequest, ChannelNumber::NONE, 32, b"payload");
    message.add_header(CONNECT_TO, address).expect("the header fits");
    let channel = app.post(message).channel;
    let mut behind = Vec::new();
    for id in 1..=3 {
        let message = app.message(Opcode::Request, channel, id, b"early");
        // The connection may have failed already.
        if app.group.post(message).is_ok() {
            behind.push(id);
        }
    }
    let answer = app.returned(status);
    assert_eq!(answer.opcode(), Opcode::HelloResponse, "{address}");
    assert_eq!((answer.channel(), answer.id()), (channel, 32));
    assert_eq!(answer.text().get_str(CONNECT_TO), Some(address), "the payload is intact");
    assert_eq!(answer.body(), b"payload");
    for id in behind {
        let back = app.returned(status);
        assert_eq!((back.opcode(), back.id(), back.body()), (Opcode::Request, id, &b"early"[..]));
    }
    app.closed(channel);
}

/// A HelloRequest to an address that makes no sense: `invalid_address`.
pub fn hello_to_an_invalid_address<W: World>(world: &W) {
    let app = App::new(world);
    for address in INVALID {
        hello_fails(&app, address, Status::InvalidAddress);
    }
    eventually(world, 0, || app.engine.channels());
}

/// A HelloRequest where nobody listens: `connect_failed`, or `uds_path_not_found`.
pub fn hello_to_nobody<W: World>(world: &W) {
    let app = App::new(world);
    let (address, status) = world.nowhere();
    hello_fails(&app, &address, status);
    eventually(world, 0, || app.engine.channels());
}

/// After a failure the application may try again, and is served once somebody listens.
pub fn failed_hello_can_be_repeated<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let (address, status) = world.nowhere();
    hello_fails(&client, &address, status);
    let (_, address) = server.listen(&address);
    let (at_server, at_client) = join(&server, &client, &address);
    exchange(&client, at_client, &server);
    exchange(&server, at_server, &client);
}

/// Request, Response, Signal, HelloResponse: nothing comes back unless they cannot be sent.
pub fn regular_messages_come_back_only_when_unsent<W: World>(world: &W) {
    let pair = Pair::new(world);
    for opcode in [Opcode::Request, Opcode::Response, Opcode::Signal, Opcode::HelloResponse] {
        pair.server.send(opcode, pair.at_server, 5, b"down");
        assert_eq!(pair.client.peers(opcode).id(), 5);
    }
    for opcode in [Opcode::Request, Opcode::Response, Opcode::Signal] {
        pair.client.send(opcode, pair.at_client, 6, b"up");
        assert_eq!(pair.server.peers(opcode).id(), 6);
    }
    pair.client.quiet();
    pair.server.quiet();
}

/// ByeRequest: the peer's ByeResponse, then `channel_closed`; the peer gets `channel_closed` once its answer is sent.
pub fn bye_request_is_answered<W: World>(world: &W) {
    for from_client in [true, false] {
        let pair = Pair::new(world);
        let (asks, at_asks, answers, at_answers) = match from_client {
            true => (&pair.client, pair.at_client, &pair.server, pair.at_server),
            false => (&pair.server, pair.at_server, &pair.client, pair.at_client),
        };
        let sent = asks.send(Opcode::ByeRequest, at_asks, 0, b"bye");
        let request = answers.peers(Opcode::ByeRequest);
        assert_eq!((request.id(), request.body()), (sent.id, &b"bye"[..]));
        answers.answer(request);
        let response = asks.peers(Opcode::ByeResponse);
        assert_eq!((response.id(), response.body()), (sent.id, &b"bye"[..]));
        drop(response);
        assert_eq!(asks.closed(at_asks).reason, Status::Success);
        assert_eq!(answers.closed(at_answers).reason, Status::Success);
    }
}

/// A ByeResponse without being asked closes as well, once it is sent.
pub fn bye_response_closes<W: World>(world: &W) {
    let pair = Pair::new(world);
    pair.server.send(Opcode::Signal, pair.at_server, 1, b"last");
    pair.server.send(Opcode::ByeResponse, pair.at_server, 2, b"");
    pair.server.closed(pair.at_server);
    assert_eq!(pair.client.peers(Opcode::Signal).body(), b"last");
    assert_eq!(pair.client.peers(Opcode::ByeResponse).id(), 2);
    pair.client.closed(pair.at_client);
}

/// ByeSignal on a listener stops listening; accepted channels live on.
pub fn bye_signal_stops_a_listener<W: World>(world: &W) {
    stop_listening(world, Opcode::ByeSignal);
}

/// ByeRequest on a listener stops listening; accepted channels live on.
pub fn bye_request_stops_a_listener<W: World>(world: &W) {
    stop_listening(world, Opcode::ByeRequest);
}

fn stop_listening<W: World>(world: &W, bye: Opcode) {
    let pair = Pair::new(world);
    pair.server.send(bye, pair.listener, 3, b"");
    let before = pair.server.until_closed(pair.listener);
    assert!(before.iter().all(|received| !matches!(received, Received::Peer(_))), "{before:?}");
    drop(before);
    pair.works();
    let late = App::new(world);
    let channel = late.connect(&pair.address).channel;
    match late.next() {
        Received::Returned(message, status) => {
            assert_eq!(message.opcode(), Opcode::HelloResponse);
            assert!(matches!(status, Status::ConnectFailed | Status::UdsPathNotFound), "{status}");
        }
        other => panic!("expected the HelloRequest back, received {other:?}"),
    }
    late.closed(channel);
    pair.server.quiet();
    // The address is free again.
    let (_, address) = pair.server.listen(&pair.address);
    join(&pair.server, &App::new(world), &address);
}

/// The accepting side may post from the moment it received the HelloRequest; HelloResponse is no gate.
pub fn hello_response_is_no_gate<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let (_, address) = server.listen(&world.address());
    let at_client = client.connect(&address).channel;
    client.send(Opcode::Request, at_client, 10, b"early");
    let at_server = server.peers(Opcode::HelloRequest).channel();
    server.send(Opcode::Request, at_server, 20, b"early too");
    assert_eq!(server.peers(Opcode::Request).id(), 10);
    assert_eq!(client.peers(Opcode::Request).id(), 20);
    exchange(&client, at_client, &server);
    exchange(&server, at_server, &client);
}

/// A client is turned away by ByeSignal.
pub fn client_is_turned_away_at_once<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let (_, address) = server.listen(&world.address());
    let at_client = client.connect(&address).channel;
    let at_server = server.peers(Opcode::HelloRequest).channel();
    server.send(Opcode::ByeSignal, at_server, 0, b"");
    server.closed(at_server);
    client.closed(at_client);
}

/// A client is turned away by ByeRequest, with a word why.
pub fn client_is_turned_away_with_a_word<W: World>(world: &W) {
    let (server, client) = (App::new(world), App::new(world));
    let (_, address) = server.listen(&world.address());
    let at_client = client.connect(&address).channel;
    let at_server = server.peers(Opcode::HelloRequest).channel();
    server.send(Opcode::ByeRequest, at_server, 0, b"not you");
    let bye = client.peers(Opcode::ByeRequest);
    assert_eq!(bye.body(), b"not you");
    client.answer(bye);
    client.closed(at_client);
    server.peers(Opcode::ByeResponse);
    server.closed(at_server);
}

/// Delivery is in order, at most once and whole, both ways at once.
pub fn delivery_is_in_order_both_ways<W: World>(world: &W) {
    let pair = Pair::new(world);
    let body = |id: u64| pattern([0, 1, 15, 900, 5_000][id as usize % 5] + id as usize, id);
    let ends = [(&pair.client, pair.at_client), (&pair.server, pair.at_server)];
    // Ten in flight keep within everybody's share.
    for first in (1..=300).step_by(10) {
        for id in first..first + 10 {
            for (app, channel) in ends {
                app.send(Opcode::Request, channel, id, body(id));
            }
        }
        for id in first..first + 10 {
            for (app, channel) in ends {
                let got = app.peers(Opcode::Request);
                assert_eq!((got.id(), got.channel()), (id, channel));
                assert!(got.body() == body(id), "body of {id}");
            }
        }
    }
    pair.client.quiet();
    pair.server.quiet();
}

/// A message that could not be sent comes back as it was posted.
pub fn what_comes_back_is_intact<W: RawWorld>(world: &W) {
    let raw = RawServer::new(world);
    // Fills the connection until messages are left over.
    let mut posted = Vec::new();
    for id in 1.. {
        let Some(mut message) = raw.client.engine.get() else { break };
        message.prepare(Opcode::Request, raw.channel).set_id(id);
        message.add_header("n", id.to_string()).expect("the header fits");
        if message.set_body(pattern(60_000, id)).is_err() {
            break;
        }
        message.set_more(id % 2 == 0);
        let before = content(&message);
        if raw.client.group.post(message).is_err() {
            world.pass(W::QUIET);
            if posted.len() as u64 + 1 < id {
                break;
            }
        } else {
            posted.push(before);
        }
    }
    raw.client.send(Opcode::ByeSignal, raw.channel, 0, b"");
    let back = raw.client.until_closed(raw.channel);
    assert!(!back.is_empty(), "some of {} messages were not sent", posted.len());
    let unsent = posted.split_off(posted.len() - back.len());
    for (received, expected) in back.into_iter().zip(unsent) {
        match received {
            Received::Returned(message, Status::ChannelClosed) => {
                assert!(content(&message) == expected, "message {} is intact", expected.header.id);
            }
            other => panic!("expected an unsent message, received {other:?}"),
        }
    }
}

/// After hello both ends are equal peers, also when one of them is not an engine of ours.
pub fn peers_are_equal_after_hello<W: RawWorld>(world: &W) {
    let mut raw = RawServer::new(world);
    raw.wire.frame(&Frame::new(code::REQUEST, 1).body("you do it"));
    let request = raw.client.peers(Opcode::Request);
    assert_eq!(request.body(), b"you do it");
    raw.client.answer(request);
    assert_eq!(raw.wire.expect(code::RESPONSE).id, 1);
    raw.wire.frame(&Frame::new(code::HELLO_RESPONSE, raw.hello.id));
    assert_eq!(raw.client.peers(Opcode::HelloResponse).id(), raw.hello.id);
    assert!(raw.client.group.receive(PATIENCE / 100).is_none());
}
