//! What is printed: progress, coverage, and the command that replays a failure.

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use std::fmt;
use std::time::{Duration, Instant};
use tofu_sim::coverage::Coverage;
use tofu_sim::scenario::Scenario;
use tofu_sim::shrink::Reduction;
use tofu_sim::trace::Trace;

/// How often the progress is drawn again, though nothing may have come to an end.
const TICK: Duration = Duration::from_millis(200);

/// A progress bar, and how fast it went.
pub(crate) struct Bar {
    bar: ProgressBar,
    what: &'static str,
    since: Instant,
}

impl Bar {
    /// For so many seeds.
    pub(crate) fn seeds(count: u64) -> Bar {
        let bar = ProgressBar::new(count);
        let template = "{bar:40} {human_pos} of {human_len} seeds, {rate} seeds/s, {eta} left";
        Bar::new(bar, template, "seeds")
    }

    /// For runs nobody has counted.
    pub(crate) fn runs() -> Bar {
        let template = "{spinner} {human_pos} runs, {rate} runs/s, {elapsed}";
        Bar::new(ProgressBar::new_spinner(), template, "runs")
    }

    fn new(bar: ProgressBar, template: &str, what: &'static str) -> Bar {
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let rate = |state: &ProgressState, to: &mut dyn fmt::Write| {
            let _ = write!(to, "{}", HumanCount(state.per_sec() as u64));
        };
        bar.set_style(style.with_key("rate", rate));
        bar.enable_steady_tick(TICK);
        Bar { bar, what, since: Instant::now() }
    }

    pub(crate) fn add(&self, count: u64) {
        self.bar.inc(count);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// For instance `1234 seeds/s`.
    pub(crate) fn rate(&self) -> String {
        let seconds = self.since.elapsed().as_secs_f64();
        let rate = self.bar.position() as f64 / seconds.max(0.001);
        format!("{seconds:.1} s, {} {}/s", HumanCount(rate as u64), self.what)
    }
}

/// What was reached.
pub(crate) fn coverage(coverage: &Coverage) {
    println!("{coverage}");
    let Coverage { posted, delivered, turns, seconds, .. } = coverage;
    println!(
        "  {} messages posted, {} delivered, {} turns, {} hours of virtual time\n",
        HumanCount(*posted),
        HumanCount(*delivered),
        HumanCount(*turns),
        HumanCount(seconds / 3_600)
    );
}

/// What a seed stands for.
pub(crate) fn scenario(scenario: &Scenario) {
    println!("seed {}", scenario.seed);
    println!("pipes of {} bytes, backlog {}", scenario.capacity, scenario.backlog);
    println!("{:?}", scenario.faults);
    for (engine, setup) in scenario.engines.iter().enumerate() {
        println!("e{engine}: {setup:?}");
    }
}

/// What happened.
pub(crate) fn trace(trace: &Trace) {
    trace.lines().iter().for_each(|line| println!("{line}"));
}

/// How to see it again.
pub(crate) fn replay(seed: u64, reduction: &Reduction, bug: Option<&str>) {
    let steps = reduction.keep.as_ref().map_or(0, Vec::len);
    // Debug assertions are promises, too: what breaks one has to be run with them.
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    let (features, bug) = match bug {
        Some(bug) => (" --features sabotage", format!(" --bug {bug}")),
        None => ("", String::new()),
    };
    println!("{steps} steps are enough:");
    println!("  cargo run{profile} -p tofu-sim{features} -- --seed {seed}{reduction}{bug} --trace");
}

/// How a bug put in on purpose was found.
#[cfg(feature = "sabotage")]
pub(crate) fn finding(bug: tofu_core::sabotage::Bug, found: Option<&tofu_sim::prove::Finding>) {
    let bug = format!("{bug:?}");
    let Some(found) = found else {
        return println!("MISSED {bug} in {} seeds", tofu_sim::prove::SEEDS);
    };
    let steps = found.reduction.keep.as_ref().map_or(0, Vec::len);
    let (seed, promise) = (found.seed, found.failure.promise);
    println!("found {bug:<22} seed {seed:<6} {steps:>3} steps  {promise}");
}
