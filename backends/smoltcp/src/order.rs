//! The order of the sockets: smoltcp gives a packet to the first that takes it.
//!
//! One that listens takes every SYN. But one that is sent again, because its answer was lost, belongs to
//! the connection it began: so connections come first. And one in TIME-WAIT takes every SYN of its old
//! peer, and answers none, though that peer may use its port again at once: so it comes last.
//!
//! Sockets are asked in the same order what they send.

use crate::Stack;
use core::time::Duration;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::Socket;
use smoltcp::socket::tcp::State;
use tofu_core::Instant;

/// How often smoltcp looks for a neighbour.
const DISCOVERY: Duration = Duration::from_secs(1);

/// The rank of sockets that listen: connections come before, what is over behind.
const LISTENS: u8 = 2;

impl<'a> Stack<'a> {
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

    /// While a connection is being made, lets every socket find its neighbour.
    ///
    /// smoltcp looks for one neighbour in [`DISCOVERY`], and a socket that asks for another meanwhile is silent for as
    /// long. Where a neighbour never answers, its socket would be in time for ever, and all others too early. So ours
    /// ask together, another first each time. And between, they ask too early on purpose: then for half of
    /// [`DISCOVERY`] none of them is in the way of who is not ours, such as the one that resolves names.
    pub(crate) fn take_turns(&mut self) {
        if self.discovery_deadline().is_none_or(|deadline| self.now < deadline) {
            return;
        }
        self.ask_too_early = !self.ask_too_early;
        let count = self.slots.len();
        if self.ask_too_early {
            self.next_discovery = self.now.after(DISCOVERY);
            (0..count).for_each(|index| self.unsilence(index));
        } else {
            self.next_discovery = self.now.after(DISCOVERY / 2);
            let mut in_turn = (1..=count).map(|step| (self.asks_first + step) % count);
            let connection = in_turn.find(|&index| self.place_of(index).1 < LISTENS);
            self.asks_first = connection.unwrap_or_default();
        }
        self.put_in_order();
    }

    /// When the sockets take turns next.
    pub(crate) fn discovery_deadline(&self) -> Option<Instant> {
        self.opening.then_some(self.next_discovery)
    }

    /// Where a slot's socket is in the set, and its rank.
    fn place_of(&self, index: usize) -> (SocketHandle, u8) {
        let Some(slot) = self.slots.get(index) else { return Default::default() };
        let rank = match slot.tcp(&self.sockets).state() {
            State::Listen => LISTENS,
            State::TimeWait | State::Closed => LISTENS + 1,
            _ if index == self.asks_first => 0,
            _ => 1,
        };
        (slot.handle(), rank)
    }

    /// Lets the sockets of two slots change places. They are taken out and put back, since smoltcp knows
    /// of a place for how long it must not send: that is not to pass to another socket.
    fn exchange(&mut self, [first, second]: [usize; 2], places: [SocketHandle; 2]) {
        let [after, before] = places.map(|place| self.sockets.remove(place));
        self.put_back(second, before);
        self.put_back(first, after);
    }

    /// Lets a socket ask at once, however long it was to be silent.
    fn unsilence(&mut self, index: usize) {
        let Some(slot) = self.slots.get(index) else { return };
        let socket = self.sockets.remove(slot.handle());
        self.put_back(index, socket);
    }

    /// Gives a slot its socket back, in the first empty place.
    #[inline(never)] // Once, for a board.
    fn put_back(&mut self, index: usize, socket: Socket<'a>) {
        let handle = self.sockets.add(socket);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.socket = Some(handle);
        }
    }
}
