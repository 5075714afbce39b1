//! No faster than so much a second.

use rand::RngExt;
use rand::rngs::SmallRng;
use std::thread;
use std::time::{Duration, Instant};

/// Shorter pauses are saved up.
const SHORTEST: Duration = Duration::from_millis(2);
/// Who was held up makes up for no more than this.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Spends no more than so many units a second.
pub(crate) struct Pace {
    rate: f64,
    due: Instant,
}

impl Pace {
    pub(crate) fn new(rate: f64) -> Pace {
        Pace { rate, due: Instant::now() }
    }

    /// Waits until so many units may be spent.
    pub(crate) fn spend(&mut self, units: u64) {
        self.pause(Duration::from_secs_f64(units as f64 / self.rate));
    }

    /// Waits for the next of things that come at random, one after the other.
    pub(crate) fn next(&mut self, rng: &mut SmallRng) {
        self.pause(Duration::from_secs_f64(rng.random_range(0.5..1.5) / self.rate));
    }

    fn pause(&mut self, time: Duration) {
        let now = Instant::now();
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        self.due = self.due.max(earliest) + time;
        let left = self.due.saturating_duration_since(now);
        if left >= SHORTEST {
            thread::sleep(left);
        }
    }
}
