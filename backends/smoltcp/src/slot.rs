//! One TCP socket and what it is used for.

#[cfg(feature = "dns")]
use crate::resolve::Targets;
use core::time::Duration;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{RecvError, Socket, State};
use tofu_core::{Instant, Link, Ready, Status};

/// The bookkeeping of one TCP socket. A caller only provides the memory.
pub struct Slot {
    /// There for every slot in use; a slot is made before its socket.
    pub(crate) socket: Option<SocketHandle>,
    pub(crate) role: Role,
    /// The socket's state when it was last looked at.
    pub(crate) seen: State,
    /// The engine waits to be told that it can read.
    pub(crate) owes_read: bool,
    /// The engine waits to be told that it can write, if it wants to.
    pub(crate) owes_write: bool,
    pub(crate) wants_write: bool,
    #[cfg(feature = "dns")]
    pub(crate) targets: Targets,
}

/// What a socket is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Free,
    /// Waits for a client of this listener, or holds one that was not accepted yet.
    Listening(Link),
    #[cfg(feature = "dns")]
    Resolving(Link),
    Connecting(Link),
    Open(Link),
    /// The engine is done with it; its last bytes are on their way.
    Closing {
        until: Instant,
        queued: usize,
    },
}

impl Role {
    /// The engine is done with it, which has so many bytes left to send and so long for the first of them.
    pub(crate) fn closing(now: Instant, linger: Duration, queued: usize) -> Role {
        Role::Closing { until: now.after(linger), queued }
    }
}

impl Slot {
    /// Memory for one.
    pub const EMPTY: Slot = Slot {
        socket: None,
        role: Role::Free,
        seen: State::Closed,
        owes_read: false,
        owes_write: false,
        wants_write: false,
        #[cfg(feature = "dns")]
        targets: Targets::NONE,
    };

    pub(crate) fn handle(&self) -> SocketHandle {
        self.socket.unwrap_or_default()
    }

    /// Its socket. Once, for a board: smoltcp looks at what kind it is.
    #[inline(never)]
    pub(crate) fn tcp<'s, 'a>(&self, sockets: &'s SocketSet<'a>) -> &'s Socket<'a> {
        sockets.get(self.handle())
    }

    /// Its socket, to change.
    #[inline(never)]
    pub(crate) fn tcp_mut<'s, 'a>(&self, sockets: &'s mut SocketSet<'a>) -> &'s mut Socket<'a> {
        sockets.get_mut(self.handle())
    }

    /// The engine's name for it.
    pub(crate) fn link(&self) -> Option<Link> {
        match self.role {
            #[cfg(feature = "dns")]
            Role::Resolving(link) => Some(link),
            Role::Connecting(link) | Role::Open(link) => Some(link),
            Role::Free | Role::Listening(_) | Role::Closing { .. } => None,
        }
    }

    pub(crate) fn open(&mut self, link: Link) {
        self.role = Role::Open(link);
        self.owes_read = true;
        self.owes_write = false;
        self.wants_write = false;
    }

    /// Whether the engine may have to be told something.
    pub(crate) fn owes(&self) -> bool {
        match self.role {
            Role::Open(_) => self.owes_read || (self.owes_write && self.wants_write),
            Role::Connecting(_) => true,
            #[cfg(feature = "dns")]
            Role::Resolving(_) => true,
            Role::Free | Role::Listening(_) | Role::Closing { .. } => false,
        }
    }

    /// What the engine is to be told.
    pub(crate) fn due(&self, socket: &Socket<'_>) -> Option<(Link, Ready)> {
        match self.role {
            #[cfg(feature = "dns")]
            Role::Resolving(link) => Some((link, Ready::Failed(self.targets.failure()?))),
            Role::Connecting(link) => match socket.state() {
                State::SynSent | State::SynReceived => None,
                State::Closed => Some((link, Ready::Failed(Status::ConnectFailed))),
                _ => Some((link, Ready::Opened)),
            },
            Role::Open(link) if self.owes_read && is_readable(socket) => {
                Some((link, Ready::Readable))
            }
            Role::Open(link) if self.owes_write && self.wants_write && is_writable(socket) => {
                Some((link, Ready::Writable))
            }
            _ => None,
        }
    }

    /// Marks it as told.
    pub(crate) fn told(&mut self, link: Link, ready: Ready) {
        match ready {
            Ready::Opened => self.open(link),
            Ready::Failed(_) => self.role = Role::Free,
            Ready::Readable => self.owes_read = false,
            Ready::Writable => self.owes_write = false,
        }
    }

    /// Whether the socket can be used for something else. `urgent` takes one whose peer was told
    /// everything but has not closed its own side.
    pub(crate) fn is_spare(&self, socket: &Socket<'_>, urgent: bool) -> bool {
        match (self.role, socket.state()) {
            (Role::Free, _) => true,
            // With nothing left to tell its peer.
            (Role::Closing { .. }, State::Closed) => socket.remote_endpoint().is_none(),
            (Role::Closing { .. }, State::TimeWait) => true,
            (Role::Closing { .. }, State::FinWait2) => urgent,
            _ => false,
        }
    }

    /// A client that can be accepted.
    pub(crate) fn holds_client_of(&self, listener: Link, socket: &Socket<'_>) -> bool {
        self.role == Role::Listening(listener) && is_connected(socket)
    }
}

/// Makes a socket as new: it has nothing to send any more.
pub(crate) fn forget(socket: &mut Socket<'_>) {
    socket.abort();
    // smoltcp forgets the old connection where a new one begins.
    if socket.listen(1).is_ok() {
        socket.close();
    }
}

/// Whether both ends know of the connection, and the other may still be there.
pub(crate) fn is_connected(socket: &Socket<'_>) -> bool {
    matches!(socket.state(), State::Established | State::CloseWait)
}

fn is_readable(socket: &Socket<'_>) -> bool {
    socket.can_recv() || !socket.may_recv()
}

fn is_writable(socket: &Socket<'_>) -> bool {
    socket.can_send() || !socket.may_send()
}

/// Whether the stream ended properly, is lost, or goes on.
pub(crate) fn end_of(socket: &mut Socket<'_>) -> Option<Result<usize, Status>> {
    match socket.recv_slice(&mut []) {
        Ok(_) => None,
        Err(RecvError::Finished) => Some(Ok(0)),
        Err(RecvError::InvalidState) => Some(Err(Status::PeerDisconnected)),
    }
}
