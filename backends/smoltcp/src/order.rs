//! The order of the sockets: smoltcp gives a packet to the first that takes it.
//!
//! One that listens takes every SYN. But one that is sent again, because its answer was lost, belongs to
//! the connection it began: so connections come first. And one in TIME-WAIT takes every SYN of its old
//! peer, and answers none, though that peer may use its port again at once: so it comes last.

use crate::Stack;
use crate::slot::Slot;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, State};

/// How many there are.
const RANKS: usize = 3;

fn rank(state: State) -> usize {
    match state {
        State::Listen => 1,
        State::TimeWait | State::Closed => 2,
        _ => 0,
    }
}

impl Stack<'_> {
    /// Moves sockets whose state has changed to where they belong.
    pub(crate) fn put_in_order(&mut self) {
        for border in 1..RANKS {
            // More often than each could be wrong.
            for _ in 0..self.slots.len() {
                let ranked = |index| (self.place_of(index), index);
                let all = (0..self.slots.len()).map(ranked);
                let last_before = all.clone().filter(|((_, rank), _)| *rank < border).max();
                let first_behind = all.filter(|((_, rank), _)| *rank >= border).min();
                match (last_before, first_behind) {
                    (Some((last, first)), Some((next, second))) if last.0 > next.0 => {
                        self.arrange(first, second);
                    }
                    _ => break,
                }
            }
        }
    }

    /// Where a slot's socket is in the set, and its rank.
    fn place_of(&self, index: usize) -> (SocketHandle, usize) {
        let handle = self.slots.get(index).map(Slot::handle).unwrap_or_default();
        (handle, rank(self.sockets.get::<Socket<'_>>(handle).state()))
    }

    /// Lets the sockets of two slots change places, so that they are in this order.
    fn arrange(&mut self, first: usize, second: usize) {
        let (place, other) = (self.place_of(first).0, self.place_of(second).0);
        let (before, after) = (self.sockets.remove(place), self.sockets.remove(other));
        // Each takes the first empty place.
        let handles = [self.sockets.add(before), self.sockets.add(after)];
        for (index, handle) in [first, second].into_iter().zip(handles) {
            if let Some(slot) = self.slots.get_mut(index) {
                slot.socket = Some(handle);
            }
        }
    }
}
