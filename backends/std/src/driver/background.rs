//! The thread in the background: drives when nobody did for a tick, and writes what others put off.

use super::{Driver, Held};
use crate::sync::now;
use std::time::Duration;

/// How long a post is put off at most when nothing else happens, and while so many are posted that
/// some are written all the time.
const FLUSH: Duration = Duration::from_micros(100);
const BUSY_FLUSH: Duration = Duration::from_micros(500);
/// How long the background thread waits before it looks again whether somebody drives; longer each time
/// that somebody did, up to the second, as every look costs whoever drives its place on the processor.
/// It takes over where nobody did between two looks: after twice as long at most.
const TICK: Duration = Duration::from_millis(2);
const LONGEST_TICK: Duration = Duration::from_millis(16);

impl Driver {
    pub(super) fn run_background(&self) {
        let mut core = self.lock();
        let bell = core.seat.tasks.new_bell(&self.waker);
        let (mut epoch, mut tick) = (core.seat.epoch(), TICK);
        loop {
            self.flush_late(&mut core);
            if core.is_over() {
                return;
            }
            if core.wake_tasks() {
                continue;
            }
            if core.seat.is_left(epoch) {
                epoch = core.seat.epoch();
                self.rest(&mut core, Some(tick));
                tick = (2 * tick).min(LONGEST_TICK);
            } else if let Some(poller) = core.seat.take() {
                let driven = self.poll_in_background(&mut core, poller, &bell);
                // Who asked for the poller gets a tick to take it, as if it had been.
                (epoch, tick) = (core.seat.epoch().wrapping_sub(u64::from(driven)), TICK);
            } else {
                self.sleep_in_background(&mut core);
                // Whoever woke it may go on for a tick.
                (epoch, tick) = (core.seat.epoch().wrapping_sub(1), TICK);
            }
        }
    }

    /// Writes what was put off, once nobody else does. Stays for a tick while others post and write by
    /// themselves, so that they need not wake this thread for each batch; not while tasks wait for it to drive.
    fn flush_late(&self, core: &mut Held<'_>) {
        let leave = now() + TICK;
        let mut busy = !core.batch.is_empty();
        let mut patience = FLUSH;
        while busy && !core.is_over() {
            let (before, put_off) = (core.batch.written(), core.batch.len());
            self.rest(core, Some(patience));
            let written = core.batch.written() != before;
            let others = written || core.batch.len() != put_off;
            busy = others && now() < leave && core.seat.tasks.is_empty();
            let late = !(written && busy);
            if late && !core.batch.is_empty() {
                if core.batch.len() == put_off {
                    core.batch.end_row();
                }
                self.write(core);
            }
            patience = BUSY_FLUSH;
        }
        // Whatever is put off from here on rings again.
        core.batch.flush_expected = false;
    }

    /// Until something is to be done here, for as long as `time` (`None`: for ever).
    pub(super) fn rest(&self, core: &mut Held<'_>, time: Option<Duration>) {
        if !core.is_over() {
            core.wait(&self.background, time);
        }
    }
}
