//! Who polls, and who takes over.
//!
//! The [`Poller`] is owned by whoever sits in the operating system's poll, who holds no lock
//! meanwhile; so a post from another thread writes at once. These hold, always:
//!
//! - the poller is in its place, or somebody is in poll and puts it back;
//! - who leaves with the poller in its place tells one that sleeps, who takes it;
//! - where nobody sleeps, the background thread is awake and takes it: at once if tasks wait, else after a tick.

use super::bell::Bell;
use super::tasks::Tasks;
use super::{Core, Driver, Held};
use crate::poller::{EVENTS, Poller, Waker};
use crate::sync::Condvar;
use crate::sync::atomic::Ordering;
use crate::sync::now;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after a poll a thread that only looks in leaves the sockets alone: what is received in a row costs
/// no call of the system for each.
const LOOK: Duration = Duration::from_micros(20);

/// The place of the poller, and who is where. Under the driver's lock.
pub(super) struct Seat {
    /// In its place while nobody polls.
    poller: Option<Poller>,
    /// Counts every time the poller is taken or put back.
    epoch: u64,
    /// Until when the poll that goes on sleeps; `None` inside: for ever.
    polling_until: Option<Option<Instant>>,
    /// When somebody polled last.
    polled: Instant,
    /// The background thread polls, and has not been asked to leave.
    background_polls: bool,
    /// It was asked to leave by a thread that looks in now and then, and does not wait.
    looked_for: bool,
    background_sleeps: bool,
    /// The groups of threads that sleep.
    sleeping: Vec<Arc<Bell>>,
    pub(super) tasks: Tasks,
}

impl Seat {
    pub(super) fn new(poller: Poller, now: Instant) -> Seat {
        Seat {
            poller: Some(poller),
            epoch: 0,
            polling_until: None,
            polled: now,
            background_polls: false,
            looked_for: false,
            background_sleeps: false,
            sleeping: Vec::new(),
            tasks: Tasks::default(),
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn polling_until(&self) -> Option<Option<Instant>> {
        self.polling_until
    }

    /// Whether somebody has driven since `epoch` and may well come back, so that the poller is left to him.
    pub(super) fn is_left(&self, epoch: u64) -> bool {
        self.is_awaited() || (self.epoch != epoch && self.tasks.is_empty())
    }

    /// Whether one that sleeps was told to take the poller, and has not yet.
    fn is_awaited(&self) -> bool {
        self.poller.is_some() && !self.sleeping.is_empty()
    }

    /// The poller, from its place.
    pub(super) fn take(&mut self) -> Option<Poller> {
        self.poller.take()
    }

    /// Asks the background thread to leave the poll. False if it is not there.
    pub(super) fn call_background(&mut self, waker: &Waker) -> bool {
        let polls = std::mem::take(&mut self.background_polls);
        if polls && !planted!(BackgroundIsNotCalled) {
            waker.wake();
        }
        polls
    }

    /// Tells somebody that nobody polls any more.
    pub(super) fn hand_over(&self, background: &Condvar) {
        if self.poller.is_none() || planted!(NobodyIsTold) {
            return;
        }
        if let Some(bell) = self.sleeping.last() {
            bell.rung.notify_one();
        } else if self.background_is_due() && !planted!(BackgroundIsNotTold) {
            background.notify_one();
        }
    }

    /// Whether the background thread is to take the poller, if nobody else does.
    fn background_is_due(&self) -> bool {
        self.background_sleeps || !self.tasks.is_empty()
    }

    /// Lets everybody who sleeps look again.
    pub(super) fn ring_all(&mut self) {
        self.tasks.ring_all();
        for bell in &self.sleeping {
            bell.rung.notify_all();
        }
    }
}

impl Driver {
    /// Tries until `attempt` succeeds or the time is up; meanwhile drives the engine, or sleeps
    /// while somebody else does. `bell` rings when another attempt is worth while.
    pub(crate) fn wait<T>(
        &self,
        bell: &Arc<Bell>,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut Core) -> Option<T>,
    ) -> Option<T> {
        let mut core = self.lock();
        loop {
            let mut outcome = self.attempt(&mut core, &mut attempt);
            let expired = outcome.is_none() && deadline.is_some_and(|deadline| deadline <= now());
            if expired {
                // It may not have waited at all.
                self.look(&mut core);
                outcome = attempt(&mut core);
            }
            if outcome.is_some() || expired {
                core.seat.hand_over(&self.background);
                return outcome;
            }
            if core.wake_tasks() {
                continue;
            }
            match core.seat.take() {
                Some(poller) => self.poll(&mut core, poller, bell, deadline),
                None => self.sleep(&mut core, bell, deadline),
            }
        }
    }

    /// Tries, and again if that may have come of what was to be done: it rings no bell for who is awake.
    pub(super) fn attempt<T>(
        &self,
        core: &mut Core,
        attempt: &mut impl FnMut(&mut Core) -> Option<T>,
    ) -> Option<T> {
        let outcome = attempt(core);
        if outcome.is_some() || (!core.has_work() && core.batch.is_empty()) {
            return outcome;
        }
        self.settle(core);
        attempt(core)
    }

    /// Takes the events there are, so that one channel which always has something to read keeps none
    /// of the others waiting.
    pub(super) fn glance(&self, core: &mut Core) {
        // What was there at first is soon taken, however much comes meanwhile.
        for _ in 0..=core.engine.channels() / EVENTS {
            let Some(poller) = &mut core.seat.poller else { return };
            core.seat.epoch += 1;
            poller.poll(Some(Duration::ZERO));
            if core.sockets.take_events(poller.events()) < EVENTS {
                return;
            }
        }
    }

    /// Drives once, for a thread that polls and does not wait; unless somebody just did. Where the background thread
    /// is there, it is asked to leave that to this one, if no tasks need it.
    pub(crate) fn look(&self, core: &mut Core) {
        let now = now();
        let just_polled = now.saturating_duration_since(core.seat.polled) < LOOK;
        if core.broken || (just_polled && !cfg!(loom)) {
            return;
        }
        if core.seat.poller.is_none() {
            if core.seat.tasks.is_empty() {
                core.seat.looked_for |= core.seat.call_background(&self.waker);
            }
            return;
        }
        self.glance(core);
        core.seat.polled = now;
        core.sockets.expire(now);
        self.turn_at(core, now);
    }

    /// Waits for the operating system's events, without the lock.
    fn poll(
        &self,
        core: &mut Held<'_>,
        mut poller: Poller,
        bell: &Bell,
        deadline: Option<Instant>,
    ) {
        let next = core.next_deadline(self.start);
        debug_assert!(core.batch.is_empty(), "whoever waits has written what was put off");
        let until = match core.pending() && !planted!(NewsAreOverlooked) {
            // Not at all.
            true => Some(self.start),
            false => deadline.into_iter().chain(next).min(),
        };
        core.seat.epoch += 1;
        core.seat.polling_until = Some(until);
        bell.polling.store(true, Ordering::Relaxed);
        core.released(|| {
            poller.poll(until.map(|until| until.saturating_duration_since(now())));
        });
        bell.polling.store(false, Ordering::Relaxed);
        let core = &mut **core;
        core.seat.polling_until = None;
        core.seat.epoch += 1;
        core.sockets.take_events(core.seat.poller.insert(poller).events());
        let now = now();
        core.seat.polled = now;
        core.sockets.expire(now);
        self.turn_at(core, now);
    }

    /// Sleeps while somebody else polls.
    fn sleep(&self, core: &mut Held<'_>, bell: &Arc<Bell>, deadline: Option<Instant>) {
        core.seat.call_background(&self.waker);
        core.seat.sleeping.push(bell.clone());
        bell.sleeping.fetch_add(1, Ordering::Relaxed);
        let time = deadline.map(|deadline| deadline.saturating_duration_since(now()));
        core.wait(&bell.rung, time);
        bell.sleeping.fetch_sub(1, Ordering::Relaxed);
        if planted!(OneSleeperIsCounted) {
            bell.sleeping.store(0, Ordering::Relaxed);
        }
        let sleeping = &mut core.seat.sleeping;
        if let Some(index) = sleeping.iter().position(|other| Arc::ptr_eq(other, bell)) {
            sleeping.swap_remove(index);
        }
    }

    /// The background thread polls until it is asked to leave, or something comes. Whether somebody drives who
    /// does not wait.
    pub(super) fn poll_in_background(
        &self,
        core: &mut Held<'_>,
        poller: Poller,
        bell: &Bell,
    ) -> bool {
        core.seat.background_polls = true;
        self.poll(core, poller, bell, None);
        core.seat.background_polls = false;
        core.seat.hand_over(&self.background);
        std::mem::take(&mut core.seat.looked_for)
    }

    /// The background thread sleeps until somebody leaves the poll to it.
    pub(super) fn sleep_in_background(&self, core: &mut Held<'_>) {
        core.seat.background_sleeps = true;
        self.rest(core, None);
        core.seat.background_sleeps = false;
    }
}
