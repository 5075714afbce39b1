//! A transport that is a buffer: one connection of an engine with itself, one way.

use std::collections::VecDeque;
use std::fmt;
use std::task::Poll;
use tofu_core::{Address, Close, Link, Ready, Status, Transport};

/// Room for all that is sent before it is read.
const ROOM: usize = 256 * 1024;

/// One connection, from the end that connects to the end that accepts.
pub struct Wire {
    listener: Option<Link>,
    accepted: Option<Link>,
    /// Sent; the first `read` of them are read, too.
    bytes: Vec<u8>,
    read: usize,
    ready: VecDeque<(Link, Ready)>,
}

impl Default for Wire {
    fn default() -> Self {
        let bytes = Vec::with_capacity(ROOM);
        Wire { listener: None, accepted: None, bytes, read: 0, ready: VecDeque::new() }
    }
}

impl Transport for Wire {
    fn listen(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        self.listener = Some(link);
        self.ready.push_back((link, Ready::Opened));
        Ok(())
    }

    fn connect(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        self.ready.push_back((link, Ready::Opened));
        self.ready.extend(self.listener.map(|listener| (listener, Ready::Readable)));
        Ok(())
    }

    fn local_address(&self, _: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("mem|wire")
    }

    fn accept(&mut self, _: Link, link: Link) -> Poll<Result<(), Status>> {
        if self.accepted.is_some() {
            return Poll::Pending;
        }
        self.accepted = Some(link);
        Poll::Ready(Ok(()))
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        if self.accepted != Some(link) || self.bytes.is_empty() {
            return Poll::Pending;
        }
        let before = self.read;
        for buf in bufs {
            let rest = &self.bytes[self.read..];
            let count = buf.len().min(rest.len());
            buf[..count].copy_from_slice(&rest[..count]);
            self.read += count;
        }
        let count = self.read - before;
        if self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        }
        Poll::Ready(Ok(count))
    }

    fn send(&mut self, _: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        let before = self.bytes.len();
        for buf in bufs {
            let room = ROOM - self.bytes.len();
            self.bytes.extend_from_slice(&buf[..buf.len().min(room)]);
        }
        self.ready.extend(self.accepted.map(|accepted| (accepted, Ready::Readable)));
        Poll::Ready(Ok(self.bytes.len() - before))
    }

    fn want_write(&mut self, _: Link, _: bool) {}

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        self.ready.pop_front()
    }

    fn close(&mut self, _: Link, _: Close) {}
}
