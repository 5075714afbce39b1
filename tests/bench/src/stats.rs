//! Percentiles.

use std::time::Duration;
use tofu_test_support::percentile;

/// How long each of many things took.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The percentiles 50 and 99, of nearest rank, in nanoseconds; NaN of none.
    pub(crate) fn percentiles(mut self) -> Percentiles {
        let mut rank = |percent| percentile(&mut self.0, percent).map_or(f64::NAN, |it| it as f64);
        Percentiles { p50: rank(50), p99: rank(99) }
    }
}

/// Of round trips, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}
