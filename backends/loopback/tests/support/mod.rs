//! An engine on the simulated network, and the loop that drives several.
#![allow(missing_docs, unreachable_pub, dead_code)]

use std::collections::BTreeSet;
use std::rc::Rc;
use tofu_core::{
    ChannelNumber, Engine, GroupId, Instant, Limits, LocalLock, Message, Opcode, Options, Pool,
    Received, Status,
};
use tofu_loopback::{Endpoint, Network};

tofu_core::platform! {
    /// Messages on the heap, few of everything.
    pub struct Sim {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Sim>>,
        lock: LocalLock,
        classes: 2,
        messages: 128,
        channels: 8,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

/// Size and number of small and of large messages.
pub type Classes = [(usize, u16); 2];
pub const ROOMY: Classes = [(256, 64), (4_096, 32)];
pub const TIGHT: Classes = [(256, 8), (4_096, 4)];

/// The default timeouts, and limits that [`ROOMY`] and [`TIGHT`] have room for.
pub fn options() -> Options {
    Options { limits: Limits { headers: 256, body: 3_072 }, ..Options::DEFAULT }
}

/// An engine with one group, at its place on the network. Checks what every receiver may
/// rely on while it receives.
pub struct Node {
    pub engine: Engine<Sim>,
    pub io: Endpoint,
    pub group: GroupId,
    pub deadline: Option<Instant>,
    closed: BTreeSet<ChannelNumber>,
    pub log: Vec<String>,
    network: Network,
    name: &'static str,
}

impl Node {
    pub fn new(network: &Network, name: &'static str, classes: Classes) -> Node {
        let pool = Rc::new(Pool::new());
        classes.iter().for_each(|&(size, count)| pool.add_class(size, count));
        let mut engine = Engine::new(pool, &options());
        let staging = vec![0; 1_024].into_boxed_slice();
        let group = engine.open_group(staging).expect("the first group");
        Node {
            engine,
            io: network.endpoint(),
            group,
            deadline: None,
            closed: BTreeSet::new(),
            log: Vec::new(),
            network: network.clone(),
            name,
        }
    }

    /// A message, unless the pool is empty.
    pub fn get(&self) -> Option<Message<Sim>> {
        Pool::get(self.engine.pool())
    }

    /// One turn; whether there was something to do.
    pub fn turn(&mut self, budget: u32) -> bool {
        let turn = self.engine.turn(self.network.now(), &mut self.io, budget);
        self.deadline = turn.deadline;
        turn.more || turn.moved > 0
    }

    pub fn receive(&mut self) -> Option<Received<Sim>> {
        let received = self.engine.receive(self.group)?;
        let channel = received.channel();
        assert!(!self.closed.contains(&channel), "after channel_closed: {received:?}");
        if is_closed(&received) {
            self.closed.insert(channel);
        }
        self.log.push(format!("{} {:?} {received:?}", self.name, self.network.now()));
        Some(received)
    }

    /// How many channels ended.
    pub fn closed(&self) -> usize {
        self.closed.len()
    }

    /// Posts a message that must be taken; its channel.
    pub fn post(&mut self, message: Message<Sim>) -> ChannelNumber {
        self.engine.post(self.group, message).expect("a post that is in order").channel
    }

    pub fn listen(&mut self, name: &str) -> ChannelNumber {
        let mut welcome = self.get().expect("a free message");
        welcome.listen_on(format_args!("mem|{name}")).expect("a short address");
        self.post(welcome)
    }

    pub fn connect(&mut self, name: &str, id: u64) -> ChannelNumber {
        let mut hello = self.get().expect("a free message");
        hello.connect_to(format_args!("mem|{name}")).expect("a short address");
        hello.set_id(id);
        self.post(hello)
    }

    pub fn send(&mut self, opcode: Opcode, channel: ChannelNumber, id: u64, body: &[u8]) {
        let mut message = self.get().expect("a free message");
        message.prepare(opcode, channel).set_id(id);
        message.set_body(body).expect("a body that fits");
        self.post(message);
    }

    /// Every message is back in the pool.
    pub fn assert_no_leak(&self) {
        let pool = self.engine.pool();
        assert_eq!(pool.free(), pool.capacity(), "{} lost messages", self.name);
    }
}

pub fn is_closed(received: &Received<Sim>) -> bool {
    matches!(received, Received::Notice(notice) if notice.status == Status::ChannelClosed)
}

/// Moves the clock to whatever comes next; false when nothing will.
pub fn wait(network: &Network, nodes: &[&Node]) -> bool {
    let deadlines = nodes.iter().filter_map(|node| node.deadline);
    let Some(next) = deadlines.chain(network.next_event()).min() else {
        return false;
    };
    network.advance(next.since(network.now()));
    true
}

/// Drives both until nothing happens before `limit`; what each received, in order.
pub fn settle(
    network: &Network,
    a: &mut Node,
    b: &mut Node,
    limit: Instant,
) -> [Vec<Received<Sim>>; 2] {
    let mut received = [Vec::new(), Vec::new()];
    for _ in 0..1_000_000 {
        let mut busy = false;
        for (node, to) in [&mut *a, &mut *b].into_iter().zip(&mut received) {
            busy |= node.turn(16);
            to.extend(std::iter::from_fn(|| node.receive()));
        }
        let due = [a.deadline, b.deadline, network.next_event()];
        let Some(next) = due.into_iter().flatten().min() else {
            return received;
        };
        if busy || next <= network.now() {
            if !busy {
                network.advance(std::time::Duration::ZERO);
            }
            continue;
        }
        if next > limit {
            return received;
        }
        network.advance(next.since(network.now()));
    }
    panic!("the engines never come to rest");
}
