//! Round trips beside a channel, of another process, that sends signals flat out to the same server.

use super::SMALL;
use crate::Outcome;
use crate::bench::{Bench, pick};
use crate::contenders::{Contender, Pattern};
use crate::exchange::{body, round_trips};
use crate::row::{Baseline, Row, Unit};
use crate::setting::{Placement, Preferred, Setting};

/// The flood comes from another core, and the client is preferred where that is allowed, so that the two
/// compete for the server and not for the processor.
const PLACEMENT: Placement = Placement::OneCore;
/// Bodies of the signals.
const FLOODS: [u64; 2] = [SMALL, 65_535];

/// Percentiles 99 of the round trips, in nanoseconds.
struct Found {
    alone: f64,
    /// Beside each of the floods.
    beside: Vec<f64>,
}

pub(super) fn run(bench: &mut Bench) -> Outcome {
    for setting in Setting::at(PLACEMENT) {
        let what = format!("fairness, {setting}");
        let found = bench.interleave(&what, Contender::WITH_CHANNELS, |contender| {
            measure(bench, contender, setting)
        })?;
        let row = |size, p99: &dyn Fn(&Found) -> f64| {
            let (parameter, samples) = ((size, "B flood"), pick(&found, p99));
            Row::new("round trip, 64 B, p99", setting, parameter, Unit::Nanoseconds, samples)
        };
        let alone = Row { parameter: (0, "floods"), ..row(0, &|found| found.alone) };
        let own = Baseline::Own("no flood", alone.of(Contender::Tofu).unwrap_or_default().to_vec());
        bench.add(alone);
        for (index, size) in FLOODS.into_iter().enumerate() {
            let beside = row(size, &|found| found.beside[index]);
            bench.add(beside.beside(own.clone()).at_most(5.0, 5.0));
        }
    }
    Ok(())
}

fn measure(bench: &Bench, contender: Contender, setting: Setting) -> Outcome<Found> {
    let (server, mut client) = bench.connect(contender, Pattern::Requests, setting)?;
    client.open(1)?;
    // It would keep a busy machine from others, and figures that nobody looks at are worth no such thing.
    let _preferred = (!bench.plan.smoke).then(Preferred::new);
    // Twice the time, so that a percentile 99 is made of something.
    let (body, time) = (body(SMALL), 2 * bench.plan.time);
    let alone = round_trips(&mut *client, 0, &body, time)?.p99;
    let mut beside = Vec::new();
    for size in FLOODS {
        let _flood = bench.flood(contender, &server, size)?;
        beside.push(round_trips(&mut *client, 0, &body, time)?.p99);
    }
    Ok(Found { alone, beside })
}
