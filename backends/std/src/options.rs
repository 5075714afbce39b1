//! What an [`Engine`](crate::Engine) can be told when it is made.

use std::io;
use tofu_core::{HEADER_LEN, MAX_CLASSES};

/// A number of messages of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeClass {
    /// Bytes of one message: header, text headers and body together.
    pub size: usize,
    /// How many there are at most. Memory is taken when they are first needed.
    pub count: u16,
}

/// Timeouts, limits and the pool.
///
/// ```
/// use std::time::Duration;
/// let mut options = tofu_std::Options::default();
/// options.protocol.idle_timeout = Some(Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The engine's timeouts and limits. On Linux the process's table of file descriptors is made large
    /// enough for [`listener_channels`](tofu_core::Options::listener_channels) when the engine is made:
    /// growing it later holds up whoever accepts.
    pub protocol: tofu_core::Options,
    /// The pool's size classes, at most [`MAX_CLASSES`](tofu_core::MAX_CLASSES). The largest
    /// decides how long a frame can be received.
    pub pool: Vec<SizeClass>,
    /// Bytes that each group may read ahead; 16 at least, 16 KiB by default.
    pub staging: usize,
}

/// The default pool. Sizes are just above what they are named for, at odd strides, so that
/// buffers do not crowd the same sets of the cache.
///
/// 4,096 · 1 KiB + 512 · 8 KiB + 128 · 65 KiB + 16 · 128 KiB: 18 MiB at most, taken as needed.
const DEFAULT_POOL: [SizeClass; 4] = [
    SizeClass { size: 1_088, count: 4_096 },
    SizeClass { size: 8_256, count: 512 },
    SizeClass { size: 66_112, count: 128 },
    SizeClass { size: 131_136, count: 16 },
];

/// Some hundred small messages: more would make others wait for theirs.
const DEFAULT_STAGING: usize = 16 * 1024;

impl Default for Options {
    fn default() -> Self {
        Options {
            protocol: tofu_core::Options::DEFAULT,
            pool: DEFAULT_POOL.to_vec(),
            staging: DEFAULT_STAGING,
        }
    }
}

impl Options {
    /// A pool of `count` messages of `size` bytes each, and no other. That bounds what can be received: the
    /// limits are cut to it, and announced to peers, which refuse to post what is longer. A message of
    /// 1,024 bytes has room for 256 bytes of text headers and 752 of body.
    pub fn with_pool(size: usize, count: u16) -> Self {
        Options { pool: vec![SizeClass { size, count }], ..Options::default() }
    }

    pub(crate) fn check(&self) -> io::Result<()> {
        let invalid = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let mut sizes: Vec<_> = self.pool.iter().map(|class| class.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        if self.pool.is_empty() || self.pool.iter().any(|class| class.count == 0) {
            invalid("the pool, or a size of it, has no messages")
        } else if sizes.len() > MAX_CLASSES {
            invalid("the pool has too many sizes")
        } else if sizes.iter().any(|&size| size < HEADER_LEN) || self.staging < HEADER_LEN {
            invalid("a message or the staging buffer cannot hold a header")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_that_could_not_work_are_refused() {
        let pool = |pool: &[(usize, u16)]| {
            let classes = pool.iter().map(|&(size, count)| SizeClass { size, count });
            Options { pool: classes.collect(), ..Options::default() }.check().is_ok()
        };
        assert!(Options::default().check().is_ok());
        assert!(pool(&[(16, 1)]) && pool(&[(64, 8), (64, 8), (128, 1)]));
        assert!(!pool(&[]) && !pool(&[(64, 0)]) && !pool(&[(64, 8), (128, 0)]));
        assert!(!pool(&[(15, 1)]));
        assert!(!pool(&[(16, 1), (17, 1), (18, 1), (19, 1), (20, 1)]));
        assert!(Options { staging: 15, ..Options::default() }.check().is_err());
    }
}
