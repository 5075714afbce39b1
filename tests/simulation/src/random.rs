//! Everything random comes from here, and from the one seed.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// What a stream of choices is for: each has its own, so that one drawn more or less often does
/// not change the others.
#[derive(Clone, Copy)]
#[repr(u64)]
pub enum Purpose {
    /// The scenario.
    Scenario = 1,
    /// The network's faults.
    Network,
    /// What is done in one step.
    Step,
    /// What an application does about one message.
    Reaction,
    /// The bytes of one message.
    Content,
    /// How it ends.
    Ending,
}

/// A seeded stream of choices.
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of this seed for a purpose and the `index`-th thing of it.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        Random(ChaCha8Rng::from_seed(key))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// As [`Random::below`], for indices.
    pub fn index(&mut self, bound: usize) -> usize {
        self.below(bound as u64) as usize
    }

    /// A number from `least` to `most`.
    pub fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// A number from `least` to `most` of which each doubling is equally likely.
    pub fn scaled(&mut self, least: u64, most: u64) -> u64 {
        let doublings = u64::from((most / least.max(1)).max(1).ilog2()) + 1;
        let least = least << self.below(doublings);
        self.within(least.min(most), (2 * least).min(most))
    }

    /// True once in `times` on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
