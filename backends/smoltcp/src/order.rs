//! The order of the sockets: smoltcp gives a packet to the first that takes it.
//!
//! One that listens takes every SYN. But one that is sent again, because its answer was lost, belongs to
//! the connection it began: so connections come first. And one in TIME-WAIT takes every SYN of its old
//! peer, and answers none, though that peer may use its port again at once: so it comes last.
//!
//! Sockets are asked in the same order what they send.

use crate::Stack;
use crate::slot::Role;
use core::time::Duration;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

/// How often smoltcp looks for a neighbour.
const DISCOVERY: Duration = Duration::from_secs(1);

impl Stack<'_> {
    /// Moves sockets whose state has changed to where they belong. Each exchange leaves fewer pairs in
    /// the wrong order, or fills a place that was empty.
    pub(crate) fn put_in_order(&mut self) {
        let count = self.slots.len();
        let mut pair = 0;
        while pair < count * count {
            let (first, second) = (pair / count, pair % count);
            let ((place, rank), (other_place, other_rank)) =
                (self.place_of(first), self.place_of(second));
            pair += 1;
            if place < other_place && rank > other_rank {
                self.exchange([first, second], [place, other_place]);
                pair = 0;
            }
        }
    }

    /// Lets another of those that connect go first, once in a while.
    ///
    /// smoltcp looks for one neighbour in [`DISCOVERY`], and a socket whose neighbour does not answer asks again as
    /// soon as it may. Were it always the first, nobody else's would ever be looked for.
    pub(crate) fn take_turns(&mut self) {
        if self.now < self.next_discovery {
            return;
        }
        self.next_discovery = self.now.after(DISCOVERY);
        let count = self.slots.len();
        let mut in_turn = (1..=count).map(|step| (self.connects_first + step) % count);
        if let Some(next) = in_turn.find(|&index| self.connects(index)) {
            self.connects_first = next;
            self.put_in_order();
        }
    }

    fn connects(&self, index: usize) -> bool {
        let slot = self.slots.get(index);
        slot.is_some_and(|slot| matches!(slot.role, Role::Connecting(_)))
    }

    /// Where a slot's socket is in the set, and its rank.
    fn place_of(&self, index: usize) -> (SocketHandle, u8) {
        let Some(slot) = self.slots.get(index) else { return Default::default() };
        let rank = match slot.tcp(&self.sockets).state() {
            State::Listen => 2,
            State::TimeWait | State::Closed => 3,
            _ if index == self.connects_first && self.connects(index) => 0,
            _ => 1,
        };
        (slot.handle(), rank)
    }

    /// Lets the sockets of two slots change places. They are taken out and put back, since smoltcp knows
    /// of a place for how long it must not send: that is not to pass to another socket.
    fn exchange(&mut self, slots: [usize; 2], places: [SocketHandle; 2]) {
        let [after, before] = places.map(|place| self.sockets.remove(place));
        // Each takes the first empty place.
        let before = self.sockets.add(before);
        let after = self.sockets.add(after);
        for (index, handle) in slots.into_iter().zip([after, before]) {
            if let Some(slot) = self.slots.get_mut(index) {
                slot.socket = Some(handle);
            }
        }
    }
}
