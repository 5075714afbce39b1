//! The other end of a memory connection, without an engine, for models.

use super::inbox::{Inbox, Mailbox};
use super::links::Key;
use super::mem;
use crate::poller::Poller;
use std::collections::VecDeque;
use std::fmt;
use std::task::Poll;

/// A peer that sends and receives bytes.
pub struct Wire {
    stream: mem::Stream,
    mailbox: Mailbox,
    poller: Poller,
}

impl Wire {
    /// Connects to a `mem|` address.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(address: &str) -> Wire {
        let name = address.strip_prefix("mem|").expect("an address in memory");
        let (poller, waker) = Poller::new().expect("a file descriptor");
        let mailbox = Mailbox { inbox: Inbox::new(waker), key: Key { index: 0, generation: 0 } };
        let stream = mem::connect(name, mailbox.clone()).expect("a listener");
        Wire { stream: stream.expect("room in its backlog"), mailbox, poller }
    }

    /// Sends all of it.
    ///
    /// # Panics
    /// When there is no room for it, or the other end is gone.
    pub fn send(&self, bytes: &[u8]) {
        let sent = self.stream.send(&[bytes]);
        assert_eq!(sent, Poll::Ready(Ok(bytes.len())), "there is room for what a model sends");
    }

    /// The next bytes, until `bytes` is full or the other end has closed; how many.
    pub fn receive(&mut self, bytes: &mut [u8]) -> usize {
        let mut count = 0;
        while count < bytes.len() {
            match self.stream.recv(&mut [&mut bytes[count..]]) {
                Poll::Ready(Ok(0) | Err(_)) => break,
                Poll::Ready(Ok(more)) => count += more,
                Poll::Pending => self.wait(),
            }
        }
        count
    }

    fn wait(&mut self) {
        self.poller.poll(None);
        self.mailbox.inbox.take(&mut VecDeque::new());
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}
