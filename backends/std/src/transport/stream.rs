//! Connections: bytes in and out, without allocation.

use super::mem;
use crate::log::told;
use mio::Interest;
use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::task::Poll;
use std::time::Duration;
use tofu_core::Status;

/// The most buffers one call reads into: the engine uses two.
const RECV_SLICES: usize = 8;
/// The most buffers one call writes from: what the engine gathers.
const SEND_SLICES: usize = 128;

/// Messages this short on the average are copied together and sent as one: that costs less than it
/// costs the system to look each up.
const SHORT: usize = 512;
/// The most bytes that are put together.
pub(super) const JOINED: usize = SEND_SLICES * SHORT;

/// Whether a short read or write alone says that the system will report the next chance. So it is
/// with epoll and kqueue; other selectors want to see "would block" first.
const SHORT_IS_BLOCKED: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd",
    target_vendor = "apple",
));

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Uds(UnixStream),
    Mem(mem::Stream),
}

impl Stream {
    /// Reads into `bufs`, whose room is not 0. `Ok(0)` is the end of the stream.
    pub(super) fn recv(&self, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        match self {
            Stream::Tcp(socket) => recv(socket, bufs),
            #[cfg(unix)]
            Stream::Uds(socket) => recv(socket, bufs),
            Stream::Mem(stream) => stream.recv(bufs),
        }
    }

    /// Writes from `bufs`, which hold at least one byte.
    pub(super) fn send(&self, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        match self {
            Stream::Tcp(socket) => send(socket, bufs),
            #[cfg(unix)]
            Stream::Uds(socket) => send(socket, bufs),
            Stream::Mem(stream) => stream.send(bufs),
        }
    }

    /// Puts short messages, of `offered` bytes in all, together where that makes sending them cheaper.
    pub(super) fn join<'a>(
        &self,
        bufs: &[&[u8]],
        offered: usize,
        joined: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        // Memory is copied anyway.
        let worth_it = bufs.len() > 1 && offered <= bufs.len() * SHORT;
        if !worth_it || matches!(self, Stream::Mem(_)) {
            return None;
        }
        let mut rest = joined.get_mut(..offered)?;
        for buf in bufs {
            let (front, back) = rest.split_at_mut_checked(buf.len())?;
            front.copy_from_slice(buf);
            rest = back;
        }
        joined.get(..offered)
    }

    /// Says that nothing more will be sent.
    pub(super) fn shutdown(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(socket) => socket.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Stream::Uds(socket) => socket.shutdown(Shutdown::Write),
            Stream::Mem(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// Makes dropping it lose what is in flight, instead of sending it.
    pub(super) fn abort(&self) {
        match self {
            Stream::Tcp(socket) => {
                // If it fails the connection is gone already.
                let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
            #[cfg(unix)]
            Stream::Uds(_) => {}
            Stream::Mem(stream) => stream.abort(),
        }
    }

    /// What the poll is to watch. TCP tells of room only to who was refused some, so it can always
    /// be watched. A Unix socket tells of it each time the peer reads, which would wake us for
    /// nothing.
    pub(super) fn interest(&self, wants_write: bool) -> Interest {
        let on_demand = match self {
            #[cfg(unix)]
            Stream::Uds(_) => true,
            _ => false,
        };
        match on_demand && !wants_write {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        }
    }

    /// What is registered with the poll, if anything.
    pub(super) fn source(&mut self) -> Option<&mut dyn Source> {
        match self {
            Stream::Tcp(socket) => Some(socket),
            #[cfg(unix)]
            Stream::Uds(socket) => Some(socket),
            Stream::Mem(_) => None,
        }
    }
}

/// Whether after a read that did not fill `slices` buffers an event comes for what follows.
pub(super) fn recv_waits(slices: usize) -> bool {
    SHORT_IS_BLOCKED && slices <= RECV_SLICES
}

/// Whether after a write that did not take all of `slices` buffers an event comes once there is
/// room.
pub(super) fn send_waits(slices: usize) -> bool {
    SHORT_IS_BLOCKED && slices <= SEND_SLICES
}

fn recv<S>(mut socket: &S, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>>
where
    for<'a> &'a S: Read,
{
    loop {
        let result = if let [one] = &mut *bufs {
            socket.read(one)
        } else {
            let mut slices: [_; RECV_SLICES] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
            let mut count = 0;
            // Empty ones could fill all the places, and reading nothing looks like the end.
            let room = bufs.iter_mut().filter(|buf| !buf.is_empty());
            for (slice, buf) in slices.iter_mut().zip(room) {
                *slice = IoSliceMut::new(buf);
                count += 1;
            }
            socket.read_vectored(&mut slices[..count])
        };
        if let Some(outcome) = outcome(result, Status::RecvFailed) {
            return outcome;
        }
    }
}

/// A peer that is gone is an error here, not the end of the process: Rust programs ignore
/// SIGPIPE. A program that turned it on again, or whose `main` isn't Rust's, must do so too.
fn send<S>(mut socket: &S, bufs: &[&[u8]]) -> Poll<Result<usize, Status>>
where
    for<'a> &'a S: Write,
{
    loop {
        let result = if let [one] = bufs {
            socket.write(one)
        } else {
            let mut slices = [IoSlice::new(&[]); SEND_SLICES];
            let mut count = 0;
            for (slice, buf) in slices.iter_mut().zip(bufs.iter().filter(|buf| !buf.is_empty())) {
                *slice = IoSlice::new(buf);
                count += 1;
            }
            socket.write_vectored(&slices[..count])
        };
        if let Some(outcome) = outcome(result, Status::SendFailed) {
            return outcome;
        }
    }
}

/// `None` when the call was interrupted and is to be made again.
fn outcome(result: io::Result<usize>, status: Status) -> Option<Poll<Result<usize, Status>>> {
    let error = match result {
        Ok(count) => return Some(Poll::Ready(Ok(count))),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::Interrupted => None,
        ErrorKind::WouldBlock => Some(Poll::Pending),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Some(Poll::Ready(Err(Status::PeerDisconnected)))
        }
        _ => {
            told(status, &error);
            Some(Poll::Ready(Err(status)))
        }
    }
}
