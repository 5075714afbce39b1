//! tofu on hosts: message passing over TCP, Unix sockets and memory.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod engine;
mod options;
mod platform;
pub mod testing;
mod transport;

pub use engine::{ChannelGroup, Engine, Stopped, UpdateError};
pub use options::{Options, SizeClass};
pub use platform::Host;
pub use tofu_core::{
    Address, AddressError, CONNECT_TO, ChannelNumber, HEADER_LEN, Header, Kind, LIMITS, LISTEN_ON, Limits,
    MAX_FRAME_LEN, MAX_SECTION_LEN, MessageError, Notice, Opcode, Role, Stats, Status, TextError,
    TextHeader, TextHeaders,
};

/// A message: fill it in and post it. See [`tofu_core::Message`].
pub type Message = tofu_core::Message<Host>;
/// What comes out of a receive.
pub type Received = tofu_core::Received<Host>;
/// A refused post: the message as it was, and why.
pub type PostError = tofu_core::PostError<Host>;
