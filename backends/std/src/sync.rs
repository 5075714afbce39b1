//! Locks, threads and the clock: the standard library's; in a model, loom's (`model/sync.rs`).

/// For what a whole process shares: a model leaves it alone.
pub(crate) use std::sync::Mutex as StaticMutex;
use std::sync::PoisonError;
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};
pub(crate) use std::thread;
use std::time::{Duration, Instant};

/// Locks, also after another thread's panic: what these locks guard is whole between any two
/// statements, or says that it is not.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until notified, for as long as `time` (`None`: for ever).
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Option<Duration>,
) -> MutexGuard<'a, T> {
    match time {
        None => condvar.wait(guard).unwrap_or_else(PoisonError::into_inner),
        Some(time) => {
            let woken = condvar.wait_timeout(guard, time);
            woken.unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

pub(crate) fn now() -> Instant {
    Instant::now()
}
