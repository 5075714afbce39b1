//! `--verbose`: what the engine does and what the operating system said, on stderr.

use crate::output;
use log::{LevelFilter, Log, Metadata, Record};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is logged, on stderr or nowhere.
struct Lines {
    shown: AtomicBool,
    /// The operating system said something that was not shown.
    withheld: AtomicBool,
}

static LINES: Lines = Lines { shown: AtomicBool::new(false), withheld: AtomicBool::new(false) };

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    // Within the engine's own calls: it must not be called from here.
    fn log(&self, record: &Record<'_>) {
        if self.shown.load(Ordering::Relaxed) {
            output::complain(&format!("log: {}", record.args()));
        } else if record.target().starts_with("tofu_std") {
            self.withheld.store(true, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// Shows it, or remembers that there was something.
pub(crate) fn start(shown: bool) {
    LINES.shown.store(shown, Ordering::Relaxed);
    if log::set_logger(&LINES).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// Whether it would have told more.
pub(crate) fn has_more() -> bool {
    LINES.withheld.load(Ordering::Relaxed)
}
