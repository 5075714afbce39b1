//! Attacks on a server of `tofu-std` by peers that mean harm.
//!
//! A server in a process of its own, a well-behaved client that asks it all the time, and attackers, who
//! speak bytes and share no code with the engine. In all of it the server's memory stays within a sum
//! of named terms, its neighbour is served, its application is told nothing that an engine would not tell,
//! and when they are gone nothing of them is left.
//!
//! Linux only: what the server takes is read from `/proc`.

mod attacks;
mod neighbour;
mod processors;
mod random;
mod server;
mod table;
mod target;
mod trial;
mod wire;

use attacks::ATTACKS;
use clap::Parser;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Attack a tofu server, and see what becomes of it and of its other client
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    /// A little of everything, in half a minute
    #[arg(long)]
    smoke: bool,
    /// These attacks only
    #[arg(value_name = "ATTACK", value_parser = names())]
    attacks: Vec<String>,
    /// What the neighbour's 99th percentile alone counts as at least, in microseconds: below it is the
    /// machine's business [default: 2000, and 20000 with --smoke]
    #[arg(long, value_name = "MICROS")]
    floor: Option<u64>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(clap::Subcommand)]
enum Role {
    /// The server, for a parent that attacks it
    #[command(hide = true)]
    Serve {
        /// How it is made, as JSON
        setting: String,
        /// Where it runs
        processor: Option<usize>,
    },
}

fn names() -> clap::builder::PossibleValuesParser {
    ATTACKS.iter().map(|attack| attack.name).collect::<Vec<_>>().into()
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.role {
        Some(Role::Serve { setting, processor }) => server::run(setting, *processor).map(|()| true),
        None => attack_all(&cli),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all promises were kept.
fn attack_all(cli: &Cli) -> Outcome<bool> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let processor = processors::leave_one()?;
    let chosen = |name: &str| cli.attacks.is_empty() || cli.attacks.iter().any(|it| it == name);
    // A quick run is for machines that others use, too.
    let floor = Duration::from_micros(cli.floor.unwrap_or(if cli.smoke { 20_000 } else { 2_000 }));
    let mut trials = Vec::new();
    for attack in ATTACKS.iter().filter(|attack| chosen(attack.name)) {
        let size = attack.sizes[usize::from(cli.smoke)];
        let trial = trial::run(attack, size, floor, processor)
            .map_err(|error| format!("{}: {error}", attack.name))?;
        println!("{}", table::line(&trial));
        trials.push((attack, trial));
    }
    println!("\n{}", table::all(&trials));
    Ok(trials.iter().all(|(_, trial)| trial.broken.is_empty()))
}
