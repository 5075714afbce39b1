//! Quiet points: moments at which no worker does anything.

use crate::{Outcome, PATIENCE};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What every worker passes between two operations.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    workers: usize,
    waiting: usize,
    closed: bool,
    over: bool,
}

/// A worker's place; given up when dropped.
pub(crate) struct Place<'a>(&'a Gate);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().workers -= 1;
        self.0.changed.notify_all();
    }
}

impl Gate {
    /// Takes a worker's place.
    pub(crate) fn enter(&self) -> Place<'_> {
        self.lock().workers += 1;
        Place(self)
    }

    /// Waits while the gate is closed; false when all is over.
    pub(crate) fn pass(&self) -> bool {
        let mut state = self.lock();
        state.waiting += 1;
        self.changed.notify_all();
        state = self.wait_while(state, |state| state.closed && !state.over);
        state.waiting -= 1;
        !state.over
    }

    /// Whether the next to pass has to wait, or is the last.
    pub(crate) fn is_closing(&self) -> bool {
        let state = self.lock();
        state.closed || state.over
    }

    /// Waits until the gate closes.
    pub(crate) fn wait_for_closing(&self) {
        drop(self.wait_while(self.lock(), |state| !state.closed && !state.over));
    }

    /// Closes the gate and waits until all workers stand before it.
    pub(crate) fn close(&self) -> Outcome {
        let mut state = self.lock();
        state.closed = true;
        self.changed.notify_all();
        let all = |state: &mut State| state.waiting < state.workers;
        let waited = self.changed.wait_timeout_while(state, 2 * PATIENCE, all);
        let (_state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() { Err("a worker hangs".into()) } else { Ok(()) }
    }

    pub(crate) fn open(&self) {
        self.lock().closed = false;
        self.changed.notify_all();
    }

    /// Lets nobody pass any more.
    pub(crate) fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while<'a>(
        &self,
        state: MutexGuard<'a, State>,
        holds: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        self.changed.wait_while(state, holds).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until something holds that no event tells of.
pub(crate) fn eventually(mut holds: impl FnMut() -> Outcome<bool>) -> Outcome<bool> {
    let step = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        if holds()? {
            return Ok(true);
        }
        std::thread::sleep(step);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    #[test]
    fn a_closed_gate_means_that_nobody_works() {
        let (gate, steps) = (Gate::default(), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                let place = gate.enter();
                scope.spawn(|| {
                    while gate.pass() {
                        steps.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(place);
                });
            }
            for _ in 0..100 {
                gate.close().unwrap();
                let before = steps.load(Ordering::Relaxed);
                thread::yield_now();
                assert_eq!(steps.load(Ordering::Relaxed), before);
                gate.open();
            }
            gate.end();
        });
        assert!(!gate.pass());
    }
}
