//! What a person is shown.

use crate::attacks::Attack;
use crate::trial::Trial;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use std::time::Duration;

/// One attack's outcome, as it comes.
pub(crate) fn line(trial: &Trial) -> String {
    let took = trial.took.as_secs_f64();
    match trial.broken.is_empty() {
        true => format!("ok    {:<12} {took:.1} s", trial.attack),
        false => format!("FAIL  {:<12} {took:.1} s: {}", trial.attack, trial.broken.join("; ")),
    }
}

/// All of them.
pub(crate) fn all(trials: &[(&Attack, Trial)]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header([
        "attack",
        "",
        "done",
        "in",
        "memory before",
        "peak",
        "allowed",
        "p99 alone",
        "beside",
        "during",
        "ratio",
        "idle after",
        "outcome",
    ]);
    for (attack, trial) in trials {
        let [before, peak, bound] = trial.memory.map(mebibytes);
        let [alone, beside, during] = trial.p99.map(micros);
        table.add_row([
            attack.name.to_owned(),
            attack.what.to_owned(),
            trial.done.to_string(),
            format!("{:.1} s", trial.took.as_secs_f64()),
            before,
            peak,
            bound,
            alone,
            beside,
            during,
            format!("{:.1}", trial.ratio),
            format!("{} ms", trial.idle.as_millis()),
            if trial.broken.is_empty() { "ok" } else { "FAIL" }.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn micros(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}
