//! Locks, threads and the clock of a model.
//!
//! Time stands still. What is waited for but a moment may be over whenever another thread has done
//! something; what is waited for longer never is, so that whoever was forgotten is found.

pub(crate) use loom::sync::{Condvar, atomic};
pub(crate) use loom::thread;
use std::ops::{Deref, DerefMut};
pub(crate) use std::sync::Mutex as StaticMutex;
use std::sync::{Arc, LockResult, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The background thread's pauses are shorter, all timeouts longer.
const MOMENT: Duration = Duration::from_millis(100);

/// As loom's, with a guard that knows where it is from.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    guard: loom::sync::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// Either kind of mutex.
pub(crate) trait Lock {
    type Guard<'a>
    where
        Self: 'a;

    fn lock(&self) -> Self::Guard<'_>;
}

impl<T> Lock for Mutex<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, guard: whole(self.0.lock()) }
    }
}

impl<T> Lock for StaticMutex<T> {
    type Guard<'a>
        = std::sync::MutexGuard<'a, T>
    where
        T: 'a;

    fn lock(&self) -> std::sync::MutexGuard<'_, T> {
        whole(StaticMutex::lock(self))
    }
}

impl<L: Lock> Lock for Arc<L> {
    type Guard<'a>
        = L::Guard<'a>
    where
        L: 'a;

    fn lock(&self) -> L::Guard<'_> {
        L::lock(self)
    }
}

fn whole<T>(result: LockResult<T>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn lock<L: Lock>(mutex: &L) -> L::Guard<'_> {
    mutex.lock()
}

pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    MutexGuard { mutex, guard }: MutexGuard<'a, T>,
    time: Option<Duration>,
) -> MutexGuard<'a, T> {
    if time.is_none_or(|time| time >= MOMENT) {
        return MutexGuard { mutex, guard: whole(condvar.wait(guard)) };
    }
    drop(guard);
    thread::yield_now();
    lock(mutex)
}

pub(crate) fn now() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}
