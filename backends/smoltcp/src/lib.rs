//! tofu over TCP on [smoltcp]: for boards without an operating system, and for TAP devices.
//!
//! A [`Stack`] drives a `tofu_core::Engine` over any `smoltcp::phy::Device`, with IPv4, IPv6 or
//! both. It allocates nothing: sockets and their buffers are the caller's, of sizes the caller chooses.
//!
//! ```text
//! static STORAGE: ConstStaticCell<Storage<'static, 8, 2048, 2048>> = …;   // 8 sockets
//!
//! let interface = Interface::new(config, &mut device, now);               // smoltcp's
//! let mut stack = STORAGE.take().stack(interface, Options::DEFAULT);
//! loop {
//!     let turn = stack.turn(&mut engine, clock.now(), &mut device, 64);
//!     while let Some(received) = engine.receive(group) { … }
//!     if !turn.more && !engine.has_work() { sleep_until(turn.deadline) }   // or an interrupt
//! }
//! ```
//!
//! Addresses are `tcp|HOST|PORT`. An empty host listens on all of the interface's addresses, port
//! 0 on a free port; one connects to neither. More than [`MAX_LISTENERS`], or another address than the interface's, is
//! `listen_failed`; a name to listen on is `invalid_address`. Packets to the interface's own address leave the device like any
//! others: an engine reaches itself only where the network sends them back.
//!
//! # How many sockets
//!
//! One for each connection, [`Options::backlog`] for each listener, and a few for connections that
//! are closed but whose last bytes are on their way. Where there are fewer, new connections
//! are refused; nothing else suffers.
//!
//! smoltcp's own tables (neighbours, routes, addresses of the interface, gaps between segments that
//! arrived) have the sizes its environment variables give them, for instance
//! `SMOLTCP_IFACE_NEIGHBOR_CACHE_COUNT`; see its documentation.
//!
//! # The map
//!
//! | module | concept |
//! |---|---|
//! | `storage` | the memory of a stack |
//! | `stack` | the interface and its sockets; the turn |
//! | `slot`, `order` | one socket and what it is used for; which of them gets a packet |
//! | `listener`, `connect`, `linger` | how connections begin and end |
//! | `transport` | the engine's side |
//! | `resolve`, `dhcp` | names and leased addresses, behind features |
//! | `options`, `time` | what can be chosen; smoltcp's clock and the engine's |
//!
//! # Features
//!
//! - `ethernet`, `ip`: what the device carries; at least one.
//! - `ipv4`, `ipv6`: at least one.
//! - `dhcpv4`: a DHCP socket in the set configures the interface.
//! - `dns`: connect to names, by a DNS socket in the set. Each of its queries asks for one version
//!   of IP, and four addresses of an answer are kept and tried.
//! - `log`, `defmt`: the engine's log lines. smoltcp has features of the same names, of which
//!   it takes one.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "dhcpv4")]
mod dhcp;
#[cfg(feature = "dns")]
mod resolve;

mod connect;
mod linger;
mod listener;
mod options;
mod order;
mod slot;
mod stack;
mod storage;
mod time;
mod transport;

pub use listener::MAX_LISTENERS;
pub use options::{Options, Stats};
pub use slot::Slot;
pub use smoltcp;
pub use stack::Stack;
pub use storage::Storage;

/// Compiles the program of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
