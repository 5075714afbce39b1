//! Peers that speak bytes, not tofu: for tests that send what no engine would.
//!
//! They connect at once, and of the faults delay and cuts apply to them; the others are for engines.

use crate::Network;
use crate::connection::{End, Side};
use crate::hub::Socket;
use core::task::Poll;
use tofu_core::Close;

/// One end of a connection, as bytes. Closed gracefully when dropped. Of the network's faults, delay and cuts apply to it.
pub struct RawPipe {
    network: Network,
    socket: Socket,
}

impl RawPipe {
    pub(crate) fn new(network: Network, socket: Socket) -> Self {
        RawPipe { network, socket }
    }

    /// Sends; may take fewer bytes than there are, 0 when the pipe is full or the link is lost.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let Socket::Stream(id, side) = self.socket else {
            return 0;
        };
        match self.network.hub().send(id, side, &[bytes]) {
            Poll::Ready(Ok(count)) => count,
            _ => 0,
        }
    }

    /// Appends all that has arrived to `to`.
    pub fn read(&mut self, to: &mut Vec<u8>) {
        let Socket::Stream(id, side) = self.socket else {
            return;
        };
        let before = to.len();
        to.resize(before + self.available(), 0);
        let room = to.get_mut(before..).unwrap_or_default();
        let read = self.network.hub().recv(id, side, &mut [room]);
        let count = if let Poll::Ready(Ok(count)) = read { count } else { 0 };
        to.truncate(before + count);
    }

    /// How many bytes have arrived.
    pub fn available(&self) -> usize {
        self.look(|end| end.map_or(0, |end| end.inbox.available()))
    }

    /// Whether the peer closed gracefully and everything was read.
    pub fn is_eof(&self) -> bool {
        self.look(|end| end.is_some_and(|end| end.inbox.is_ended() && end.inbox.available() == 0))
    }

    /// Whether the link is lost: refused, cut or aborted.
    pub fn is_lost(&self) -> bool {
        self.look(|end| end.is_none_or(|end| end.lost.is_some() && !end.inbox.is_ended()))
    }

    /// Closes once everything written has arrived.
    pub fn close(self) {}

    /// Closes at once; what the peer has not read is lost.
    pub fn abort(self) {
        self.network.hub().close(self.socket, Close::Abort);
    }

    fn look<R>(&self, look: impl FnOnce(Option<&End>) -> R) -> R {
        let hub = self.network.hub();
        match self.socket {
            Socket::Stream(id, side) => look(hub.connections.get(&id).map(|it| it.end(side))),
            Socket::Listener(_) => look(None),
        }
    }

    fn is_closed(&self) -> bool {
        self.look(|end| end.is_none_or(|end| end.closed))
    }
}

impl Drop for RawPipe {
    fn drop(&mut self) {
        if !self.is_closed() {
            self.network.hub().close(self.socket, Close::Graceful);
        }
    }
}

/// A listener for raw peers. Its name is free again when it is dropped.
pub struct RawListener {
    network: Network,
    socket: Socket,
}

impl RawListener {
    pub(crate) fn new(network: Network, socket: Socket) -> Self {
        RawListener { network, socket }
    }

    /// Takes a waiting connection.
    pub fn accept(&self) -> Option<RawPipe> {
        let Socket::Listener(id) = self.socket else {
            return None;
        };
        match self.network.hub().accept(id, None) {
            Poll::Ready(Ok(socket @ Socket::Stream(_, Side::Accepted))) => {
                Some(RawPipe::new(self.network.clone(), socket))
            }
            _ => None,
        }
    }
}

impl Drop for RawListener {
    fn drop(&mut self) {
        self.network.hub().close(self.socket, Close::Graceful);
    }
}
