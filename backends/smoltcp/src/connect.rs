//! Connecting: addresses, ephemeral ports, and the options of a connection.

use crate::slot::Role;
use crate::{Options, Stack, time};
use core::net::IpAddr;
use smoltcp::socket::tcp::Socket;
use smoltcp::wire::{IpAddress, IpEndpoint};
use tofu_core::{Link, Status};

/// The first ephemeral port and how many there are (RFC 6335).
const EPHEMERAL: (u16, u16) = (49_152, 16_384);

/// The host of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Any,
    Literal(IpAddress),
    Name,
}

/// What a host stands for.
pub(crate) fn parse(host: &str) -> Result<Host, Status> {
    if host.is_empty() {
        return Ok(Host::Any);
    }
    match host.parse() {
        Ok(address) if IpAddr::is_unspecified(&address) => Ok(Host::Any),
        Ok(address) => to_smoltcp(address).map(Host::Literal).ok_or(Status::InvalidAddress),
        Err(_) => Ok(Host::Name),
    }
}

/// `None` where this build does not speak the address' version of IP.
fn to_smoltcp(address: IpAddr) -> Option<IpAddress> {
    match address {
        #[cfg(feature = "ipv4")]
        IpAddr::V4(address) => Some(address.into()),
        #[cfg(feature = "ipv6")]
        IpAddr::V6(address) => Some(address.into()),
        #[allow(unreachable_patterns)]
        _ => None,
    }
}

/// What all connections have in common. Nagle's algorithm would hold back the end of a
/// message until the peer has confirmed its beginning.
pub(crate) fn prepare(socket: &mut Socket<'_>, options: &Options) {
    socket.set_nagle_enabled(false);
    socket.set_keep_alive(Some(time::duration(options.keep_alive)));
}

impl Stack<'_> {
    pub(crate) fn open_connection(
        &mut self,
        link: Link,
        host: &str,
        port: u16,
    ) -> Result<(), Status> {
        match (parse(host)?, port) {
            (Host::Any, _) | (_, 0) => Err(Status::InvalidAddress),
            (Host::Literal(address), _) => {
                let index = self.slot_to_connect()?;
                self.connect_with(index, link, (address, port).into())
            }
            #[cfg(feature = "dns")]
            (Host::Name, _) => self.resolve(link, host, port),
            #[cfg(not(feature = "dns"))]
            (Host::Name, _) => Err(Status::InvalidAddress),
        }
    }

    /// A free slot, or else one of a listener that has another.
    pub(crate) fn slot_to_connect(&mut self) -> Result<usize, Status> {
        if let Some(index) = self.take_slot(true) {
            return Ok(index);
        }
        let links = self.listeners.iter().flatten().map(|listener| listener.link);
        let spare = links.filter_map(|link| self.idle_sockets(link).nth(1)).next();
        let index = spare.ok_or(Status::ConnectFailed)?;
        let slot = self.slots.get_mut(index).ok_or(Status::ConnectFailed)?;
        self.sockets.get_mut::<Socket<'_>>(slot.handle()).abort();
        slot.role = Role::Free;
        Ok(index)
    }

    /// Sends the first packet of a connection with the next turn.
    pub(crate) fn connect_with(
        &mut self,
        index: usize,
        link: Link,
        to: IpEndpoint,
    ) -> Result<(), Status> {
        let reachable = |to: &IpAddress| {
            let versions = self.interface.ip_addrs().iter().map(|cidr| cidr.address().version());
            versions.into_iter().any(|version| version == to.version())
        };
        if !reachable(&to.addr) {
            return Err(Status::ConnectFailed);
        }
        let port = self.ephemeral_port();
        let slot = self.slots.get_mut(index).ok_or(Status::ConnectFailed)?;
        let socket = self.sockets.get_mut::<Socket<'_>>(slot.handle());
        prepare(socket, &self.options);
        // How long to wait for an answer is the engine's decision.
        socket.set_timeout(None);
        let begun = socket.connect(self.interface.context(), to, port);
        begun.map_err(|_| Status::ConnectFailed)?;
        slot.role = Role::Connecting(link);
        self.news = true;
        Ok(())
    }

    /// A port that no listener and no connection has.
    pub(crate) fn ephemeral_port(&mut self) -> u16 {
        let (first, count) = EPHEMERAL;
        // One of so many is free.
        for _ in 0..=self.slots.len() + self.listeners.len() {
            self.last_port = self.last_port.wrapping_add(1) % count;
            if !self.is_taken(first + self.last_port) {
                break;
            }
        }
        first + self.last_port
    }

    fn is_taken(&self, port: u16) -> bool {
        let mut listeners = self.listeners.iter().flatten();
        listeners.any(|listener| listener.endpoint.port == port)
            || self.slots.iter().any(|slot| {
                let socket = self.sockets.get::<Socket<'_>>(slot.handle());
                socket.local_endpoint().is_some_and(|local| local.port == port)
            })
    }
}
