//! Connecting: addresses, ephemeral ports, and the options of a connection.

use crate::slot::Role;
use crate::{Options, Stack, time};
use core::fmt;
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
    if host.as_bytes().contains(&b':') {
        return parse_ipv6(host);
    }
    match parse_ipv4(host) {
        Some([0, 0, 0, 0]) => Ok(Host::Any),
        #[cfg(feature = "ipv4")]
        Some([a, b, c, d]) => Ok(Host::Literal(IpAddress::v4(a, b, c, d))),
        #[cfg(not(feature = "ipv4"))]
        Some(_) => Err(Status::InvalidAddress),
        None => Ok(Host::Name),
    }
}

#[cfg(feature = "ipv6")]
fn parse_ipv6(host: &str) -> Result<Host, Status> {
    match host.parse() {
        Ok(core::net::Ipv6Addr::UNSPECIFIED) => Ok(Host::Any),
        Ok(address) => Ok(Host::Literal(IpAddress::Ipv6(address))),
        Err(_) => Ok(Host::Name),
    }
}

/// No name has a colon; only the unspecified address means something without IPv6.
#[cfg(not(feature = "ipv6"))]
fn parse_ipv6(host: &str) -> Result<Host, Status> {
    if host == "::" { Ok(Host::Any) } else { Err(Status::InvalidAddress) }
}

/// Byte by byte: the standard parser would bring IPv6 along.
fn parse_ipv4(host: &str) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = host.as_bytes().split(|byte| *byte == b'.');
    for octet in &mut octets {
        *octet = parse_octet(parts.next()?)?;
    }
    parts.next().is_none().then_some(octets)
}

/// Without leading zeros, which some take for octal.
fn parse_octet(digits: &[u8]) -> Option<u8> {
    if matches!(digits, [] | [b'0', _, ..]) {
        return None;
    }
    digits.iter().try_fold(0_u8, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Writes an address as `parse` reads it.
pub(crate) fn write_ip(address: IpAddress, out: &mut dyn fmt::Write) -> fmt::Result {
    match address {
        #[cfg(feature = "ipv4")]
        IpAddress::Ipv4(address) => {
            for (octet, before) in address.octets().into_iter().zip(["", ".", ".", "."]) {
                out.write_str(before)?;
                write!(out, "{}", usize::from(octet))?;
            }
            Ok(())
        }
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => write!(out, "{address}"),
        // Another user of smoltcp may have turned on more than we did.
        #[allow(unreachable_patterns)]
        _ => Err(fmt::Error),
    }
}

/// What all connections have in common. Nagle's algorithm would hold back the end of a
/// message until the peer has confirmed its beginning.
#[inline(never)] // Once, for a board.
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
        // It may stay free, or be missing where it listened.
        self.unarmed = true;
        if let Some(index) = self.take_slot(true) {
            return Ok(index);
        }
        let links = self.listeners.iter().flatten().map(|listener| listener.link);
        let spare = links.filter_map(|link| self.idle_sockets(link).nth(1)).next();
        let index = spare.ok_or(Status::ConnectFailed)?;
        let slot = self.slots.get_mut(index).ok_or(Status::ConnectFailed)?;
        slot.tcp_mut(&mut self.sockets).abort();
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
        let socket = slot.tcp_mut(&mut self.sockets);
        prepare(socket, &self.options);
        // How long to wait for an answer is the engine's decision.
        socket.set_timeout(None);
        let begun = socket.connect(self.interface.context(), to, port);
        begun.map_err(|_| Status::ConnectFailed)?;
        slot.role = Role::Connecting(link);
        self.unasked = 0;
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
                let socket = slot.tcp(&self.sockets);
                socket.local_endpoint().is_some_and(|local| local.port == port)
            })
    }
}
