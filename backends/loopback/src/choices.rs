//! What is decided: by the seed, or by a test that wants one fault and no other.

use crate::faults::Chance;
use crate::{Faults, Rng};
use core::time::Duration;

#[derive(Hash)]
pub(crate) struct Choices {
    rng: Rng,
    /// How often a fault could have happened so far.
    decided: u64,
    /// The one time it does, and the most bytes a partial read or write then moves.
    only: Option<(u64, usize)>,
}

impl Choices {
    pub(crate) fn new(seed: u64) -> Self {
        Choices { rng: Rng::new(seed), decided: 0, only: None }
    }

    pub(crate) fn decided(&self) -> u64 {
        self.decided
    }

    pub(crate) fn set_only(&mut self, nth: u64, length: usize) {
        self.only = Some((nth, length.max(1)));
    }

    /// Decides once. What never happens takes nothing from the sequence.
    pub(crate) fn hits(&mut self, chance: Chance) -> bool {
        if chance == Chance::NEVER {
            return false;
        }
        let nth = self.decided;
        self.decided += 1;
        match self.only {
            Some((only, _)) => nth == only,
            None => chance.hits(&mut self.rng),
        }
    }

    /// How many of at most `most` bytes a partial read or write moves.
    pub(crate) fn length(&mut self, most: usize) -> usize {
        match self.only {
            Some((_, length)) => length.min(most),
            None => self.rng.length(most),
        }
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.rng.coin()
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.rng.below(bound)
    }

    pub(crate) fn delay(&mut self, faults: &Faults) -> Duration {
        faults.delay(&mut self.rng)
    }
}
