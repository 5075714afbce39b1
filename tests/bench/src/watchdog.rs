//! Ends the process when something takes much longer than it should.

use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The exit code of a run that hangs.
const HANGS: i32 = 3;

/// Watches one thing at a time.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    watched: Mutex<Option<Watched>>,
    changed: Condvar,
}

struct Watched {
    what: String,
    limit: Duration,
    due: Instant,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut watched = self.lock();
        loop {
            watched = match &*watched {
                None => self.changed.wait(watched).unwrap_or_else(PoisonError::into_inner),
                Some(Watched { what, limit, due }) => {
                    let left = due.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        eprintln!("{what}: hangs; nothing for {} s", limit.as_secs());
                        process::exit(HANGS);
                    }
                    let woken = self.changed.wait_timeout(watched, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            }
        }
    }
}

impl Watchdog {
    pub(crate) fn start() -> Watchdog {
        let shared = Arc::new(Shared::default());
        let watching = shared.clone();
        thread::spawn(move || watching.watch());
        Watchdog { shared }
    }

    /// Runs `f`, which may take as long as `limit`. Not to be nested.
    pub(crate) fn guard<T>(&self, what: &str, limit: Duration, f: impl FnOnce() -> T) -> T {
        let due = Instant::now() + limit;
        *self.shared.lock() = Some(Watched { what: what.to_owned(), limit, due });
        self.shared.changed.notify_one();
        let result = f();
        *self.shared.lock() = None;
        result
    }
}
