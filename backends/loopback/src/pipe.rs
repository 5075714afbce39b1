//! One direction of a connection: bytes on their way, bytes that arrived, and the end.

use core::task::Poll;
use std::collections::VecDeque;
use tofu_core::Instant;

/// Bytes that arrive together. None at all are the end of the stream.
#[derive(Hash)]
struct Segment {
    at: Instant,
    bytes: Vec<u8>,
}

#[derive(Hash)]
pub(crate) struct Pipe {
    capacity: usize,
    arrived: VecDeque<u8>,
    flight: VecDeque<Segment>,
    /// Bytes in flight.
    flying: usize,
    /// The end of the stream arrived.
    ended: bool,
    /// Nobody reads any more: what arrives is thrown away.
    discards: bool,
    /// Bytes that arrived so far.
    passed: u64,
    /// So many may arrive before the link is cut.
    cut_after: Option<u64>,
}

impl Pipe {
    pub(crate) fn new(capacity: usize, cut_after: Option<u64>) -> Self {
        Pipe {
            capacity: capacity.max(1),
            arrived: VecDeque::new(),
            flight: VecDeque::new(),
            flying: 0,
            ended: false,
            discards: false,
            passed: 0,
            cut_after,
        }
    }

    pub(crate) fn set_cut_after(&mut self, bytes: u64) {
        self.cut_after = Some(bytes);
    }

    /// Whether as many bytes arrived as may before the cut.
    pub(crate) fn is_cut_due(&self) -> bool {
        self.cut_after.is_some_and(|bytes| self.passed >= bytes)
    }

    /// How many more bytes it takes.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.arrived.len() + self.flying)
    }

    pub(crate) fn available(&self) -> usize {
        self.arrived.len()
    }

    /// Whether bytes are here or on their way.
    pub(crate) fn holds_bytes(&self) -> bool {
        self.arrived.len() + self.flying > 0
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// When what is sent at a time arrives: nothing overtakes what is before it.
    pub(crate) fn arrival(&self, at: Instant) -> Instant {
        self.flight.back().map_or(at, |last| last.at.max(at))
    }

    /// Takes at most `most` bytes, to arrive at `at`.
    pub(crate) fn write(&mut self, bufs: &[&[u8]], most: usize, at: Instant) -> usize {
        let bytes: Vec<u8> =
            bufs.iter().copied().flatten().copied().take(most.min(self.room())).collect();
        let count = bytes.len();
        if count > 0 {
            self.flying += count;
            self.flight.push_back(Segment { at: self.arrival(at), bytes });
        }
        count
    }

    /// Ends the stream behind what was written.
    pub(crate) fn finish(&mut self, at: Instant) {
        self.flight.push_back(Segment { at: self.arrival(at), bytes: Vec::new() });
    }

    /// Lets arrive what is due, up to the cut.
    pub(crate) fn deliver(&mut self, now: Instant) {
        while self.flight.front().is_some_and(|segment| segment.at <= now) && !self.is_cut_due() {
            let Some(segment) = self.flight.pop_front() else {
                return;
            };
            self.flying -= segment.bytes.len();
            self.ended |= segment.bytes.is_empty();
            let left = self.cut_after.map_or(u64::MAX, |bytes| bytes - self.passed);
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(segment.bytes.len());
            self.passed += most as u64;
            if !self.discards {
                self.arrived.extend(segment.bytes.into_iter().take(most));
            }
        }
    }

    /// Reads at most `most` of the bytes that arrived. `Ok(0)` is the end of the stream.
    pub(crate) fn read(&mut self, bufs: &mut [&mut [u8]], most: usize) -> Poll<usize> {
        if self.arrived.is_empty() {
            return if self.ended { Poll::Ready(0) } else { Poll::Pending };
        }
        let mut count = 0;
        for place in bufs.iter_mut().flat_map(|buf| buf.iter_mut()).take(most) {
            let Some(byte) = self.arrived.pop_front() else {
                break;
            };
            *place = byte;
            count += 1;
        }
        Poll::Ready(count)
    }

    /// The reader is gone, gracefully.
    pub(crate) fn discard(&mut self) {
        self.discards = true;
        self.arrived.clear();
    }

    /// The link is cut: what is on its way is lost.
    pub(crate) fn drop_flight(&mut self) {
        self.flight.clear();
        self.flying = 0;
    }

    /// The writer aborted: what was not read is lost.
    pub(crate) fn drop_all(&mut self) {
        self.drop_flight();
        self.arrived.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(pipe: &mut Pipe) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        match pipe.read(&mut [&mut bytes], usize::MAX) {
            Poll::Ready(count) => bytes.truncate(count),
            Poll::Pending => bytes.clear(),
        }
        bytes
    }

    #[test]
    fn holds_no_more_than_its_capacity_in_flight_and_arrived_together() {
        let mut pipe = Pipe::new(4, None);
        assert_eq!(pipe.write(&[b"ab", b"c"], usize::MAX, Instant::ZERO), 3);
        pipe.deliver(Instant::ZERO);
        assert_eq!(pipe.write(&[b"defg"], usize::MAX, Instant::from_millis(1)), 1);
        assert_eq!(pipe.room(), 0);
        assert_eq!(pipe.write(&[b"h"], usize::MAX, Instant::from_millis(1)), 0);
        assert_eq!(pipe.read(&mut [&mut [0; 2]], usize::MAX), Poll::Ready(2));
        assert_eq!(pipe.room(), 2);
    }

    #[test]
    fn nothing_overtakes() {
        let mut pipe = Pipe::new(16, None);
        pipe.write(&[b"late"], usize::MAX, Instant::from_millis(9));
        pipe.write(&[b"r"], usize::MAX, Instant::from_millis(1));
        pipe.finish(Instant::ZERO);
        pipe.deliver(Instant::from_millis(8));
        assert_eq!(pipe.read(&mut [&mut [0; 8]], usize::MAX), Poll::Pending);
        pipe.deliver(Instant::from_millis(9));
        assert_eq!(read_all(&mut pipe), b"later");
        assert_eq!(pipe.read(&mut [&mut [0; 8]], usize::MAX), Poll::Ready(0));
    }

    #[test]
    fn reads_and_writes_can_be_partial_across_buffers() {
        let mut pipe = Pipe::new(16, None);
        assert_eq!(pipe.write(&[b"ab", b"cdef"], 5, Instant::ZERO), 5);
        pipe.deliver(Instant::ZERO);
        let (mut one, mut two) = ([0; 2], [0; 9]);
        assert_eq!(pipe.read(&mut [&mut one, &mut two], 3), Poll::Ready(3));
        assert_eq!((&one, &two[..2]), (b"ab", &b"c\0"[..]));
        assert_eq!(read_all(&mut pipe), b"de");
    }

    #[test]
    fn a_cut_lets_exactly_so_many_bytes_through() {
        for cut in 0..=6 {
            let mut pipe = Pipe::new(16, Some(cut));
            pipe.write(&[b"abc"], usize::MAX, Instant::ZERO);
            pipe.write(&[b"def"], usize::MAX, Instant::ZERO);
            pipe.finish(Instant::ZERO);
            pipe.deliver(Instant::ZERO);
            assert!(pipe.is_cut_due());
            assert!(!pipe.is_ended());
            assert_eq!(read_all(&mut pipe), b"abcdef"[..cut as usize]);
        }
    }
}
