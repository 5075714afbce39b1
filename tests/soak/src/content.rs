//! What is sent: bytes from a seed, and what a file on the server has to hold.

use blake3::{Hash, Hasher};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// The longest file: some dozens of blocks, and all files together some dozens of MiB.
pub(crate) const MAX_FILE: u64 = 4 << 20;
/// What the `tofu` tool puts into one message.
pub(crate) const BLOCK: usize = 60 * 1024;
/// The longest body.
const MAX_BODY: usize = tofu_std::MAX_SECTION_LEN;

/// The bytes of a file, one block after the other, and their checksum.
pub(crate) struct Content {
    rng: SmallRng,
    left: u64,
    len: u64,
    hasher: Hasher,
}

impl Content {
    /// So many bytes, which follow from the seed.
    pub(crate) fn new(seed: u64, len: u64) -> Content {
        Content { rng: SmallRng::seed_from_u64(seed), left: len, len, hasher: Hasher::new() }
    }

    /// A file of any length, those around the ends of blocks among them.
    pub(crate) fn any(rng: &mut SmallRng) -> Content {
        let block = BLOCK as u64;
        let edges = [0, 1, block - 1, block, block + 1, 2 * block, MAX_FILE];
        let len = match rng.random_range(0..8) {
            0 => edges[rng.random_range(0..edges.len())],
            1..4 => {
                let magnitude = rng.random_range(0..=MAX_FILE.ilog2());
                rng.random_range(0..1 << magnitude)
            }
            _ => rng.random_range(0..=MAX_FILE),
        };
        Content::new(rng.random(), len)
    }

    /// How long the file is.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// How many bytes were not given out yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// How long the next block is that has at most `limit` bytes; 0 at the end.
    pub(crate) fn next_len(&self, limit: usize) -> usize {
        usize::try_from(self.left).unwrap_or(limit).min(limit)
    }

    /// Fills a block, no longer than [`Content::next_len`] says.
    pub(crate) fn fill(&mut self, block: &mut [u8]) {
        self.rng.fill_bytes(block);
        self.hasher.update(block);
        self.left -= block.len() as u64;
    }

    /// What is stored once all of it was sent.
    pub(crate) fn stored(&self) -> Stored {
        Stored { checksum: self.hasher.finalize(), len: self.len }
    }
}

/// What a file has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) checksum: Hash,
    pub(crate) len: u64,
}

/// Sums up what arrives.
#[derive(Default)]
pub(crate) struct Tally {
    hasher: Hasher,
    len: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn stored(&self) -> Stored {
        Stored { checksum: self.hasher.finalize(), len: self.len }
    }
}

/// One name on the server, which one worker writes to.
pub(crate) struct Slot {
    pub(crate) name: String,
    /// Nothing before the first put.
    pub(crate) stored: Option<Stored>,
}

impl Slot {
    pub(crate) fn new(name: &str) -> Slot {
        Slot { name: name.replace(' ', "-"), stored: None }
    }
}

/// The body of a call: mostly short, now and then as long as a body can be.
pub(crate) fn body(rng: &mut SmallRng) -> Vec<u8> {
    let longest = match rng.random_range(0..100) {
        0..70 => 256,
        70..90 => 4 * 1024,
        90..99 => 32 * 1024,
        _ => MAX_BODY,
    };
    let mut body = vec![0; rng.random_range(0..=longest)];
    rng.fill_bytes(&mut body);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_what_was_given_out() {
        let mut content = Content::new(1, 100_000);
        let (mut tally, mut whole) = (Tally::default(), Vec::new());
        while content.left() > 0 {
            let mut block = vec![0; content.next_len(BLOCK)];
            content.fill(&mut block);
            tally.add(&block);
            whole.extend(block);
        }
        assert_eq!(whole.len(), 100_000);
        assert_eq!(content.stored(), tally.stored());
        assert_eq!(content.stored().checksum, blake3::hash(&whole));
        assert_ne!(Content::new(1, 100_000).stored(), content.stored());
    }

    #[test]
    fn files_are_of_all_lengths() {
        let mut rng = SmallRng::seed_from_u64(1);
        let lens: Vec<_> = (0..1_000).map(|_| Content::any(&mut rng).len()).collect();
        assert!(lens.contains(&0) && lens.contains(&MAX_FILE) && lens.contains(&(BLOCK as u64)));
        assert!(lens.iter().all(|&len| len <= MAX_FILE));
    }
}
