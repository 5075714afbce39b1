//! The poll of a model: nothing but its waker makes it return. Connections in memory need no more.

use crate::sync::{Condvar, Mutex, lock, wait};
use mio::{Events, Poll, Registry, Token};
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const EVENTS: usize = 1;
pub(crate) const WAKE: Token = Token(usize::MAX);

pub(crate) struct Poller {
    /// Never polled.
    poll: Poll,
    /// None.
    events: Events,
    waker: Arc<Waker>,
}

#[derive(Debug, Default)]
pub(crate) struct Waker {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Poller {
    pub(crate) fn new() -> io::Result<(Poller, Arc<Waker>)> {
        let waker = Arc::new(Waker::default());
        let (poll, events) = (Poll::new()?, Events::with_capacity(1));
        Ok((Poller { poll, events, waker: waker.clone() }, waker))
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// A timeout is reached at once, or never.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) {
        let mut rung = lock(&self.waker.rung);
        while !*rung && timeout != Some(Duration::ZERO) {
            rung = wait(&self.waker.ring, rung, timeout);
        }
        *rung = false;
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }
}

impl Waker {
    pub(crate) fn wake(&self) {
        let mut rung = lock(&self.rung);
        if !std::mem::replace(&mut *rung, true) {
            self.ring.notify_one();
        }
    }
}
