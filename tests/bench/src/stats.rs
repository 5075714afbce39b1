//! Percentiles.

use std::time::Duration;

/// How long each of many things took.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The percentiles 50 and 99, of nearest rank, in nanoseconds. There is at least one.
    pub(crate) fn percentiles(mut self) -> Percentiles {
        self.0.sort_unstable();
        let rank = |percent: usize| self.0[(self.0.len() * percent).div_ceil(100).max(1) - 1];
        Percentiles { p50: rank(50) as f64, p99: rank(99) as f64 }
    }
}

/// Of round trips, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_nearest_rank() {
        let mut latencies = Latencies::default();
        (1..=200).rev().for_each(|nanos| latencies.push(Duration::from_nanos(nanos)));
        assert_eq!(latencies.percentiles(), Percentiles { p50: 100.0, p99: 198.0 });
        let mut one = Latencies::default();
        one.push(Duration::from_nanos(7));
        assert_eq!(one.percentiles(), Percentiles { p50: 7.0, p99: 7.0 });
    }
}
