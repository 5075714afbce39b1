//! tofu on hosts: message passing over TCP, Unix sockets and memory.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

/// Whether this mistake is made on purpose, which only a model does.
macro_rules! planted {
    ($mistake:ident) => {{
        #[cfg(loom)]
        {
            crate::model::is_planted(crate::model::Mistake::$mistake)
        }
        #[cfg(not(loom))]
        {
            false
        }
    }};
}

#[cfg(target_os = "linux")]
mod descriptors;
mod driver;
mod engine;
mod group;
#[cfg(loom)]
pub mod model;
mod options;
mod platform;
#[cfg_attr(loom, path = "model/poller.rs")]
mod poller;
#[cfg_attr(loom, path = "model/sync.rs")]
mod sync;
pub mod testing;
mod transport;

pub use engine::{Engine, Stopped};
pub use group::{ChannelGroup, UpdateError};
pub use options::{Options, SizeClass};
pub use platform::Host;
pub use tofu_core::{
    Address, AddressError, BOUNDS, Bounds, CONNECT_TO, ChannelNumber, HEADER_LEN, Header, Kind,
    LIMITS, LISTEN_ON, Limits, MAX_FRAME_LEN, MAX_SECTION_LEN, MessageError, Notice, Opcode,
    Origin, Role, Stats, Status, TextError, TextHeader, TextHeaders,
};

/// A message: fill it in and post it. See [`tofu_core::Message`].
pub type Message = tofu_core::Message<Host>;
/// What comes out of a receive.
pub type Received = tofu_core::Received<Host>;
/// A refused post: the message as it was, and why.
pub type PostError = tofu_core::PostError<Host>;

/// Compiles the programs of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
