//! What goes wrong on a network.

use crate::Rng;
use core::time::Duration;

/// How often something happens: never, or once in a number of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chance(u32);

impl Chance {
    /// It does not happen.
    pub const NEVER: Chance = Chance(0);

    /// It happens once in `times` on average; 0 is never, 1 is always.
    pub const fn one_in(times: u32) -> Self {
        Chance(times)
    }

    /// Decides once. What never happens takes nothing from the sequence.
    pub(crate) fn hits(self, rng: &mut Rng) -> bool {
        self.0 != 0 && rng.below(u64::from(self.0)) == 0
    }
}

/// What goes wrong on a network, and how often. The default is nothing.
///
/// What was held up by one fault, or not accepted, is not hit again by the same one. Connections that are always refused,
/// listeners that always fail and links that are always lost do keep a run from getting on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A read gets fewer bytes than there are, any number from 1.
    pub partial_read: Chance,
    /// A write takes fewer bytes than there is room for, any number from 1.
    pub partial_write: Chance,
    /// Reading, writing or accepting says "would block" though it would not. The event
    /// that takes it back follows.
    pub spurious_pending: Chance,
    /// An event though nothing happened, after bytes have moved.
    pub spurious_ready: Chance,
    /// The shortest time bytes, connections and events are on their way.
    pub min_delay: Duration,
    /// The longest time bytes, connections and events are on their way. They do not overtake
    /// each other in one direction of one connection.
    pub max_delay: Duration,
    /// A connection is refused though somebody listens.
    pub refuse_connect: Chance,
    /// A connection gets no answer at all: it is not refused, and reaches nobody.
    pub ignore_connect: Chance,
    /// Listening fails though the name is free.
    pub fail_listen: Chance,
    /// Accepting a waiting connection fails; it goes on waiting.
    pub fail_accept: Chance,
    /// A read or write finds the connection cut.
    pub lose_link: Chance,
}

impl Faults {
    /// Partial, delayed and spurious reads, writes and events, all at once: what a run must survive without losing a
    /// message. Every opening succeeds, and no link is lost.
    ///
    /// ```
    /// use tofu_loopback::{Chance, Faults};
    /// let lossy = Faults { lose_link: Chance::one_in(500), ..Faults::rough() };
    /// ```
    pub fn rough() -> Self {
        Faults {
            partial_read: Chance::one_in(2),
            partial_write: Chance::one_in(2),
            spurious_pending: Chance::one_in(4),
            spurious_ready: Chance::one_in(4),
            min_delay: Duration::ZERO,
            max_delay: Duration::from_millis(20),
            ..Faults::default()
        }
    }

    /// How long the next thing is on its way.
    pub(crate) fn delay(&self, rng: &mut Rng) -> Duration {
        let spread = self.max_delay.saturating_sub(self.min_delay);
        if spread.is_zero() {
            return self.min_delay;
        }
        let micros = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX);
        self.min_delay + Duration::from_micros(rng.below(micros.saturating_add(1)))
    }
}
