//! tofu in memory: a simulated network for tests.
//!
//! A [`Network`] carries bytes between its endpoints, each the [`Transport`](tofu_core::Transport)
//! of one engine. It is single-threaded, its clock is a number the test moves, and every
//! choice it makes comes from one seed: the same seed and the same calls give the same run, on
//! every machine. [`Faults`] says what goes wrong on the way.
//!
//! ```
//! use tofu_loopback::{Faults, Network};
//! let network = Network::new(1, Faults::default());
//! let listener = network.raw_listen("server").unwrap();
//! let mut client = network.raw_connect("server").unwrap();
//! client.write(b"hello");
//! let mut received = Vec::new();
//! listener.accept().unwrap().read(&mut received);
//! assert_eq!(received, b"hello");
//! ```
//!
//! With engines, a test is a loop: run turns until nothing moves, then jump to
//! the earlier of the engines' deadlines and [`Network::next_event`].
//!
//! # The map
//!
//! | module | concept |
//! |---|---|
//! | `network` | the handle: clock, faults, cutting links |
//! | `endpoint` | the transport of one engine |
//! | `raw` | a peer that speaks bytes, not tofu |
//! | `faults`, `choices`, `rng` | what goes wrong, who decides when, and the seeded generator |
//! | `hub` | the state behind the handles: who is there, what is due when |
//! | `listener`, `stream` | opening; moving bytes and ending |
//! | `connection`, `pipe` | two ends; one direction of bytes |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod choices;
mod connection;
mod endpoint;
mod faults;
mod hub;
mod listener;
mod network;
mod pipe;
mod raw;
mod rng;
mod stream;

pub use connection::Direction;
pub use endpoint::Endpoint;
pub use faults::{Chance, Faults};
pub use network::Network;
pub use raw::{RawListener, RawPipe};
pub use rng::Rng;

/// Compiles the program of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
