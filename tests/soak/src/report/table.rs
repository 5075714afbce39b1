//! The tables that are printed, as Markdown.

use crate::samples::{Run, Sample};
use crate::server::Facts;
use crate::stats::median;
use crate::verdict::Check;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

const MIB: f64 = (1 << 20) as f64;
/// A row is so many seconds, or a sixth of a shorter run.
const PERIOD: f64 = 300.0;

const TITLES: [&str; 12] = [
    "seconds",
    "RSS MiB",
    "fds",
    "CPU %",
    "clients' CPU %",
    "p50 µs",
    "p99 µs",
    "plain p99 µs",
    "messages",
    "MiB up",
    "MiB down",
    "aborts",
];

/// A row for each five minutes, and one for all.
pub(crate) fn periods(run: &Run) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(TITLES);
    let period = PERIOD.min(run.seconds() / 6.0);
    let of = |sample: &Sample| ((sample.at / period).ceil() as usize).max(1);
    let mut before = None;
    for samples in run.samples.chunk_by(|one, other| of(one) == of(other)) {
        table.add_row(row(before, samples));
        before = samples.last();
    }
    table.add_row(row(None, &run.samples));
    for column in 0..TITLES.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row(before: Option<&Sample>, samples: &[Sample]) -> Vec<String> {
    let Some(last) = samples.last() else {
        return Vec::new();
    };
    let from = before.map_or(0.0, |before| before.at);
    let percent = |now: Facts, before: Option<Facts>| {
        let busy = now.cpu - before.map_or(0.0, |before| before.cpu);
        format!("{:.0}", 100.0 * busy / (last.at - from))
    };
    let counts = before.map(|before| before.counts).unwrap_or_default();
    let middle = |value: fn(&Sample) -> Option<f64>| {
        median(&samples.iter().filter_map(value).collect::<Vec<f64>>())
    };
    let mib = |now: u64, before: u64| format!("{:.0}", (now - before) as f64 / MIB);
    let aborts = last.counts.aborted.iter().sum::<u64>() - counts.aborted.iter().sum::<u64>();
    vec![
        format!("{from:.0}–{:.0}", last.at),
        format!("{:.2}", middle(|sample| Some(sample.server.rss as f64)) / MIB),
        format!("{:.0}", middle(|sample| Some(sample.server.fds as f64))),
        percent(last.server, before.map(|before| before.server)),
        percent(last.own, before.map(|before| before.own)),
        format!("{:.0}", middle(|sample| Some(sample.calls?.p50))),
        format!("{:.0}", middle(|sample| Some(sample.calls?.p99))),
        format!("{:.0}", middle(|sample| Some(sample.control?.p99))),
        (last.counts.messages - counts.messages).to_string(),
        mib(last.counts.bytes_up, counts.bytes_up),
        mib(last.counts.bytes_down, counts.bytes_down),
        aborts.to_string(),
    ]
}

/// A row for each promise.
pub(crate) fn promises(checks: &[Check]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["promise", "found", ""]);
    for Check { promise, found, is_kept } in checks {
        let verdict = if *is_kept { "kept" } else { "BROKEN" };
        table.add_row([promise, found.as_str(), verdict]);
    }
    table
}
