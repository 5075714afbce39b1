//! `tofu-sim`: runs seeds, shrinks what fails, and prints the command that replays it.

mod print;

use clap::Parser;
use indicatif::HumanCount;
use print::Bar;
use std::process::ExitCode;
use tofu_sim::scenario::Scenario;
use tofu_sim::shrink::{Numbers, Reduction, shrink};
use tofu_sim::trace::Trace;
use tofu_sim::world::World;
use tofu_sim::{campaign, exhaustive, weather};

/// Seeds, where nothing else is asked for.
const SEEDS: u64 = 1_000;

/// Networks of tofu engines under a virtual clock: every promise, under every fault, from one seed.
#[derive(Parser)]
#[command(name = "tofu-sim", version)]
struct Cli {
    /// How many seeds to run; 1000, or with --seed just that one
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Print everything that happens
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Take only these steps of the seed's scenario, for instance 0-3,7
    #[arg(long, value_name = "STEPS", requires = "seed")]
    keep: Option<Numbers>,
    /// Let these kinds of fault not happen
    #[arg(long, value_name = "KINDS", requires = "seed", value_delimiter = ',',
          value_parser = clap::builder::PossibleValuesParser::new(weather::KINDS))]
    calm: Vec<String>,
    /// Threads; each runs seeds of its own
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Two engines and few messages, every interleaving, every single fault
    #[arg(long, conflicts_with_all = ["seeds", "seed"])]
    exhaustive: bool,
    /// The longest script of messages for --exhaustive without faults, and with one
    #[arg(long, value_name = "N,M", value_delimiter = ',', num_args = 2, default_values_t = [3, 1])]
    messages: Vec<usize>,
    /// Show that bugs put in on purpose are found
    #[cfg(feature = "sabotage")]
    #[arg(long, conflicts_with_all = ["seeds", "seed", "exhaustive"])]
    prove: bool,
    /// Put this bug in
    #[cfg(feature = "sabotage")]
    #[arg(long, value_name = "BUG")]
    bug: Option<String>,
}

impl Cli {
    /// The bug that was put in.
    fn bug(&self) -> Option<&str> {
        #[cfg(feature = "sabotage")]
        return self.bug.as_deref();
        #[cfg(not(feature = "sabotage"))]
        None
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // What a seed panics with is reported with the seed.
    std::panic::set_hook(Box::new(|_| {}));
    #[cfg(feature = "sabotage")]
    if let Some(outcome) = sabotage(&cli) {
        return if outcome { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let kept = match (cli.seed, cli.exhaustive) {
        (_, true) => all_interleavings(&cli),
        (Some(seed), _) if cli.seeds.unwrap_or(1) == 1 => one_seed(seed, &cli),
        _ => many_seeds(&cli),
    };
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn many_seeds(cli: &Cli) -> bool {
    let first = cli.seed.unwrap_or_default();
    let count = cli.seeds.unwrap_or(SEEDS);
    let bar = Bar::seeds(count);
    let report = campaign::run(first..first.saturating_add(count), cli.jobs, |done| bar.add(done));
    bar.finish();
    print::coverage(&report.coverage);
    match report.failure {
        None => {
            let seeds = HumanCount(report.seeds);
            println!("ok: {seeds} seeds from {first}, no promise broken; {}", bar.rate());
            true
        }
        Some((seed, failure)) => {
            println!("FAIL seed {seed}: {}\n  {}", failure.promise, failure.what);
            let reduction = shrink(seed, &failure);
            print::replay(seed, &reduction, cli.bug());
            false
        }
    }
}

fn one_seed(seed: u64, cli: &Cli) -> bool {
    let keep = cli.keep.clone().map(|Numbers(numbers)| numbers);
    let reduction = Reduction { keep, calm: cli.calm.clone() };
    let scenario = reduction.apply(&Scenario::new(seed));
    let trace = if cli.trace { Trace::on() } else { Trace::default() };
    let outcome = World::run(&scenario, trace);
    if cli.trace {
        print::scenario(&scenario);
        print::trace(&outcome.trace);
    }
    match outcome.verdict {
        Ok(()) => println!("ok: seed {seed}, no promise broken"),
        Err(failure) => {
            println!("FAIL seed {seed}: {}\n  {}", failure.promise, failure.what);
            if reduction == Reduction::default() {
                print::replay(seed, &shrink(seed, &failure), cli.bug());
            }
            return false;
        }
    }
    true
}

fn all_interleavings(cli: &Cli) -> bool {
    let bar = Bar::runs();
    let report = exhaustive::run(cli.messages[0], cli.messages[1], cli.jobs, |runs| bar.add(runs));
    bar.finish();
    print::coverage(&report.coverage);
    if let Some((what, failure, trace)) = &report.failure {
        print::trace(trace);
        println!("FAIL {what}: {}\n  {}", failure.promise, failure.what);
        return false;
    }
    let exhaustive::Report { runs, scripts, faults, .. } = report;
    let (runs, faults) = (HumanCount(runs), HumanCount(faults));
    println!(
        "ok: every interleaving of {scripts} scripts, {faults} with a single fault: {runs} runs; {}",
        bar.rate()
    );
    true
}

/// Puts a bug in, or shows that all of them are found.
#[cfg(feature = "sabotage")]
fn sabotage(cli: &Cli) -> Option<bool> {
    use tofu_core::sabotage::{Bug, plant};
    use tofu_sim::prove;
    if let Some(name) = &cli.bug {
        let bug = prove::bug_of(name);
        plant(bug);
        if bug.is_none() {
            println!("no bug {name}; there are {:?}", Bug::ALL);
            return Some(false);
        }
    }
    cli.prove.then(|| {
        let findings = Bug::ALL.map(|bug| (bug, prove::find(bug)));
        findings.iter().for_each(|(bug, finding)| print::finding(*bug, finding.as_ref()));
        findings.iter().all(|(_, finding)| finding.is_some())
    })
}
