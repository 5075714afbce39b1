//! Wake-ups: of those who wait for a group's messages or for room, and by messages that come back.

use super::tasks::TaskBell;
use crate::poller::Waker;
use crate::sync::Condvar;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
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
    state: AtomicU8,
    waker: Arc<Waker>,
}

/// Somebody turns, and looks for [`CAME_BACK`] afterwards.
const TURNING: u8 = 1;
/// A message came back since then.
const CAME_BACK: u8 = 2;

impl PoolBell {
    pub(super) fn new(waker: Arc<Waker>) -> Arc<Self> {
        Arc::new(PoolBell { state: AtomicU8::new(0), waker })
    }

    /// Runs a turn. Whether a message came back meanwhile, perhaps too late for it.
    pub(super) fn during<R>(&self, turn: impl FnOnce() -> R) -> (R, bool) {
        self.state.swap(TURNING, Ordering::AcqRel);
        let result = turn();
        let state = self.state.swap(0, Ordering::AcqRel);
        (result, state & CAME_BACK != 0 && !planted!(ForgetsWhatCameBack))
    }
}

impl Wake for PoolBell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let early = planted!(ComesBackTooLate).then(|| self.state.load(Ordering::Acquire));
        let state = self.state.fetch_or(CAME_BACK, Ordering::AcqRel);
        if early.unwrap_or(state) & TURNING == 0 {
            self.waker.wake();
        }
    }
}
