//! Who runs the engine: the thread that waits or looks in, else the one that posts, else a
//! thread in the background; that one, too, while async tasks wait.
//!
//! One lock guards the engine and its sockets ([`Core`]); `Held` is having it. Whoever has it may turn the
//! engine.
//!
//! | module | concept |
//! |---|---|
//! | `held` | the lock, and what a panic under it comes to |
//! | `handover` | who polls, who sleeps, and who takes over |
//! | `bell` | who is woken, by what |
//! | `batch` | posts that are put off, to be written together |
//! | `background` | the thread in the background |
//! | `tasks` | async tasks that wait |
//!
//! `tests/loom` runs all of it, as it is, in every interleaving of a few threads.

mod background;
mod batch;
mod bell;
mod handover;
mod held;
mod tasks;
#[cfg(test)]
mod tests;

pub(crate) use bell::Bell;
pub(crate) use held::Held;

use crate::poller::{Poller, Waker};
use crate::sync::{Condvar, Mutex, now, thread};
use crate::transport::Sockets;
use crate::{Host, Message, PostError, Received, Stopped};
use batch::Batch;
use bell::PoolBell;
use handover::Seat;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tofu_core::{Engine, GroupId, Header, Pool, Status};

/// Messages one turn moves before those that came are received: more would make others wait for
/// theirs.
const BUDGET: u32 = 64;
/// Turns in a row before others may have the lock. In a model, so few that something is left.
const TURNS: u32 = if cfg!(loom) { 1 } else { 4 };

/// What the lock guards.
pub(crate) struct Core {
    pub(crate) engine: Engine<Host>,
    sockets: Sockets,
    /// When the engine's next timeout is due.
    deadline: Option<tofu_core::Instant>,
    seat: Seat,
    batch: Batch,
    stopped: bool,
    /// A panic left the engine in pieces: nothing runs on it any more.
    broken: bool,
    /// Nobody holds the engine or a group of it any more.
    released: bool,
}

/// What all handles of one engine share.
pub(crate) struct Driver {
    core: Mutex<Core>,
    pub(crate) pool: Arc<Pool<Host>>,
    pool_bell: Arc<PoolBell>,
    /// For those who wait for a message or for room.
    room: Arc<Bell>,
    background: Condvar,
    waker: Arc<Waker>,
    start: Instant,
    staging: usize,
}

impl Driver {
    pub(crate) fn start(options: &crate::Options) -> io::Result<Arc<Driver>> {
        #[cfg(target_os = "linux")]
        crate::descriptors::reserve(options.protocol.listener_channels);
        let (poller, waker) = Poller::new()?;
        let sockets = Sockets::new(poller.registry().try_clone()?, waker.clone());
        let pool = Arc::new(Pool::new());
        for class in &options.pool {
            pool.add_class(class.size, class.count);
        }
        let pool_bell = PoolBell::new(waker.clone());
        pool.set_waker(pool_bell.clone().into());
        let start = now();
        let mut seat = Seat::new(poller, start);
        let room = seat.tasks.new_bell(&waker);
        let driver = Arc::new(Driver {
            core: Mutex::new(Core {
                engine: Engine::new(pool.clone(), &options.protocol),
                sockets,
                deadline: None,
                seat,
                batch: Batch::default(),
                stopped: false,
                broken: false,
                released: false,
            }),
            pool,
            pool_bell,
            room,
            background: Condvar::new(),
            waker,
            start,
            staging: options.staging,
        });
        let background = driver.clone();
        thread::Builder::new().name("tofu".into()).spawn(move || background.run_background())?;
        Ok(driver)
    }

    pub(crate) fn new_bell(&self) -> Arc<Bell> {
        self.lock().seat.tasks.new_bell(&self.waker)
    }

    pub(crate) fn room(&self) -> &Arc<Bell> {
        &self.room
    }

    pub(crate) fn staging(&self) -> usize {
        self.staging
    }

    pub(crate) fn lock(&self) -> Held<'_> {
        Held::new(self)
    }

    /// Posts. What comes alone is written at once; what comes in a row, or as one of several answers,
    /// goes out together: soon a system call carries many messages. Whoever waits next writes the
    /// rest; if nobody does, the background thread.
    pub(crate) fn post(
        &self,
        core: &mut Core,
        group: GroupId,
        message: Message,
    ) -> Result<Header, PostError> {
        if core.broken {
            return Err(PostError::new(message, Status::ShutdownStarted));
        }
        let posted = match core.engine.post(group, message) {
            // What was put off holds part of the pool.
            Err(refused) if refused.status == Status::PoolEmpty && !core.batch.is_empty() => {
                self.write(core);
                core.engine.post(group, refused.message)
            }
            posted => posted,
        };
        let header = posted?;
        let more_to_come = core.engine.has_received(group);
        match core.batch.add(header.frame_len(), more_to_come) {
            true if more_to_come => self.write(core),
            true => self.settle(core),
            false => self.expect_flush(core),
        }
        Ok(header)
    }

    /// Writes what was put off.
    pub(crate) fn flush(&self) {
        let mut core = self.lock();
        if !core.batch.is_empty() {
            self.write(&mut core);
        }
    }

    /// The next thing a group received. When there is nothing, what was put off is written, and what
    /// is known to wait is read.
    pub(crate) fn receive(&self, core: &mut Core, group: GroupId) -> Option<Received> {
        if core.broken {
            return None;
        }
        let idle = !core.engine.has_work();
        let received = self.take_received(core, group);
        if received.is_some() {
            if idle && core.engine.has_work() {
                // It made room for more, and who polls does not know.
                self.call_poller(core);
            }
            return received;
        }
        core.batch.end_row();
        if core.engine.has_work() {
            self.glance(core);
        }
        self.settle(core);
        // That may have brought something, of which nobody would tell this thread.
        self.take_received(core, group)
    }

    /// As [`receive`](Driver::receive); `Stopped` when there is nothing, and never will be.
    pub(crate) fn receive_or_stop(
        &self,
        core: &mut Core,
        group: GroupId,
    ) -> Option<Result<Received, Stopped>> {
        match self.receive(core, group) {
            Some(received) => Some(Ok(received)),
            None => core.stopped().then_some(Err(Stopped)),
        }
    }

    fn take_received(&self, core: &mut Core, group: GroupId) -> Option<Received> {
        let received = core.engine.receive(group)?;
        if let Received::Notice(notice) = &received
            && notice.status == Status::ChannelClosed
        {
            // The message that was kept for the channel is room for others, and no turn tells of it.
            self.room.ring_all();
        }
        Some(received)
    }

    fn expect_flush(&self, core: &mut Core) {
        if std::mem::replace(&mut core.batch.flush_expected, true) || planted!(FlushIsForgotten) {
            return;
        }
        if !core.seat.call_background(&self.waker) {
            self.background.notify_one();
        }
    }

    /// Runs `f` on the engine, then does what it asks for.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.lock();
        let result = f(&mut core);
        self.settle(&mut core);
        result
    }

    /// Ends a group, whose last handle is gone.
    pub(crate) fn close_group(&self, group: GroupId) {
        self.with(|core| {
            let staging = if core.broken { None } else { core.engine.close_group(group).ok() };
            debug_assert!(core.broken || staging.is_some(), "a group is closed once");
            // What it had not received, and the channels that ended unreceived, are room for others.
            self.room.ring_all();
        });
    }

    /// Stops the engine. Everybody who waits gets what is left, then learns of it.
    pub(crate) fn stop(&self) {
        let mut core = self.lock();
        if !core.broken {
            core.engine.shutdown();
        }
        // What was put off is written or handed back.
        core.batch.write();
        while core.pending() {
            self.turn(&mut core);
        }
        core.stopped = true;
        self.ring_all(&mut core);
    }

    /// A panic came out of the engine, or of what it runs on: it is stopped as it is.
    pub(crate) fn break_off(&self, core: &mut Core) {
        core.stopped = true;
        core.broken = true;
        if !planted!(PanicsInSilence) {
            self.ring_all(core);
        }
    }

    /// Lets every thread look again.
    fn ring_all(&self, core: &mut Core) {
        if planted!(StopsInSilence) {
            return;
        }
        core.seat.ring_all();
        self.background.notify_one();
        self.waker.wake();
    }

    /// The last handle is gone. What was posted is still sent, by the background thread, as long
    /// as that makes progress; then everything ends.
    pub(crate) fn release(&self) {
        self.lock().released = true;
        if planted!(IsReleasedInSilence) {
            return;
        }
        self.background.notify_one();
        self.waker.wake();
    }

    /// Turns if there is something to do, and sees to it that who polls knows of new deadlines.
    fn settle(&self, core: &mut Core) {
        core.batch.write();
        if !core.has_work() {
            return;
        }
        self.turn(core);
        self.call_poller(core);
    }

    /// Writes what was put off, and reads nothing: else who answers one of many requests would bring in
    /// more of them with each answer, and every one would wait for all those before it.
    pub(super) fn write(&self, core: &mut Core) {
        core.batch.write();
        if core.broken {
            return;
        }
        let now = self.on_time(core, now());
        let turn = self.pool_bell.silenced(|| core.engine.flush(now, &mut core.sockets, BUDGET));
        core.deadline = turn.deadline;
        self.tell_room();
        self.call_poller(core);
    }

    /// Sees to it that who polls knows what is to be done, and until when.
    fn call_poller(&self, core: &Core) {
        if let Some(until) = core.seat.polling_until() {
            let due = core.next_deadline(self.start);
            let sooner = due.is_some_and(|due| until.is_none_or(|until| due < until));
            if (sooner || core.pending()) && !planted!(LeavesWorkInSilence) {
                self.waker.wake();
            }
        }
    }

    fn turn(&self, core: &mut Core) {
        self.turn_at(core, now());
    }

    fn turn_at(&self, core: &mut Core, now: Instant) {
        if core.broken {
            return;
        }
        let now = self.on_time(core, now);
        if core.deadline.is_some_and(|deadline| deadline <= now) {
            // Whoever has said something by now is not late.
            self.glance(core);
        }
        for _ in 0..TURNS {
            let turn = self.pool_bell.silenced(|| core.engine.turn(now, &mut core.sockets, BUDGET));
            core.deadline = turn.deadline;
            let more = turn.more || core.sockets.has_news();
            // What came is received first.
            if !more || turn.moved > 0 {
                break;
            }
        }
        self.tell_room();
    }

    /// The engine's time; short of its deadline while somebody polls, who comes back by then with what others said in time.
    fn on_time(&self, core: &Core, now: Instant) -> tofu_core::Instant {
        let now = self.engine_time(now);
        match core.deadline {
            Some(deadline) if deadline <= now && core.seat.polling_until().is_some() => {
                let before = deadline.as_micros().saturating_sub(1);
                tofu_core::Instant::ZERO.after(Duration::from_micros(before))
            }
            _ => now,
        }
    }

    fn engine_time(&self, now: Instant) -> tofu_core::Instant {
        tofu_core::Instant::ZERO.after(now.saturating_duration_since(self.start))
    }

    /// Tells those who wait for a message or for room, after a turn.
    fn tell_room(&self) {
        if !planted!(RoomIsNotRung) {
            self.room.ring_all();
        }
    }
}

impl Core {
    /// Whether the engine asks for a turn.
    fn has_work(&self) -> bool {
        self.engine.has_work() && !self.broken
    }

    /// Whether a turn would find something to do at once.
    fn pending(&self) -> bool {
        !self.broken && (self.engine.has_work() || self.sockets.has_news())
    }

    /// Whether a panic has ended the engine.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Nothing is left to do: nobody can post, and nothing is under way.
    fn is_over(&self) -> bool {
        let ended = self.stopped || (self.released && self.engine.channels() == 0);
        self.broken || (ended && self.sockets.deadline().is_none())
    }

    fn next_deadline(&self, start: Instant) -> Option<Instant> {
        let engine = self
            .deadline
            .and_then(|deadline| start.checked_add(Duration::from_micros(deadline.as_micros())));
        engine.into_iter().chain(self.sockets.deadline()).min()
    }
}
