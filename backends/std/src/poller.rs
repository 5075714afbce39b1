//! The operating system's poll, and what makes it return. In a model, `model/poller.rs`.

use mio::{Events, Poll, Registry, Token};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Events taken from one poll at most.
pub(crate) const EVENTS: usize = 1024;
/// The token of the waker; no link ever has it.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// Waits for events, one thread at a time.
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
}

/// Makes the poll that goes on return, or else the next one.
#[derive(Debug)]
pub(crate) struct Waker(mio::Waker);

impl Poller {
    pub(crate) fn new() -> io::Result<(Poller, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKE)?;
        let poller = Poller { poll, events: Events::with_capacity(EVENTS) };
        Ok((poller, Arc::new(Waker(waker))))
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Waits for as long as `timeout` (`None`: for ever).
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) {
        if self.poll.poll(&mut self.events, timeout).is_err() {
            // Interrupted by a signal: as if nothing had come.
            self.events.clear();
        }
    }

    /// What the last poll found.
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }
}

impl Waker {
    pub(crate) fn wake(&self) {
        // It fails only when the poll is gone, and then nobody sleeps in it.
        let _ = self.0.wake();
    }
}
