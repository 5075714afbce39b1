//! Round trips beside a channel, of another process, that sends signals flat out to the same server.

use super::SMALL;
use crate::Outcome;
use crate::bench::Bench;
use crate::contenders::{Contender, Pattern};
use crate::control::Peer;
use crate::exchange::{body, round_trips};
use crate::row::{Baseline, Row, Transport, Unit};

pub(super) fn run(bench: &mut Bench) -> Outcome {
    for transport in Transport::ALL {
        for size in [SMALL, 65_535] {
            let what = format!("fairness, {transport}, {size} B");
            let ratios = bench.interleave(&what, Contender::WITH_CHANNELS, |contender| {
                measure(bench, contender, transport, size)
            })?;
            let row = Row::new(WHAT, transport, (size, "B flood"), Unit::Times, ratios);
            bench.rows.push(row.beside(Baseline::None).at_most(5.0, 5.0));
        }
    }
    Ok(())
}

const WHAT: &str = "p99 beside a flood, over alone";

/// How many times longer a round trip takes, at the percentile 99, while the other channel sends.
fn measure(
    bench: &Bench,
    contender: Contender,
    transport: Transport,
    flood_size: u64,
) -> Outcome<f64> {
    let (server, mut client) = bench.connect(contender, Pattern::Requests, transport)?;
    client.open(1)?;
    let (body, time) = (body(SMALL), 2 * bench.plan.time);
    let alone = round_trips(&mut *client, 0, &body, time)?;
    let size = flood_size.to_string();
    let mut flood = Peer::start(&["flood", contender.argument(), &server.address, &size])?;
    flood.address()?;
    let beside = round_trips(&mut *client, 0, &body, time)?;
    Ok(beside.p99 / alone.p99)
}
