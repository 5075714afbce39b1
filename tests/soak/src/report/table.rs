//! The tables that are printed, as Markdown.

use crate::samples::{Run, Sample};
use crate::server::Facts;
use crate::verdict::Check;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use tofu_test_support::median;

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
    // Each sample is of the second before it.
    let of = |sample: &Sample| ((sample.at - 0.5) / period) as usize;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Counts;

    #[test]
    fn a_row_is_five_minutes_and_the_last_is_all() {
        let sample = |second: u32| Sample {
            // A look is always a little late.
            at: f64::from(second) + 0.004,
            server: Facts { cpu: f64::from(second) / 4.0, ..Facts::default() },
            own: Facts::default(),
            counts: Counts { messages: u64::from(second) * 10, ..Counts::default() },
            calls: None,
            control: None,
        };
        let run = Run { samples: (1..=1_800).map(sample).collect(), ..Run::default() };
        let table = periods(&run);
        let cells = |row: usize| {
            let row = table.row(row).unwrap();
            let cells: Vec<_> = row.cell_iter().map(|cell| cell.content()).collect();
            [0, 3, 8].map(|column| cells[column].to_string())
        };
        assert_eq!(table.row_count(), 7);
        assert_eq!(cells(0), ["0–300", "25", "3000"]);
        assert_eq!(cells(5), ["1500–1800", "25", "3000"]);
        assert_eq!(cells(6), ["0–1800", "25", "18000"]);
    }
}
