//! Round trips beside channels that do nothing, and what memory these take.

use super::SMALL;
use crate::bench::{Bench, pick};
use crate::contenders::{Client, Contender, Pattern};
use crate::exchange::{body, round_trips};
use crate::heap::Heap;
use crate::row::{Baseline, Row, Unit};
use crate::setting::{Placement, Setting};
use crate::{Outcome, ensure};

const COUNTS: &[usize] = &[1, 100, 1_000, 10_000];
/// File descriptors of a process beside those of its channels.
const OTHER_FILES: u64 = 100;

/// Where waking a core does not hide what the channels cost.
const PLACEMENT: Placement = Placement::OneCore;

/// What one round finds.
struct Found {
    /// The median of the round trips without an idle channel.
    alone: f64,
    /// With each of the numbers of idle channels.
    beside: Vec<f64>,
    /// Bytes on the heap for each of the most channels.
    at_client: f64,
    at_server: f64,
}

pub(super) fn run(bench: &mut Bench) -> Outcome {
    let counts = if bench.plan.smoke { &COUNTS[..2] } else { COUNTS };
    let most = counts[counts.len() - 1];
    let files = rlimit::increase_nofile_limit(u64::MAX)?;
    ensure(files >= most as u64 + OTHER_FILES, "too few file descriptors are allowed: ulimit -Hn")?;
    for setting in Setting::at(PLACEMENT) {
        let what = format!("idle channels, {setting}");
        let found = bench.interleave(&what, &[Contender::Tofu], |contender| {
            measure(bench, contender, setting, counts)
        })?;
        let alone =
            pick(&found, |found| found.alone).pop().map(|(_, alone)| alone).unwrap_or_default();
        for (index, &count) in counts.iter().enumerate() {
            let parameter = (count as u64, "idle");
            let samples = pick(&found, |found| found.beside[index]);
            let row = Row::new(BESIDE, setting, parameter, Unit::Nanoseconds, samples)
                .beside(Baseline::Own("no idle", alone.clone()));
            bench.add(if count == 10_000 { row.at_most(1.1, 1.0) } else { row });
        }
        let memory = |what, bytes: fn(&Found) -> f64| {
            let (parameter, samples) = ((most as u64, "idle"), pick(&found, bytes));
            let row = Row::new(what, setting, parameter, Unit::Bytes, samples);
            row.beside(Baseline::None).at_most(1_024.0, 256.0)
        };
        bench.add(memory("heap per channel, client", |found| found.at_client));
        bench.add(memory("heap per channel, server", |found| found.at_server));
    }
    Ok(())
}

const BESIDE: &str = "round trip, 64 B, p50";

fn measure(
    bench: &Bench,
    contender: Contender,
    setting: Setting,
    counts: &[usize],
) -> Outcome<Found> {
    let (mut server, mut client) = bench.connect(contender, Pattern::Requests, setting)?;
    client.open(1)?;
    let body = body(SMALL);
    let round_trip = |client: &mut dyn Client| round_trips(client, 0, &body, bench.plan.time);
    let alone = round_trip(&mut *client)?.p50;
    let before = (Heap::now(), server.peer.heap()?);
    let (mut beside, mut open) = (vec![], 0);
    for &count in counts {
        client.open(count - open)?;
        open = count;
        beside.push(round_trip(&mut *client)?.p50);
    }
    let after = (Heap::now(), server.peer.heap()?);
    let per_channel = |after: Heap, before| after.growth_since(before) as f64 / open as f64;
    Ok(Found {
        alone,
        beside,
        at_client: per_channel(after.0, before.0),
        at_server: per_channel(after.1, before.1),
    })
}
