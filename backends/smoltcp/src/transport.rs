//! The engine's side of the stack.

use crate::Stack;
use crate::slot::{Role, end_of};
use core::fmt;
use core::task::Poll;
use tofu_core::{Address, Close, Link, Ready, Status, Transport};

impl Transport for Stack<'_> {
    fn listen(&mut self, link: Link, at: &Address<'_>) -> Result<(), Status> {
        match *at {
            Address::Tcp { host, port } => self.open_listener(link, host, port),
            _ => Err(Status::InvalidAddress),
        }
    }

    fn connect(&mut self, link: Link, to: &Address<'_>) -> Result<(), Status> {
        match *to {
            Address::Tcp { host, port } => self.open_connection(link, host, port),
            _ => Err(Status::InvalidAddress),
        }
    }

    /// Where it listens on every address, the interface's first is written: one that
    /// clients can use.
    fn local_address(&self, listener: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        self.write_listener(listener, out)
    }

    fn accept(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        self.accept_client(listener, link)
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        let Some((slot, socket)) = self.find_mut(link) else {
            return Poll::Ready(Err(Status::RecvFailed));
        };
        if !matches!(slot.role, Role::Open(_)) {
            return Poll::Pending;
        }
        let mut count = 0;
        let mut full = true;
        for buf in bufs.iter_mut() {
            let read = socket.recv_slice(buf).unwrap_or_default();
            count += read;
            full = read == buf.len();
            if !full {
                break;
            }
        }
        let end = if count == 0 { end_of(socket) } else { None };
        slot.owes_read = !full && end.is_none();
        if slot.due(socket).is_some() {
            self.unasked = 0;
        }
        self.received |= count > 0;
        match (count, end) {
            (0, Some(end)) if !full => Poll::Ready(end),
            (0, _) => Poll::Pending,
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        let Some((slot, socket)) = self.find_mut(link) else {
            return Poll::Ready(Err(Status::SendFailed));
        };
        if !matches!(slot.role, Role::Open(_)) {
            return Poll::Pending;
        }
        let mut count = 0;
        let mut whole = true;
        for buf in bufs {
            let Ok(sent) = socket.send_slice(buf) else {
                return Poll::Ready(Err(Status::PeerDisconnected));
            };
            count += sent;
            whole = sent == buf.len();
            if !whole {
                break;
            }
        }
        slot.owes_write = !whole;
        if !whole && slot.due(socket).is_some() {
            self.unasked = 0;
        }
        self.sent |= count > 0;
        if count == 0 && !whole { Poll::Pending } else { Poll::Ready(Ok(count)) }
    }

    fn want_write(&mut self, link: Link, on: bool) {
        let Some((slot, socket)) = self.find_mut(link) else { return };
        slot.wants_write = on;
        slot.owes_write |= on;
        if slot.due(socket).is_some() {
            self.unasked = 0;
        }
    }

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        self.take_ready()
    }

    fn close(&mut self, link: Link, how: Close) {
        if !self.close_listener(link) {
            self.close_connection(link, how);
        }
    }
}
