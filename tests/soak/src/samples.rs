//! What was seen each second.

use crate::ledger::{Counts, Percentiles};
use crate::server::Facts;

/// One look at everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Seconds since the load began.
    pub(crate) at: f64,
    pub(crate) server: Facts,
    pub(crate) own: Facts,
    pub(crate) counts: Counts,
    /// Of the calls since the last look.
    pub(crate) calls: Option<Percentiles>,
    /// Of the plain sockets since the last look.
    pub(crate) control: Option<Percentiles>,
}

/// A moment at which nothing was going on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet {
    pub(crate) at: f64,
    pub(crate) fds: u64,
    pub(crate) expected_fds: u64,
    pub(crate) threads: u64,
    pub(crate) rss: u64,
    /// Files that had not been finished, on the server's disk.
    pub(crate) leftovers: usize,
    /// Messages that are missing in the clients' pool.
    pub(crate) missing: usize,
}

impl Quiet {
    pub(crate) fn is_clean(&self) -> bool {
        self.fds == self.expected_fds && self.leftovers == 0 && self.missing == 0
    }
}

/// The whole run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) samples: Vec<Sample>,
    pub(crate) quiets: Vec<Quiet>,
    pub(crate) counts: Counts,
    /// What workers and the server complained about, and what was found at the end.
    pub(crate) broken: Vec<String>,
    /// How long the server took to end after a signal.
    pub(crate) ends: Vec<f64>,
}

impl Run {
    /// How long it was.
    pub(crate) fn seconds(&self) -> f64 {
        self.samples.last().map_or(0.0, |sample| sample.at)
    }
}
