//! The table of links: what stands behind each, and which have something to report.

use super::connect::{Connecting, Resolving, Target};
use super::listener::Listener;
use super::stream::Stream;
use mio::Token;
use std::collections::VecDeque;
use tofu_core::{Link, Ready, Status};

const INDEX_BITS: u32 = 16;
const LINGERING_BIT: usize = 1 << INDEX_BITS;
const GENERATION_SHIFT: u32 = INDEX_BITS + 1;
/// As many as fit into a token beside the rest.
const GENERATIONS: u32 = (usize::MAX >> GENERATION_SHIFT) as u32;

/// An entry of a table at one time of its life, so that what was said about its
/// predecessor is not taken for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) index: u16,
    pub(super) generation: u32,
}

impl Key {
    pub(super) fn link(self) -> Link {
        Link(self.index)
    }

    /// The same entry, the next time it is used.
    pub(super) fn next(self) -> Key {
        Key { generation: self.generation.wrapping_add(1) & GENERATIONS, ..self }
    }

    fn token(self) -> Token {
        Token((self.generation as usize) << GENERATION_SHIFT | usize::from(self.index))
    }
}

/// Whom an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A link.
    Link(Key),
    /// A socket that lingers after its link was closed.
    Lingering(Key),
}

impl Owner {
    pub(super) fn token(self) -> Token {
        match self {
            Owner::Link(key) => key.token(),
            Owner::Lingering(key) => Token(key.token().0 | LINGERING_BIT),
        }
    }

    pub(super) fn of(token: Token) -> Owner {
        let key = Key {
            index: token.0 as u16,
            generation: (token.0 >> GENERATION_SHIFT) as u32 & GENERATIONS,
        };
        if token.0 & LINGERING_BIT == 0 { Owner::Link(key) } else { Owner::Lingering(key) }
    }
}

/// What stands behind a link. What is rare is boxed, to keep the table small.
#[derive(Debug, Default)]
pub(super) enum State {
    /// Nothing: closed, or its opening failed.
    #[default]
    Idle,
    /// A name is being resolved.
    Resolving(Box<Resolving>),
    /// A connection is under way.
    Connecting(Box<Connecting>),
    /// The listener's backlog is full; it is tried again soon.
    Retrying(Box<Target>),
    /// A listener.
    Listener(Box<Listener>),
    /// A connection.
    Stream(Stream),
}

/// One link.
#[derive(Debug, Default)]
pub(super) struct Slot {
    generation: u32,
    /// In the ready queue.
    queued: bool,
    /// To be reported: the end of an opening, then the hints.
    outcome: Option<Ready>,
    readable: bool,
    writable: bool,
    /// The engine asks for [`Ready::Writable`].
    wants_write: bool,
    /// The last word of the system was that bytes can be sent.
    can_write: bool,
    /// An end of stream or an error waits behind what can be read.
    pub(super) read_closed: bool,
    /// The end of the stream was read.
    pub(super) ended: bool,
    pub(super) state: State,
}

impl Slot {
    fn take_ready(&mut self) -> Option<Ready> {
        if let Some(outcome) = self.outcome.take() {
            return Some(outcome);
        }
        if std::mem::take(&mut self.readable) {
            return Some(Ready::Readable);
        }
        std::mem::take(&mut self.writable).then_some(Ready::Writable)
    }

    fn has_ready(&self) -> bool {
        self.outcome.is_some() || self.readable || self.writable
    }
}

/// All links, by index, and a queue of those with something to report.
#[derive(Debug, Default)]
pub(super) struct Links {
    slots: Vec<Slot>,
    ready: VecDeque<Link>,
}

impl Links {
    /// How a link is called until it is closed.
    pub(super) fn key(&mut self, link: Link) -> Key {
        if self.slots.len() <= link.index() {
            self.slots.resize_with(link.index() + 1, Slot::default);
        }
        Key { index: link.0, generation: self.slots[link.index()].generation }
    }

    pub(super) fn get(&self, link: Link) -> Option<&Slot> {
        self.slots.get(link.index())
    }

    pub(super) fn get_mut(&mut self, link: Link) -> Option<&mut Slot> {
        self.slots.get_mut(link.index())
    }

    /// The link `key` names, if it was not closed since.
    pub(super) fn find(&mut self, key: Key) -> Option<&mut Slot> {
        self.get_mut(key.link()).filter(|slot| slot.generation == key.generation)
    }

    /// Puts something behind a link that [`Links::key`] has made room for.
    pub(super) fn put(&mut self, link: Link, state: State) {
        let Some(slot) = self.get_mut(link) else {
            return;
        };
        // Memory has no event that says so first.
        slot.can_write = matches!(state, State::Stream(Stream::Mem(_)));
        slot.state = state;
    }

    /// Empties a link; what was said about it until now is forgotten.
    pub(super) fn close(&mut self, link: Link) -> Option<Slot> {
        let key = self.key(link).next();
        let slot = self.get_mut(link)?;
        let fresh = Slot { generation: key.generation, queued: slot.queued, ..Slot::default() };
        Some(std::mem::replace(slot, fresh))
    }

    /// Reports how an opening ended.
    pub(super) fn outcome(&mut self, link: Link, outcome: Result<(), Status>) {
        let Some(slot) = self.get_mut(link) else {
            return;
        };
        if outcome.is_err() {
            slot.state = State::Idle;
        }
        slot.outcome = Some(outcome.map_or_else(Ready::Failed, |()| Ready::Opened));
        self.queue(link);
    }

    pub(super) fn readable(&mut self, link: Link) {
        let Some(slot) = self.get_mut(link) else {
            return;
        };
        slot.readable = true;
        self.queue(link);
    }

    /// Notes that bytes can be sent, and reports it to an engine that asks.
    pub(super) fn writable(&mut self, link: Link) {
        let Some(slot) = self.get_mut(link) else {
            return;
        };
        slot.can_write = true;
        if slot.wants_write {
            slot.writable = true;
            self.queue(link);
        }
    }

    /// Notes that the system takes no more bytes; it will say when it does again.
    pub(super) fn blocked(&mut self, link: Link) {
        if let Some(slot) = self.get_mut(link) {
            slot.can_write = false;
        }
    }

    pub(super) fn want_write(&mut self, link: Link, on: bool) {
        let Some(slot) = self.get_mut(link) else {
            return;
        };
        slot.wants_write = on;
        slot.writable = on && slot.can_write;
        if slot.writable {
            self.queue(link);
        }
    }

    fn queue(&mut self, link: Link) {
        let Some(slot) = self.slots.get_mut(link.index()) else {
            return;
        };
        if !std::mem::replace(&mut slot.queued, true) {
            self.ready.push_back(link);
        }
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn next_ready(&mut self) -> Option<(Link, Ready)> {
        while let Some(&link) = self.ready.front() {
            let slot = self.slots.get_mut(link.index())?;
            let ready = slot.take_ready();
            if !slot.has_ready() {
                slot.queued = false;
                self.ready.pop_front();
            }
            if let Some(ready) = ready {
                return Some((link, ready));
            }
        }
        None
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_their_owner_and_never_the_waker() {
        for index in [0, 1, u16::MAX] {
            for generation in [0, 1, GENERATIONS] {
                let key = Key { index, generation };
                for owner in [Owner::Link(key), Owner::Lingering(key)] {
                    assert_eq!(Owner::of(owner.token()), owner);
                }
                assert_ne!(Owner::Link(key).token(), crate::poller::WAKE);
            }
        }
        assert_eq!(Key { index: 3, generation: GENERATIONS }.next().generation, 0);
    }

    #[test]
    fn a_link_is_reported_once_for_each_thing_that_happened() {
        let mut links = Links::default();
        links.key(Link(1));
        links.readable(Link(1));
        links.readable(Link(1));
        links.outcome(Link(1), Ok(()));
        links.writable(Link(1));
        let told: Vec<_> = std::iter::from_fn(|| links.next_ready()).collect();
        assert_eq!(told, [(Link(1), Ready::Opened), (Link(1), Ready::Readable)]);
        assert!(!links.has_ready());
        links.want_write(Link(1), true);
        assert_eq!(links.next_ready(), Some((Link(1), Ready::Writable)));
        assert_eq!(links.next_ready(), None);
    }

    #[test]
    fn a_closed_link_forgets_what_was_said() {
        let mut links = Links::default();
        let old = links.key(Link(0));
        links.readable(Link(0));
        links.close(Link(0));
        let new = links.key(Link(0));
        assert_ne!(old, new);
        assert!(links.find(old).is_none() && links.find(new).is_some());
        assert_eq!(links.next_ready(), None);
        links.readable(Link(0));
        assert_eq!(links.next_ready(), Some((Link(0), Ready::Readable)));
        assert_eq!(links.next_ready(), None);
    }
}
