//! Signals one way, as many as go through.

use super::SIZES;
use crate::Outcome;
use crate::bench::{Bench, pick};
use crate::contenders::{Contender, Pattern};
use crate::exchange::{body, stream};
use crate::row::{Baseline, Row, Unit};
use crate::setting::{Placement, Setting};

/// From this size on bytes are what counts, not messages.
const LARGE: u64 = 16 * 1_024;

const PLACEMENT: Placement = Placement::TwoCores;

pub(super) fn run(bench: &mut Bench) -> Outcome {
    for setting in Setting::at(PLACEMENT) {
        for size in SIZES {
            measure(bench, setting, size)?;
        }
    }
    Ok(())
}

fn measure(bench: &mut Bench, setting: Setting, size: u64) -> Outcome {
    let what = format!("stream, {setting}, {size} B");
    let rates = bench.interleave(&what, Contender::PIPELINING, |contender| {
        let (mut server, mut client) = bench.connect(contender, Pattern::Stream, setting)?;
        client.open(1)?;
        let body = body(size);
        stream(&mut *client, &mut server.peer, &body, bench.plan.time / 4)?;
        stream(&mut *client, &mut server.peer, &body, bench.plan.time)
    })?;
    let (unit, scale) = match size {
        LARGE.. => (Unit::BytesPerSecond, size as f64),
        _ => (Unit::PerSecond, 1.0),
    };
    let samples = pick(&rates, |rate| rate * scale);
    let row = Row::new("one-way stream", setting, (size, "B"), unit, samples);
    bench.add(match size {
        64 => row.beside(Baseline::Contender(Contender::Zmq)).at_least(1.0, 2.0),
        65_535 => row.at_least(0.85, 0.95),
        _ => row,
    });
    Ok(())
}
