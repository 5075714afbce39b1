//! What can be measured, one module each.

mod allocations;
mod busy;
mod core_path;
mod cycles;
mod fairness;
mod idle;
mod in_flight;
mod round_trip;
mod stream;

use crate::Outcome;
use crate::bench::Bench;

/// Bodies of these lengths.
const SIZES: [u64; 5] = [0, 64, 1_024, 16 * 1_024, 65_535];
/// The body where the size is not what varies.
const SMALL: u64 = 64;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// A request and its answer, one at a time
    RoundTrip,
    /// Signals one way, as many as go through
    Stream,
    /// Several requests under way at once, on one channel
    InFlight,
    /// Round trips beside channels that do nothing, and what memory these take
    Idle,
    /// A request under way on each of many channels
    Busy,
    /// Connect, hello, bye
    Cycles,
    /// Round trips beside a channel that sends flat out
    Fairness,
    /// Allocations for each message
    Allocations,
    /// The engine alone, in memory
    Core,
}

impl Mode {
    /// Measures it.
    pub(crate) fn run(self, bench: &mut Bench) -> Outcome {
        match self {
            Mode::RoundTrip => round_trip::run(bench),
            Mode::Stream => stream::run(bench),
            Mode::InFlight => in_flight::run(bench),
            Mode::Idle => idle::run(bench),
            Mode::Busy => busy::run(bench),
            Mode::Cycles => cycles::run(bench),
            Mode::Fairness => fairness::run(bench),
            Mode::Allocations => allocations::run(bench),
            Mode::Core => core_path::run(bench),
        }
    }
}
