//! What a fuzzer feeds to tofu, and what must hold.
//!
//! Each target is a function of any bytes, which panics where a promise is broken. `libfuzzer` beside
//! this crate's sources runs them under cargo-fuzz; the test of this crate runs them over the committed
//! corpora, with any Rust.

pub mod addresses;
mod board;
pub mod frames;
pub mod operations;
pub mod serial;
pub mod text;
pub mod wire;

/// A target.
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What is run for an input.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target { name: "frames", run: frames::run },
    Target { name: "text", run: text::run },
    Target { name: "addresses", run: addresses::run },
    Target { name: "serial", run: serial::run },
    Target { name: "operations", run: operations::run },
    Target { name: "wire", run: wire::run },
];
