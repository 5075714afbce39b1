//! Who runs the engine: the thread that waits, else the one that posts, else a
//! thread in the background.
//!
//! One lock guards the engine and its sockets ([`Core`]). The [`Poller`] is owned by whoever sits in the
//! operating system's poll, who holds no lock meanwhile; so a post from another thread writes at
//! once. These hold, always:
//!
//! - the poller is in its place, or somebody is in poll and puts it back;
//! - who leaves with the poller in its place tells one that sleeps, who takes it;
//! - where nobody sleeps, the background thread is awake and takes it after a tick.

use crate::transport::{Sockets, WAKE};
use crate::{Host, Message, PostError, Received};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tofu_core::{Engine, GroupId, Header, Pool, Status};

/// Messages one turn moves before those that came are received: more would make others wait for
/// theirs.
const BUDGET: u32 = 64;
/// Turns in a row before others may have the lock.
const TURNS: u32 = 4;
/// Events taken from one poll.
const EVENTS: usize = 1024;
/// Posts in a row that are written at once; more of them are likely to go on.
const EAGER: u32 = 8;
/// Posts, or their bytes, after which what was put off is written: a system call's worth.
const BATCH: u32 = 64;
const BATCH_BYTES: usize = 16 * 1024;
/// How long a post is put off at most when nothing else happens, and while so many are posted that
/// some are written all the time.
const FLUSH: Duration = Duration::from_micros(100);
const BUSY_FLUSH: Duration = Duration::from_micros(500);
/// How long nobody drives before the background thread does.
const TICK: Duration = Duration::from_millis(2);

/// What the lock guards.
pub(crate) struct Core {
    pub(crate) engine: Engine<Host>,
    sockets: Sockets,
    /// When the engine's next timeout is due.
    deadline: Option<tofu_core::Instant>,
    /// In its place while nobody polls.
    poller: Option<Poller>,
    /// Counts every time the poller is taken or put back.
    epoch: u64,
    /// Until when the poll that goes on sleeps; `None` inside: for ever.
    polling_until: Option<Option<Instant>>,
    /// The background thread polls, and has not been asked to leave.
    background_polls: bool,
    background_sleeps: bool,
    /// Posts since somebody last waited for something.
    posts_in_row: u32,
    /// Posts that are not written yet, to go out with others.
    put_off: u32,
    put_off_bytes: usize,
    /// Counts how often what was put off was written.
    flushes: u64,
    /// The background thread knows of them.
    flush_expected: bool,
    /// The groups of threads that sleep.
    sleeping: Vec<Arc<Bell>>,
    stopped: bool,
    /// Nobody holds the engine or a group of it any more.
    released: bool,
}

struct Poller {
    poll: mio::Poll,
    events: mio::Events,
}

/// Wakes the threads that wait for one thing: for a group's messages, or for room in the pool.
pub(crate) struct Bell {
    rung: Condvar,
    sleeping: AtomicU32,
    /// The one who waits for it polls.
    polling: AtomicBool,
    waker: Arc<mio::Waker>,
}

impl Bell {
    fn new(waker: Arc<mio::Waker>) -> Arc<Self> {
        let (sleeping, polling) = (AtomicU32::new(0), AtomicBool::new(false));
        Arc::new(Bell { rung: Condvar::new(), sleeping, polling, waker })
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// Called by the engine under the lock, so that no sleeper misses it.
    fn wake_by_ref(self: &Arc<Self>) {
        if self.sleeping.load(Ordering::Relaxed) > 0 {
            self.rung.notify_one();
        }
        if self.polling.swap(false, Ordering::Relaxed) {
            interrupt(&self.waker);
        }
    }
}

impl Bell {
    /// Lets everybody look again. Under the lock.
    fn ring_all(&self) {
        if self.sleeping.load(Ordering::Relaxed) > 0 {
            self.rung.notify_all();
        }
        if self.polling.swap(false, Ordering::Relaxed) {
            interrupt(&self.waker);
        }
    }
}

/// Makes the poll that goes on return.
fn interrupt(waker: &mio::Waker) {
    // It fails only when the poll is gone, and then nobody sleeps in it.
    let _ = waker.wake();
}

/// Told by the pool that a message came back which somebody lacked. Any thread may drop a message,
/// so this takes no lock.
struct PoolBell {
    came_back: AtomicBool,
    turning: AtomicBool,
    waker: Arc<mio::Waker>,
}

impl Wake for PoolBell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.came_back.store(true, Ordering::SeqCst);
        // Who turns looks at `came_back` afterwards.
        if !self.turning.load(Ordering::SeqCst) {
            interrupt(&self.waker);
        }
    }
}

/// What all handles of one engine share.
pub(crate) struct Driver {
    core: Mutex<Core>,
    pub(crate) pool: Arc<Pool<Host>>,
    pool_bell: Arc<PoolBell>,
    /// For those who wait for a message or for room.
    room: Arc<Bell>,
    background: Condvar,
    waker: Arc<mio::Waker>,
    start: Instant,
    staging: usize,
}

impl Driver {
    pub(crate) fn start(options: &crate::Options) -> io::Result<Arc<Driver>> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKE)?);
        let sockets = Sockets::new(poll.registry().try_clone()?, waker.clone());
        let pool = Arc::new(Pool::new());
        for class in &options.pool {
            pool.add_class(class.size, class.count);
        }
        let pool_bell = Arc::new(PoolBell {
            came_back: AtomicBool::new(false),
            turning: AtomicBool::new(false),
            waker: waker.clone(),
        });
        pool.set_waker(Waker::from(pool_bell.clone()));
        let driver = Arc::new(Driver {
            core: Mutex::new(Core {
                engine: Engine::new(pool.clone(), &options.protocol),
                sockets,
                deadline: None,
                poller: Some(Poller { poll, events: mio::Events::with_capacity(EVENTS) }),
                epoch: 0,
                polling_until: None,
                background_polls: false,
                background_sleeps: false,
                posts_in_row: 0,
                put_off: 0,
                put_off_bytes: 0,
                flushes: 0,
                flush_expected: false,
                sleeping: Vec::new(),
                stopped: false,
                released: false,
            }),
            pool,
            pool_bell,
            room: Bell::new(waker.clone()),
            background: Condvar::new(),
            waker,
            start: Instant::now(),
            staging: options.staging,
        });
        let background = driver.clone();
        thread::Builder::new().name("tofu".into()).spawn(move || background.run_background())?;
        Ok(driver)
    }

    pub(crate) fn new_bell(&self) -> Arc<Bell> {
        Bell::new(self.waker.clone())
    }

    pub(crate) fn room(&self) -> &Arc<Bell> {
        &self.room
    }

    pub(crate) fn staging(&self) -> usize {
        self.staging
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
        let posted = match core.engine.post(group, message) {
            // What was put off holds part of the pool.
            Err(refused) if refused.status == Status::PoolEmpty && core.put_off > 0 => {
                self.settle(core);
                core.engine.post(group, refused.message)
            }
            posted => posted,
        };
        let header = posted?;
        core.posts_in_row += 1;
        core.put_off += 1;
        core.put_off_bytes += header.frame_len();
        let more_to_come = core.posts_in_row > EAGER || core.engine.has_received(group);
        if more_to_come && core.put_off < BATCH && core.put_off_bytes < BATCH_BYTES {
            self.expect_flush(core);
        } else {
            self.settle(core);
        }
        Ok(header)
    }

    /// Writes what was put off.
    pub(crate) fn flush(&self) {
        let mut core = self.lock();
        if core.put_off > 0 {
            self.settle(&mut core);
        }
    }

    /// The next thing a group received. When there is nothing, what was put off is written, and what
    /// is known to wait is read.
    pub(crate) fn receive(&self, core: &mut Core, group: GroupId) -> Option<Received> {
        let received = core.engine.receive(group);
        if received.is_some() {
            return received;
        }
        core.posts_in_row = 0;
        if core.engine.has_work() {
            self.glance(core);
        }
        self.settle(core);
        // That may have brought something, of which nobody would tell this thread.
        core.engine.receive(group)
    }

    /// Takes the events there are, so that one channel which always has something to read keeps none
    /// of the others waiting.
    fn glance(&self, core: &mut Core) {
        let Some(mut poller) = core.poller.take() else { return };
        if poller.poll.poll(&mut poller.events, Some(Duration::ZERO)).is_ok() {
            core.sockets.take_events(&poller.events);
        }
        core.poller = Some(poller);
        core.epoch += 1;
    }

    fn expect_flush(&self, core: &mut Core) {
        if std::mem::replace(&mut core.flush_expected, true) {
            return;
        }
        if std::mem::take(&mut core.background_polls) {
            interrupt(&self.waker);
        } else {
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

    /// Stops the engine. Everybody who waits gets what is left, then learns of it.
    pub(crate) fn stop(&self) {
        let mut core = self.lock();
        core.engine.shutdown();
        while core.pending() {
            self.turn(&mut core);
        }
        core.stopped = true;
        for bell in &core.sleeping {
            bell.rung.notify_all();
        }
        self.background.notify_one();
        interrupt(&self.waker);
    }

    /// The last handle is gone. What was posted is still sent, by the background thread, as long
    /// as that makes progress; then everything ends.
    pub(crate) fn release(&self) {
        self.lock().released = true;
        self.background.notify_one();
        interrupt(&self.waker);
    }

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
            let mut outcome = attempt(&mut core);
            if outcome.is_none() && core.engine.has_work() {
                // What comes of it rings no bell for a thread that is awake.
                self.settle(&mut core);
                outcome = attempt(&mut core);
            }
            let expired = || deadline.is_some_and(|deadline| deadline <= Instant::now());
            if outcome.is_some() || expired() {
                self.hand_over(&mut core);
                return outcome;
            }
            core = match core.poller.take() {
                Some(poller) => self.poll(core, poller, bell, deadline),
                None => self.sleep(core, bell, deadline),
            };
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns if there is something to do, and sees to it that who polls knows of new deadlines.
    fn settle(&self, core: &mut Core) {
        core.flushes += u64::from(core.put_off > 0);
        core.put_off = 0;
        core.put_off_bytes = 0;
        if !core.engine.has_work() {
            return;
        }
        self.turn(core);
        if let Some(until) = core.polling_until {
            let due = core.next_deadline(self.start);
            let sooner = due.is_some_and(|due| until.is_none_or(|until| due < until));
            if sooner || core.pending() {
                interrupt(&self.waker);
            }
        }
    }

    fn turn(&self, core: &mut Core) {
        self.turn_at(core, Instant::now());
    }

    fn turn_at(&self, core: &mut Core, now: Instant) {
        let passed = now.saturating_duration_since(self.start);
        let now = tofu_core::Instant::ZERO.after(passed);
        let mut came_back = false;
        for _ in 0..TURNS {
            self.pool_bell.turning.store(true, Ordering::SeqCst);
            let turn = core.engine.turn(now, &mut core.sockets, BUDGET);
            self.pool_bell.turning.store(false, Ordering::SeqCst);
            core.deadline = turn.deadline;
            came_back = self.pool_bell.came_back.swap(false, Ordering::SeqCst);
            let more = turn.more || came_back || core.sockets.has_news();
            // What came is received first.
            if !more || turn.moved >= BUDGET {
                break;
            }
        }
        if came_back {
            // It came after the last look at those who wait for it.
            interrupt(&self.waker);
        }
        self.room.ring_all();
    }

    /// Waits for the operating system's events, without the lock.
    fn poll<'a>(
        &'a self,
        mut core: MutexGuard<'a, Core>,
        mut poller: Poller,
        bell: &Bell,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, Core> {
        let next = core.next_deadline(self.start);
        debug_assert!(core.put_off == 0, "whoever waits has written what was put off");
        let until = match core.pending() {
            // Not at all.
            true => Some(self.start),
            false => deadline.into_iter().chain(next).min(),
        };
        core.epoch += 1;
        core.polling_until = Some(until);
        bell.polling.store(true, Ordering::Relaxed);
        drop(core);
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        if poller.poll.poll(&mut poller.events, timeout).is_err() {
            // Interrupted by a signal: as if nothing had come.
            poller.events.clear();
        }
        let mut core = self.lock();
        bell.polling.store(false, Ordering::Relaxed);
        core.polling_until = None;
        core.epoch += 1;
        core.sockets.take_events(&poller.events);
        let now = Instant::now();
        core.sockets.expire(now);
        self.turn_at(&mut core, now);
        core.poller = Some(poller);
        core
    }

    /// Sleeps while somebody else polls.
    fn sleep<'a>(
        &'a self,
        mut core: MutexGuard<'a, Core>,
        bell: &Arc<Bell>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, Core> {
        if std::mem::take(&mut core.background_polls) {
            interrupt(&self.waker);
        }
        core.sleeping.push(bell.clone());
        bell.sleeping.fetch_add(1, Ordering::Relaxed);
        let mut core = match deadline {
            None => bell.rung.wait(core).unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => {
                let timeout = deadline.saturating_duration_since(Instant::now());
                let woken = bell.rung.wait_timeout(core, timeout);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        bell.sleeping.fetch_sub(1, Ordering::Relaxed);
        if let Some(index) = core.sleeping.iter().position(|other| Arc::ptr_eq(other, bell)) {
            core.sleeping.swap_remove(index);
        }
        core
    }

    /// Tells somebody that nobody polls any more.
    fn hand_over(&self, core: &mut Core) {
        if core.poller.is_none() {
            return;
        }
        if let Some(bell) = core.sleeping.last() {
            bell.rung.notify_one();
        } else if core.background_sleeps {
            self.background.notify_one();
        }
    }

    /// The background thread: drives when nobody did for a tick.
    fn run_background(&self) {
        let bell = self.new_bell();
        let mut core = self.lock();
        let mut epoch = core.epoch;
        while !core.is_over() {
            core = self.flush_late(core);
            if core.epoch != epoch || (core.poller.is_some() && !core.sleeping.is_empty()) {
                // Somebody drives, and may well come back.
                epoch = core.epoch;
                core = self.rest(core, Some(TICK));
            } else if let Some(poller) = core.poller.take() {
                core.background_polls = true;
                core = self.poll(core, poller, &bell, None);
                core.background_polls = false;
                epoch = core.epoch;
                self.hand_over(&mut core);
            } else {
                core.background_sleeps = true;
                core = self.rest(core, None);
                core.background_sleeps = false;
                // Whoever woke it may go on for a tick.
                epoch = core.epoch.wrapping_sub(1);
            }
        }
    }

    /// Writes what was put off, once nobody else does. Stays for a tick while others post and write by
    /// themselves, so that they need not wake this thread for each batch.
    fn flush_late<'a>(&self, mut core: MutexGuard<'a, Core>) -> MutexGuard<'a, Core> {
        let leave = Instant::now() + TICK;
        let mut busy = core.put_off > 0;
        let mut patience = FLUSH;
        while busy && !core.is_over() {
            let (flushes, put_off) = (core.flushes, core.put_off);
            core = self.rest(core, Some(patience));
            let written = core.flushes != flushes;
            busy = (written || core.put_off != put_off) && Instant::now() < leave;
            if core.put_off > 0 && !(written && busy) {
                if core.put_off == put_off {
                    // The next may be alone.
                    core.posts_in_row = 0;
                }
                self.settle(&mut core);
            }
            patience = BUSY_FLUSH;
        }
        // Whatever is put off from here on rings again.
        core.flush_expected = false;
        core
    }

    fn rest<'a>(&self, core: MutexGuard<'a, Core>, time: Option<Duration>) -> MutexGuard<'a, Core> {
        if core.is_over() {
            return core;
        }
        match time {
            None => self.background.wait(core).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let rested = self.background.wait_timeout(core, time);
                rested.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl Core {
    /// Whether a turn would find something to do at once.
    fn pending(&self) -> bool {
        self.engine.has_work() || self.sockets.has_news()
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Nothing is left to do: nobody can post, and nothing is under way.
    fn is_over(&self) -> bool {
        let ended = self.stopped || (self.released && self.engine.channels() == 0);
        ended && self.sockets.deadline().is_none()
    }

    fn next_deadline(&self, start: Instant) -> Option<Instant> {
        let engine = self
            .deadline
            .and_then(|deadline| start.checked_add(Duration::from_micros(deadline.as_micros())));
        engine.into_iter().chain(self.sockets.deadline()).min()
    }
}
