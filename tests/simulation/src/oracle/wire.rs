//! The seam to the transport: what engines send is what was posted, byte for byte and in order.

use super::{Oracle, sender};
use tofu_core::Instant;
use tofu_loopback::Direction;

/// What is known of one connection. Pairs are by who sends or owns: 0 who connected, 1 who listened.
#[derive(Default)]
pub(crate) struct Connection {
    pub(crate) engines: [Option<usize>; 2],
    /// Since when, by their clocks.
    pub(crate) since: [Instant; 2],
    pub(crate) ends: [Option<usize>; 2],
    /// The first two bytes, which name the sender's channel.
    heads: [Vec<u8>; 2],
    /// Bytes the other side's engine took.
    pub(crate) read: [u64; 2],
    /// When an engine gave its side back, by the network's clock.
    pub(crate) closed: [Option<Instant>; 2],
    /// Bytes that had arrived by then and were not taken.
    pub(crate) left: [usize; 2],
}

impl Connection {
    pub(super) fn crash(&mut self, engine: usize) {
        for side in 0..2 {
            if self.engines[side] == Some(engine) {
                self.closed[side].get_or_insert(Instant::ZERO);
            }
        }
    }
}

impl Oracle {
    /// An engine began a connection, or accepted one. `sends` is the direction of its bytes.
    pub fn linked(&mut self, engine: usize, connection: u64, sends: Direction) {
        self.trace.note(|| format!("e{engine} has connection {connection}, sends {sends:?}"));
        let now = self.engines[engine].now;
        let connection = self.connections.entry(connection).or_default();
        connection.engines[sender(sends)] = Some(engine);
        connection.since[sender(sends)] = now;
    }

    /// An engine's transport took the first `count` of these bytes.
    pub fn sent(
        &mut self,
        engine: usize,
        connection: u64,
        sends: Direction,
        bufs: &[&[u8]],
        count: usize,
    ) {
        let bytes: Vec<u8> = bufs.iter().copied().flatten().copied().take(count).collect();
        self.trace.note(|| format!("e{engine} sends {count} bytes on connection {connection}"));
        let side = sender(sends);
        let end = match self.find_sender(engine, connection, side, &bytes) {
            Ok(Some(end)) => end,
            // Not told yet whose they are.
            Ok(None) => return,
            Err(what) => return self.fail("the wire carries what was posted", || what),
        };
        let earlier = match self.connections.get_mut(&connection) {
            Some(known) if self.ends[end].out.bytes == 0 => std::mem::take(&mut known.heads[side]),
            _ => Vec::new(),
        };
        self.compare(end, &earlier);
        self.compare(end, &bytes);
    }

    /// Whose bytes these are: every frame begins with the sender's channel number.
    fn find_sender(
        &mut self,
        engine: usize,
        number: u64,
        side: usize,
        bytes: &[u8],
    ) -> Result<Option<usize>, String> {
        let connection = self.connections.entry(number).or_default();
        if let Some(end) = connection.ends[side] {
            return Ok(Some(end));
        }
        let head: Vec<u8> = connection.heads[side].iter().chain(bytes).copied().collect();
        let Some(channel) = head.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)) else {
            connection.heads[side] = head;
            return Ok(None);
        };
        let view = &self.engines[engine];
        let end = view.channels.get(&channel).or_else(|| view.orphans.get(&channel));
        let Some(&end) = end.filter(|end| self.ends[**end].connection.is_none()) else {
            return Err(format!("e{engine} sends on connection {number} as channel {channel}"));
        };
        self.ends[end].connection = Some(number);
        connection.ends[side] = Some(end);
        Ok(Some(end))
    }

    fn compare(&mut self, end: usize, mut bytes: &[u8]) {
        let flow = &mut self.ends[end].out;
        while !bytes.is_empty() {
            let Some(post) = flow.posts.get(flow.sent) else {
                return self.fail("the wire carries what was posted", || {
                    format!("{} bytes behind the last message", bytes.len())
                });
            };
            let offset = (flow.bytes - post.start) as usize;
            let rest = &post.wire[offset..];
            let count = rest.len().min(bytes.len());
            if rest[..count] != bytes[..count] || flow.returned > 0 {
                let (nth, returned) = (flow.sent, flow.returned);
                return self.fail("the wire carries what was posted", || {
                    format!("message {nth} differs at byte {offset} or later; {returned} returned")
                });
            }
            flow.bytes += count as u64;
            flow.sent += usize::from(count == rest.len());
            bytes = &bytes[count..];
        }
    }

    /// Bytes that were sent, by those who connected and by those who listened.
    pub fn bytes_sent(&self) -> [u64; 2] {
        let of_side = |side| self.ends.iter().filter(move |end| end.side() == side);
        [0, 1].map(|side| of_side(side).map(|end| end.out.bytes).sum())
    }

    /// An engine took bytes from its transport. `sends` is the direction of its own.
    pub fn read(&mut self, engine: usize, connection: u64, sends: Direction, count: usize) {
        self.trace.note(|| format!("e{engine} reads {count} bytes of connection {connection}"));
        let connection = self.connections.entry(connection).or_default();
        connection.read[1 - sender(sends)] += count as u64;
    }

    /// An engine gives a connection back.
    pub fn unlinked(&mut self, engine: usize, number: u64, sends: Direction) {
        self.trace.note(|| format!("e{engine} closes connection {number}"));
        let back = match sends {
            Direction::ToListener => Direction::ToClient,
            Direction::ToClient => Direction::ToListener,
        };
        let (now, left) = (self.network.now(), self.network.unread(number, back));
        let side = sender(sends);
        let connection = self.connections.entry(number).or_default();
        connection.closed[side] = Some(now);
        connection.left[1 - side] = left.unwrap_or_default();
        if let Some(end) = connection.ends[side].filter(|end| self.ends[*end].orphaned) {
            self.engines[engine].orphans.retain(|_, orphan| *orphan != end);
        }
    }
}
