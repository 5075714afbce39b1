//! Allocations for each message, at both ends together, in the steady state.
//!
//! A pool takes its memory from the heap as needed, up to its size, and tables grow to what they have to
//! hold; so the steady state begins when some traffic went through without an allocation. If that never happens,
//! the last attempt counts.

use super::SMALL;
use crate::Outcome;
use crate::bench::{Bench, Server, pick};
use crate::contenders::{Client, Contender, Pattern};
use crate::exchange::{body, requests, signals};
use crate::heap::Heap;
use crate::row::{Baseline, Row, Unit};
use crate::setting::{Placement, Setting, Transport};

const SETTING: Setting = Setting { transport: Transport::Tcp, placement: Placement::TwoCores };

/// How often it is tried to reach the steady state.
const ATTEMPTS: u32 = 20;

/// What is sent.
#[derive(Clone, Copy)]
enum Traffic {
    /// Requests, so many under way at once.
    Requests(u64),
    Signals,
}

/// Messages of a kind, and how many of them are counted in one round.
const CASES: [(&str, Traffic, u64, u64); 4] = [
    ("allocations, round trips", Traffic::Requests(1), SMALL, 20_000),
    ("allocations, round trips", Traffic::Requests(1), 65_535, 1_000),
    ("allocations, 64 in flight", Traffic::Requests(64), SMALL, 20_000),
    ("allocations, stream", Traffic::Signals, SMALL, 100_000),
];

pub(super) fn run(bench: &mut Bench) -> Outcome {
    for (what, traffic, size, count) in CASES {
        let count = if bench.plan.smoke { count / 100 } else { count };
        let counted = bench.interleave(what, &[Contender::Tofu], |contender| {
            let (mut server, mut client) = bench.connect(contender, Pattern::Requests, SETTING)?;
            client.open(1)?;
            measure(&mut server, &mut *client, traffic, &body(size), count)
        })?;
        // All of them count, not the one in the middle.
        let mean = pick(&counted, |&allocations| allocations as f64 / count as f64)
            .into_iter()
            .map(|(who, each)| (who, vec![each.iter().sum::<f64>() / each.len() as f64]))
            .collect();
        let row = Row::new(what, SETTING, (size, "B"), Unit::Count, mean);
        bench.add(row.beside(Baseline::None).at_most(0.0, 0.0));
    }
    Ok(())
}

/// Allocations of both ends while `count` messages, or requests with their answers, go through, in
/// the steady state.
fn measure(
    server: &mut Server,
    client: &mut dyn Client,
    traffic: Traffic,
    body: &[u8],
    count: u64,
) -> Outcome<usize> {
    let mut send = |server: &mut Server, count| match traffic {
        Traffic::Requests(in_flight) => requests(client, in_flight, body, count),
        Traffic::Signals => signals(client, &mut server.peer, body, count),
    };
    // The first look may allocate for itself.
    server.peer.heap()?;
    let mut allocations = 0;
    for _ in 0..ATTEMPTS {
        let before = (Heap::now(), server.peer.heap()?);
        send(server, count)?;
        allocations = Heap::now().allocations_since(before.0);
        allocations += server.peer.heap()?.allocations_since(before.1);
        if allocations == 0 {
            break;
        }
    }
    Ok(allocations)
}
