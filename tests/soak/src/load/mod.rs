//! The load: workers of several kinds, each a thread with connections of its own.
//!
//! | module | what its workers do |
//! |---|---|
//! | `calls` | requests of mixed sizes, several in flight, over one connection that stays |
//! | `streams` | files up and down; some are broken off |
//! | `cuts` | bare sockets, dropped at any byte of a file |
//! | `tools` | `tofu put` and `tofu get` in processes of their own; some are killed |
//! | `churn` | connect, hello, goodbye |
//! | `idle` | connections that do nothing, and still answer |
//! | `crowd` | before all this: clients that ask and never read |
//! | `control` | round trips over plain sockets, to know what the machine itself does |

mod calls;
mod churn;
mod control;
mod crowd;
mod cuts;
mod idle;
mod streams;
mod tools;

pub(crate) use crowd::fill_pool;

use crate::{Outcome, Stage};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::thread::Scope;

/// Connections that do nothing, over each transport.
const IDLE: usize = 50;
/// Workers that call, over each transport.
const CALLERS: usize = 2;
/// Workers that stream files, over each transport.
const STREAMERS: usize = 3;

/// Connections that are open even when nobody does anything.
pub(crate) const LASTING: usize = 2 * (IDLE + CALLERS);

/// How much each worker does in a second, before `--pace`.
const CALLS: f64 = 750.0;
const STREAMED: f64 = 12.0 * 1024.0 * 1024.0;
const CYCLES: f64 = 60.0;
const CUTS: f64 = 15.0;
const TOOLS: f64 = 4.0;
const PINGS: f64 = 100.0;

/// What a worker is, and where it works.
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) rng: SmallRng,
}

type Work = fn(&Stage, Worker) -> Outcome;

/// Every worker's kind, and how many of it there are for each transport.
const WORK: [(&str, Work, usize); 6] = [
    ("calls", calls::run, CALLERS),
    ("streams", streams::run, STREAMERS),
    ("cuts", cuts::run, 1),
    ("tools", tools::run, 1),
    ("churn", churn::run, 1),
    ("idle", idle::run, 1),
];

/// Starts all workers. A worker that fails has broken a promise; the others go on.
pub(crate) fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    stage: &'env Stage,
    seed: u64,
) {
    let mut seeds = SmallRng::seed_from_u64(seed);
    for address in &stage.addresses {
        let scheme = address.split('|').next().unwrap_or_default();
        for (kind, work, count) in WORK {
            for index in 1..=count {
                let worker = Worker {
                    name: format!("{scheme} {kind} {index}"),
                    address: address.clone(),
                    rng: SmallRng::seed_from_u64(seeds.random()),
                };
                spawn(scope, stage, work, worker);
            }
        }
    }
    let control = Worker { name: "control".into(), address: String::new(), rng: seeds };
    spawn(scope, stage, control::run, control);
}

fn spawn<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    stage: &'env Stage,
    work: Work,
    worker: Worker,
) {
    let place = stage.gate.enter();
    scope.spawn(move || {
        let name = worker.name.clone();
        if let Err(error) = work(stage, worker) {
            stage.ledger.accuse(&name, error);
        }
        drop(place);
    });
}
