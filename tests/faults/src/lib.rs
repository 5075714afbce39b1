//! Real faults on real sockets.
//!
//! | module | concept |
//! |---|---|
//! | [`stage`] | a server and a client, and the check that every test ends with |
//! | [`side`] | one engine, and the book that is kept of what it owes |
//! | [`proxy`] | a connection in two halves, with a fault between them |
//! | [`fault`] | what happens to a connection |
//! | [`raw`] | a peer made by hand |
//! | [`process`] | a peer in a process of its own |
//! | [`streams`] | streams of Signals between this process and a peer in another one |
//! | [`timeout`] | options with one timeout that fires |
//!
//! Each file under `tests` is one fault. All of it is for Linux.

pub mod fault;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod side;
pub mod stage;
pub mod streams;
pub mod timeout;

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes; reaching it is a failure.
pub const SOON: Duration = Duration::from_secs(20);

/// How long nothing moves before it is over.
pub const WHILE: Duration = Duration::from_millis(300);

/// Waits until something holds that no event tells of.
///
/// # Panics
/// When it does not hold in time.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
