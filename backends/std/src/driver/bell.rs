//! Wake-ups: of those who wait for a group's messages or for room, and by messages that come back.

use super::tasks::TaskBell;
use crate::poller::Waker;
use crate::sync::Condvar;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;
use std::task::Wake;

/// Wakes the threads and tasks that wait for one thing: for a group's messages, or for room in the pool. Rung
/// under the driver's lock, so that nobody who goes to sleep misses it.
pub(crate) struct Bell {
    pub(super) rung: Condvar,
    /// How many of the threads sleep.
    pub(super) sleeping: AtomicU32,
    /// One of them polls.
    pub(super) polling: AtomicBool,
    pub(super) tasks: TaskBell,
    waker: Arc<Waker>,
}

impl Bell {
    pub(super) fn new(waker: Arc<Waker>, tasks: TaskBell) -> Arc<Self> {
        let (sleeping, polling) = (AtomicU32::new(0), AtomicBool::new(false));
        Arc::new(Bell { rung: Condvar::new(), sleeping, polling, tasks, waker })
    }

    /// Lets everybody look again.
    pub(super) fn ring_all(&self) {
        if self.sleeping.load(Ordering::Relaxed) > 0 {
            self.rung.notify_all();
        }
        self.ring_poll();
        self.tasks.ring();
    }

    fn ring_poll(&self) {
        if self.polling.swap(false, Ordering::Relaxed) && !planted!(PollIsNotRung) {
            self.waker.wake();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.sleeping.load(Ordering::Relaxed) > 0 && !planted!(SleepersAreNotRung) {
            self.rung.notify_one();
        }
        self.ring_poll();
        self.tasks.ring();
    }
}

/// Told by the pool that a message came back which somebody lacked. Any thread may drop a message,
/// at any time, so this takes no lock.
pub(super) struct PoolBell {
    /// Somebody turns, and afterwards looks whether there is more to do.
    turning: AtomicBool,
    waker: Arc<Waker>,
}

impl PoolBell {
    pub(super) fn new(waker: Arc<Waker>) -> Arc<Self> {
        Arc::new(PoolBell { turning: AtomicBool::new(false), waker })
    }

    /// Runs a turn, which gives messages back that wake nobody.
    pub(super) fn silenced<R>(&self, turn: impl FnOnce() -> R) -> R {
        self.turning.store(true, Ordering::Release);
        let result = turn();
        if !planted!(StaysSilent) {
            self.turning.store(false, Ordering::Release);
        }
        result
    }
}

impl Wake for PoolBell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The pool said before this that something is there, under its lock, and who turns asks it after that.
        if !self.turning.load(Ordering::Acquire) {
            self.waker.wake();
        }
    }
}
