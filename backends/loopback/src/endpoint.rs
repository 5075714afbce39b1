//! One engine's place on the network.

use crate::Network;
use crate::connection::{Direction, Side};
use crate::hub::{Owner, Socket};
use core::fmt;
use core::task::Poll;
use tofu_core::{Address, Close, Link, Ready, Status, Transport};

/// One engine's place on a [`Network`]. Dropping it aborts all its connections, as the
/// end of a process would.
///
/// It reports no more events than [`Transport`] promises, unless
/// [`Faults::spurious_ready`](crate::Faults::spurious_ready) says so: an engine
/// that relies on more is found out.
pub struct Endpoint {
    network: Network,
    index: usize,
}

impl Endpoint {
    pub(crate) fn new(network: Network, index: usize) -> Self {
        Endpoint { network, index }
    }

    /// The connection that a link stands for, and the direction it sends in; `None` for a listener.
    pub fn connection(&self, link: Link) -> Option<(u64, Direction)> {
        match self.find(link)? {
            Socket::Stream(id, Side::Client) => Some((id, Direction::ToListener)),
            Socket::Stream(id, Side::Accepted) => Some((id, Direction::ToClient)),
            Socket::Listener(_) => None,
        }
    }

    /// Whether there are events that were not asked for yet.
    pub fn has_news(&self) -> bool {
        let hub = self.network.hub();
        hub.stations.get(self.index).is_some_and(|station| !station.ready.is_empty())
    }

    fn owner(&self, link: Link) -> Owner {
        Owner { endpoint: self.index, link }
    }

    fn find(&self, link: Link) -> Option<Socket> {
        self.network.hub().find(self.owner(link))
    }
}

impl Transport for Endpoint {
    fn listen(&mut self, link: Link, at: &Address<'_>) -> Result<(), Status> {
        let Address::Mem { name } = at else {
            return Err(Status::InvalidAddress);
        };
        self.network.hub().listen(Some(self.owner(link)), name).map(drop)
    }

    fn connect(&mut self, link: Link, to: &Address<'_>) -> Result<(), Status> {
        let Address::Mem { name } = to else {
            return Err(Status::InvalidAddress);
        };
        self.network.hub().connect(Some(self.owner(link)), name).map(drop)
    }

    fn local_address(&self, listener: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        let Some(Socket::Listener(id)) = self.find(listener) else {
            return Err(fmt::Error);
        };
        // Copied, so that `out` is free to use the network.
        let name = self.network.hub().listeners.get(&id).map(|listener| listener.name.clone());
        let name = name.ok_or(fmt::Error)?;
        write!(out, "{}", Address::Mem { name: &name })
    }

    fn accept(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        match self.find(listener) {
            Some(Socket::Listener(id)) => {
                let accepted = self.network.hub().accept(id, Some(self.owner(link)));
                accepted.map_ok(drop)
            }
            _ => Poll::Ready(Err(Status::AcceptFailed)),
        }
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        match self.find(link) {
            Some(Socket::Stream(id, side)) => self.network.hub().recv(id, side, bufs),
            _ => Poll::Ready(Err(Status::RecvFailed)),
        }
    }

    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        match self.find(link) {
            Some(Socket::Stream(id, side)) => self.network.hub().send(id, side, bufs),
            _ => Poll::Ready(Err(Status::SendFailed)),
        }
    }

    fn want_write(&mut self, link: Link, on: bool) {
        if let Some(Socket::Stream(id, side)) = self.find(link) {
            self.network.hub().want_write(id, side, on);
        }
    }

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        self.network.hub().stations.get_mut(self.index)?.ready.pop_front()
    }

    fn close(&mut self, link: Link, how: Close) {
        self.network.hub().close_link(self.owner(link), how);
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.network.hub().close_station(self.index);
    }
}
