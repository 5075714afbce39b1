//! The engine over a simulated network: every engine in one thread, and a clock that jumps.

use crate::local::{Engines, LocalPeer, Medium, Sim};
use crate::world::{Raw, RawListener, RawWorld, Setup, World};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tofu_core::{Engine, Instant, Status, Turn};
use tofu_loopback::{Chance, Endpoint, Faults, Network, RawPipe};

/// A simulated network and the engines on it.
#[derive(Clone)]
pub struct LoopbackWorld(Rc<Engines<Simulated>>);

/// The network, and what was taken of it.
pub struct Simulated {
    network: Network,
    staging: usize,
    names: Cell<u32>,
}

impl Medium for Simulated {
    type Port = Endpoint;

    fn staging(&self) -> usize {
        self.staging
    }

    fn now(&self) -> Instant {
        self.network.now()
    }

    fn jump(&self, to: Instant) {
        self.network.advance(to.since(self.now()));
    }

    fn turn(&self, engine: &mut Engine<Sim>, endpoint: &mut Endpoint) -> Turn {
        engine.turn(self.now(), endpoint, 64)
    }

    fn settle(&self) -> bool {
        self.next_event() == Some(self.now())
    }

    fn next_event(&self) -> Option<Instant> {
        self.network.next_event()
    }
}

impl Simulated {
    fn fresh_name(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("name-{}", self.names.get())
    }
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
        LoopbackWorld(Engines::new(Simulated { network, staging, names: Cell::new(0) }))
    }
}

impl World for LoopbackWorld {
    type Platform = Sim;
    type Peer = LocalPeer<Simulated>;

    const QUIET: Duration = Duration::from_millis(100);

    fn peer(&self, setup: &Setup) -> Self::Peer {
        self.0.add(setup, self.0.medium.network.endpoint())
    }

    fn address(&self) -> String {
        format!("mem|{}", self.0.medium.fresh_name())
    }

    fn nowhere(&self) -> (String, Status) {
        (self.address(), Status::ConnectFailed)
    }

    fn pass(&self, time: Duration) {
        self.0.run(time, || None::<()>);
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
        let pipe = self.0.medium.network.raw_connect(name).expect("somebody listens");
        SimRaw { pipe, engines: self.0.clone() }
    }

    fn raw_listen(&self) -> SimRawListener {
        let name = self.0.medium.fresh_name();
        let listener = self.0.medium.network.raw_listen(&name).expect("the name is free");
        SimRawListener { listener, name, engines: self.0.clone() }
    }
}

/// Bare bytes on the simulated network.
pub struct SimRaw {
    pipe: RawPipe,
    engines: Rc<Engines<Simulated>>,
}

impl Raw for SimRaw {
    fn send(&mut self, bytes: &[u8], timeout: Duration) -> usize {
        let mut sent = 0;
        self.engines.run(timeout, || {
            sent += self.pipe.write(&bytes[sent..]);
            (sent == bytes.len() || self.pipe.is_lost()).then_some(())
        });
        sent
    }

    fn recv(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        self.engines.run(timeout, || {
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
    engines: Rc<Engines<Simulated>>,
}

impl RawListener for SimRawListener {
    type Raw = SimRaw;

    fn address(&self) -> String {
        format!("mem|{}", self.name)
    }

    fn accept(&mut self) -> SimRaw {
        let pipe = self.engines.run(crate::app::PATIENCE, || self.listener.accept());
        SimRaw { pipe: pipe.expect("an engine connects"), engines: self.engines.clone() }
    }
}
