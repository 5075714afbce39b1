//! tofu over a serial line: anything that is [`embedded_io`]'s `Read`, `Write`, `ReadReady` and
//! `WriteReady`.
//!
//! A [`Serial`] is one end of a line and the [`Transport`](tofu_core::Transport) of one engine. Over
//! it each side can have one channel it opened, both at once: one `HelloRequest` to
//! `serial|NAME` in each direction, where NAME is the name the line was given on this side.
//!
//! A second one to the same side is `connect_failed`, a second listener `listen_failed`, another name `invalid_address`.
//!
//! - What is damaged is never delivered: every packet on the line is checked. A damaged or missing one
//!   ends the channels with `communication_failed`, on both sides.
//! - A peer that restarts, or a cable that is pulled, is noticed: sessions are numbered, and a peer that
//!   has nothing to say says so ([`Options`]).
//! - A peer that does not read slows this side down: no more is sent than it has room for.
//! - Nothing is sent twice; what a lost channel did not carry comes back, and the application decides.
//!
//! What two ends say to each other is [`protocol`], the file `PROTOCOL.md` beside this crate's manifest: all that another
//! implementation needs.
//!
//! A line takes no interrupt, clock or executor, only a loop:
//!
//! ```text
//! let mut line: Serial<_> = Serial::new(uart, "host", session, Options::default());
//! loop {
//!     let turn = line.turn(&mut engine, clock.now(), 16);
//!     while let Some(received) = engine.receive(group) { … }
//!     if !turn.more && !engine.has_work() { sleep_until(turn.deadline) }   // or an interrupt of the UART
//! }
//! ```
//!
//! The line must by itself send what its `write` took: `flush`, which blocks, is never called. A
//! read or write that fails (a UART's overrun, for instance) counts as damage, one that yields no
//! byte as a line that is gone.
//!
//! # The map
//!
//! | module | concept |
//! |---|---|
//! | `line` | reading and writing the line, and its turn |
//! | `transport` | the line as the engine sees it |
//! | `session` | one direction of opening: begin, flow, keep alive, end |
//! | `packet` | what crosses the line |
//! | `buffer` | what waits to be read, what waits to be written |
//! | `options` | timeouts |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable
    )
)]

mod buffer;
mod line;
mod options;
mod packet;
mod session;
mod transport;

/// The protocol on the line, as it stands in `PROTOCOL.md`. There is no code in it.
///
#[doc = include_str!("../PROTOCOL.md")]
pub mod protocol {}

pub use line::Serial;
pub use options::{Options, Stats};

/// Compiles the program of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
