//! A request under way on each of many channels.

use super::SMALL;
use crate::Outcome;
use crate::bench::Bench;
use crate::contenders::{Contender, Pattern};
use crate::exchange::{body, keep_busy};
use crate::row::{Row, Unit};
use crate::setting::{Placement, Setting};

const PLACEMENT: Placement = Placement::TwoCores;

pub(super) fn run(bench: &mut Bench) -> Outcome {
    let channels = if bench.plan.smoke { 50 } else { 1_000 };
    for setting in Setting::at(PLACEMENT) {
        let what = format!("busy channels, {setting}");
        let rates = bench.interleave(&what, Contender::WITH_CHANNELS, |contender| {
            let (_server, mut client) = bench.connect(contender, Pattern::Requests, setting)?;
            client.open(channels)?;
            keep_busy(&mut *client, channels, 1, &body(SMALL), bench.plan.time)
        })?;
        let parameter = (channels as u64, "channels");
        let row = Row::new("requests, 64 B", setting, parameter, Unit::PerSecond, rates);
        bench.add(row);
    }
    Ok(())
}
