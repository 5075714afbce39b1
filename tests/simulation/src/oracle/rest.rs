//! An engine that does nothing any more: had it nothing to do? And what it holds: may it?

use super::{End, Kind, Oracle};
use crate::coverage::Situation;
use tofu_core::HEADER_LEN;
use tofu_loopback::Direction;

/// What the world says of an engine at rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calm {
    /// Its application has received everything and holds nothing.
    pub drained: bool,
    /// Channels that exist.
    pub channels: usize,
}

impl Oracle {
    /// Nothing happens any more, at this time: no engine asks for a turn, no byte is on its way. What
    /// could go on and does not was forgotten.
    pub fn check_rest(&mut self, calm: &[Calm]) {
        for index in 0..self.ends.len() {
            let end = &self.ends[index];
            if end.crashed || end.closed.is_some() {
                continue;
            }
            self.check_writing(index, calm);
            self.check_reading(index, calm);
            self.check_closing(index, calm);
        }
        for (engine, calm) in calm.iter().enumerate() {
            let (most, held) = (self.channels_taken(engine, calm.drained), calm.channels);
            self.check(held <= most, "no channel leaks", || {
                format!("e{engine} has {held} channels, its application knows of {most}")
            });
        }
    }

    /// What is unsent waits for room, or for the connection.
    fn check_writing(&mut self, index: usize, calm: &[Calm]) {
        let end = &self.ends[index];
        let unsent = end.out.unresolved().len();
        let Some(number) = end.connection.filter(|_| unsent > 0) else { return };
        let direction = if end.side() == 0 { Direction::ToListener } else { Direction::ToClient };
        let Some(connection) = self.connections.get(&number) else { return };
        let open = connection.closed[end.side()].is_none();
        // What the peer sent before it went is read first.
        let gone = self.cut_at(end).is_some() || connection.closed[1 - end.side()].is_some();
        let room = self.network.room(number, direction);
        let may_wait =
            room.is_none_or(|room| room == 0) || (gone && self.may_stop_reading(end, calm));
        let engine = end.engine;
        if open && room == Some(0) {
            self.coverage.reach(Situation::Blocked);
        }
        self.check(!open || may_wait, "no wake-up to write is lost", || {
            format!("e{engine} has {unsent} unsent on connection {number}, and there is room")
        });
    }

    /// What was sent to an end is received, unless its engine may not read.
    fn check_reading(&mut self, index: usize, calm: &[Calm]) {
        let end = &self.ends[index];
        let Some((from, number)) = end.peer.zip(end.connection) else { return };
        let from = &self.ends[from];
        let Some(connection) = self.connections.get(&number) else { return };
        let missing = from.out.sent - from.out.delivered;
        let other_closed = connection.closed[1 - end.side()].is_some();
        let reads = connection.closed[end.side()].is_none() && !end.orphaned;
        let over = self.cut_at(end).is_some() || other_closed;
        if !reads || (missing == 0 && !over) {
            return;
        }
        let (engine, may_stop) = (end.engine, self.may_stop_reading(end, calm));
        self.check(may_stop, "no wake-up to read is lost", || {
            format!(
                "e{engine} does not read connection {number}: {missing} messages wait, \
                 its end is there: {over}"
            )
        });
    }

    /// A channel that closes is said to.
    fn check_closing(&mut self, index: usize, calm: &[Calm]) {
        let end = &self.ends[index];
        if end.orphaned || !calm[end.engine].drained {
            return;
        }
        let given_back = end
            .connection
            .and_then(|number| self.connections.get(&number))
            .is_some_and(|connection| connection.closed[end.side()].is_some());
        let stopping = self.engines[end.engine].stopping;
        // What came before is received first, if sending failed.
        let doomed = end.doomed && !self.may_stop_reading(end, calm);
        let overdue = end.signalled || doomed || given_back || stopping;
        let engine = end.engine;
        let signalled = end.signalled;
        self.check(!overdue, "channel_closed comes", || {
            format!(
                "e{engine} says nothing: signalled {signalled}, posts refused {doomed}, \
                 link given back {given_back}, stopping {stopping}"
            )
        });
    }

    /// Whether an engine may leave bytes where they are: its application keeps it waiting, its pool is
    /// dry, or it holds answers that nobody takes.
    pub(super) fn may_stop_reading(&self, end: &End, calm: &[Calm]) -> bool {
        let answers = end.kind == Kind::Accepted && end.out.has_unsent_answers();
        !calm[end.engine].drained || answers || self.may_be_dry(end.engine)
    }

    /// Whether all messages of some size may be in use by what is unsent.
    pub(super) fn may_be_dry(&self, engine: usize) -> bool {
        let classes = &self.engines[engine].classes;
        let mut used = vec![0; classes.len()];
        for post in self.alive(engine).flat_map(|end| end.out.unresolved()) {
            let class = classes.iter().position(|&(size, _)| post.wire.len() <= size);
            let class = class.unwrap_or(classes.len() - 1);
            used[class] += 1;
            // With its engine's limits it may have outgrown its first message.
            let hello = matches!(post.header().opcode.code(), 3 | 4);
            if hello && class + 1 < used.len() {
                used[class + 1] += 1;
            }
        }
        // A frame that a stranger does not finish is in use, and counts as unread besides. Who holds unread
        // messages goes on only when some more than his share are free.
        let unfinished = self.strangers(engine);
        used.iter().zip(classes).any(|(used, &(_, count))| {
            let free = usize::from(count).saturating_sub(used + unfinished);
            free - free / 8 <= unfinished
        })
    }

    /// The ends of an engine that may hold messages of its pool.
    fn alive(&self, engine: usize) -> impl Iterator<Item = &End> {
        self.ends.iter().filter(move |end| {
            end.engine == engine && !end.crashed && end.closed.is_none() && !self.is_flushed(end)
        })
    }

    /// Whether nobody will hear of it again and its connection is given back.
    fn is_flushed(&self, end: &End) -> bool {
        let connection = end.connection.and_then(|number| self.connections.get(&number));
        end.orphaned && connection.is_some_and(|it| it.closed[end.side()].is_some())
    }

    /// Connections of an engine to peers that are no engines.
    fn strangers(&self, engine: usize) -> usize {
        let strange = |connection: &&super::Connection| {
            connection.engines == [None, Some(engine)] && connection.closed[1].is_none()
        };
        self.connections.values().filter(strange).count()
    }

    /// The most messages an engine can hold: those without a fate, those whose frame it has begun to
    /// read, and one for each stranger and each wake-up.
    pub fn most_held(&self, engine: usize) -> usize {
        let unsent: usize = self.alive(engine).map(|end| end.out.unresolved().len()).sum();
        let unread: usize = self
            .connections
            .values()
            .flat_map(|connection| [(connection, 0), (connection, 1)])
            .filter(|(connection, side)| connection.engines[1 - side] == Some(engine))
            .filter_map(|(connection, side)| {
                let flow = &self.ends[connection.ends[side]?].out;
                let begun = flow.begun_within(connection.read[side]);
                Some(begun.saturating_sub(flow.delivered))
            })
            .sum();
        // What a stranger sent may be many frames.
        let strangers: u64 = self
            .connections
            .values()
            .filter(|connection| connection.engines == [None, Some(engine)])
            .map(|connection| connection.read[0] / HEADER_LEN as u64)
            .sum();
        let wakes: usize = self.engines[engine].wakes.iter().map(|wakes| wakes.0.len()).sum();
        unsent + unread + strangers as usize + wakes
    }

    /// The most channels an engine can have: those its application knows of or, unless everything was
    /// received, is about to be told of; those whose group is gone; and connections that did not say
    /// hello yet.
    pub(super) fn channels_taken(&self, engine: usize, drained: bool) -> usize {
        let view = &self.engines[engine];
        let orphans = view.orphans.values().filter(|end| !self.is_flushed(&self.ends[**end]));
        let silent = self.connections.values().filter(|connection| {
            connection.engines[1] == Some(engine)
                && connection.ends[1].is_none()
                && (!drained || connection.closed[1].is_none())
        });
        view.channels.len() + view.dropped_listeners + orphans.count() + silent.count()
    }

    /// It is all over: every message of every engine that lived to see it has a fate.
    pub fn check_end(&mut self) {
        for index in 0..self.ends.len() {
            let end = &self.ends[index];
            if end.crashed || end.orphaned {
                continue;
            }
            let (engine, kind, said) = (end.engine, end.kind, end.closed.is_some());
            self.check(said, "every channel ends with channel_closed", || {
                format!("e{engine} never says that its {kind:?} closed")
            });
            self.check_fates(index);
        }
        for engine in 0..self.engines.len() {
            let owed = self.engines[engine]
                .wakes
                .iter()
                .any(|(messages, bare)| !messages.is_empty() || *bare > 0);
            self.check(!owed, "each wake-up is received once", || format!("e{engine} owes one"));
        }
    }
}
