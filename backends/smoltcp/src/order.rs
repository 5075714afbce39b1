//! The order of the sockets: smoltcp gives a packet to the first that takes it.
//!
//! One that listens takes every SYN. But one that is sent again, because its answer was lost, belongs to
//! the connection it began: so connections come first. And one in TIME-WAIT takes every SYN of its old
//! peer, and answers none, though that peer may use its port again at once: so it comes last.

use crate::Stack;
use crate::slot::Slot;
use smoltcp::socket::tcp::State;

fn rank(state: State) -> u8 {
    match state {
        State::Listen => 1,
        State::TimeWait | State::Closed => 2,
        _ => 0,
    }
}

impl Stack<'_> {
    /// Moves sockets whose state has changed to where they belong, and what we know of them with them:
    /// slots are in the order of their sockets.
    pub(crate) fn put_in_order(&mut self) {
        for end in (1..self.slots.len()).rev() {
            for index in 0..end {
                self.put_pair_in_order(index);
            }
        }
    }

    fn put_pair_in_order(&mut self, index: usize) {
        let Some([first, second]) = self.slots.get_mut(index..).and_then(|it| it.first_chunk_mut())
        else {
            return;
        };
        let rank_of = |slot: &Slot| rank(slot.tcp(&self.sockets).state());
        if rank_of(first) <= rank_of(second) {
            return;
        }
        let handles = [first.handle(), second.handle()];
        let mut pair = self.sockets.iter_mut().filter(|(handle, _)| handles.contains(handle));
        if let (Some((_, before)), Some((_, after))) = (pair.next(), pair.next()) {
            core::mem::swap(before, after);
            core::mem::swap(first, second);
            // The places are what they were.
            core::mem::swap(&mut first.socket, &mut second.socket);
            self.unasked = 0;
        }
    }
}
