//! The checks bite: bugs put in on purpose are found.

use crate::campaign;
use crate::oracle::Failure;
use crate::shrink::{Reduction, shrink};
use tofu_core::sabotage::{Bug, plant};

/// Within so many seeds each bug has to be found.
pub const SEEDS: u64 = 10_000;

/// How a bug was found.
pub struct Finding {
    /// The first seed that finds it, on one thread.
    pub seed: u64,
    /// The promise it breaks there.
    pub failure: Failure,
    /// The least that breaks it.
    pub reduction: Reduction,
}

/// Looks for a bug; nothing if it is not found within [`SEEDS`].
pub fn find(bug: Bug) -> Option<Finding> {
    plant(Some(bug));
    // One thread: which seed is the first does not depend on chance.
    let report = campaign::run(0..SEEDS, 1, |_| {});
    let found = report.failure.map(|(seed, failure)| {
        let reduction = shrink(seed, &failure);
        Finding { seed, failure, reduction }
    });
    plant(None);
    found
}

/// The bug of this name, as the command line takes it.
pub fn bug_of(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name)
}
