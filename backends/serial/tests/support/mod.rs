//! Two engines on a line in memory, and a clock that jumps.
#![allow(missing_docs, unreachable_pub, dead_code)]

pub mod talk;
pub mod wire;

use std::rc::Rc;
use std::time::Duration;
use tofu_core::{
    ChannelNumber, Engine, GroupId, Instant, Limits, LocalLock, Message, Opcode, Pool, Received,
    Status,
};
use tofu_serial::{Options, Serial};
use wire::{End, Wire};

tofu_core::platform! {
    /// Messages on the heap, few of everything.
    pub struct Sim {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Sim>>,
        lock: LocalLock,
        classes: 1,
        messages: 64,
        channels: 6,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

/// The name both ends give the line.
pub const LINE: &str = "line";
/// The size of a node's messages.
pub const MESSAGE: usize = 2_048;

/// An engine at one end of a line.
pub struct Node<IO> {
    pub engine: Engine<Sim>,
    pub line: Serial<IO>,
    pub group: GroupId,
    pub deadline: Option<Instant>,
    /// Everything it received, as text; printed when a test fails.
    pub log: Vec<String>,
}

impl<IO> Node<IO>
where
    IO: embedded_io::Read + embedded_io::Write + embedded_io::ReadReady + embedded_io::WriteReady,
{
    pub fn new(io: IO, session: u32) -> Self {
        Node::with_pool(io, session, 48)
    }

    pub fn with_pool(io: IO, session: u32, messages: u16) -> Self {
        let pool = Rc::new(Pool::new());
        pool.add_class(MESSAGE, messages);
        let limits = Limits { headers: 256, body: 1_600 };
        let options = tofu_core::Options { limits, ..tofu_core::Options::DEFAULT };
        let mut engine = Engine::new(pool, &options);
        let staging = vec![0; 256].into_boxed_slice();
        let group = engine.open_group(staging).expect("the first group");
        let line = Serial::new(io, LINE, session, Options::default());
        Node { engine, line, group, deadline: None, log: Vec::new() }
    }

    /// One turn; whether there is something to do at once.
    pub fn turn(&mut self, now: Instant) -> bool {
        let turn = self.line.turn(&mut self.engine, now, 16);
        self.deadline = turn.deadline;
        turn.more || turn.moved > 0
    }

    pub fn receive(&mut self) -> Option<Received<Sim>> {
        let received = self.engine.receive(self.group)?;
        self.log.push(format!("{received:?}"));
        Some(received)
    }

    pub fn get(&self) -> Message<Sim> {
        self.engine.get().expect("a free message")
    }

    pub fn post(&mut self, message: Message<Sim>) -> ChannelNumber {
        self.engine.post(self.group, message).expect("a post that is in order").channel
    }

    pub fn listen(&mut self) -> ChannelNumber {
        let mut welcome = self.get();
        welcome.listen_on(format_args!("serial|{LINE}")).expect("a short address");
        self.post(welcome)
    }

    pub fn connect(&mut self) -> ChannelNumber {
        let mut hello = self.get();
        hello.connect_to(format_args!("serial|{LINE}")).expect("a short address");
        self.post(hello)
    }

    pub fn send(&mut self, opcode: Opcode, channel: ChannelNumber, id: u64, body: &[u8]) {
        let mut message = self.get();
        message.prepare(opcode, channel).set_id(id);
        message.set_body(body).expect("a body that fits");
        self.post(message);
    }

    /// Every message is back in the pool.
    pub fn assert_no_leak(&self) {
        let pool = self.engine.pool();
        assert_eq!(pool.free(), pool.capacity());
    }
}

/// What a node received.
pub type Inbox = Vec<Received<Sim>>;

/// Two nodes and the line between them.
pub struct Pair {
    pub wire: Wire,
    pub now: Instant,
    /// The client, then the server.
    pub nodes: [Node<End>; 2],
}

impl Pair {
    pub fn new(seed: u64) -> Self {
        let (wire, [a, b]) = Wire::new(seed);
        Pair { wire, now: Instant::ZERO, nodes: [Node::new(a, 1_000), Node::new(b, 2_000)] }
    }

    /// With a listener at the server.
    pub fn listening(seed: u64) -> Self {
        let mut pair = Pair::new(seed);
        pair.nodes[1].listen();
        let [_, at_server] = pair.run(Duration::ZERO);
        assert!(matches!(&at_server[..], [Received::Returned(_, Status::Success)]));
        pair
    }

    /// With a connection over which hello was said: the channel at the client and at the server.
    pub fn connected(seed: u64) -> (Self, [ChannelNumber; 2]) {
        let mut pair = Pair::listening(seed);
        let at_client = pair.nodes[0].connect();
        let [_, at_server] = pair.run(Duration::ZERO);
        let [Received::Peer(hello)] = &at_server[..] else { panic!("{at_server:?}") };
        let channels = [at_client, hello.channel()];
        (pair, channels)
    }

    /// Turns both so often; they receive nothing.
    pub fn turn(&mut self, times: u32) {
        for _ in 0..times {
            for node in &mut self.nodes {
                node.turn(self.now);
            }
        }
    }

    /// Turns both until nothing is left to do at once.
    fn rest(&mut self) -> [Inbox; 2] {
        let mut received = [Inbox::new(), Inbox::new()];
        for _ in 0..100_000 {
            let mut busy = false;
            for (node, inbox) in self.nodes.iter_mut().zip(&mut received) {
                busy |= node.turn(self.now) || node.line.wants_write();
                inbox.extend(std::iter::from_fn(|| node.receive()));
            }
            if !busy && self.wire.is_idle() {
                return received;
            }
        }
        panic!("the engines never come to rest");
    }

    /// Moves the clock to what comes next; false if that is after `end`.
    pub fn jump(&mut self, end: Instant) -> bool {
        let next = self.nodes.iter().filter_map(|node| node.deadline).min();
        self.now = next.unwrap_or(Instant::FAR).min(end).max(self.now);
        next.is_some_and(|next| next <= end)
    }

    /// What client and server receive within `time`.
    pub fn run(&mut self, time: Duration) -> [Inbox; 2] {
        let end = self.now.after(time);
        let mut received = self.rest();
        while self.now < end && self.jump(end) {
            for (inbox, more) in received.iter_mut().zip(self.rest()) {
                inbox.extend(more);
            }
        }
        self.now = end;
        received
    }
}

/// Reason of the `channel_closed` that stands last, and nowhere else.
pub fn close_reason(received: &[Received<Sim>]) -> Status {
    let closed = |it: &&Received<Sim>| matches!(it, Received::Notice(it) if it.status == Status::ChannelClosed);
    assert_eq!(received.iter().filter(closed).count(), 1, "{received:?}");
    match received.last() {
        Some(Received::Notice(notice)) => notice.reason,
        other => panic!("channel_closed is not the last word: {other:?}"),
    }
}

/// Opcode and id of what came from the peer.
pub fn peers(received: &[Received<Sim>]) -> Vec<(Opcode, u64)> {
    let peer = |received: &Received<Sim>| match received {
        Received::Peer(message) => Some((message.opcode(), message.id())),
        _ => None,
    };
    received.iter().filter_map(peer).collect()
}
