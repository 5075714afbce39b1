//! What other threads have to say to a [`Sockets`](super::Sockets): resolved names, and what
//! happened at the other end of a memory connection.

use super::links::Key;
use crate::poller::Waker;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tofu_core::Ready;

/// Something that happened elsewhere.
#[derive(Debug)]
pub(super) enum News {
    /// The other end of a memory connection moved.
    Ready(Key, Ready),
    /// What a name stands for.
    Resolved(Key, io::Result<Vec<SocketAddr>>),
}

/// Collects news, and wakes the poll for the first of them.
#[derive(Debug)]
pub(super) struct Inbox {
    news: Mutex<VecDeque<News>>,
    /// Changed only under the lock; read without it.
    filled: AtomicBool,
    waker: Arc<Waker>,
}

impl Inbox {
    pub(super) fn new(waker: Arc<Waker>) -> Arc<Inbox> {
        Arc::new(Inbox { news: Mutex::default(), filled: AtomicBool::new(false), waker })
    }

    pub(super) fn has_news(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// Swaps the news for an empty queue, whose memory is thus used again.
    pub(super) fn take(&self, empty: &mut VecDeque<News>) {
        let mut news = lock(&self.news);
        std::mem::swap(&mut *news, empty);
        self.filled.store(false, Ordering::Release);
    }

    /// True for the first of some news.
    fn put(&self, item: News) -> bool {
        let mut news = lock(&self.news);
        news.push_back(item);
        !self.filled.swap(true, Ordering::AcqRel)
    }

    fn put_and_wake(&self, item: News) {
        if self.put(item) {
            self.waker.wake();
        }
    }
}

/// Where to send the news about one link.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    pub(super) inbox: Arc<Inbox>,
    pub(super) key: Key,
}

impl Mailbox {
    /// Tells a link what the link of `from` did. Within one `Sockets` nobody needs to be woken: who
    /// calls it looks for news before it sleeps.
    pub(super) fn ready(&self, ready: Ready, from: Option<&Mailbox>) {
        let news = News::Ready(self.key, ready);
        if from.is_some_and(|from| Arc::ptr_eq(&from.inbox, &self.inbox)) {
            self.inbox.put(news);
        } else {
            self.inbox.put_and_wake(news);
        }
    }

    pub(super) fn resolved(&self, addresses: io::Result<Vec<SocketAddr>>) {
        self.inbox.put_and_wake(News::Resolved(self.key, addresses));
    }
}
