//! A request and its answer, one at a time.

use super::SIZES;
use crate::Outcome;
use crate::bench::{Bench, pick};
use crate::contenders::{Contender, Pattern};
use crate::exchange::{body, round_trips};
use crate::row::{Row, Transport, Unit};
use crate::stats::Percentiles;

pub(super) fn run(bench: &mut Bench) -> Outcome {
    for transport in Transport::ALL {
        for size in SIZES {
            measure(bench, transport, size)?;
        }
    }
    Ok(())
}

fn measure(bench: &mut Bench, transport: Transport, size: u64) -> Outcome {
    let what = format!("round trip, {transport}, {size} B");
    let measured = bench.interleave(&what, Contender::BUILT, |contender| {
        let (_server, mut client) = bench.connect(contender, Pattern::Requests, transport)?;
        client.open(1)?;
        round_trips(&mut *client, 0, &body(size), bench.plan.time)
    })?;
    let row = |what, number: fn(&Percentiles) -> f64| {
        Row::new(what, transport, (size, "B"), Unit::Nanoseconds, pick(&measured, number))
    };
    let middle = row("round trip, p50", |latency| latency.p50);
    bench.rows.push(match size {
        64 => middle.at_most(1.15, 1.05),
        65_535 => middle.at_most(1.25, 1.1),
        _ => middle,
    });
    if size == 64 {
        bench.rows.push(row("round trip, p99", |latency| latency.p99));
    }
    Ok(())
}
