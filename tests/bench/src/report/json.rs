//! Everything that was measured, for other programs.

use crate::machine::Machine;
use crate::row::{Baseline, Goal, Row};
use serde_json::{Map, Value, json};
use std::fs;
use std::io;
use std::path::Path;
use tofu_test_support::median;

/// Writes all rows.
pub(super) fn write(machine: &Machine, rows: &[Row], path: &Path) -> io::Result<()> {
    let rows: Vec<_> = rows.iter().map(object).collect();
    let machine = json!({
        "processor": machine.processor,
        "cores": machine.cores,
        "kernel": machine.kernel,
        "load_before": machine.load,
        "load_after": Machine::now().load,
    });
    fs::write(path, format!("{:#}\n", json!({ "machine": machine, "rows": rows })))
}

fn object(row: &Row) -> Value {
    let mut values = Map::new();
    for (contender, samples) in &row.samples {
        values.insert(contender.argument().into(), figures(samples));
    }
    let baseline = match &row.baseline {
        Baseline::None => Value::Null,
        Baseline::Contender(contender) => contender.argument().into(),
        Baseline::Own(name, samples) => {
            values.insert((*name).into(), figures(samples));
            (*name).into()
        }
    };
    let goal = row.goal.map(|goal| match goal {
        Goal::AtMost { bound, aim } => json!({ "at_most": bound, "aim": aim }),
        Goal::AtLeast { bound, aim } => json!({ "at_least": bound, "aim": aim }),
    });
    let (parameter, of) = row.parameter;
    json!({
        "what": row.what,
        "over": row.setting.map(|setting| setting.transport.to_string()),
        "cores": row.setting.map(|setting| setting.placement.to_string()),
        "parameter": parameter,
        "of": of,
        "unit": row.unit.name(),
        "values": values,
        "baseline": baseline,
        "ratio": row.ratio(),
        "goal": goal,
        "verdict": row.verdict().map(|verdict| verdict.to_string()),
    })
}

/// The median, and the value of each round.
fn figures(samples: &[f64]) -> Value {
    json!({ "median": median(samples), "rounds": samples })
}
