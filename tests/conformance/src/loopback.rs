//! The engine over a simulated network: every engine in one thread, and a clock that jumps.

use crate::world::{Group, Peer, Raw, RawListener, RawWorld, Setup, World};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tofu_core::{
    Engine, GroupId, Header, Instant, Limits, LocalLock, Message, Pool, PostError, Received, Stats,
    Status,
};
use tofu_loopback::{Chance, Endpoint, Faults, Network, RawPipe};

tofu_core::platform! {
    /// A platform of fixed capacities, as a board would declare it.
    pub struct Sim {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Sim>>,
        lock: LocalLock,
        classes: 4,
        messages: 512,
        channels: 256,
        groups: 4,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
    unique_id: |_: &mut u64| NEXT_ID.fetch_add(1, Ordering::Relaxed),
}

/// All worlds of the process draw their ids from here.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Turns without rest after which engines are taken to spin.
const SPIN: u32 = 1_000_000;

/// A simulated network and the engines on it.
#[derive(Clone)]
pub struct LoopbackWorld {
    shared: Rc<Shared>,
    staging: usize,
}

struct Shared {
    network: Network,
    nodes: RefCell<Vec<Weak<RefCell<Node>>>>,
    names: Cell<u32>,
}

struct Node {
    engine: Box<Engine<Sim>>,
    endpoint: Endpoint,
    deadline: Option<Instant>,
}

impl Default for LoopbackWorld {
    fn default() -> Self {
        LoopbackWorld::new()
    }
}

impl LoopbackWorld {
    /// A network on which nothing goes wrong.
    pub fn new() -> Self {
        LoopbackWorld::with(1, Faults::default(), 4_096)
    }

    /// A network on which reads and writes are cut short and events come late or for nothing.
    pub fn rough(seed: u64) -> Self {
        let faults =
            Faults { lose_link: Chance::NEVER, fail_accept: Chance::NEVER, ..Faults::rough() };
        LoopbackWorld::with(seed, Faults { refuse_connect: Chance::NEVER, ..faults }, 4_096)
    }

    /// Engines that read no byte ahead beyond a header.
    pub fn without_read_ahead() -> Self {
        LoopbackWorld::with(1, Faults::default(), 16)
    }

    fn with(seed: u64, faults: Faults, staging: usize) -> Self {
        let network = Network::new(seed, faults);
        let shared = Shared { network, nodes: RefCell::default(), names: Cell::new(0) };
        LoopbackWorld { shared: Rc::new(shared), staging }
    }
}

impl Shared {
    fn fresh_name(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("name-{}", self.names.get())
    }

    /// Runs every engine until nothing moves.
    fn settle(&self) {
        for _ in 0..SPIN {
            let now = self.network.now();
            let mut more = false;
            for node in self.live() {
                let Node { engine, endpoint, deadline } = &mut *node.borrow_mut();
                let turn = engine.turn(now, endpoint, 64);
                *deadline = turn.deadline;
                more |= turn.more;
            }
            if !more && self.network.next_event() != Some(now) {
                return;
            }
        }
        panic!("the engines never come to rest");
    }

    fn live(&self) -> Vec<Rc<RefCell<Node>>> {
        let mut nodes = self.nodes.borrow_mut();
        nodes.retain(|node| node.strong_count() > 0);
        nodes.iter().filter_map(Weak::upgrade).collect()
    }

    /// Runs until `done` yields something, at most until `timeout`.
    fn run<T>(&self, timeout: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
        let end = self.network.now().after(timeout);
        loop {
            if let Some(result) = done() {
                return Some(result);
            }
            self.settle();
            if let Some(result) = done() {
                return Some(result);
            }
            let now = self.network.now();
            if now >= end {
                return None;
            }
            let deadlines = self.live().into_iter().filter_map(|node| node.borrow().deadline);
            let next = deadlines.chain(self.network.next_event()).min().unwrap_or(end);
            self.network.advance(next.min(end).since(now));
        }
    }
}

impl World for LoopbackWorld {
    type Platform = Sim;
    type Peer = SimPeer;

    const QUIET: Duration = Duration::from_millis(100);

    fn peer(&self, setup: &Setup) -> SimPeer {
        let pool = Rc::new(Pool::new());
        for &(size, count) in &setup.pool {
            pool.add_class(size, count);
        }
        let node = Node {
            engine: Box::new(Engine::new(pool, &setup.protocol)),
            endpoint: self.shared.network.endpoint(),
            deadline: None,
        };
        let node = Rc::new(RefCell::new(node));
        self.shared.nodes.borrow_mut().push(Rc::downgrade(&node));
        SimPeer { node, world: self.clone() }
    }

    fn address(&self) -> String {
        format!("mem|{}", self.shared.fresh_name())
    }

    fn nowhere(&self) -> (String, Status) {
        (self.address(), Status::ConnectFailed)
    }

    fn pass(&self, time: Duration) {
        self.shared.run(time, || None::<()>);
    }
}

impl RawWorld for LoopbackWorld {
    type Raw = SimRaw;
    type RawListener = SimRawListener;

    fn raw_address(&self) -> String {
        self.address()
    }

    fn raw_connect(&self, address: &str) -> SimRaw {
        let name = address.strip_prefix("mem|").expect("an address of this world");
        let pipe = self.shared.network.raw_connect(name).expect("somebody listens");
        SimRaw { pipe, shared: self.shared.clone() }
    }

    fn raw_listen(&self) -> SimRawListener {
        let name = self.shared.fresh_name();
        let listener = self.shared.network.raw_listen(&name).expect("the name is free");
        SimRawListener { listener, name, shared: self.shared.clone() }
    }
}

/// An engine on the simulated network.
pub struct SimPeer {
    node: Rc<RefCell<Node>>,
    world: LoopbackWorld,
}

impl Peer for SimPeer {
    type Platform = Sim;
    type Group = SimGroup;

    fn get(&self) -> Option<Message<Sim>> {
        let pool = self.node.borrow().engine.pool().clone();
        Pool::get(&pool)
    }

    fn group(&self) -> SimGroup {
        let staging = vec![0; self.world.staging].into_boxed_slice();
        let id = self.node.borrow_mut().engine.open_group(staging).expect("room for a group");
        SimGroup { id, node: self.node.clone(), shared: self.world.shared.clone() }
    }

    fn stop(&self) {
        self.node.borrow_mut().engine.shutdown();
    }

    fn free_messages(&self) -> usize {
        self.node.borrow().engine.pool().free()
    }

    fn channels(&self) -> usize {
        self.node.borrow().engine.channels()
    }

    fn limits(&self) -> Limits {
        self.node.borrow().engine.limits()
    }

    fn stats(&self) -> Stats {
        self.node.borrow().engine.stats()
    }
}

/// A channel group on the simulated network.
pub struct SimGroup {
    id: GroupId,
    node: Rc<RefCell<Node>>,
    shared: Rc<Shared>,
}

impl Group for SimGroup {
    type Platform = Sim;

    fn post(&self, message: Message<Sim>) -> Result<Header, PostError<Sim>> {
        self.node.borrow_mut().engine.post(self.id, message)
    }

    fn receive(&self, timeout: Duration) -> Option<Received<Sim>> {
        self.shared.run(timeout, || self.node.borrow_mut().engine.receive(self.id))
    }

    fn update_receiver(&self, message: Option<Message<Sim>>) -> Result<(), Status> {
        let updated = self.node.borrow_mut().engine.update_receiver(self.id, message);
        updated.map_err(|(_, status)| status)
    }
}

impl Drop for SimGroup {
    fn drop(&mut self) {
        let closed = self.node.borrow_mut().engine.close_group(self.id);
        assert!(closed.is_ok(), "a group is closed once");
    }
}

/// Bare bytes on the simulated network.
pub struct SimRaw {
    pipe: RawPipe,
    shared: Rc<Shared>,
}

impl Raw for SimRaw {
    fn send(&mut self, bytes: &[u8], timeout: Duration) -> usize {
        let mut sent = 0;
        self.shared.run(timeout, || {
            sent += self.pipe.write(&bytes[sent..]);
            (sent == bytes.len() || self.pipe.is_lost()).then_some(())
        });
        sent
    }

    fn recv(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        self.shared.run(timeout, || {
            let mut bytes = Vec::new();
            self.pipe.read(&mut bytes);
            let some = !bytes.is_empty() || self.pipe.is_eof() || self.pipe.is_lost();
            some.then_some(bytes)
        })
    }
}

/// A bare listener on the simulated network.
pub struct SimRawListener {
    listener: tofu_loopback::RawListener,
    name: String,
    shared: Rc<Shared>,
}

impl RawListener for SimRawListener {
    type Raw = SimRaw;

    fn address(&self) -> String {
        format!("mem|{}", self.name)
    }

    fn accept(&mut self) -> SimRaw {
        let pipe = self.shared.run(crate::app::PATIENCE, || self.listener.accept());
        SimRaw { pipe: pipe.expect("an engine connects"), shared: self.shared.clone() }
    }
}
