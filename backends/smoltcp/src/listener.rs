//! Listeners: a smoltcp socket takes one client, so a listener keeps several listening.

use crate::connect::{self, Host};
use crate::slot::Role;
use crate::{Stack, time};
use core::fmt;
use core::task::Poll;
use core::time::Duration;
use smoltcp::socket::tcp::State;
use smoltcp::wire::IpListenEndpoint;
use tofu_core::{Link, Ready, Status};

/// The most listeners one stack has.
pub const MAX_LISTENERS: usize = 4;

/// How long a client may take to confirm its connection: our answer is sent three times. One that never does, as it is not
/// where it says, keeps a socket from others.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may leave everything unanswered before it is accepted.
pub(crate) const BEFORE_ACCEPT: Duration = Duration::from_secs(60);

/// A listener. Its sockets are the slots that listen for its link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    pub(crate) link: Link,
    pub(crate) endpoint: IpListenEndpoint,
    /// The engine waits to be told that it listens.
    owes_opened: bool,
    /// The engine waits to be told that a client is there.
    owes_read: bool,
}

impl Listener {
    pub(crate) fn told(&mut self, ready: Ready) {
        match ready {
            Ready::Opened => self.owes_opened = false,
            _ => self.owes_read = false,
        }
    }

    /// Whether both would take the same clients.
    fn overlaps(&self, other: &IpListenEndpoint) -> bool {
        let (mine, theirs) = (self.endpoint.addr, other.addr);
        self.endpoint.port == other.port && (mine.is_none() || theirs.is_none() || mine == theirs)
    }
}

impl Stack<'_> {
    pub(crate) fn open_listener(
        &mut self,
        link: Link,
        host: &str,
        port: u16,
    ) -> Result<(), Status> {
        let addr = match connect::parse(host)? {
            Host::Any => None,
            Host::Literal(address) => Some(address),
            Host::Name => return Err(Status::InvalidAddress),
        };
        if addr.is_some_and(|addr| !self.interface.has_ip_addr(addr)) || self.slots.is_empty() {
            return Err(Status::ListenFailed);
        }
        let port = if port == 0 { self.ephemeral_port() } else { port };
        let endpoint = IpListenEndpoint { addr, port };
        if self.listeners.iter().flatten().any(|listener| listener.overlaps(&endpoint)) {
            return Err(Status::ListenFailed);
        }
        let free = self.listeners.iter_mut().find(|listener| listener.is_none());
        let place = free.ok_or(Status::ListenFailed)?;
        *place = Some(Listener { link, endpoint, owes_opened: true, owes_read: true });
        self.unasked = 0;
        self.arm();
        Ok(())
    }

    pub(crate) fn listener_ready(&self, listener: &Listener) -> Option<(Link, Ready)> {
        if listener.owes_opened {
            return Some((listener.link, Ready::Opened));
        }
        let waits = listener.owes_read
            && self
                .slots
                .iter()
                .any(|slot| slot.holds_client_of(listener.link, slot.tcp(&self.sockets)));
        waits.then_some((listener.link, Ready::Readable))
    }

    pub(crate) fn accept_client(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        let count = self.slots.len();
        let first = self.next_accepted;
        let holds = |index: &usize| {
            let slot = self.slots.get(*index);
            slot.is_some_and(|slot| slot.holds_client_of(listener, slot.tcp(&self.sockets)))
        };
        let found = (0..count).map(|step| (first + step) % count).find(holds);
        let place = self.listeners.iter_mut().flatten().find(|it| it.link == listener);
        let Some(place) = place else { return Poll::Ready(Err(Status::AcceptFailed)) };
        let Some(index) = found else {
            place.owes_read = true;
            self.unasked = 0;
            return Poll::Pending;
        };
        self.next_accepted = index + 1;
        if let Some(slot) = self.slots.get_mut(index) {
            slot.open(link);
        }
        self.unasked = 0;
        self.greet(link);
        Poll::Ready(Ok(()))
    }

    /// Ends a listener, if this is one. Who was not accepted is turned away.
    pub(crate) fn close_listener(&mut self, link: Link) -> bool {
        let place = self.listeners.iter_mut().find(|it| it.is_some_and(|it| it.link == link));
        let Some(place) = place else { return false };
        *place = None;
        self.unarmed = true;
        self.lingering = true;
        let (now, linger) = (self.now, self.options.linger);
        for slot in self.slots.iter_mut().filter(|slot| slot.role == Role::Listening(link)) {
            let socket = slot.tcp_mut(&mut self.sockets);
            socket.abort();
            slot.role = Role::closing(now, linger, 0);
            slot.linger(socket, now, linger);
        }
        true
    }

    pub(crate) fn write_listener(&self, link: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        let listener = self.listeners.iter().flatten().find(|it| it.link == link);
        let endpoint = listener.ok_or(fmt::Error)?.endpoint;
        let first = self.interface.ip_addrs().first().map(|cidr| cidr.address());
        out.write_str("tcp|")?;
        if let Some(address) = endpoint.addr.or(first) {
            connect::write_ip(address, out)?;
        }
        write!(out, "|{}", usize::from(endpoint.port))
    }

    /// Sees to it that every client finds a socket.
    #[inline(never)]
    pub(crate) fn arm(&mut self) {
        self.unarmed = false;
        self.give_sockets();
        self.put_in_order();
    }

    /// Gives every listener sockets that listen, as far as there are free ones: each its first
    /// before any its second.
    fn give_sockets(&mut self) {
        for wanted in 1..=self.options.backlog {
            for index in 0..MAX_LISTENERS {
                let Some(Some(listener)) = self.listeners.get(index).copied() else { continue };
                if self.idle_sockets(listener.link).count() >= wanted {
                    continue;
                }
                let Some(slot) = self.take_slot(wanted == 1) else { return };
                self.listen_with(slot, &listener);
            }
        }
    }

    /// The slots of a listener that no client has taken.
    pub(crate) fn idle_sockets(&self, listener: Link) -> impl Iterator<Item = usize> {
        let idle = self.slots.iter().enumerate().filter(move |(_, slot)| {
            let socket = slot.tcp(&self.sockets);
            slot.role == Role::Listening(listener) && socket.state() == State::Listen
        });
        idle.map(|(index, _)| index)
    }

    fn listen_with(&mut self, index: usize, listener: &Listener) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let socket = slot.tcp_mut(&mut self.sockets);
        connect::prepare(socket, &self.options);
        socket.set_timeout(Some(time::duration(HANDSHAKE)));
        if socket.listen(listener.endpoint).is_ok() {
            slot.role = Role::Listening(listener.link);
        }
    }
}
