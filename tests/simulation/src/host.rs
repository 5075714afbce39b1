//! One engine where it lives: its transport, its clock, and when it is due a turn.

use crate::app::App;
use crate::oracle::Oracle;
use crate::platform::{GROUPS, Memory, Message, Received, Sim};
use crate::scenario::Setup;
use crate::tap::Tap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use tofu_core::{Engine, GroupId, Instant, Pool};
use tofu_loopback::{Endpoint, Network};

/// Turns in a row that may ask for another and do nothing. A turn may find that what it had put off
/// needs no doing; each channel can be put off once.
const IDLE_TURNS: u32 = 2 * crate::platform::CHANNELS as u32 + 4;

/// Remembers that it was woken.
struct Alarm(AtomicBool);

impl Alarm {
    fn new(rings: bool) -> Arc<Alarm> {
        Arc::new(Alarm(AtomicBool::new(rings)))
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    fn rings(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An engine, its application, and what drives them.
pub struct Host {
    /// The engine.
    pub engine: Engine<Sim>,
    /// Its place on the network.
    pub io: Endpoint,
    /// As it was made.
    pub setup: Setup,
    /// Its groups.
    pub groups: [Option<GroupId>; GROUPS],
    /// The application.
    pub app: App,
    network: Network,
    index: usize,
    /// A message came back that somebody had been refused.
    returned: Arc<Alarm>,
    /// Something arrived for a group.
    arrived: [Arc<Alarm>; GROUPS],
    /// Something was posted.
    posted: bool,
    more: bool,
    deadline: Option<Instant>,
    /// How far its clock is ahead of the network's, in microseconds.
    offset: i64,
    idle_turns: u32,
    /// All that the engine was ever told.
    history: DefaultHasher,
}

impl Host {
    /// An engine on this network, with its groups open.
    pub fn new(network: &Network, oracle: &mut Oracle, index: usize, setup: &Setup) -> Host {
        let pool = Pool::new();
        setup.classes.iter().for_each(|&(size, count)| pool.add_class(size, count));
        let pool = Rc::new(pool);
        let returned = Alarm::new(false);
        pool.set_waker(Waker::from(Arc::clone(&returned)));
        let engine = Engine::new(pool, &setup.options);
        oracle.engine_made(index, &setup.classes, engine.limits(), &setup.options);
        let mut host = Host {
            engine,
            io: network.endpoint(),
            setup: setup.clone(),
            groups: [None; GROUPS],
            app: App::default(),
            network: network.clone(),
            index,
            returned,
            arrived: std::array::from_fn(|_| Alarm::new(false)),
            posted: false,
            more: false,
            deadline: None,
            offset: 0,
            idle_turns: 0,
            history: DefaultHasher::new(),
        };
        (0..GROUPS).for_each(|group| host.open_group(group));
        host
    }

    /// Opens a group, unless it is open.
    pub fn open_group(&mut self, group: usize) {
        if self.groups[group].is_some() {
            return;
        }
        let opened = self.engine.open_group(Memory::new(self.setup.staging));
        if let Ok(id) = opened {
            let waker = Waker::from(Arc::clone(&self.arrived[group]));
            self.groups[group] = self.engine.set_waker(id, waker).is_ok().then_some(id);
        }
    }

    /// Drops a group, if it is open. True if it was.
    pub fn close_group(&mut self, group: usize) -> bool {
        let Some(id) = self.groups[group].take() else { return false };
        self.posted = true;
        self.engine.close_group(id).is_ok()
    }

    /// Which engine it is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// A number for what the engine has been told by its transport so far, and when something was posted.
    /// Where it is the same, and the same was posted, so is the engine.
    pub fn history(&self) -> u64 {
        self.history.finish()
    }

    /// Something was handed to the engine: it is due a turn.
    pub fn note_post(&mut self) {
        "post".hash(&mut self.history);
        self.posted = true;
    }

    /// The engine's clock.
    fn now(&self) -> Instant {
        let micros = self.network.now().as_micros();
        Instant::from_micros(micros.saturating_add_signed(self.offset))
    }

    /// The engine's clock jumps.
    pub fn jump(&mut self, micros: i64) {
        self.offset = self.offset.saturating_add(micros);
    }

    /// When its next timeout is due, by the network's clock.
    pub fn deadline(&self) -> Option<Instant> {
        let micros = self.deadline?.as_micros();
        Some(Instant::from_micros(micros.saturating_add_signed(-self.offset)))
    }

    /// Whether whoever drives it has a reason to give it a turn.
    pub fn is_due(&self) -> bool {
        self.posted
            || self.more
            || self.returned.rings()
            || self.engine.has_work()
            || self.io.has_news()
            || self.deadline.is_some_and(|deadline| deadline <= self.now())
    }

    /// Gives it a turn.
    pub fn turn(&mut self, oracle: &mut Oracle, budget: u32) {
        let now = self.now();
        oracle.clock(self.index, now);
        oracle.coverage.turns += 1;
        self.posted = false;
        self.returned.take();
        now.hash(&mut self.history);
        let history = &mut self.history;
        let mut tap = Tap { io: &mut self.io, oracle, engine: self.index, work: 0, history };
        let turn = self.engine.turn(now, &mut tap, budget);
        let worked = tap.work > 0 || turn.moved > 0;
        self.app.stirred |= worked;
        self.more = turn.more;
        self.deadline = turn.deadline;
        let again = turn.more || turn.deadline.is_some_and(|deadline| deadline <= now);
        self.idle_turns = if again && !worked { self.idle_turns + 1 } else { 0 };
        let (index, turns) = (self.index, self.idle_turns);
        oracle.check(turns <= IDLE_TURNS, "no busy loop", || {
            format!(
                "e{index} asked for {turns} turns in which it did nothing; the last was {turn:?}"
            )
        });
    }

    /// Whether something arrived since it was last asked.
    pub fn take_arrived(&self, group: usize) -> bool {
        self.arrived[group].take()
    }

    /// Whether something waits to be received that nobody was woken for.
    pub fn has_missed(&self, group: usize) -> bool {
        let id = self.groups[group];
        id.is_some_and(|id| self.engine.has_received(id)) && !self.arrived[group].rings()
    }

    /// What a group received next.
    pub fn receive(&mut self, oracle: &mut Oracle, group: usize) -> Option<Received> {
        let received = self.engine.receive(self.groups[group]?)?;
        oracle.received(self.index, group, &received);
        Some(received)
    }

    /// A message for a frame of this length, unless the pool is empty.
    pub fn get(&self, frame_len: usize) -> Option<Message> {
        Pool::get_sized(self.engine.pool(), frame_len)
    }

    /// Messages that are not free.
    pub fn used(&self) -> usize {
        let pool = self.engine.pool();
        pool.capacity() - pool.free()
    }
}
