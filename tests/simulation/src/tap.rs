//! A transport that tells the oracle what crosses it.

use crate::oracle::Oracle;
use core::fmt;
use core::task::Poll;
use std::hash::{DefaultHasher, Hash};
use tofu_core::{Address, Close, Link, Ready, Status, Transport};
use tofu_loopback::Endpoint;

/// An engine's place on the network, for one turn.
pub struct Tap<'a> {
    /// The place.
    pub io: &'a mut Endpoint,
    /// Who is told.
    pub oracle: &'a mut Oracle,
    /// Whose place it is.
    pub engine: usize,
    /// Calls that did something.
    pub work: u32,
    /// All that the engine was ever told.
    pub history: &'a mut DefaultHasher,
}

impl Tap<'_> {
    /// What a call came to is all that an engine learns of the world.
    fn learns(&mut self, told: impl Hash) {
        told.hash(self.history);
    }
}

impl Transport for Tap<'_> {
    fn listen(&mut self, link: Link, at: &Address<'_>) -> Result<(), Status> {
        self.work += 1;
        let listens = self.io.listen(link, at);
        self.learns(("listen", link, listens));
        listens
    }

    fn connect(&mut self, link: Link, to: &Address<'_>) -> Result<(), Status> {
        self.work += 1;
        let connects = self.io.connect(link, to);
        self.learns(("connect", link, connects));
        connects?;
        if let Some((connection, sends)) = self.io.connection(link) {
            self.oracle.linked(self.engine, connection, sends);
        }
        Ok(())
    }

    fn local_address(&self, listener: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        self.io.local_address(listener, out)
    }

    fn accept(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        let accepted = self.io.accept(listener, link);
        self.learns(("accept", link, accepted));
        self.work += u32::from(accepted.is_ready());
        if let (Poll::Ready(Ok(())), Some((connection, sends))) =
            (accepted, self.io.connection(link))
        {
            self.oracle.linked(self.engine, connection, sends);
        }
        accepted
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        let received = self.io.recv(link, bufs);
        self.learns(("recv", link, received));
        if let Poll::Ready(Ok(count)) = received {
            let bytes = bufs.iter().flat_map(|buf| buf.iter()).take(count);
            bytes.for_each(|byte| byte.hash(self.history));
        }
        self.work += u32::from(received.is_ready());
        if let (Poll::Ready(Ok(count @ 1..)), Some((connection, sends))) =
            (received, self.io.connection(link))
        {
            self.oracle.read(self.engine, connection, sends, count);
        }
        received
    }

    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        let sent = self.io.send(link, bufs);
        self.learns(("send", link, sent));
        self.work += u32::from(sent.is_ready());
        if !matches!(sent, Poll::Ready(Ok(_))) {
            let engine = self.engine;
            self.oracle.trace.note(|| format!("e{engine} cannot send on {link:?}: {sent:?}"));
        }
        if let (Poll::Ready(Ok(count @ 1..)), Some((connection, sends))) =
            (sent, self.io.connection(link))
        {
            self.oracle.sent(self.engine, connection, sends, bufs, count);
        }
        sent
    }

    fn want_write(&mut self, link: Link, on: bool) {
        let engine = self.engine;
        self.oracle.trace.note(|| format!("e{engine} wants to write on {link:?}: {on}"));
        self.io.want_write(link, on);
    }

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        let ready = self.io.next_ready();
        self.learns(("ready", ready));
        if let Some((link, ready)) = ready {
            self.work += 1;
            let engine = self.engine;
            self.oracle.trace.note(|| format!("e{engine} is told {link:?} {ready:?}"));
        }
        ready
    }

    fn close(&mut self, link: Link, how: Close) {
        self.work += 1;
        if let Some((connection, sends)) = self.io.connection(link) {
            self.oracle.unlinked(self.engine, connection, sends);
        }
        self.io.close(link, how);
    }
}
