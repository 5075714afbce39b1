//! What several modes do with a client.

use crate::contenders::Client;
use crate::control::Peer;
use crate::stats::{Latencies, Percentiles};
use crate::{Outcome, ensure};
use std::time::{Duration, Instant};

/// A body of this length, without two bytes alike beside each other.
pub(crate) fn body(len: u64) -> Vec<u8> {
    (0..len).map(|index| (index * 31) as u8).collect()
}

/// Round trips one at a time, for as long as `time`, after a warm-up.
pub(crate) fn round_trips(
    client: &mut dyn Client,
    channel: usize,
    body: &[u8],
    time: Duration,
) -> Outcome<Percentiles> {
    // The answers are compared where that is not measured.
    let end = Instant::now() + time / 4;
    while Instant::now() < end {
        client.request(channel, body)?;
        let (from, answer) = client.answer()?;
        ensure(from == channel && answer == body, "an answer is not the copy of its request")?;
    }
    let mut latencies = Latencies::default();
    let start = Instant::now();
    let mut sent = start;
    loop {
        client.request(channel, body)?;
        let (_, answer) = client.answer()?;
        let len = answer.len();
        let now = Instant::now();
        latencies.push(now - sent);
        sent = now;
        ensure(len == body.len(), "an answer has another length")?;
        if now - start >= time {
            return Ok(latencies.percentiles());
        }
    }
}

/// Keeps requests under way on each of some channels, for as long as `time`; the number of answers
/// a second. Every answer counts, to the last.
pub(crate) fn keep_busy(
    client: &mut dyn Client,
    channels: usize,
    in_flight: u64,
    body: &[u8],
    time: Duration,
) -> Outcome<f64> {
    for _ in 0..in_flight {
        for channel in 0..channels {
            client.request(channel, body)?;
        }
    }
    // The first answers warm up.
    let under_way = in_flight * channels as u64;
    for _ in 0..under_way {
        let (channel, answer) = client.answer()?;
        ensure(answer == body, "an answer is not the copy of its request")?;
        client.request(channel, body)?;
    }
    let start = Instant::now();
    let mut answers = 0;
    while start.elapsed() < time {
        let (channel, answer) = client.answer()?;
        ensure(answer.len() == body.len(), "an answer has another length")?;
        client.request(channel, body)?;
        answers += 1;
    }
    for _ in 0..under_way {
        client.answer()?;
        answers += 1;
    }
    Ok(f64::from(answers) / start.elapsed().as_secs_f64())
}

/// Sends signals for as long as `time`, and waits until the last was received; messages a second.
pub(crate) fn stream(
    client: &mut dyn Client,
    peer: &mut Peer,
    body: &[u8],
    time: Duration,
) -> Outcome<f64> {
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < time {
        for _ in 0..BETWEEN_LOOKS {
            client.signal(0, body)?;
        }
        sent += BETWEEN_LOOKS;
    }
    end_stream(client, peer, body, sent)?;
    Ok(sent as f64 / start.elapsed().as_secs_f64())
}

/// Signals between two looks at the clock.
const BETWEEN_LOOKS: u64 = 16;

/// Sends this many signals, and waits until the last was received.
pub(crate) fn signals(
    client: &mut dyn Client,
    peer: &mut Peer,
    body: &[u8],
    count: u64,
) -> Outcome {
    for _ in 0..count {
        client.signal(0, body)?;
    }
    end_stream(client, peer, body, count)
}

/// The last signal is the one of another length.
fn end_stream(client: &mut dyn Client, peer: &mut Peer, body: &[u8], sent: u64) -> Outcome {
    client.signal(0, body.split_last().map_or(&[0], |(_, rest)| rest))?;
    client.flush()?;
    ensure(peer.done()? == sent + 1, "not as many signals came as were sent")
}

/// Sends this many requests, some of them under way at once, until all are answered.
pub(crate) fn requests(
    client: &mut dyn Client,
    in_flight: u64,
    body: &[u8],
    count: u64,
) -> Outcome {
    for sent in 0..count + in_flight {
        if sent >= in_flight {
            let (_, answer) = client.answer()?;
            ensure(answer == body, "an answer is not the copy of its request")?;
        }
        if sent < count {
            client.request(0, body)?;
        }
    }
    Ok(())
}
