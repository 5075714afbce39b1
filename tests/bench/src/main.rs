//! How fast tofu-std is, beside what a user would pick instead. See this package's README.
//!
//! | module | concept |
//! |---|---|
//! | `modes` | what is measured, one module each |
//! | `contenders` | who is compared, behind the same few verbs |
//! | `bench` | rounds, interleaved; the server's process |
//! | `setting` | TCP or Unix sockets, and on which cores |
//! | `exchange` | what several modes do with a client |
//! | `control` | the other end's process, and what is said between the two |
//! | `row`, `stats` | one line of the results and its goal; medians |
//! | `report` | the table, the JSON and the chart |
//! | `machine` | where a run was made |
//! | `heap`, `watchdog` | allocations, counted; an end for what hangs |

mod bench;
mod contenders;
mod control;
mod exchange;
mod heap;
mod machine;
mod modes;
mod report;
mod row;
mod setting;
mod stats;
mod watchdog;

use bench::{Bench, Plan};
use clap::{Parser, Subcommand, ValueEnum};
use contenders::{Contender, Pattern, Place};
use machine::Machine;
use modes::Mode;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tempfile::TempDir;
use tofu_bench::Outcome;

/// Fails with `complaint` unless `condition` holds.
fn ensure(condition: bool, complaint: &str) -> Outcome {
    if condition { Ok(()) } else { Err(complaint.into()) }
}

/// How fast tofu-std is, beside what a user would pick instead.
#[derive(Parser)]
#[command(name = "tofu-bench", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    args: Args,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Args)]
struct Args {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Mode::value_variants().to_vec())]
    modes: Vec<Mode>,
    /// Who takes part
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Contender::BUILT.to_vec())]
    contenders: Vec<Contender>,
    /// How often everything is measured; medians are told
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(5..=1_000))]
    rounds: u16,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    millis: u64,
    /// Correctness only: everything once, and as little of it as possible
    #[arg(long)]
    smoke: bool,
    /// Where the JSON and the chart go
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    /// Fail where a goal is not kept
    #[arg(long, conflicts_with = "smoke")]
    check: bool,
}

#[derive(Subcommand)]
enum Command {
    /// The server's end, started by this program itself
    #[command(hide = true)]
    Serve {
        contender: Contender,
        pattern: Pattern,
        #[arg(long)]
        uds: Option<PathBuf>,
        #[arg(long)]
        core: Option<usize>,
    },
    /// A client that sends signals flat out, started by this program itself
    #[command(hide = true)]
    Flood {
        contender: Contender,
        address: String,
        size: u16,
        #[arg(long)]
        core: Option<usize>,
    },
}

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Outcome {
    match cli.command {
        None => run(&cli.args),
        Some(Command::Serve { contender, pattern, uds, core }) => {
            begin(core)?;
            contenders::serve(contender, pattern, &uds.map_or(Place::Tcp, Place::Uds))
        }
        Some(Command::Flood { contender, address, size, core }) => {
            begin(core)?;
            flood(contender, &address, size)
        }
    }
}

fn run(args: &Args) -> Outcome {
    let contenders = args.contenders.clone();
    let plan = match args.smoke {
        true => Plan { contenders, rounds: 1, time: Duration::from_millis(10), smoke: true },
        false => Plan {
            contenders,
            rounds: args.rounds.into(),
            time: Duration::from_millis(args.millis),
            smoke: false,
        },
    };
    let machine = Machine::now();
    let mut bench = Bench::new(plan)?;
    for mode in &args.modes {
        mode.run(&mut bench)?;
    }
    let rows = bench.finish();
    if args.smoke {
        // Told to nobody, since the figures mean nothing.
        report::write(&machine, &rows, TempDir::new()?.path())?;
        report::table(&rows);
        println!("{} figures, all answers correct", rows.len());
        return Ok(());
    }
    report::write(&machine, &rows, &args.out)?;
    writeln!(io::stdout(), "{machine}\n\n{}", report::table(&rows))?;
    let missed = rows.iter().filter(|row| row.is_short()).count();
    ensure(missed == 0 || !args.check, &format!("{missed} goals are not kept"))
}

/// What a process that was started by this program does first.
fn begin(core: Option<usize>) -> Outcome {
    if let Some(core) = core {
        setting::stay_on(core);
    }
    control::attend();
    rlimit::increase_nofile_limit(u64::MAX)?;
    Ok(())
}

/// Sends signals until the process ends.
fn flood(contender: Contender, address: &str, size: u16) -> Outcome {
    let mut client = contenders::client(contender, Pattern::Requests, address)?;
    client.open(1)?;
    let body = exchange::body(size.into());
    control::say(format_args!("ready {address}"));
    loop {
        client.signal(0, &body)?;
    }
}
