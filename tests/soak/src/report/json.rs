//! Everything that was seen, for other programs.

use crate::ledger::{Counts, Kind, Percentiles, Way};
use crate::samples::{Quiet, Run, Sample};
use crate::server::Facts;
use crate::verdict::Check;
use serde_json::{Map, Value, json};
use std::fs;
use std::io;
use std::path::Path;

pub(super) fn write(run: &Run, checks: &[Check], path: &Path) -> io::Result<()> {
    let document = json!({
        "totals": counts(&run.counts),
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
        "broken": run.broken,
        "quiet": run.quiets.iter().map(quiet).collect::<Vec<_>>(),
        "seconds": run.samples.iter().map(sample).collect::<Vec<_>>(),
    });
    fs::write(path, format!("{document}\n"))
}

fn check(check: &Check) -> Value {
    json!({ "promise": check.promise, "found": check.found, "kept": check.is_kept })
}

fn quiet(quiet: &Quiet) -> Value {
    json!({
        "at": quiet.at,
        "fds": quiet.fds,
        "expected_fds": quiet.expected_fds,
        "threads": quiet.threads,
        "rss": quiet.rss,
        "leftovers": quiet.leftovers,
        "missing": quiet.missing,
    })
}

fn sample(sample: &Sample) -> Value {
    json!({
        "at": sample.at,
        "server": facts(&sample.server),
        "clients": facts(&sample.own),
        "calls_us": percentiles(sample.calls),
        "plain_us": percentiles(sample.control),
        "counts": counts(&sample.counts),
    })
}

fn facts(facts: &Facts) -> Value {
    json!({ "rss": facts.rss, "fds": facts.fds, "threads": facts.threads, "cpu": facts.cpu })
}

fn percentiles(percentiles: Option<Percentiles>) -> Value {
    percentiles.map_or(Value::Null, |of| json!({ "p50": of.p50, "p99": of.p99 }))
}

fn counts(counts: &Counts) -> Value {
    let of = |numbers: &[u64], names: &[&str]| {
        let named =
            names.iter().zip(numbers).map(|(name, &number)| ((*name).into(), number.into()));
        Value::Object(named.collect::<Map<_, _>>())
    };
    let kinds = Kind::ALL.map(Kind::name);
    json!({
        "begun": of(&counts.begun, &kinds),
        "finished": of(&counts.finished, &kinds),
        "aborted": of(&counts.aborted, &kinds),
        "ways": of(&counts.ways, &Way::ALL.map(Way::name)),
        "messages": counts.messages,
        "bytes_up": counts.bytes_up,
        "bytes_down": counts.bytes_down,
    })
}
