//! What `tests/loom` needs to run this crate in every interleaving of a few threads. Part of no other
//! build.
//!
//! | here | stands for |
//! |---|---|
//! | `sync` | the standard library's locks, atomics and threads |
//! | `poller` | the operating system's poll |
//! | [`Wire`] | a peer at the other end of a connection |
//! | [`Mistake`] | one that could have been made |

mod mistake;

pub use crate::transport::Wire;
/// Does to an engine what a panic under its lock does. In a model nothing can unwind: loom's mutex would
/// stay poisoned.
pub fn break_off(engine: &crate::Engine) {
    let driver = engine.driver();
    driver.break_off(&mut driver.lock());
}

pub use mistake::{Mistake, make};

pub(crate) use mistake::is_planted;
