//! Several requests under way at once, on one channel.

use super::SMALL;
use crate::Outcome;
use crate::bench::Bench;
use crate::contenders::{Contender, Pattern};
use crate::exchange::{body, keep_busy};
use crate::row::{Baseline, Row, Unit};
use crate::setting::{Placement, Setting};

const PLACEMENT: Placement = Placement::TwoCores;

pub(super) fn run(bench: &mut Bench) -> Outcome {
    for setting in Setting::at(PLACEMENT) {
        for in_flight in [1, 8, 64] {
            measure(bench, setting, in_flight)?;
        }
    }
    Ok(())
}

fn measure(bench: &mut Bench, setting: Setting, in_flight: u64) -> Outcome {
    let what = format!("in flight, {setting}, {in_flight}");
    let rates = bench.interleave(&what, Contender::PIPELINING, |contender| {
        let (_server, mut client) = bench.connect(contender, Pattern::Requests, setting)?;
        client.open(1)?;
        keep_busy(&mut *client, 1, in_flight, &body(SMALL), bench.plan.time)
    })?;
    let parameter = (in_flight, "in flight");
    let row = Row::new("requests, 64 B", setting, parameter, Unit::PerSecond, rates);
    bench.add(match in_flight {
        64 => row.beside(Baseline::Contender(Contender::Zmq)).at_least(1.0, 2.0),
        _ => row,
    });
    Ok(())
}
