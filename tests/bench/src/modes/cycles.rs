//! Connect, hello, bye; beside connect, a byte each way, close.

use crate::Outcome;
use crate::bench::Bench;
use crate::contenders::{Client, Contender, Pattern};
use crate::row::{Row, Unit};
use crate::setting::{Placement, Setting};
use std::time::{Duration, Instant};

pub(super) fn run(bench: &mut Bench) -> Outcome {
    for setting in Placement::ALL.into_iter().flat_map(Setting::at) {
        let what = format!("cycles, {setting}");
        let rates = bench.interleave(&what, Contender::WITH_CHANNELS, |contender| {
            let (_server, mut client) = bench.connect(contender, Pattern::Cycles, setting)?;
            cycles(&mut *client, bench.plan.time / 4)?;
            cycles(&mut *client, bench.plan.time)
        })?;
        let row =
            Row::new("connect, hello, bye", setting, (1, "at a time"), Unit::PerSecond, rates);
        bench.add(row.at_least(0.5, 0.8));
    }
    Ok(())
}

/// Cycles a second.
fn cycles(client: &mut dyn Client, time: Duration) -> Outcome<f64> {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        client.cycle()?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}
