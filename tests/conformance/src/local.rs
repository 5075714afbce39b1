//! Engines that share a thread: they take turns, and the clock jumps from one event to the next.

use crate::world::{Group, Peer, Setup};
use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tofu_core::{
    Engine, GroupId, Header, Instant, Limits, LocalLock, Message, Options, Pool, PostError,
    Received, Stats, Status, Turn,
};

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

/// What carries the bytes between the engines of a world.
pub trait Medium: 'static {
    /// What one engine has of it.
    type Port;

    /// Bytes that a group may read ahead.
    fn staging(&self) -> usize {
        4_096
    }

    /// How many seconds a scenario's second is.
    fn pace(&self) -> u32 {
        1
    }

    /// What time it is.
    fn now(&self) -> Instant;

    /// Lets the clock jump.
    fn jump(&self, to: Instant);

    /// Gives an engine its turn.
    fn turn(&self, engine: &mut Engine<Sim>, port: &mut Self::Port) -> Turn;

    /// Moves what no engine moves. True if something can be moved at once.
    fn settle(&self) -> bool;

    /// When something happens next, deadlines of engines aside.
    fn next_event(&self) -> Option<Instant>;
}

/// The engines of a world, and the medium between them.
pub struct Engines<M: Medium> {
    /// The medium.
    pub medium: M,
    nodes: RefCell<Vec<Weak<RefCell<Node<M>>>>>,
}

struct Node<M: Medium> {
    engine: Box<Engine<Sim>>,
    port: M::Port,
    deadline: Option<Instant>,
}

impl<M: Medium> Engines<M> {
    /// A medium without engines.
    pub fn new(medium: M) -> Rc<Self> {
        Rc::new(Engines { medium, nodes: RefCell::default() })
    }

    /// A new engine at this port.
    pub fn add(self: &Rc<Self>, setup: &Setup, port: M::Port) -> LocalPeer<M> {
        let pool = Rc::new(Pool::new());
        for &(size, count) in &setup.pool {
            pool.add_class(size, count);
        }
        let engine = Box::new(Engine::new(pool, &self.stretch(&setup.protocol)));
        let node = Rc::new(RefCell::new(Node { engine, port, deadline: None }));
        self.nodes.borrow_mut().push(Rc::downgrade(&node));
        LocalPeer { node, engines: self.clone() }
    }

    /// The timeouts at this world's pace.
    fn stretch(&self, protocol: &Options) -> Options {
        let longer = |timeout: Duration| timeout * self.medium.pace();
        Options {
            connect_timeout: longer(protocol.connect_timeout),
            hello_timeout: longer(protocol.hello_timeout),
            send_timeout: protocol.send_timeout.map(longer),
            bye_timeout: longer(protocol.bye_timeout),
            frame_timeout: longer(protocol.frame_timeout),
            idle_timeout: protocol.idle_timeout.map(longer),
            accept_retry: longer(protocol.accept_retry),
            ..*protocol
        }
    }

    /// Runs until `done` yields something, at most until `timeout`.
    pub fn run<T>(&self, timeout: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
        let end = self.medium.now().after(timeout * self.medium.pace());
        loop {
            if let Some(result) = done() {
                return Some(result);
            }
            self.settle();
            if let Some(result) = done() {
                return Some(result);
            }
            let now = self.medium.now();
            if now >= end {
                return None;
            }
            let deadlines = self.live().into_iter().filter_map(|node| node.borrow().deadline);
            let next = deadlines.chain(self.medium.next_event()).min().unwrap_or(end);
            self.medium.jump(next.clamp(now, end));
        }
    }

    /// Runs every engine until nothing moves.
    fn settle(&self) {
        for _ in 0..SPIN {
            let mut more = false;
            for node in self.live() {
                let Node { engine, port, deadline } = &mut *node.borrow_mut();
                let turn = self.medium.turn(engine, port);
                *deadline = turn.deadline;
                more |= turn.more;
            }
            if !self.medium.settle() && !more {
                return;
            }
        }
        panic!("the engines never come to rest");
    }

    fn live(&self) -> Vec<Rc<RefCell<Node<M>>>> {
        let mut nodes = self.nodes.borrow_mut();
        nodes.retain(|node| node.strong_count() > 0);
        nodes.iter().filter_map(Weak::upgrade).collect()
    }
}

/// One of these engines. Gone from its medium when dropped.
pub struct LocalPeer<M: Medium> {
    node: Rc<RefCell<Node<M>>>,
    engines: Rc<Engines<M>>,
}

impl<M: Medium> Peer for LocalPeer<M> {
    type Platform = Sim;
    type Group = LocalGroup<M>;

    fn get(&self) -> Option<Message<Sim>> {
        self.node.borrow().engine.get()
    }

    fn group(&self) -> LocalGroup<M> {
        let staging = vec![0; self.engines.medium.staging()].into_boxed_slice();
        let id = self.node.borrow_mut().engine.open_group(staging).expect("room for a group");
        LocalGroup { id, node: self.node.clone(), engines: self.engines.clone() }
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

/// A channel group of such an engine.
pub struct LocalGroup<M: Medium> {
    id: GroupId,
    node: Rc<RefCell<Node<M>>>,
    engines: Rc<Engines<M>>,
}

impl<M: Medium> Group for LocalGroup<M> {
    type Platform = Sim;

    fn post(&self, message: Message<Sim>) -> Result<Header, PostError<Sim>> {
        self.node.borrow_mut().engine.post(self.id, message)
    }

    fn receive(&self, timeout: Duration) -> Option<Received<Sim>> {
        self.engines.run(timeout, || self.node.borrow_mut().engine.receive(self.id))
    }

    fn update_receiver(&self, message: Option<Message<Sim>>) -> Result<(), Status> {
        let updated = self.node.borrow_mut().engine.update_receiver(self.id, message);
        updated.map_err(|(_, status)| status)
    }
}

impl<M: Medium> Drop for LocalGroup<M> {
    fn drop(&mut self) {
        let closed = self.node.borrow_mut().engine.close_group(self.id);
        assert!(closed.is_ok(), "a group is closed once");
    }
}
