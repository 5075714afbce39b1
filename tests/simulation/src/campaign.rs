//! Many seeds, on several threads; each seed on one.

use crate::coverage::Coverage;
use crate::oracle::Failure;
use crate::scenario::Scenario;
use crate::trace::Trace;
use crate::world::World;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Seeds a thread takes at a time.
const BATCH: u64 = 32;

/// What came of many seeds.
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// What they reached together.
    pub coverage: Coverage,
    /// The lowest seed found that breaks a promise. The rest was not run then.
    pub failure: Option<(u64, Failure)>,
}

/// Runs seeds until one fails; `progress` is told how many more are done.
pub fn run(seeds: Range<u64>, jobs: usize, progress: impl Fn(u64) + Sync) -> Report {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let work = || {
        let mut mine = Report { seeds: 0, coverage: Coverage::default(), failure: None };
        while !stop.load(Ordering::Relaxed) {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            let batch = first..first.saturating_add(BATCH).min(seeds.end);
            if batch.is_empty() {
                break;
            }
            run_batch(batch.clone(), &mut mine);
            progress(batch.end - batch.start);
            if mine.failure.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        mine
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let reports = threads.into_iter().map(|thread| thread.join());
        // What panics in a seed is caught there: this is the simulation's own.
        let reports = reports.map(|report| report.expect("no thread panics"));
        reports.reduce(Report::and).expect("at least one thread")
    })
}

fn run_batch(seeds: Range<u64>, report: &mut Report) {
    for seed in seeds {
        let outcome = World::run(&Scenario::new(seed), Trace::default());
        report.seeds += 1;
        report.coverage.add(&outcome.coverage);
        if let Err(failure) = outcome.verdict {
            report.failure = Some((seed, failure));
            return;
        }
    }
}

impl Report {
    fn and(mut self, other: Report) -> Report {
        self.seeds += other.seeds;
        self.coverage.add(&other.coverage);
        let failures = self.failure.into_iter().chain(other.failure);
        self.failure = failures.min_by_key(|(seed, _)| *seed);
        self
    }
}
