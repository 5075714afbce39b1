//! Time as the engine sees it: a number somebody else counts up.

use core::time::Duration;

/// A point in time, in microseconds since an origin the caller chose.
///
/// The engine reads no clock. Whoever drives it says what time it is, and
/// must never go backwards; a value that does is taken as the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Instant = Instant(0);
    /// Later than everything that will happen.
    pub const FAR: Instant = Instant(u64::MAX);

    /// A number of microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Instant(micros)
    }

    /// A number of milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Instant(millis.saturating_mul(1_000))
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This much later, at most [`Instant::FAR`].
    #[inline(never)] // Wide arithmetic, which a board should have once.
    pub fn after(self, duration: Duration) -> Instant {
        let whole = duration.as_secs().saturating_mul(1_000_000);
        self.after_micros(whole.saturating_add(duration.subsec_micros().into()))
    }

    pub(crate) fn after_micros(self, micros: u64) -> Instant {
        Instant(self.0.saturating_add(micros))
    }

    /// How long from `earlier` until this; zero if that is in the past.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Instant::FAR.after(Duration::MAX), Instant::FAR);
        assert_eq!(Instant::ZERO.since(Instant::from_millis(5)), Duration::ZERO);
        assert_eq!(
            Instant::from_millis(5).since(Instant::from_micros(1)),
            Duration::from_micros(4_999)
        );
    }
}
