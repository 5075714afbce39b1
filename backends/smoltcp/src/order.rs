//! The order of the sockets: smoltcp gives a packet to the first that takes it.
//!
//! One that listens takes every SYN. But one that is sent again, because its answer was lost, belongs to
//! the connection it began: so connections come first. And one in TIME-WAIT takes every SYN of its old
//! peer, and answers none, though that peer may use its port again at once: so it comes last.

use crate::Stack;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

fn rank(state: State) -> u8 {
    match state {
        State::Listen => 1,
        State::TimeWait | State::Closed => 2,
        _ => 0,
    }
}

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

    /// Where a slot's socket is in the set, and its rank.
    fn place_of(&self, index: usize) -> (SocketHandle, u8) {
        self.slots.get(index).map_or((SocketHandle::default(), 0), |slot| {
            (slot.handle(), rank(slot.tcp(&self.sockets).state()))
        })
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
