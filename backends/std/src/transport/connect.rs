//! Openings that take more than one step: names, several addresses, full backlogs.

use super::Sockets;
use super::inbox::Mailbox;
use super::links::{Key, Owner, State};
use super::listener::Listener;
use super::mem;
use super::resolve::Lookup;
use super::stream::Stream;
use super::tcp;
#[cfg(unix)]
use super::uds;
use crate::log::{failed, told};
use mio::Interest;
use mio::event::Source;
use mio::net::TcpStream;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::vec;
use tofu_core::{Link, Status};

/// How long to wait before a full backlog is tried again.
pub(super) const RETRY: Duration = Duration::from_millis(10);

/// How long an address is tried while there are others. A lost packet is sent again after one
/// second, which this leaves room for; and the engine's default timeout leaves room for five.
pub(super) const TRY: Duration = Duration::from_secs(2);

/// What to do with the addresses of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Listen,
    Connect,
}

impl Purpose {
    fn failed(self) -> Status {
        match self {
            Purpose::Listen => Status::ListenFailed,
            Purpose::Connect => Status::ConnectFailed,
        }
    }
}

/// A name that is being resolved.
#[derive(Debug)]
pub(super) struct Resolving {
    _lookup: Lookup,
    host: String,
    purpose: Purpose,
}

/// A connection under way, and the addresses to try after it.
#[derive(Debug)]
pub(super) struct Connecting {
    pub(super) stream: TcpStream,
    rest: vec::IntoIter<SocketAddr>,
}

/// Where a connection is tried again.
#[derive(Debug)]
pub(super) enum Target {
    #[cfg(unix)]
    Uds(String),
    Mem(String),
}

impl Sockets {
    pub(super) fn listen_tcp(&mut self, link: Link, host: &str, port: u16) -> Result<(), Status> {
        let listener = match tcp::literal(host, port) {
            _ if host.is_empty() => tcp::listen_everywhere(port)?,
            Some(address) => tcp::listen(host, &[address])?,
            None => return self.resolve(link, host, port, Purpose::Listen),
        };
        self.add_listener(link, Listener::Tcp(listener))
    }

    pub(super) fn connect_tcp(&mut self, link: Link, host: &str, port: u16) -> Result<(), Status> {
        if port == 0 {
            return Err(Status::InvalidAddress);
        }
        match tcp::literal(host, port) {
            Some(address) => self.connect_next(link, vec![address].into_iter()),
            None => self.resolve(link, host, port, Purpose::Connect),
        }
    }

    /// Tries a target; where its backlog is full, again after a while.
    pub(super) fn connect_local(&mut self, link: Link, target: Target) -> Result<(), Status> {
        let connected = match &target {
            #[cfg(unix)]
            Target::Uds(path) => uds::connect(path)?.map(Stream::Uds),
            Target::Mem(name) => mem::connect(name, self.mailbox(link))?.map(Stream::Mem),
        };
        match connected {
            Some(stream) => {
                self.add_stream(link, stream).map_err(|_| Status::ConnectFailed)?;
                self.links.outcome(link, Ok(()));
            }
            None => {
                let key = self.links.key(link);
                self.links.put(link, State::Retrying(Box::new(target)));
                // In order of time only because every entry waits for RETRY.
                self.retries.push_back((Instant::now() + RETRY, key));
            }
        }
        Ok(())
    }

    pub(super) fn retry(&mut self, key: Key) {
        let Some(slot) = self.links.find(key) else {
            return;
        };
        if let State::Retrying(target) = std::mem::take(&mut slot.state)
            && let Err(status) = self.connect_local(key.link(), *target)
        {
            self.links.outcome(key.link(), Err(status));
        }
    }

    fn resolve(
        &mut self,
        link: Link,
        host: &str,
        port: u16,
        purpose: Purpose,
    ) -> Result<(), Status> {
        let name = tcp::bare_host(host);
        if name.is_empty() {
            return Err(Status::InvalidAddress);
        }
        let mailbox = self.mailbox(link);
        let lookup = self.resolver.start(name, port, mailbox);
        let lookup = lookup.map_err(|_| purpose.failed())?;
        let resolving = Resolving { _lookup: lookup, host: host.to_owned(), purpose };
        self.links.put(link, State::Resolving(Box::new(resolving)));
        Ok(())
    }

    /// A name was looked up: goes on with what it stands for.
    pub(super) fn resolved(&mut self, key: Key, addresses: io::Result<Vec<SocketAddr>>) {
        let Some(slot) = self.links.find(key) else {
            return;
        };
        let State::Resolving(resolving) = std::mem::take(&mut slot.state) else {
            return;
        };
        let link = key.link();
        let opening = match (addresses, resolving.purpose) {
            (Err(error), _) => Err(failed(Status::InvalidAddress, resolving.host)(error)),
            (Ok(addresses), _) if addresses.is_empty() => Err(Status::InvalidAddress),
            (Ok(addresses), Purpose::Listen) => tcp::listen(&resolving.host, &addresses)
                .and_then(|listener| self.add_listener(link, Listener::Tcp(listener))),
            (Ok(addresses), Purpose::Connect) => self.connect_next(link, addresses.into_iter()),
        };
        if let Err(status) = opening {
            self.links.outcome(link, Err(status));
        }
    }

    /// Connects to the first address that does not refuse at once, for a while if it is not the last.
    pub(super) fn connect_next(
        &mut self,
        link: Link,
        mut rest: vec::IntoIter<SocketAddr>,
    ) -> Result<(), Status> {
        while let Some(address) = rest.next() {
            let Ok(mut stream) =
                TcpStream::connect(address).inspect_err(|error| told(address, error))
            else {
                continue;
            };
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.register(link, &mut stream, interest).is_err() {
                continue;
            }
            match tcp::is_connected(&stream) {
                Ok(true) => self.connected(link, stream),
                Ok(false) => {
                    if !rest.as_slice().is_empty() {
                        // In order of time only because every entry waits for TRY.
                        self.attempts.push_back((Instant::now() + TRY, link));
                    }
                    let connecting = Connecting { stream, rest };
                    self.links.put(link, State::Connecting(Box::new(connecting)));
                }
                Err(error) => {
                    told(address, &error);
                    self.deregister(&mut stream);
                    continue;
                }
            }
            return Ok(());
        }
        Err(Status::ConnectFailed)
    }

    /// Something happened to a connection under way, or its time is over.
    pub(super) fn go_on_connecting(&mut self, link: Link, in_time: bool) {
        let Some(slot) = self.links.get_mut(link) else {
            return;
        };
        let State::Connecting(mut connecting) = std::mem::take(&mut slot.state) else {
            return;
        };
        let connected = tcp::is_connected(&connecting.stream);
        match connected.inspect_err(|error| told("connecting", error)) {
            Ok(true) => {
                self.end_attempt(link);
                self.connected(link, connecting.stream);
            }
            Ok(false) if in_time => slot.state = State::Connecting(connecting),
            _ => {
                self.end_attempt(link);
                self.deregister(&mut connecting.stream);
                if let Err(status) = self.connect_next(link, connecting.rest) {
                    self.links.outcome(link, Err(status));
                }
            }
        }
    }

    /// Stops the clock of a connection under way, if it has one.
    pub(super) fn end_attempt(&mut self, link: Link) {
        self.attempts.retain(|&(_, other)| other != link);
    }

    fn connected(&mut self, link: Link, stream: TcpStream) {
        self.links.put(link, State::Stream(Stream::Tcp(stream)));
        self.links.outcome(link, Ok(()));
    }

    pub(super) fn add_listener(
        &mut self,
        link: Link,
        mut listener: Listener,
    ) -> Result<(), Status> {
        if let Some(source) = listener.source() {
            self.register(link, source, Interest::READABLE).map_err(|_| Status::ListenFailed)?;
        }
        self.links.put(link, State::Listener(Box::new(listener)));
        self.links.outcome(link, Ok(()));
        Ok(())
    }

    pub(super) fn add_stream(&mut self, link: Link, mut stream: Stream) -> io::Result<()> {
        let interest = stream.interest(false);
        if let Some(source) = stream.source() {
            self.register(link, source, interest)?;
        }
        self.links.put(link, State::Stream(stream));
        Ok(())
    }

    fn register(
        &mut self,
        link: Link,
        source: &mut dyn Source,
        interest: Interest,
    ) -> io::Result<()> {
        let token = Owner::Link(self.links.key(link)).token();
        self.registry.register(source, token, interest)
    }

    pub(super) fn deregister(&self, source: &mut dyn Source) {
        // It is dropped next, which ends what this may leave.
        let _ = self.registry.deregister(source);
    }

    pub(super) fn mailbox(&mut self, link: Link) -> Mailbox {
        Mailbox { inbox: self.inbox.clone(), key: self.links.key(link) }
    }
}
