//! The engine alone: how long a message takes through it, without a system call.

use crate::bench::Bench;
use crate::contenders::Contender;
use crate::row::{Baseline, Row, Unit};
use std::time::{Duration, Instant};
use tofu_bench::{BATCH, CorePath, Outcome};
use tofu_core::Transport;

/// Messages between two looks at the clock.
const STRIDE: u64 = 1_024;

pub(super) fn run(bench: &mut Bench) -> Outcome {
    let time = bench.plan.time;
    let row = |what, batch, samples| {
        Row::new(what, None, (batch, "at once"), Unit::Nanoseconds, samples).beside(Baseline::None)
    };
    for batch in [1, BATCH] {
        let samples = bench.interleave("core over a buffer", &[Contender::Tofu], |_| {
            nanoseconds(&mut CorePath::over_wire()?, batch, time)
        })?;
        bench.add(row("core alone, 64 B, over a buffer", batch, samples).at_most(400.0, 150.0));
    }
    for batch in [1, BATCH] {
        let samples = bench.interleave("core over tofu-loopback", &[Contender::Tofu], |_| {
            nanoseconds(&mut CorePath::over_loopback()?, batch, time)
        })?;
        bench.add(row("core alone, 64 B, over loopback", batch, samples));
    }
    Ok(())
}

/// Of one message.
fn nanoseconds(path: &mut CorePath<impl Transport>, batch: u64, time: Duration) -> Outcome<f64> {
    path.run(STRIDE, batch)?;
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        path.run(STRIDE, batch)?;
        count += STRIDE;
    }
    Ok(start.elapsed().as_nanos() as f64 / count as f64)
}
