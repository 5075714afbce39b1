//! An engine has as many channels as there are numbers, and is as good with all of them taken.

mod support;

use std::collections::BTreeSet;
use support::*;
use tofu_std::testing::unique_mem_address;
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Opcode, Status};

/// The numbers of one engine: 1 to 65,534.
const NUMBERS: usize = 65_534;
/// Connections of two engines, one of which has a listener: that takes a number too.
const CONNECTIONS: usize = NUMBERS - 1;
/// Opened at once; fewer than may wait to be accepted.
const BATCH: usize = 512;
/// Closed and opened again.
const RENEWED: usize = 100;

/// Opens so many connections.
fn open(client: &ChannelGroup, server: &ChannelGroup, address: &str, count: usize) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(count);
    while pairs.len() < count {
        pairs.extend(pairs_at_once(client, server, address, BATCH.min(count - pairs.len())));
    }
    pairs
}

/// All different, and all of 1 to 65,534: none is left out.
fn assert_every_number(numbers: impl Iterator<Item = ChannelNumber>) {
    let numbers: BTreeSet<_> = numbers.map(ChannelNumber::get).collect();
    assert_eq!(numbers.len(), NUMBERS);
    assert_eq!((numbers.first(), numbers.last()), (Some(&1), Some(&65_534)));
}

/// The server has a listener and 65,533 connections, the client 65,534 connections, of which the
/// last waits until the server has a number for it. (One engine that connects to itself would have
/// its listener, both ends of 32,766 connections, and one end that waits.)
#[test]
fn every_number_is_a_channel_and_one_more_is_refused() {
    let address = unique_mem_address();
    let server_engine = engine_for_many();
    let server = server_engine.group().unwrap();
    let (listener, _) = listen(&server, &address);
    let client_engine = Engine::new().unwrap();
    let client = client_engine.group().unwrap();

    let mut pairs = open(&client, &server, &address, CONNECTIONS);
    let waiting = connect(&client, &address);
    assert_eq!((server_engine.channels(), client_engine.channels()), (NUMBERS, NUMBERS));
    assert_every_number(pairs.iter().map(|pair| pair.1).chain([listener]));
    assert_every_number(pairs.iter().map(|pair| pair.0).chain([waiting]));

    let mut one_more = message(&client_engine, Opcode::HelloRequest, ChannelNumber::NONE);
    one_more.connect_to(&address).unwrap();
    let refused = client.post(one_more).unwrap_err();
    assert_eq!(refused.status, Status::PoolEmpty);
    assert!(refused.message.channel().is_none());

    for pair in [pairs[0], pairs[CONNECTIONS / 2], pairs[CONNECTIONS - 1]] {
        assert_answers(&client, &server, pair);
    }

    // The first number that is free at the server goes to the connection that waits.
    let closed = pairs.swap_remove(0);
    say_goodbye(&client, &server, closed);
    pairs.push((waiting, hello(&server)));
    assert_eq!(pairs.last(), Some(&(waiting, closed.1)));
    assert_answers(&client, &server, (waiting, closed.1));

    // Numbers come back in the order in which they became free; at the server all of them do.
    let renewed: Vec<_> = pairs.drain(..RENEWED).collect();
    renewed.iter().for_each(|&pair| say_goodbye(&client, &server, pair));
    let reopened = open(&client, &server, &address, RENEWED);
    let freed = [closed.0].into_iter().chain(renewed.iter().map(|pair| pair.0));
    assert!(reopened.iter().map(|pair| pair.0).eq(freed.take(RENEWED)));
    pairs.extend(reopened);
    assert_every_number(pairs.iter().map(|pair| pair.1).chain([listener]));
    assert_answers(&client, &server, pairs[pairs.len() - 1]);

    client_engine.stop();
    server_engine.stop();
}
