//! What must hold. The oracle sees what applications post and receive, and the bytes that cross the
//! seam to the transport; it never asks an engine what it thinks.
//!
//! | module | what it judges |
//! |---|---|
//! | `end` | nothing: what is known of one end of a conversation |
//! | `post` | what is posted, and what is refused |
//! | `wire` | the bytes engines hand to the transport and take from it |
//! | `receive` | what applications receive |
//! | `reason` | why a channel may end |
//! | `patience` | what should have timed out |
//! | `rest` | an engine that does nothing: had it nothing to do? |

mod end;
mod patience;
mod post;
mod reason;
mod receive;
mod rest;
mod wire;

pub use end::{End, Kind};
pub use rest::Calm;

use crate::coverage::Coverage;
use crate::platform::GROUPS;
use crate::trace::Trace;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tofu_core::{Header, Instant, Limits, Message, Options, Platform};
use tofu_loopback::{Direction, Network};
use wire::Connection;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which; the same for failures of the same kind.
    pub promise: &'static str,
    /// How.
    pub what: String,
}

/// What the oracle knows of one engine.
pub(crate) struct Engine {
    pub(crate) limits: Limits,
    pub(crate) header_lines: u16,
    pub(crate) classes: Vec<(usize, u16)>,
    /// Its shortest timeout.
    pub(crate) soonest: Duration,
    pub(crate) bye_timeout: Duration,
    pub(crate) send_times_out: bool,
    pub(crate) idle_times_out: bool,
    /// Its clock.
    pub(crate) now: Instant,
    pub(crate) stopping: bool,
    /// The ends it told its application of, by channel number.
    pub(crate) channels: BTreeMap<u16, usize>,
    /// Ends whose group was dropped.
    pub(crate) orphans: BTreeMap<u16, usize>,
    /// Numbers of all channels it ever had, and ids it gave to messages without.
    pub(crate) numbers: BTreeSet<u16>,
    pub(crate) ids: BTreeSet<u64>,
    /// Its clock jumped: how long something took cannot be told from the network's.
    pub(crate) jumped: bool,
    /// Listeners whose group was dropped since its last turn, which ends them.
    pub(crate) dropped_listeners: usize,
    /// Wake-ups of each group that were not received: messages and, without one, how many.
    pub(crate) wakes: [(VecDeque<Vec<u8>>, usize); GROUPS],
}

/// The model of what must hold.
pub struct Oracle {
    /// What happened.
    pub trace: Trace,
    /// What was reached.
    pub coverage: Coverage,
    seed: u64,
    failure: Option<Failure>,
    network: Network,
    engines: Vec<Engine>,
    ends: Vec<End>,
    connections: BTreeMap<u64, Connection>,
}

impl Oracle {
    /// An oracle that has seen nothing yet.
    pub fn new(seed: u64, network: Network, trace: Trace) -> Oracle {
        Oracle {
            trace,
            coverage: Coverage::default(),
            seed,
            failure: None,
            network,
            engines: Vec::new(),
            ends: Vec::new(),
            connections: BTreeMap::new(),
        }
    }

    /// An engine was made, in the place of an earlier one or as the next.
    pub fn engine_made(
        &mut self,
        index: usize,
        classes: &[(usize, u16)],
        limits: Limits,
        options: &Options,
    ) {
        let timeouts = [
            Some(options.connect_timeout),
            Some(options.hello_timeout),
            Some(options.bye_timeout),
            Some(options.frame_timeout),
            options.send_timeout,
            options.idle_timeout,
        ];
        let mut classes = classes.to_vec();
        classes.sort_unstable();
        let engine = Engine {
            limits,
            header_lines: options.header_lines,
            classes,
            soonest: timeouts.into_iter().flatten().min().unwrap_or_default(),
            bye_timeout: options.bye_timeout,
            send_times_out: options.send_timeout.is_some(),
            idle_times_out: options.idle_timeout.is_some(),
            now: Instant::ZERO,
            stopping: false,
            channels: BTreeMap::new(),
            orphans: BTreeMap::new(),
            numbers: BTreeSet::new(),
            ids: BTreeSet::new(),
            jumped: false,
            dropped_listeners: 0,
            wakes: Default::default(),
        };
        match self.engines.get_mut(index) {
            Some(place) => *place = engine,
            None => self.engines.push(engine),
        }
    }

    /// The engine's process ended.
    pub fn engine_crashed(&mut self, index: usize) {
        for end in self.ends.iter_mut().filter(|end| end.engine == index && end.closed.is_none()) {
            end.crashed = true;
        }
        for connection in self.connections.values_mut() {
            connection.crash(index);
        }
    }

    /// The engine was told to stop.
    pub fn engine_stopped(&mut self, index: usize) {
        self.engines[index].stopping = true;
    }

    /// Whether it was.
    pub fn is_stopping(&self, index: usize) -> bool {
        self.engines[index].stopping
    }

    /// A group was dropped: its channels say no more.
    pub fn group_dropped(&mut self, engine: usize, group: usize) {
        let of_group = |end: &End| end.group == group;
        let view = &mut self.engines[engine];
        let gone: Vec<(u16, usize)> = view
            .channels
            .iter()
            .filter(|(_, end)| of_group(&self.ends[**end]))
            .map(|(&number, &end)| (number, end))
            .collect();
        for (number, end) in gone {
            view.channels.remove(&number);
            self.ends[end].orphaned = true;
            match self.ends[end].kind {
                Kind::Listener => view.dropped_listeners += 1,
                _ => drop(view.orphans.insert(number, end)),
            }
        }
        view.wakes[group] = Default::default();
    }

    /// A receiver was woken.
    pub fn woken(&mut self, engine: usize, group: usize, message: Option<Vec<u8>>) {
        let (messages, bare) = &mut self.engines[engine].wakes[group];
        match message {
            Some(wire) => messages.push_back(wire),
            None => *bare += 1,
        }
    }

    /// An engine gets a turn, and is told what time it is: the latest counts.
    pub fn clock(&mut self, engine: usize, now: Instant) {
        let engine = &mut self.engines[engine];
        engine.now = engine.now.max(now);
        engine.dropped_listeners = 0;
    }

    /// An engine's clock jumps.
    pub fn clock_jumped(&mut self, engine: usize) {
        self.engines[engine].jumped = true;
    }

    /// Says that a promise was broken. The first counts.
    pub fn fail(&mut self, promise: &'static str, what: impl FnOnce() -> String) {
        if self.failure.is_none() {
            let what = what();
            self.trace.note(|| format!("BROKEN {promise}: {what}"));
            self.failure = Some(Failure { promise, what });
        }
    }

    /// Says so unless something holds.
    pub fn check(&mut self, holds: bool, promise: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(promise, what);
        }
    }

    /// Whether all held so far.
    pub fn verdict(&self) -> Result<(), Failure> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    // What applications know.

    /// The end a channel of an engine is.
    pub fn end_of(&self, engine: usize, number: u16) -> Option<&End> {
        Some(&self.ends[*self.engines[engine].channels.get(&number)?])
    }

    /// What tells the end a channel is from all others, ever.
    pub fn index_of(&self, engine: usize, number: u16) -> Option<usize> {
        self.engines[engine].channels.get(&number).copied()
    }

    /// The side of its conversation an end is, and the number its next message has.
    pub fn place(&self, end: usize) -> (usize, u32) {
        let end = &self.ends[end];
        (end.side(), end.out.posts.len() as u32)
    }

    /// The seed of it all.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The channels an engine's application knows of.
    pub fn channels(&self, engine: usize) -> impl Iterator<Item = (u16, &End)> {
        self.engines[engine].channels.iter().map(|(&number, &end)| (number, &self.ends[end]))
    }

    /// The number the next conversation gets.
    pub fn next_conversation(&self) -> u32 {
        self.ends.len() as u32
    }

    fn cut_at(&self, end: &End) -> Option<Instant> {
        self.network.cut_at(end.connection?)
    }
}

/// The bytes a message has on the wire.
pub fn wire_of<P: Platform>(message: &Message<P>) -> Vec<u8> {
    wire_with(&message.header(), message.text().as_bytes(), message.body())
}

fn wire_with(header: &Header, text: &[u8], body: &[u8]) -> Vec<u8> {
    [&header.encode()[..], text, body].concat()
}

/// Which end sends in this direction: 0 the one that connected, 1 the one that listened.
pub(crate) fn sender(direction: Direction) -> usize {
    match direction {
        Direction::ToListener => 0,
        Direction::ToClient => 1,
    }
}
