//! `tofu demo`: every pattern over every transport, in one process.
//!
//! | module | concept |
//! |---|---|
//! | `stage` | transports, parties, and a pair of them that have met |
//! | `talk` | patterns of messages on one channel |
//! | `life` | patterns of channels: many, lost, found again |

mod life;
mod stage;
mod talk;

use crate::failure::{Failure, Result};
use crate::{client, output};
use stage::{Stage, Transport};
use std::time::{Duration, Instant};
use tofu_std::Status;

const AFTER_HELP: &str = "\
A line for each pattern and transport: whether what came is what was sent, and the time it took. \
Ends with 0 only if all pass.

Example:
  tofu demo";

/// Show every pattern over memory, TCP and a Unix socket, in one process
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {}

/// A pattern: plays it, and fails where something is not as it should be.
type Play = fn(&Stage) -> Result;

/// Every pattern of the protocol.
const PATTERNS: [(&str, Play); 12] = [
    ("request/response", talk::request_response),
    ("correlation", talk::correlation),
    ("streaming up", talk::streaming_up),
    ("streaming down", talk::streaming_down),
    ("streaming both ways", talk::streaming_both_ways),
    ("progress", talk::progress),
    ("heartbeat", life::heartbeat),
    ("peers", talk::peers),
    ("many clients", life::many_clients),
    ("any transport", life::any_transport),
    ("several listeners", life::several_listeners),
    ("reconnect", life::reconnect),
];

/// Runs the command.
pub(crate) fn run(_: &Args) -> Result {
    let start = Instant::now();
    let mut failed = 0;
    for (pattern, play) in PATTERNS {
        for &transport in Transport::ALL {
            let (outcome, time) = perform(play, transport);
            failed += u32::from(outcome.is_err());
            output::line(&report(pattern, transport, &outcome, time))?;
        }
    }
    let all = PATTERNS.len() * Transport::ALL.len();
    let total = milliseconds(start.elapsed());
    output::line(&format!("{:<32}{:>6}{total:>12}", "total", format!("{all}")))?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(Status::ProcessingFailed, format_args!("{failed} of {all} failed"))),
    }
}

/// Plays a pattern on a stage of its own.
fn perform(play: Play, transport: Transport) -> (Result, Duration) {
    let start = Instant::now();
    let outcome = client::engine().and_then(|engine| {
        let outcome = play(&Stage::new(engine.clone(), transport));
        engine.stop();
        outcome
    });
    (outcome, start.elapsed())
}

fn report(pattern: &str, transport: Transport, outcome: &Result, time: Duration) -> String {
    let (verdict, why) = match outcome {
        Ok(()) => ("ok", String::new()),
        Err(failure) => ("FAILED", format!("  {}", failure.line())),
    };
    format!("{pattern:<24}{:<8}{verdict:>6}{:>12}{why}", transport.name(), milliseconds(time))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
