//! `tofu`: serve, call, copy files and measure, over TCP, Unix sockets or memory.
//!
//! | module | concept |
//! |---|---|
//! | `demo` | `tofu demo`: every pattern over every transport |
//! | `serve` | `tofu serve`: echo, and files under a directory |
//! | `call` | `tofu call`: one request |
//! | `put`, `get` | `tofu put`, `tofu get`: a file, streamed |
//! | `bench` | `tofu bench`: how fast |
//! | `transfer` | how a file crosses, for both sides |
//! | `client` | a connection as the client commands see it |
//! | `refusal` | how a server says what went wrong |
//! | `failure`, `output` | why a command failed; writing to stdout |
//! | `seconds`, `verbose` | times on the command line; `--verbose` |

mod bench;
mod call;
mod client;
mod demo;
mod failure;
mod get;
mod output;
mod put;
mod refusal;
mod seconds;
mod serve;
mod transfer;
mod verbose;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

const AFTER_HELP: &str = "\
Addresses:
  tcp|HOST|PORT  TCP. To listen, an empty HOST is every interface, and port 0
                 any that is free
  uds|PATH       a Unix domain socket
  mem|NAME       memory, within one process: what `tofu demo` shows

Exit codes:
  0  all is well
  1  it failed; stderr begins with the status' name, and a colon where there is
     more to say. With --verbose, lines that begin with `log:` come before
  2  the command line makes no sense

Examples:
  tofu demo
  tofu serve 'tcp||7099' 'uds|/tmp/tofu.sock' --root ./files
  tofu call 'tcp|localhost|7099' --body hello
  tofu put 'tcp|localhost|7099' photo.jpg";

/// Message passing in which the message is the API.
#[derive(Parser)]
#[command(name = "tofu", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    /// Tell on stderr what the engine does and what the operating system said
    #[arg(short, long, global = true, display_order = 100)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Call(call::Args),
    Put(put::Args),
    Get(get::Args),
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    verbose::start(cli.verbose);
    let outcome = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Call(args) => call::run(&args),
        Command::Put(args) => put::run(&args),
        Command::Get(args) => get::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
