//! The driver's lock.

use super::{Core, Driver};
use crate::sync::{self, Condvar, MutexGuard, thread};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The lock, held. A panic meanwhile ends the engine, which may be in pieces: everybody who waits is
/// told.
pub(crate) struct Held<'a> {
    driver: &'a Driver,
    /// `None` only while it waits, and nobody looks.
    core: Option<MutexGuard<'a, Core>>,
    /// It began in a panic, which thus came from elsewhere.
    in_panic: bool,
}

impl<'a> Held<'a> {
    pub(super) fn new(driver: &'a Driver) -> Held<'a> {
        let core = Some(sync::lock(&driver.core));
        Held { driver, core, in_panic: thread::panicking() }
    }

    /// Waits until notified, for as long as `time` (`None`: for ever), without the lock. Perhaps not at all, as threads
    /// may wake up for no reason.
    pub(super) fn wait(&mut self, condvar: &Condvar, time: Option<Duration>) {
        if self.wake_tasks() {
            return;
        }
        self.core = self.core.take().map(|core| sync::wait(condvar, core, time));
    }

    /// Does something without the lock.
    pub(super) fn released(&mut self, f: impl FnOnce()) {
        self.release();
        f();
        self.core = Some(sync::lock(&self.driver.core));
    }

    /// Wakes the tasks that are to be, without the lock. False if there are none, and nothing was done. Before anybody takes
    /// the poller: a waker may wait.
    pub(super) fn wake_tasks(&mut self) -> bool {
        let any = self.seat.tasks.any_due();
        if any {
            self.released(|| ());
        }
        any
    }

    /// Gives the lock back, and wakes the tasks that are to be.
    fn release(&mut self) {
        while let Some(mut core) = self.core.take() {
            let Some(waker) = core.seat.tasks.pop_due() else { break };
            let more = core.seat.tasks.any_due();
            drop(core);
            // Its panic is its task's affair.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            self.core = more.then(|| sync::lock(&self.driver.core));
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if thread::panicking() && !self.in_panic {
            let driver = self.driver;
            let core = self.core.get_or_insert_with(|| sync::lock(&driver.core));
            driver.break_off(core);
        }
        self.release();
    }
}

impl Deref for Held<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.core.as_ref().expect("the lock is held")
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        self.core.as_mut().expect("the lock is held")
    }
}
