//! A request and its answer, one at a time.

use super::SIZES;
use crate::Outcome;
use crate::bench::{Bench, pick};
use crate::contenders::{Contender, Pattern};
use crate::exchange::{body, round_trips};
use crate::row::{Row, Unit};
use crate::setting::{Placement, Setting};
use crate::stats::Percentiles;

pub(super) fn run(bench: &mut Bench) -> Outcome {
    for setting in Placement::ALL.into_iter().flat_map(Setting::at) {
        for size in SIZES {
            measure(bench, setting, size)?;
        }
    }
    Ok(())
}

fn measure(bench: &mut Bench, setting: Setting, size: u64) -> Outcome {
    let what = format!("round trip, {setting}, {size} B");
    let measured = bench.interleave(&what, Contender::BUILT, |contender| {
        let (_server, mut client) = bench.connect(contender, Pattern::Requests, setting)?;
        client.open(1)?;
        round_trips(&mut *client, 0, &body(size), bench.plan.time)
    })?;
    let row = |what, number: fn(&Percentiles) -> f64| {
        Row::new(what, setting, (size, "B"), Unit::Nanoseconds, pick(&measured, number))
    };
    let middle = row("round trip, p50", |latency| latency.p50);
    bench.add(match size {
        64 => middle.at_most(1.15, 1.05),
        65_535 => middle.at_most(1.25, 1.1),
        _ => middle,
    });
    if size == 64 {
        bench.add(row("round trip, p99", |latency| latency.p99));
    }
    Ok(())
}
