//! Listeners of every kind.

use super::inbox::Mailbox;
use super::mem;
use super::stream::Stream;
use super::tcp;
#[cfg(unix)]
use super::uds;
use mio::event::Source;
use std::fmt;
use std::io::{self, ErrorKind};

/// How many connections that broke while they waited one call of accept skips.
const BROKEN: u32 = 64;

/// A listener.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(tcp::Listener),
    #[cfg(unix)]
    Uds(uds::Listener),
    Mem(mem::Listener),
}

impl Listener {
    /// The next connection that waits. `mailbox` is where news about it go.
    pub(super) fn accept(&self, mailbox: Mailbox) -> io::Result<Stream> {
        let mut skipped = 0;
        loop {
            let accepted = match self {
                Listener::Tcp(listener) => listener.accept().map(Stream::Tcp),
                #[cfg(unix)]
                Listener::Uds(listener) => listener.accept().map(Stream::Uds),
                Listener::Mem(listener) => return listener.accept(mailbox).map(Stream::Mem),
            };
            match accepted {
                Err(error) if is_broken(&error) && skipped < BROKEN => skipped += 1,
                accepted => return accepted,
            }
        }
    }

    /// Writes the address it really has.
    pub(super) fn write_address(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Listener::Tcp(listener) => listener.write_address(out),
            #[cfg(unix)]
            Listener::Uds(listener) => listener.write_address(out),
            Listener::Mem(listener) => listener.write_address(out),
        }
    }

    /// What is registered with the poll, if anything.
    pub(super) fn source(&mut self) -> Option<&mut dyn Source> {
        match self {
            Listener::Tcp(listener) => Some(listener.source()),
            #[cfg(unix)]
            Listener::Uds(listener) => Some(listener.source()),
            Listener::Mem(_) => None,
        }
    }
}

/// The connection is at fault, not the listener: the next may be fine.
fn is_broken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}
