//! Closing: the last bytes get their time to arrive.
//!
//! smoltcp sends its end of stream behind what is queued. Until the peer has everything and has
//! closed as well, the socket stays, and what the peer still sends is thrown away: were it left unread,
//! the peer could not get rid of it and close.

use crate::Stack;
use crate::slot::{Role, Slot, forget};
use core::time::Duration;
use smoltcp::socket::tcp::{Socket, State};
use tofu_core::{Close, Instant, Link};

impl Stack<'_> {
    pub(crate) fn close_connection(&mut self, link: Link, how: Close) {
        let (now, linger) = (self.now, self.options.linger);
        #[cfg(feature = "dns")]
        self.forget_name(link);
        let Some((slot, socket)) = self.find_mut(link) else { return };
        let opened = matches!(slot.role, Role::Open(_));
        match how {
            Close::Graceful | Close::Done if opened => socket.close(),
            // Who has not answered needs no reset, and might never be found for it.
            _ if socket.state() == State::SynSent => forget(socket),
            _ => socket.abort(),
        }
        slot.role = Role::closing(now, linger, socket.send_queue());
        slot.linger(socket, now, linger);
        self.stats.unanswered += u32::from(!opened);
        self.lingering = true;
        self.arm();
    }
}

impl Slot {
    /// Looks after a socket that is closing. True if it had to be cut.
    pub(crate) fn linger(
        &mut self,
        socket: &mut Socket<'_>,
        now: Instant,
        linger: Duration,
    ) -> bool {
        let Role::Closing { until, queued } = self.role else { return false };
        while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
        // smoltcp forgets the other end once a reset is sent, or both ends are done.
        let forgotten = socket.state() == State::Closed && socket.remote_endpoint().is_none();
        let left = socket.send_queue();
        if forgotten {
            self.role = Role::Free;
        } else if left < queued {
            self.role = Role::closing(now, linger, left);
        } else if now >= until && socket.state() == State::Closed {
            // The reset found no way out.
            forget(socket);
            self.role = Role::Free;
        } else if now >= until && socket.state() != State::TimeWait {
            socket.abort();
            self.role = Role::closing(now, linger, 0);
            return true;
        } else if now >= until {
            self.role = Role::Free;
        }
        false
    }
}
