//! `tofu serve` under mixed load for as long as you like: nothing is lost, nothing grows.
//!
//! | module | concept |
//! |---|---|
//! | `load` | the workers that make the load |
//! | `connection`, `content`, `pace` | what they have in common: a connection, bytes and checksums, a limit on speed |
//! | `bare` | clients that are no engines |
//! | `gate` | quiet points |
//! | `ledger` | what was begun, and what became of it |
//! | `server` | the server's process, and what it takes |
//! | `watch`, `samples` | a look each second; what was seen |
//! | `verdict`, `stats` | which promises were kept |
//! | `report` | tables, JSON and a chart |

mod bare;
mod connection;
mod content;
mod gate;
mod ledger;
mod load;
mod pace;
mod report;
mod samples;
mod server;
mod stats;
mod verdict;
mod watch;

use clap::Parser;
use content::Slot;
use gate::Gate;
use ledger::Ledger;
use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tofu_std::Engine;

/// What may go wrong.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Longer than anything here takes; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// `tofu serve` under mixed load for as long as you like: nothing is lost, nothing grows
#[derive(Parser)]
#[command(name = "tofu-soak", version)]
struct Args {
    /// How long, in minutes
    #[arg(long, default_value = "30", value_parser = parse_amount, conflicts_with = "seconds")]
    minutes: f64,
    /// How long, in seconds
    #[arg(long, value_parser = parse_amount)]
    seconds: Option<f64>,
    /// How much load; 1 keeps some 40 % of a core busy
    #[arg(long, default_value = "1", value_parser = parse_amount)]
    pace: f64,
    /// What all chance follows from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The `tofu` tool [default: the one beside this program, built if need be]
    #[arg(long, value_name = "PATH")]
    tofu: Option<PathBuf>,
    /// Where the JSON and the chart go
    #[arg(long, value_name = "DIR", default_value = "target/soak")]
    out: PathBuf,
}

/// What all workers share.
struct Stage {
    engine: Engine,
    ledger: Ledger,
    gate: Gate,
    pace: f64,
    /// Where the server listens.
    addresses: Vec<String>,
    tofu: PathBuf,
    /// What the server has to hold in the end.
    slots: Mutex<Vec<Slot>>,
}

impl Stage {
    fn new(tofu: PathBuf, addresses: Vec<String>, pace: f64) -> Outcome<Stage> {
        Ok(Stage {
            engine: Engine::new()?,
            ledger: Ledger::new(),
            gate: Gate::default(),
            pace,
            addresses,
            tofu,
            slots: Mutex::default(),
        })
    }

    /// A worker is done; its file has to stay.
    fn keep(&self, slot: Slot) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all promises were kept.
fn run(args: &Args) -> Outcome<bool> {
    let tofu = match &args.tofu {
        Some(path) => path.clone(),
        None => build_tofu()?,
    };
    let seconds = args.seconds.unwrap_or(args.minutes * 60.0);
    let stop = Arc::new(AtomicBool::new(false));
    let raised = stop.clone();
    ctrlc::set_handler(move || raised.store(true, Ordering::Relaxed))?;
    let run = watch::run(tofu, Duration::try_from_secs_f64(seconds)?, args, &stop)?;
    let checks = verdict::judge(&run);
    report::write(&run, &checks, &args.out)?;
    println!("{}\n\n{}", report::periods(&run), report::promises(&checks));
    run.broken.iter().for_each(|broken| println!("{broken}"));
    Ok(checks.iter().all(|check| check.is_kept))
}

/// A number above 0, and not so large that nobody can mean it.
fn parse_amount(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(amount) if amount > 0.0 && amount <= 1e6 => Ok(amount),
        _ => Err("must be a number above 0".into()),
    }
}

/// Builds the tool beside this program.
fn build_tofu() -> Outcome<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--locked", "--package", "tofu-cli", "--bin", "tofu"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    if !cargo.status()?.success() {
        return Err("the `tofu` tool cannot be built".into());
    }
    Ok(std::env::current_exe()?.with_file_name("tofu"))
}
