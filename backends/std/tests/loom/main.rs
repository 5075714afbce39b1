//! Threads in every interleaving: this crate as it is, over loom's locks, atomics and threads.
//!
//! The models go through the crate's public face. What they stand on is in `src/model`: all else is what
//! ships.
//!
//! ```sh
//! RUSTFLAGS='--cfg loom' cargo test --release -p tofu-std --test loom --target-dir target/loom
//! ```
//!
//! `-- models --nocapture` prints how many interleavings there are; `LOOM_MAX_PREEMPTIONS=3` in the environment
//! goes deeper.
#![cfg(loom)]

mod mistakes;
mod models;
mod support;
