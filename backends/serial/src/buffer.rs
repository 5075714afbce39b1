//! The two buffers: what arrived and was not read, and what waits for the line.

/// Bytes of a session that arrived and were not read: a ring.
pub(crate) struct Inbox<const N: usize> {
    bytes: [u8; N],
    start: usize,
    len: usize,
}

impl<const N: usize> Inbox<N> {
    pub(crate) const fn new() -> Self {
        Inbox { bytes: [0; N], start: 0, len: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes all of these bytes, or none and says so.
    #[must_use]
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > N - self.len {
            return false;
        }
        let at = (self.start + self.len) % N;
        let (first, second) = bytes.split_at(bytes.len().min(N - at));
        for (to, from) in [(at, first), (0, second)] {
            if let Some(room) = self.bytes.get_mut(to..to + from.len()) {
                room.copy_from_slice(from);
            }
        }
        self.len += bytes.len();
        true
    }

    /// Moves out as much as fits; how much that was.
    pub(crate) fn pop(&mut self, room: &mut [u8]) -> usize {
        let count = room.len().min(self.len);
        let (first, second) = room.split_at_mut(count.min(N - self.start));
        let rest = count - first.len();
        let second = second.get_mut(..rest).unwrap_or_default();
        for (from, to) in [(self.start, first), (0, second)] {
            if let Some(bytes) = self.bytes.get(from..from + to.len()) {
                to.copy_from_slice(bytes);
            }
        }
        self.start = (self.start + count) % N;
        self.len -= count;
        count
    }
}

/// Packets on their way to the line.
pub(crate) struct Outbox<const N: usize> {
    bytes: [u8; N],
    start: usize,
    end: usize,
}

impl<const N: usize> Outbox<N> {
    pub(crate) const fn new() -> Self {
        Outbox { bytes: [0; N], start: 0, end: 0 }
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn room(&self) -> usize {
        N - (self.end - self.start)
    }

    /// The line took so many.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.end;
    }

    /// Lets `write` append to it and say how many bytes that were.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let most = room.len();
        let written = write(room);
        self.end += written.unwrap_or_default().min(most);
        written.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_keeps_order_around_its_end() {
        let mut inbox = Inbox::<5>::new();
        let mut next = 0u8..;
        let mut expected = 0u8..;
        for len in [3, 2, 1, 4, 5, 0, 2] {
            let bytes: Vec<u8> = next.by_ref().take(len).collect();
            assert!(inbox.push(&bytes));
            let mut room = [0; 7];
            let count = inbox.pop(&mut room[..len.min(3)]) + inbox.pop(&mut room[len.min(3)..]);
            assert_eq!(count, len);
            assert!(room[..len].iter().all(|byte| Some(*byte) == expected.next()));
        }
        assert!(inbox.is_empty());
    }

    #[test]
    fn an_inbox_takes_all_or_nothing() {
        let mut inbox = Inbox::<4>::new();
        assert!(inbox.push(b"abc"));
        assert!(!inbox.push(b"de"));
        let mut room = [0; 8];
        assert_eq!(inbox.pop(&mut room), 3);
        assert_eq!(&room[..3], b"abc");
    }

    #[test]
    fn an_outbox_makes_room_for_what_the_line_took() {
        let mut outbox = Outbox::<4>::new();
        let append = |outbox: &mut Outbox<4>, bytes: &[u8]| {
            outbox.append(|room| {
                room.get_mut(..bytes.len())?.copy_from_slice(bytes);
                Some(bytes.len())
            })
        };
        assert!(append(&mut outbox, b"abc"));
        assert!(!append(&mut outbox, b"de"));
        outbox.consume(2);
        assert!(append(&mut outbox, b"def"));
        assert_eq!((outbox.waiting(), outbox.room()), (&b"cdef"[..], 0));
        outbox.clear();
        assert_eq!(outbox.room(), 4);
    }
}
