//! Several requests under way at once, on one channel.

use super::SMALL;
use crate::Outcome;
use crate::bench::Bench;
use crate::contenders::{Contender, Pattern};
use crate::exchange::{body, keep_busy};
use crate::row::{Baseline, Row, Transport, Unit};

pub(super) fn run(bench: &mut Bench) -> Outcome {
    for transport in Transport::ALL {
        for in_flight in [1, 8, 64] {
            measure(bench, transport, in_flight)?;
        }
    }
    Ok(())
}

fn measure(bench: &mut Bench, transport: Transport, in_flight: u64) -> Outcome {
    let what = format!("in flight, {transport}, {in_flight}");
    let rates = bench.interleave(&what, Contender::BUILT, |contender| {
        let (_server, mut client) = bench.connect(contender, Pattern::Requests, transport)?;
        client.open(1)?;
        keep_busy(&mut *client, 1, in_flight, &body(SMALL), bench.plan.time)
    })?;
    let parameter = (in_flight, "in flight");
    let row = Row::new("requests, 64 B", transport, parameter, Unit::PerSecond, rates);
    bench.rows.push(match in_flight {
        64 => row.beside(Baseline::Contender(Contender::Zmq)).at_least(1.0, 2.0),
        _ => row,
    });
    Ok(())
}
