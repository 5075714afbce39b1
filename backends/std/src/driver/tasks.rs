//! Async tasks that wait: woken by the bells that wake threads, but never under the driver's lock. A waker may run
//! anything, and drop a task that has a group.

use super::{Bell, Core, Driver};
use crate::poller;
use crate::sync::{StaticMutex, lock};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

/// A task that waits: for which bell, and after how many others began to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    bell: u64,
    count: u64,
}

/// The tasks that wait. Under the driver's lock.
#[derive(Default)]
pub(super) struct Tasks {
    waiting: BTreeMap<Key, Waker>,
    /// The first of a bell that is not to be woken yet; those before it are.
    due: Vec<Key>,
    /// All are to be woken.
    all_due: bool,
    rung: Arc<Rung>,
    count: u64,
    bells: u64,
}

/// The bells that rang since somebody last looked. Under the driver's lock too, so that a model need not look here.
#[derive(Default)]
struct Rung {
    any: AtomicBool,
    bells: StaticMutex<Vec<u64>>,
}

/// A bell's part: whether a task waits for it.
pub(super) struct TaskBell {
    id: u64,
    awaited: AtomicBool,
    rung: Arc<Rung>,
}

impl TaskBell {
    /// All tasks that wait for it are woken once the lock is free. All, for one that is woken may be dropped instead of
    /// looking again.
    pub(super) fn ring(&self) {
        if self.awaited.swap(false, Ordering::Relaxed) && !planted!(TasksAreNotRung) {
            lock(&self.rung.bells).push(self.id);
            self.rung.any.store(true, Ordering::Relaxed);
        }
    }
}

impl Tasks {
    pub(super) fn new_bell(&mut self, waker: &Arc<poller::Waker>) -> Arc<Bell> {
        self.bells += 1;
        let (id, rung) = (self.bells, self.rung.clone());
        Bell::new(waker.clone(), TaskBell { id, awaited: AtomicBool::new(false), rung })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether there are any to be woken.
    pub(super) fn any_due(&self) -> bool {
        let rung = self.rung.any.load(Ordering::Relaxed) || self.all_due || !self.due.is_empty();
        rung && !self.waiting.is_empty()
    }

    /// The next that is to be woken, without the lock.
    pub(super) fn pop_due(&mut self) -> Option<Waker> {
        if !self.any_due() {
            return None;
        }
        if self.all_due {
            return self.waiting.pop_first().map(|(_, waker)| waker);
        }
        if self.rung.any.swap(false, Ordering::Relaxed) {
            let count = self.count;
            let rung = &mut *lock(&self.rung.bells);
            self.due.extend(rung.drain(..).map(|bell| Key { bell, count }));
        }
        while let Some(&end) = self.due.last() {
            let first = Key { count: 0, ..end };
            if let Some((&key, _)) = self.waiting.range(first..end).next() {
                return self.waiting.remove(&key);
            }
            self.due.pop();
        }
        None
    }

    /// Lets all look again, once the lock is free; those that wait from here on, too.
    pub(super) fn ring_all(&mut self) {
        self.all_due = true;
    }

    fn add(&mut self, bell: &TaskBell, waker: Waker) -> Key {
        let key = Key { bell: bell.id, count: self.count };
        self.count += 1;
        self.waiting.insert(key, waker);
        bell.awaited.store(true, Ordering::Relaxed);
        key
    }

    /// What is returned is dropped without the lock.
    #[must_use]
    fn remove(&mut self, key: &mut Option<Key>) -> Option<Waker> {
        self.waiting.remove(&key.take()?)
    }
}

impl Driver {
    /// As [`wait`](Driver::wait), in a task: without a deadline, and somebody else drives.
    pub(crate) fn wait_async<'a, T>(
        &'a self,
        bell: &'a Bell,
        attempt: impl FnMut(&mut Core) -> Option<T> + Unpin,
    ) -> impl Future<Output = T> {
        Wait { driver: self, bell, attempt, key: None }
    }
}

/// A task's wait.
struct Wait<'a, F> {
    driver: &'a Driver,
    bell: &'a Bell,
    attempt: F,
    key: Option<Key>,
}

impl<T, F: FnMut(&mut Core) -> Option<T> + Unpin> Future for Wait<'_, F> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Wait { driver, bell, attempt, key } = self.get_mut();
        let waker = context.waker().clone();
        let _before;
        let mut core = driver.lock();
        _before = core.seat.tasks.remove(key);
        if let Some(outcome) = driver.attempt(&mut core, attempt) {
            return Poll::Ready(outcome);
        }
        *key = Some(core.seat.tasks.add(&bell.tasks, waker));
        core.seat.hand_over(&driver.background);
        Poll::Pending
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        if self.key.is_some() {
            let _waker = self.driver.lock().seat.tasks.remove(&mut self.key);
        }
    }
}
