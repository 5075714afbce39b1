//! Posts that are put off, to be written together.

/// Posts in a row that are written at once; more of them are likely to go on. A model has no time
/// for so many.
const EAGER: u32 = if cfg!(loom) { 1 } else { 8 };
/// Posts in a row that are written at once though there is more to receive: an answer now and then, among
/// signals that want none, is not to wait for all of them.
const FEW: u32 = 2;
/// Posts, or their bytes, after which what was put off is written: a system call's worth.
const BATCH: u32 = 128;
const BATCH_BYTES: usize = 16 * 1024;

/// The posts that are not written yet.
#[derive(Default)]
pub(super) struct Batch {
    /// Posts since somebody last waited for something.
    in_row: u32,
    /// How many that were the time before.
    last_row: u32,
    count: u32,
    bytes: usize,
    /// Counts how often what was put off was written.
    written: u64,
    /// The background thread knows that something was put off.
    pub(super) flush_expected: bool,
}

impl Batch {
    /// Adds a post. True if it is to be written now, with all that was put off.
    pub(super) fn add(&mut self, bytes: usize, more_to_come: bool) -> bool {
        // Who only posts ends no row.
        self.in_row = self.in_row.saturating_add(1);
        self.count += 1;
        self.bytes += bytes;
        let one_of_several = self.in_row.max(self.last_row) > FEW;
        let wait = (more_to_come && one_of_several) || self.in_row > EAGER;
        !(wait && self.count < BATCH && self.bytes < BATCH_BYTES)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn len(&self) -> u32 {
        self.count
    }

    /// Counts how often what was put off was written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// All of it is being written.
    pub(super) fn write(&mut self) {
        self.written += u64::from(self.count > 0);
        (self.count, self.bytes) = (0, 0);
    }

    /// The next may be alone.
    pub(super) fn end_row(&mut self) {
        self.last_row = std::mem::take(&mut self.in_row);
    }
}
