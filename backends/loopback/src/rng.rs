//! The source of every choice.

/// A small seeded generator (SplitMix64), the same on every platform.
#[derive(Clone, Debug, Hash)]
pub struct Rng(u64);

impl Rng {
    /// A generator; equal seeds give equal sequences.
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 to below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A length from 1 to `most`; 0 for 0.
    pub fn length(&mut self, most: usize) -> usize {
        match most {
            0 => 0,
            most => self.below(most as u64) as usize + 1,
        }
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Heads or tails.
    pub fn coin(&mut self) -> bool {
        self.next_u64() >> 63 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64s() {
        // Reference values of the published algorithm.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn choices_stay_in_their_range_and_reach_its_ends() {
        let mut rng = Rng::new(7);
        let lengths: Vec<usize> = (0..200).map(|_| rng.length(5)).collect();
        assert_eq!(lengths.iter().min(), Some(&1));
        assert_eq!(lengths.iter().max(), Some(&5));
        assert_eq!((rng.below(0), rng.length(0)), (0, 0));
        let picked: Vec<u8> = (0..200).map(|_| rng.pick(&[3, 5])).collect();
        assert!(picked.contains(&3) && picked.contains(&5));
    }
}
