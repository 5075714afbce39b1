//! A poll loop that believes nothing but [`Ready`]: it reads and writes only when told to.

use crate::poller::Poller;
use crate::transport::Sockets;
use std::task::Poll;
use std::time::{Duration, Instant};
use tofu_core::{Address, Close, Link, Ready, Status, Transport};

/// After this a test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// One poll and its sockets.
pub(super) struct Node {
    poller: Poller,
    pub(super) sockets: Sockets,
    /// What was reported and not asked for yet.
    told: Vec<(Link, Ready)>,
    /// For what expires, time stands still here.
    stopped: Option<Instant>,
}

impl Node {
    pub(super) fn new() -> Node {
        let (poller, waker) = Poller::new().unwrap();
        let sockets = Sockets::new(poller.registry().try_clone().unwrap(), waker);
        Node { poller, sockets, told: Vec::new(), stopped: None }
    }

    /// Polls once, for as long as `timeout`, unless there is news already.
    pub(super) fn pump(&mut self, timeout: Duration) {
        let timeout = if self.sockets.has_news() { Duration::ZERO } else { timeout };
        self.poller.poll(Some(timeout));
        self.sockets.take_events(self.poller.events());
        self.sockets.expire(self.stopped.unwrap_or_else(Instant::now));
        self.told.extend(std::iter::from_fn(|| self.sockets.next_ready()));
    }

    /// From now on it is this time for what expires, however long a test takes on a busy machine.
    pub(super) fn stop_time(&mut self, now: Instant) {
        self.stopped = Some(now);
    }

    /// Whether this was reported; if so, it is taken.
    pub(super) fn was_told(&mut self, link: Link, ready: Ready) -> bool {
        let before = self.told.len();
        self.told.retain(|told| *told != (link, ready));
        self.told.len() < before
    }

    /// What was reported about a link.
    pub(super) fn told_about(&self, link: Link) -> Vec<Ready> {
        self.told.iter().filter(|(other, _)| *other == link).map(|(_, ready)| *ready).collect()
    }

    pub(super) fn forget(&mut self) {
        self.told.clear();
    }

    pub(super) fn local_address(&self, listener: Link) -> String {
        let mut text = String::new();
        self.sockets.local_address(listener, &mut text).unwrap();
        text
    }

    pub(super) fn connect(&mut self, link: Link, address: &str) -> Result<(), Status> {
        self.sockets.connect(link, &Address::parse(address).unwrap())
    }

    pub(super) fn listen(&mut self, link: Link, address: &str) -> Result<(), Status> {
        self.sockets.listen(link, &Address::parse(address).unwrap())
    }

    pub(super) fn close(&mut self, link: Link, how: Close) {
        self.sockets.close(link, how);
    }
}

/// A server's and a client's node; or both on one node.
pub(super) struct Rig {
    nodes: Vec<Node>,
}

/// A link of the server's node.
pub(super) const SERVER: usize = 0;
/// A link of the client's node.
pub(super) const CLIENT: usize = 1;

/// One end of a connection: a node and its link.
pub(super) type End = (usize, Link);

impl Rig {
    pub(super) fn with_nodes(count: usize) -> Rig {
        Rig { nodes: (0..count).map(|_| Node::new()).collect() }
    }

    pub(super) fn node(&mut self, side: usize) -> &mut Node {
        let last = self.nodes.len() - 1;
        &mut self.nodes[side.min(last)]
    }

    pub(super) fn sockets(&mut self, side: usize) -> &mut Sockets {
        &mut self.node(side).sockets
    }

    /// Pumps all nodes until `done` yields something.
    #[track_caller]
    pub(super) fn until<T>(&mut self, mut done: impl FnMut(&mut Rig) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = done(self) {
                return value;
            }
            assert!(Instant::now() < end, "nothing came");
            // Only one node can sleep in its poll here; the others are looked after soon.
            let timeout = if self.nodes.len() == 1 { 100 } else { 1 };
            for node in &mut self.nodes {
                node.pump(Duration::from_millis(timeout));
            }
        }
    }

    /// Waits until a link reports this.
    #[track_caller]
    pub(super) fn expect(&mut self, (side, link): End, ready: Ready) {
        self.until(|rig| rig.node(side).was_told(link, ready).then_some(()));
    }

    /// Waits for the end of an opening.
    #[track_caller]
    pub(super) fn outcome(&mut self, (side, link): End) -> Ready {
        self.until(|rig| {
            let told = rig.node(side).told_about(link);
            let outcome =
                told.into_iter().find(|ready| matches!(ready, Ready::Opened | Ready::Failed(_)))?;
            rig.node(side).was_told(link, outcome);
            Some(outcome)
        })
    }

    /// Listens, and says where.
    #[track_caller]
    pub(super) fn listen(&mut self, link: Link, address: &str) -> String {
        self.node(SERVER).listen(link, address).unwrap();
        assert_eq!(self.outcome((SERVER, link)), Ready::Opened);
        self.node(SERVER).local_address(link)
    }

    /// Waits for a connection, and takes it.
    #[track_caller]
    pub(super) fn accept(&mut self, listener: Link, link: Link) -> End {
        loop {
            match self.sockets(SERVER).accept(listener, link) {
                Poll::Ready(accepted) => {
                    accepted.unwrap();
                    return (SERVER, link);
                }
                Poll::Pending => self.expect((SERVER, listener), Ready::Readable),
            }
        }
    }

    /// A connection of two ends: the client's first.
    #[track_caller]
    pub(super) fn pair(&mut self, address: &str) -> (End, End) {
        let address = self.listen(Link(0), address);
        self.connected(Link(0), &address, Link(1), Link(2))
    }

    /// Connects `client` to a listener that accepts it as `server`.
    #[track_caller]
    pub(super) fn connected(
        &mut self,
        listener: Link,
        address: &str,
        client: Link,
        server: Link,
    ) -> (End, End) {
        self.node(CLIENT).connect(client, address).unwrap();
        assert_eq!(self.outcome((CLIENT, client)), Ready::Opened);
        ((CLIENT, client), self.accept(listener, server))
    }

    /// Sends all of it, waiting for room as the engine does.
    #[track_caller]
    pub(super) fn send(&mut self, (side, link): End, bytes: &[u8]) {
        let mut sender = Sender::new(bytes);
        self.until(|rig| sender.go_on(rig, (side, link)).then_some(()));
    }

    /// Reads until the end of the stream, or until an error.
    #[track_caller]
    pub(super) fn read_to_end(&mut self, end: End) -> (Vec<u8>, Result<(), Status>) {
        let mut reader = Reader::default();
        let outcome = self.until(|rig| {
            reader.go_on(rig, end);
            reader.end
        });
        (reader.bytes, outcome)
    }

    /// Reads this many bytes.
    #[track_caller]
    pub(super) fn read(&mut self, end: End, count: usize) -> Vec<u8> {
        let mut reader = Reader { most: count, ..Reader::default() };
        self.until(|rig| {
            reader.go_on(rig, end);
            (reader.bytes.len() == count).then_some(())
        });
        reader.bytes
    }

    /// Sends from one end while the other reads.
    #[track_caller]
    pub(super) fn transfer(&mut self, from: End, to: End, bytes: &[u8]) -> Vec<u8> {
        let mut sender = Sender::new(bytes);
        let mut reader = Reader { most: bytes.len(), ..Reader::default() };
        self.until(|rig| {
            let sent = sender.go_on(rig, from);
            reader.go_on(rig, to);
            (sent && reader.bytes.len() == bytes.len()).then_some(())
        });
        assert!(sender.blocked_once || bytes.len() < 1 << 20, "nothing that large fits at once");
        reader.bytes
    }
}

/// Sends as the engine does: after less than all, it waits for [`Ready::Writable`].
struct Sender<'a> {
    rest: &'a [u8],
    blocked: bool,
    blocked_once: bool,
}

impl<'a> Sender<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Sender { rest: bytes, blocked: false, blocked_once: false }
    }

    /// True when all is sent.
    fn go_on(&mut self, rig: &mut Rig, (side, link): End) -> bool {
        if self.blocked && rig.node(side).was_told(link, Ready::Writable) {
            self.blocked = false;
        }
        while !self.blocked && !self.rest.is_empty() {
            let (first, second) = self.rest.split_at(self.rest.len() / 3);
            match rig.sockets(side).send(link, &[first, &[], second]) {
                Poll::Ready(count) => {
                    let count = count.unwrap();
                    self.blocked = count < self.rest.len();
                    self.rest = &self.rest[count..];
                }
                Poll::Pending => self.blocked = true,
            }
            if self.blocked && !std::mem::replace(&mut self.blocked_once, true) {
                rig.sockets(side).want_write(link, true);
            }
        }
        if self.rest.is_empty() && self.blocked_once {
            rig.sockets(side).want_write(link, false);
        }
        self.rest.is_empty()
    }
}

/// Reads as the engine does: first on its own account, then after less than there was room for, it
/// waits for [`Ready::Readable`].
struct Reader {
    bytes: Vec<u8>,
    most: usize,
    end: Option<Result<(), Status>>,
    waits: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Reader { bytes: Vec::new(), most: usize::MAX, end: None, waits: false }
    }
}

impl Reader {
    fn go_on(&mut self, rig: &mut Rig, (side, link): End) {
        if self.waits && rig.node(side).was_told(link, Ready::Readable) {
            self.waits = false;
        }
        while !self.waits && self.end.is_none() && self.bytes.len() < self.most {
            let (mut first, mut second) = ([0; 1000], [0; 20_000]);
            let left = self.most - self.bytes.len();
            let one = left.min(first.len());
            let two = (left - one).min(second.len());
            let mut bufs = [&mut first[..one], &mut second[..two]];
            match rig.sockets(side).recv(link, &mut bufs) {
                Poll::Ready(Ok(0)) => self.end = Some(Ok(())),
                Poll::Ready(Ok(count)) => {
                    self.bytes.extend_from_slice(&first[..count.min(one)]);
                    self.bytes.extend_from_slice(&second[..count.saturating_sub(one)]);
                    self.waits = count < one + two;
                }
                Poll::Ready(Err(status)) => self.end = Some(Err(status)),
                Poll::Pending => self.waits = true,
            }
        }
    }
}
