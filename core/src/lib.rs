//! tofu's engine: message passing in which the message is the API.
//!
//! An application gets a [`Message`] from a [`Pool`], fills it in and posts it; the message *is* the
//! operation: listen, connect, request, answer, signal, close. This crate is that engine as a state
//! machine. It knows no socket, no clock and no thread, allocates nothing and holds no `unsafe`. In a build
//! without debug assertions none of it panics, whatever a peer or a caller does: the project's `tests/no-panic` has the linker prove
//! that for boards, but for some `Debug` output and what a platform or a waker brings itself.
//! The contract is [`protocol`]: what crosses the wire, and what an engine promises. It is the file `PROTOCOL.md` beside this
//! crate's manifest; what is documented here names the section it implements.
//!
//! On a host use `tofu-std`, which drives this engine over TCP, Unix sockets and memory. On a
//! board, or in a simulator, drive it yourself:
//!
//! ```
//! use tofu_core::{Engine, Instant, Options, Pool, Received, Status, Transport};
//!
//! tofu_core::platform! {
//!     /// 16 messages, a listener and 4 connections.
//!     pub struct Board {
//!         buffer: &'static mut [u8],
//!         pool: &'static Pool<Board>,
//!         lock: tofu_core::LocalLock,
//!         classes: 1,
//!         messages: 16,
//!         channels: 5,
//!         groups: 1,
//!     }
//! }
//!
//! /// An echo server. The memory is the caller's, for instance from `static_cell`.
//! fn serve(
//!     pool: &'static Pool<Board>,
//!     buffers: [&'static mut [u8]; 16],
//!     staging: &'static mut [u8],
//!     io: &mut impl Transport,
//!     now: impl Fn() -> Instant,
//!     sleep_until: impl Fn(Option<Instant>),
//! ) -> Result<(), Status> {
//!     for buffer in buffers {
//!         pool.donate(buffer).map_err(|_| Status::PoolEmpty)?;
//!     }
//!     let mut engine = Engine::<Board>::new(pool, &Options::DEFAULT);
//!     let group = engine.open_group(staging).map_err(|_| Status::PoolEmpty)?;
//!     let mut welcome = engine.get().ok_or(Status::PoolEmpty)?;
//!     welcome.listen_on("tcp||7099")?;
//!     engine.post(group, welcome).map_err(|refused| refused.status)?;
//!     loop {
//!         let turn = engine.turn(now(), io, 64); // moves what can be moved
//!         while let Some(received) = engine.receive(group) { // what came of it
//!             match received {
//!                 Received::Peer(mut message) => {
//!                     if message.reply().is_ok() {
//!                         let _ = engine.post(group, message); // queued for the next turn
//!                     }
//!                 }
//!                 Received::Returned(_, status) if !status.is_success() => return Err(status),
//!                 _ => {}
//!             }
//!         }
//!         if !turn.more && !engine.has_work() {
//!             sleep_until(turn.deadline); // or an interrupt
//!         }
//!     }
//! }
//! ```
//!
//! # The map
//!
//! | module | concept |
//! |---|---|
//! | `header` | the 16-byte header, opcodes, channel numbers |
//! | `status` | what became of something |
//! | `text`, `address`, `limits`, `bounds` | text headers and those that are tofu's own |
//! | `message`, `pool` | owned buffers, and where they come from and return to |
//! | `channel`, `group`, `queue`, `timer` | the engine's tables |
//! | `rx`, `tx`, `bytes` | framing in and out; copying |
//! | `engine` | the state machine: post, receive, turn |
//! | `transport` | the seam to whatever moves the bytes |
//! | `platform`, `storage`, `list` | what differs between hosts and boards; fixed-capacity containers |
//! | `time`, `fmt`, `options` | time as a number; logging; timeouts and limits |
//! | `std_compat` | with `std`: conversions into `io::Error` |
//!
//! # Features
//!
//! - `std`: conversions into `std::io::Error`.
//! - `log`, `defmt`: where log lines go; `defmt` wins if both are on.
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

#[cfg(all(feature = "std", not(test)))]
extern crate std;

#[macro_use]
mod fmt;

/// Whether a bug was put in on purpose; never, without the feature that exists for that.
macro_rules! planted {
    ($bug:ident) => {{
        #[cfg(feature = "sabotage")]
        {
            crate::sabotage::is_planted(crate::sabotage::Bug::$bug)
        }
        #[cfg(not(feature = "sabotage"))]
        {
            false
        }
    }};
}

mod address;
mod bounds;
mod bytes;
mod channel;
mod engine;
mod group;
mod header;
mod limits;
mod list;
mod message;
mod options;
mod platform;
mod pool;
mod queue;
mod rx;
#[cfg(feature = "sabotage")]
#[doc(hidden)]
pub mod sabotage;
mod status;
#[cfg(feature = "std")]
mod std_compat;
mod storage;
#[cfg(test)]
mod test_platform;
mod text;
mod time;
mod timer;
mod transport;
mod tx;

/// The contract, as it stands in `PROTOCOL.md`. There is no code in it.
///
#[doc = include_str!("../PROTOCOL.md")]
pub mod protocol {}

pub use address::{Address, AddressError, CONNECT_TO, LISTEN_ON};
pub use bounds::{BOUNDS, Bounds};
pub use channel::{Channel, NumberEntry};
pub use engine::{Engine, PostError, Received, Stats, Turn};
pub use group::{Group, GroupId};
pub use header::{
    ChannelNumber, HEADER_LEN, Header, Kind, MAX_FRAME_LEN, MAX_SECTION_LEN, Opcode, Origin, Role,
};
pub use limits::{LIMITS, Limits};
pub use message::{Message, MessageError};
pub use options::Options;
pub use platform::{LocalLock, Lock, Platform};
pub use pool::{Class, MAX_CLASSES, Pool, PoolState};
pub use queue::{Node, Notice};
pub use status::Status;
pub use storage::{Fixed, Table};
pub use text::{Iter, TextError, TextHeader, TextHeaders};
pub use time::Instant;
pub use transport::{Close, Link, Ready, Transport};

/// The containers of [`platform!`]; not for direct use.
#[doc(hidden)]
pub use heapless;

/// Compiles the program of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
