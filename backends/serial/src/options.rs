//! What a line can be told when it is made.

use core::time::Duration;

/// A line's timeouts. Both ends should be told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long an open session says nothing before it says that it is alive, and how long an
    /// opening waits before it knocks again; 1 s.
    pub keep_alive: Duration,
    /// How long the peer of an open session may be silent before the session ends; 5 s. Several times `keep_alive`, and
    /// longer than the line takes for what both buffers hold.
    pub silence: Duration,
}

impl Options {
    /// The defaults: 1 s and 5 s.
    pub const DEFAULT: Options =
        Options { keep_alive: Duration::from_secs(1), silence: Duration::from_secs(5) };
}

impl Default for Options {
    fn default() -> Self {
        Options::DEFAULT
    }
}

/// What a line counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets that arrived whole.
    pub received: u32,
    /// Packets that arrived damaged, and reads and writes that failed.
    pub damaged: u32,
}
