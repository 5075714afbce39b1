//! Medians and percentiles.

use std::time::Duration;

/// The value in the middle, of two the mean; NaN of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        all if all.len() % 2 == 1 => all[middle],
        all => all[middle - 1].midpoint(all[middle]),
    }
}

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
    fn the_median_is_in_the_middle() {
        assert!(median(&[]).is_nan());
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

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
