//! Closed connections whose last bytes are on their way.
//!
//! A socket that is closed with unread input resets its connection, and the reset destroys what the
//! peer has not read yet. What the peer sends to a socket that is gone does the same. So a gracefully closed one says that
//! it is done, and stays to throw away what comes: until the peer is done too, or has said nothing for [`TIME`], for one
//! that still speaks has not read our end; and for [`LONGEST`] at most. Dropping it ends the connection and takes it out of
//! the poll.

use super::links::{Key, Owner};
use super::stream::Stream;
use mio::{Interest, Registry};
use std::collections::VecDeque;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long a socket lingers after the last that came.
pub(super) const TIME: Duration = Duration::from_secs(10);
/// How long it lingers at most, whatever comes.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// How many do; one more ends the oldest.
pub(super) const MOST: usize = 1024;
/// What is thrown away at once.
const SCRATCH: usize = 64 * 1024;
/// How often before others get their turn.
const READS: u32 = 4;
/// How many sockets are looked at before others get their turn, and how many are given up: a
/// thousand may end at once, and closing one takes a while.
const VISITS: usize = 8;

/// The sockets that linger.
#[derive(Debug, Default)]
pub(super) struct Lingering {
    places: Vec<Place>,
    free: Vec<u16>,
    /// In order of their end. Some may have left; the first has not.
    order: VecDeque<(Instant, Key)>,
    /// Something happened to these, at that time. Some may have left.
    reported: VecDeque<(Instant, Key)>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Place {
    key: Key,
    stream: Option<Stream>,
    /// When it was closed.
    closed: Instant,
    /// When it has lingered enough. Its place in the order may be of before the last that came.
    until: Instant,
}

/// What one visit of a socket came to.
enum Drained {
    /// No more for now; an event comes.
    Empty,
    /// There is more.
    More,
    /// The peer is done, or gone.
    Ended,
}

impl Lingering {
    /// Closes a connection gracefully. `ends`: the peer's end of stream is here already.
    pub(super) fn add(
        &mut self,
        mut stream: Stream,
        ends: bool,
        registry: &Registry,
        now: Instant,
    ) {
        let done = stream.shutdown().is_err();
        if done || ends && matches!(self.drain(&stream), Drained::Ended) {
            return;
        }
        if self.len() >= MOST {
            self.drop_first();
        }
        let key = self.take_place(now);
        let token = Owner::Lingering(key).token();
        // Tells at once if something is there already.
        let watched = stream
            .source()
            .is_some_and(|source| registry.reregister(source, token, Interest::READABLE).is_ok());
        if !watched {
            return self.free.push(key.index);
        }
        let place = &mut self.places[usize::from(key.index)];
        (place.stream, place.closed, place.until) = (Some(stream), now, now + TIME);
        self.order.push_back((now + TIME, key));
    }

    /// Something happened to one of them. It is looked at in [`Lingering::tend`].
    pub(super) fn report(&mut self, key: Key) {
        self.reported.push_back((Instant::now(), key));
    }

    /// Looks at those something happened to, and ends those that have lingered enough: a few of each.
    pub(super) fn tend(&mut self, now: Instant, registry: &Registry) {
        for _ in 0..VISITS {
            let Some((_, key)) = self.reported.pop_front() else { break };
            self.visit(key, registry, now);
        }
        for _ in 0..VISITS {
            let Some(&(due, key)) = self.order.front() else { break };
            let until = self.places[usize::from(key.index)].until;
            if due > now {
                break;
            }
            if until <= now {
                self.drop_first();
                continue;
            }
            // Behind those that are due as late: the order stays one.
            let last = self.order.back().map_or(until, |&(due, _)| due);
            self.order.pop_front();
            self.order.push_back((until.max(last), key));
            self.pass_over_left();
        }
    }

    fn visit(&mut self, key: Key, registry: &Registry, now: Instant) {
        let index = usize::from(key.index);
        let Some(place) = self.places.get_mut(index).filter(|place| place.key == key) else {
            return;
        };
        let Some(mut stream) = place.stream.take() else {
            return;
        };
        place.until = (now + TIME).min(place.closed + LONGEST);
        let goes_on = match self.drain(&stream) {
            Drained::Empty => true,
            Drained::Ended => false,
            Drained::More => stream.source().is_some_and(|source| {
                let token = Owner::Lingering(key).token();
                registry.reregister(source, token, Interest::READABLE).is_ok()
            }),
        };
        if goes_on {
            self.places[index].stream = Some(stream);
        } else {
            self.free_place(key);
        }
    }

    /// When [`Lingering::tend`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let first = [self.reported.front(), self.order.front()];
        first.into_iter().flatten().map(|&(due, _)| due).min()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// When the first has lingered enough, unless something comes.
    #[cfg(test)]
    pub(super) fn first_until(&self) -> Option<Instant> {
        let &(_, key) = self.order.front()?;
        Some(self.places[usize::from(key.index)].until)
    }

    fn drain(&mut self, stream: &Stream) -> Drained {
        self.scratch.resize(SCRATCH, 0);
        for _ in 0..READS {
            match stream.recv(&mut [&mut self.scratch]) {
                Poll::Pending => return Drained::Empty,
                Poll::Ready(Ok(0) | Err(_)) => return Drained::Ended,
                Poll::Ready(Ok(_)) => {}
            }
        }
        Drained::More
    }

    fn drop_first(&mut self) {
        let Some(&(_, key)) = self.order.front() else {
            return;
        };
        self.places[usize::from(key.index)].stream = None;
        self.free_place(key);
    }

    fn take_place(&mut self, now: Instant) -> Key {
        if let Some(index) = self.free.pop() {
            return self.places[usize::from(index)].key;
        }
        let key = Key { index: self.places.len() as u16, generation: 0 };
        self.places.push(Place { key, stream: None, closed: now, until: now });
        key
    }

    fn free_place(&mut self, key: Key) {
        self.places[usize::from(key.index)].key = key.next();
        self.free.push(key.index);
        self.pass_over_left();
    }

    /// The first in the order is there.
    fn pass_over_left(&mut self) {
        while let Some(&(_, first)) = self.order.front()
            && self.places[usize::from(first.index)].key != first
        {
            self.order.pop_front();
        }
    }
}

const _: () = assert!(MOST <= u16::MAX as usize);
