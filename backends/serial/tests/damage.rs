//! Every byte of a conversation is changed or dropped in turn, in both directions.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use support::Pair;
use support::talk::{check, reasons, talk, talk_well};
use support::wire::Fault;
use tofu_core::Status;

const SEED: u64 = 3;

/// Runs a conversation in which this happens to one byte; how it ended.
fn damaged(side: usize, at: usize, fault: Fault) -> (Status, Option<Status>) {
    let mut pair = Pair::listening(SEED);
    pair.wire.damage(side, at, fault);
    let stories = talk(&mut pair);
    check(&stories);
    let ended = reasons(&stories);
    let expected = matches!(
        ended,
        // The damage hit what began the session, which is repeated, or what was said after its end.
        (Status::Success, Some(Status::Success))
            // Noticed. An accepted connection that never said hello ends without a word.
            | (Status::CommunicationFailed, Some(Status::CommunicationFailed) | None)
            // The answer to the goodbye was damaged: who gave it has closed.
            | (Status::CommunicationFailed, Some(Status::Success))
    );
    assert!(expected, "{side} {at} {fault:?}: {ended:?} {stories:#?}");
    // Nothing of it is left: a new connection works.
    talk_well(&mut pair);
    for node in &pair.nodes {
        node.assert_no_leak();
    }
    ended
}

/// What one side writes in a conversation on a line that works.
fn recorded(side: usize) -> Vec<u8> {
    let mut pair = Pair::listening(SEED);
    talk_well(&mut pair);
    pair.wire.written(side)
}

fn count(
    side: usize,
    faults: impl Fn(u8) -> Vec<Fault>,
) -> BTreeMap<(Status, Option<Status>), usize> {
    let mut ends = BTreeMap::new();
    for (at, byte) in recorded(side).into_iter().enumerate() {
        for fault in faults(byte) {
            *ends.entry(damaged(side, at, fault)).or_default() += 1;
        }
    }
    println!("side {side}: {ends:?}");
    ends
}

/// Nearly everything is noticed: what is not stands at the edges of a session.
fn assert_noticed(ends: &BTreeMap<(Status, Option<Status>), usize>) {
    let all: usize = ends.values().sum();
    let unnoticed = ends.get(&(Status::Success, Some(Status::Success))).copied().unwrap_or(0);
    assert!(all > 1_000 && unnoticed * 10 < all, "{ends:?}");
}

#[test]
fn a_changed_byte_from_the_client_is_noticed() {
    assert_noticed(&count(0, flips));
}

#[test]
fn a_changed_byte_from_the_server_is_noticed() {
    assert_noticed(&count(1, flips));
}

#[test]
fn a_dropped_byte_from_the_client_is_noticed() {
    assert_noticed(&count(0, |_| vec![Fault::Drop]));
}

#[test]
fn a_dropped_byte_from_the_server_is_noticed() {
    assert_noticed(&count(1, |_| vec![Fault::Drop]));
}

/// One bit, all bits, and into the byte that ends a packet.
fn flips(byte: u8) -> Vec<Fault> {
    [1 << (byte % 8), 0xff, byte].into_iter().filter(|mask| *mask > 0).map(Fault::Flip).collect()
}
