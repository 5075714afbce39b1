//! Two engines, and between them a wire that changes what it carries. Where it carried all as it was,
//! everything arrives in order; whatever it did, both ends come to rest and nothing is left.

use crate::board::{self, Board, Message, Received};
use arbitrary::Unstructured;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tofu_core::{
    ChannelNumber, Engine, GroupId, Instant, Limits, Opcode, Options, Received as Of, Status,
};
use tofu_loopback::{Endpoint, Faults, Network, RawListener, RawPipe};

/// Steps of one input.
const STEPS: usize = 400;
/// Rounds until everything has come to rest, and far more than it takes.
const ROUNDS: u32 = 50_000;

/// An engine, and what it has said and heard.
struct Node {
    engine: Engine<Board>,
    group: GroupId,
    io: Endpoint,
    deadline: Option<Instant>,
    channel: Option<ChannelNumber>,
    greeted: bool,
    said: VecDeque<u64>,
    heard: Vec<u64>,
    next: u64,
    closed: BTreeSet<ChannelNumber>,
}

impl Node {
    fn new(network: &Network, small: u16) -> Node {
        let options = Options { limits: Limits { headers: 64, body: 300 }, ..Options::DEFAULT };
        let (engine, group) = board::engine(&[(96, small), (400, 4)], &options, 128);
        Node {
            engine,
            group,
            io: network.endpoint(),
            deadline: None,
            channel: None,
            greeted: false,
            said: VecDeque::new(),
            heard: Vec::new(),
            next: 1,
            closed: BTreeSet::new(),
        }
    }

    fn turn(&mut self, now: Instant) -> bool {
        let turn = self.engine.turn(now, &mut self.io, 4);
        self.deadline = turn.deadline;
        turn.more || turn.moved > 0
    }

    fn receive(&mut self) -> bool {
        let Some(received) = self.engine.receive(self.group) else { return false };
        self.take(received);
        true
    }

    fn take(&mut self, received: Received) {
        match received {
            Of::Peer(message) => {
                let header = message.header();
                assert_eq!((header.origin, header.status), Default::default());
                match header.opcode {
                    Opcode::HelloRequest => self.channel = Some(header.channel),
                    Opcode::Signal => self.heard.push(header.id),
                    Opcode::ByeRequest => {
                        let mut message = message;
                        message.reply().expect("it takes an answer");
                        let _ = self.engine.post(self.group, message);
                    }
                    _ => {}
                }
                self.greeted = true;
            }
            Of::Returned(message, _) => {
                if message.opcode() == Opcode::Signal {
                    let last = self.said.iter().rposition(|&id| id == message.id());
                    self.said.remove(last.expect("it was said"));
                }
            }
            Of::Notice(notice) => {
                if notice.status == Status::ChannelClosed {
                    assert!(self.closed.insert(notice.channel), "a second last word");
                    self.channel = self.channel.filter(|&channel| channel != notice.channel);
                }
            }
        }
    }

    fn post(&mut self, fill: impl FnOnce(&mut Message)) -> Option<ChannelNumber> {
        let mut message = self.engine.get()?;
        fill(&mut message);
        Some(self.engine.post(self.group, message).ok()?.channel)
    }

    fn send(&mut self, len: usize) {
        let Some(channel) = self.channel else { return };
        let id = self.next;
        let posted = self.post(|message| {
            message.prepare(Opcode::Signal, channel).set_id(id);
            let _ = message.resize_body(len);
        });
        if posted.is_some() {
            self.said.push_back(id);
            self.next += 1;
        }
    }

    fn bye(&mut self, opcode: Opcode) {
        let Some(channel) = self.channel else { return };
        self.post(|message| {
            message.prepare(opcode, channel).set_id(1);
        });
    }
}

/// The wire: a listener the client finds, and the two ends it holds.
struct Middle {
    listener: RawListener,
    ends: Option<[RawPipe; 2]>,
    /// What was read at each end and is yet to be written at the other.
    flight: [Vec<u8>; 2],
    changed: bool,
}

impl Middle {
    fn carry(&mut self, network: &Network) -> bool {
        if self.ends.is_none()
            && let Some(client) = self.listener.accept()
        {
            self.ends = network.raw_connect("server").map(|server| [client, server]);
        }
        let Some(ends) = &mut self.ends else { return false };
        for (end, flight) in ends.iter_mut().zip(&mut self.flight) {
            end.read(flight);
        }
        let mut moved = false;
        for side in 0..2 {
            let count = ends[1 - side].write(&self.flight[side]);
            self.flight[side].drain(..count);
            moved |= count > 0;
        }
        if ends.iter().any(|end| end.is_eof() || end.is_lost()) {
            self.ends = None;
            self.flight = Default::default();
            return true;
        }
        moved
    }

    /// Reads, and changes what was read.
    fn mutate(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let Some(ends) = &mut self.ends else { return Ok(()) };
        let (side, at, what): (bool, u8, u8) = input.arbitrary()?;
        let side = usize::from(side);
        ends[side].read(&mut self.flight[side]);
        let flight = &mut self.flight[side];
        let Some(at) = usize::from(at).checked_rem(flight.len()) else { return Ok(()) };
        match what % 4 {
            0 => flight[at] ^= what | 1,
            1 => _ = flight.remove(at),
            2 => flight.insert(at, what),
            _ => flight.truncate(at),
        }
        self.changed = true;
        Ok(())
    }
}

/// Steps of two engines, and of the wire.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let network = Network::new(1, Faults::default()).with_capacity(512);
    let listener = network.raw_listen("middle").expect("the name is free");
    let mut middle = Middle { listener, ends: None, flight: Default::default(), changed: false };
    let small = u16::from(input.arbitrary::<u8>().unwrap_or_default() % 8) + 2;
    let mut nodes = [Node::new(&network, small), Node::new(&network, small)];
    nodes[1].post(|message| message.listen_on("mem|server").expect("it fits"));
    settle(&mut nodes, &mut middle, &network);
    nodes[0].channel = nodes[0].post(|message| message.connect_to("mem|middle").expect("it fits"));
    for _ in 0..STEPS {
        if input.is_empty() || step(&mut input, &mut nodes, &mut middle, &network).is_err() {
            break;
        }
    }
    if !middle.changed {
        settle(&mut nodes, &mut middle, &network);
        check(&nodes);
    }
    end(&mut nodes, middle, &network);
}

fn step(
    input: &mut Unstructured<'_>,
    nodes: &mut [Node; 2],
    middle: &mut Middle,
    network: &Network,
) -> arbitrary::Result<()> {
    let what: u8 = input.arbitrary()?;
    let node = &mut nodes[usize::from(what & 1)];
    match what >> 1 {
        0..30 => _ = node.turn(network.now()),
        30..50 => _ = node.receive(),
        50..80 => node.send(usize::from(input.arbitrary::<u8>()?)),
        80..100 => _ = middle.carry(network),
        100..110 => middle.mutate(input)?,
        110..113 => node.bye(Opcode::ByeRequest),
        113..115 => node.bye(Opcode::ByeResponse),
        115 => node.bye(Opcode::ByeSignal),
        116..120 => network.advance(Duration::from_millis(input.int_in_range(0..=3_000)?)),
        120..123 => _ = middle.ends.take(),
        _ => settle(nodes, middle, network),
    }
    Ok(())
}

/// Until nothing more happens by itself.
fn settle(nodes: &mut [Node; 2], middle: &mut Middle, network: &Network) {
    for _ in 0..ROUNDS {
        let mut busy = middle.carry(network);
        for node in nodes.iter_mut() {
            busy |= node.turn(network.now());
            busy |= node.receive();
            busy |= node.io.has_news();
        }
        if !busy {
            return;
        }
    }
    panic!("the engines never come to rest");
}

/// What was heard is the beginning of what was said; all of it while nobody left.
fn check(nodes: &[Node; 2]) {
    for (from, to) in [(0, 1), (1, 0)] {
        let (said, heard) = (&nodes[from].said, &nodes[to].heard);
        assert!(heard.iter().eq(said.iter().take(heard.len())), "{said:?} became {heard:?}");
        if nodes.iter().all(|node| node.channel.is_some() && node.greeted) {
            assert_eq!(heard.len(), said.len(), "a message is lost");
        }
    }
}

/// Both stop, and nothing is left.
fn end(nodes: &mut [Node; 2], mut middle: Middle, network: &Network) {
    nodes.iter_mut().for_each(|node| node.engine.shutdown());
    for _ in 0..100 {
        settle(nodes, &mut middle, network);
        if nodes.iter().all(|node| node.engine.channels() == 0) {
            nodes.iter().for_each(|node| board::assert_no_leak(&node.engine));
            return;
        }
        network.advance(Duration::from_secs(1));
    }
    panic!("channels never end");
}
