//! Two engines on a serial line that the input damages: nothing damaged is ever delivered, and when
//! the damage ends everything comes to rest.

use crate::board::{self, Board, Message, Received};
use arbitrary::Unstructured;
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tofu_core::{ChannelNumber, Engine, GroupId, Instant, Limits, Opcode, Received as Of, Status};
use tofu_serial::{Options, Serial};

/// Bytes on their way in one direction.
const CABLE: usize = 64;
/// Steps of one input.
const STEPS: usize = 400;
/// Turns until everything has come to rest, and far more than it takes.
const TURNS: u32 = 200_000;

type Pipe = Rc<RefCell<VecDeque<u8>>>;

/// One end of the cable.
struct End {
    from: Pipe,
    to: Pipe,
}

impl ErrorType for End {
    type Error = ErrorKind;
}

impl ReadReady for End {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(!self.from.borrow().is_empty())
    }
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let mut from = self.from.borrow_mut();
        let count = buf.len().min(from.len());
        buf.iter_mut().zip(from.drain(..count)).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}

impl WriteReady for End {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(self.to.borrow().len() < CABLE)
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let mut to = self.to.borrow_mut();
        let count = buf.len().min(CABLE - to.len());
        to.extend(&buf[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        panic!("a flush blocks");
    }
}

/// An engine at one end.
struct Node {
    engine: Engine<Board>,
    group: GroupId,
    line: Serial<End>,
    deadline: Option<Instant>,
    channel: Option<ChannelNumber>,
    sent: u64,
}

impl Node {
    fn new(io: End, session: u32) -> Node {
        let limits = Limits { headers: 64, body: 400 };
        let options = tofu_core::Options { limits, ..tofu_core::Options::DEFAULT };
        let (engine, group) = board::engine(&[(512, 8)], &options, 64);
        let line = Serial::new(io, "line", session, Options::default());
        Node { engine, group, line, deadline: None, channel: None, sent: 0 }
    }

    /// One turn, and what it brings. Whether anything was left to do.
    fn turn(&mut self, now: Instant) -> bool {
        let turn = self.line.turn(&mut self.engine, now, 4);
        self.deadline = turn.deadline;
        while let Some(received) = self.engine.receive(self.group) {
            self.take(received);
        }
        turn.more || turn.moved > 0 || self.line.wants_write()
    }

    fn take(&mut self, received: Received) {
        match received {
            Of::Peer(message) => {
                let opcode = message.opcode();
                if opcode == Opcode::HelloRequest {
                    self.channel.get_or_insert(message.channel());
                }
                if opcode == Opcode::Signal {
                    let body = body(message.id());
                    assert_eq!(message.body(), body, "damaged, and delivered");
                }
            }
            Of::Notice(notice) if notice.status == Status::ChannelClosed => {
                self.channel = self.channel.filter(|&channel| channel != notice.channel);
            }
            Of::Notice(_) | Of::Returned(..) => {}
        }
    }

    fn post(&mut self, fill: impl FnOnce(&mut Message)) -> Option<ChannelNumber> {
        let mut message = self.engine.get()?;
        fill(&mut message);
        Some(self.engine.post(self.group, message).ok()?.channel)
    }

    fn send(&mut self) {
        let Some(channel) = self.channel else { return };
        self.sent += 1;
        let id = self.sent;
        self.post(|message| {
            message.prepare(Opcode::Signal, channel).set_id(id);
            message.set_body(body(id)).expect("it fits");
        });
    }

    fn bye(&mut self, opcode: Opcode) {
        let Some(channel) = self.channel else { return };
        self.post(|message| {
            message.prepare(opcode, channel).set_id(9);
        });
    }
}

/// What a message of this id holds.
fn body(id: u64) -> Vec<u8> {
    let len = (id * 37 % 400) as usize;
    (0..len as u64).map(|at| (id * 31 + at * 7) as u8).collect()
}

/// Steps of two engines and of the line between them.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let pipes = [Pipe::default(), Pipe::default()];
    let ends = [0, 1].map(|side| End { from: pipes[1 - side].clone(), to: pipes[side].clone() });
    let [a, b] = ends;
    let mut nodes = [Node::new(a, 1_000), Node::new(b, 2_000)];
    let mut now = Instant::ZERO;
    nodes[1].post(|message| message.listen_on("serial|line").expect("it fits"));
    for _ in 0..STEPS {
        if input.is_empty() || step(&mut input, &mut nodes, &pipes, &mut now).is_err() {
            break;
        }
    }
    end(&mut nodes, &mut now);
}

fn step(
    input: &mut Unstructured<'_>,
    nodes: &mut [Node; 2],
    pipes: &[Pipe; 2],
    now: &mut Instant,
) -> arbitrary::Result<()> {
    let what: u8 = input.arbitrary()?;
    let side = usize::from(what & 1);
    match what >> 1 {
        0..40 => _ = nodes[side].turn(*now),
        40..60 => nodes[side].send(),
        60..68 => {
            let hello = |message: &mut Message| message.connect_to("serial|line").expect("it fits");
            if nodes[side].channel.is_none() {
                nodes[side].channel = nodes[side].post(hello);
            }
        }
        68..72 => nodes[side].bye(Opcode::ByeRequest),
        72..74 => nodes[side].bye(Opcode::ByeResponse),
        74..76 => nodes[side].bye(Opcode::ByeSignal),
        76..90 => *now = now.after(Duration::from_millis(input.int_in_range(0..=6_000)?)),
        90..100 => {
            // One byte changes, as no checksum lets it pass.
            let mut pipe = pipes[side].borrow_mut();
            let (at, mask): (u8, u8) = (input.arbitrary()?, input.arbitrary()?);
            if let Some(byte) = pipe.get_mut(usize::from(at)) {
                *byte ^= mask;
            }
        }
        100..108 => {
            let mut pipe = pipes[side].borrow_mut();
            let at: u8 = input.arbitrary()?;
            pipe.remove(usize::from(at));
        }
        108..112 => pipes[side].borrow_mut().clear(),
        112..120 => {
            let noise: [u8; 4] = input.arbitrary()?;
            let mut pipe = pipes[side].borrow_mut();
            if pipe.len() + noise.len() <= CABLE {
                pipe.extend(noise);
            }
        }
        _ => {
            for _ in 0..8 {
                nodes.iter_mut().for_each(|node| _ = node.turn(*now));
            }
        }
    }
    Ok(())
}

/// The line is whole again, both stop, and nothing is left.
fn end(nodes: &mut [Node; 2], now: &mut Instant) {
    nodes.iter_mut().for_each(|node| node.engine.shutdown());
    for _ in 0..TURNS {
        let busy = nodes.iter_mut().map(|node| node.turn(*now)).fold(false, |any, one| any | one);
        if nodes.iter().all(|node| node.engine.channels() == 0) {
            nodes.iter().for_each(|node| board::assert_no_leak(&node.engine));
            return;
        }
        if !busy {
            let next = nodes.iter().filter_map(|node| node.deadline).min();
            *now = next.unwrap_or(*now).max(now.after(Duration::from_millis(1)));
        }
    }
    panic!("channels never end");
}
