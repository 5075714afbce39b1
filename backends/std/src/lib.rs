//! tofu on hosts: message passing over TCP, Unix sockets and memory.
//!
//! The message is the API. [`Engine::get`] one from the pool, fill it in, [`ChannelGroup::post`] it, and
//! [`ChannelGroup::wait_receive`] what comes: from peers, from the engine, or one's own that could not be sent. There is
//! no `connect`, `listen` or `close`: each is a message with an [`Opcode`] of its own.
//!
//! ```
//! use tofu_std::{Engine, Opcode, Received};
//!
//! let engine = Engine::new()?;
//! let server = engine.group()?;
//! let mut welcome = engine.get().expect("a fresh pool is full");
//! welcome.listen_on("mem|greeter")?;
//! server.post(welcome)?;
//!
//! let client = engine.group()?;
//! let mut hello = engine.get().expect("a fresh pool is full");
//! hello.connect_to("mem|greeter")?;
//! let channel = client.post(hello)?.channel;
//! let mut request = engine.get().expect("a fresh pool is full");
//! request.prepare(Opcode::Request, channel).set_body("ping")?;
//! let id = client.post(request)?.id;
//!
//! // The server, which is told that it listens, of the client, and what that asks.
//! for _ in 0..3 {
//!     if let Some(Received::Peer(mut message)) = server.wait_receive(None)? {
//!         message.reply()?;
//!         server.post(message)?;
//!     }
//! }
//! // The client's hello is answered first.
//! while let Some(Received::Peer(answer)) = client.wait_receive(None)? {
//!     if answer.id() == id {
//!         assert_eq!(answer.body(), b"ping");
//!         break;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A thread that waits drives the sockets itself. A server is one group and a loop, or several threads that take requests which
//! stand for themselves from clones of its group; a thread that asks takes a group of its own. Async tasks wait with
//! [`receive_async`](ChannelGroup::receive_async), on any runtime. [`Message`] says how messages are filled
//! in, [`tofu_core::Engine::post`] what is refused, [`Status`] what can happen, and [`Options`] what can be chosen.
//!
//! # Addresses
//!
//! | address | connects to | listens on |
//! |---|---|---|
//! | `tcp\|HOST\|PORT` | a name or an IP address, all addresses of a name in turn; without HOST, this machine | the same; without HOST, every interface; with port 0, any that is free |
//! | `uds\|PATH` | a Unix socket | a path where nobody listens: what is left of a socket there is replaced, another file is not. Removed at the end |
//! | `mem\|NAME` | a listener of this process, in any engine | a name that nobody of this process has |
//!
//! Listening on a path waits for another process that begins to listen in the same directory, up to 0.1 s in which the engine stands still.
//!
//! At most 64 names are looked up at once, by threads that nothing else waits for; more have to wait for their turn.
//!
//! What cannot be used comes back with `invalid_address`: a connection to port 0, a path that is too long for the system, a name that
//! is not found, any other scheme.
//!
//! With the feature `log`, the engine's decisions and what the operating system said where something failed go to the
//! [`log`](https://docs.rs/log) crate. They are told within the engine's own calls: a logger must not call the engine.
//!
//! Where SIGPIPE is not ignored, writing to a peer that has gone may end the process. Rust's `main` ignores it; a C program that links
//! Rust has to.
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
mod log;
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

/// A message: fill it in and post it. Its methods are those of [`tofu_core::Message`].
pub type Message = tofu_core::Message<Host>;
/// What comes out of a receive.
pub type Received = tofu_core::Received<Host>;
/// A refused post: the message as it was, and why.
pub type PostError = tofu_core::PostError<Host>;
