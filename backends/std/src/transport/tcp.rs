//! TCP: addresses, listeners, and how a connection comes about.

use crate::log::{failed, told};
use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tofu_core::Status;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// The host without the brackets an IPv6 literal may have.
pub(super) fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Where to connect, if that needs no name service: for an empty host, here.
pub(super) fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    let ip = match host {
        "" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => bare_host(host).parse().ok()?,
    };
    Some(SocketAddr::new(ip, port))
}

/// A listener, and the host it was asked for.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    host: String,
}

/// Listens on the first of some addresses that can be had; but not beside somebody who listens on one before it, under the
/// same name: who connects to that would find him.
pub(super) fn listen(host: &str, addresses: &[SocketAddr]) -> Result<Listener, Status> {
    for address in addresses {
        match bind(*address, false) {
            Ok(socket) => return Ok(Listener { socket, host: host.to_owned() }),
            Err(error) => {
                told(address, &error);
                if is_taken(&error) {
                    break;
                }
            }
        }
    }
    Err(Status::ListenFailed)
}

/// Listens on every interface: IPv6 and IPv4, or IPv4 where that is all there is.
pub(super) fn listen_everywhere(port: u16) -> Result<Listener, Status> {
    let socket = match bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), true) {
        Err(error) if !is_taken(&error) => {
            bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), false)
        }
        bound => bound,
    };
    let socket = socket.map_err(failed(Status::ListenFailed, port))?;
    Ok(Listener { socket, host: String::new() })
}

/// The port is the reason, so that another family must not be tried: it would be half a listener.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

fn bind(address: SocketAddr, both_families: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this would let two listeners share the port.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    if both_families {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

impl Listener {
    pub(super) fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.socket.accept()?;
        // Where it fails the connection is broken, which its reader will learn.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    pub(super) fn write_address(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let port = self.socket.local_addr().map_err(|_| fmt::Error)?.port();
        write!(out, "tcp|{}|{port}", self.host)
    }

    pub(super) fn source(&mut self) -> &mut TcpListener {
        &mut self.socket
    }
}

/// Whether a connection is made; an error says why it never will be.
pub(super) fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    let peer = match stream.peer_addr() {
        Ok(peer) => peer,
        Err(error) => {
            return match stream.take_error()? {
                None if error.kind() == ErrorKind::NotConnected => Ok(false),
                reason => Err(reason.unwrap_or(error)),
            };
        }
    };
    // Connecting to a free local port can meet the very port it goes out from.
    if stream.local_addr()? == peer {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_whose_port_is_taken_is_not_listened_on_elsewhere() {
        let port = crate::testing::free_tcp_port().unwrap();
        let addresses = [[127, 0, 0, 1], [127, 0, 0, 2]].map(|ip| SocketAddr::from((ip, port)));
        let _first = listen("a.name", &addresses).unwrap();
        assert_eq!(listen("a.name", &addresses).err(), Some(Status::ListenFailed));
    }

    #[test]
    fn literals_need_no_name_service() {
        let text = |host| literal(host, 7).map(|address| address.to_string());
        assert_eq!(text("").as_deref(), Some("127.0.0.1:7"));
        assert_eq!(text("10.1.2.3").as_deref(), Some("10.1.2.3:7"));
        assert_eq!(text("::1").as_deref(), Some("[::1]:7"));
        assert_eq!(text("[::1]").as_deref(), Some("[::1]:7"));
        assert_eq!(text("localhost"), None);
        assert_eq!(text("[::1"), None);
    }
}
