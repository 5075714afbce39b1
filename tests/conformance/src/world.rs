//! What a scenario needs of a backend: engines, addresses, time, and raw connections.

use std::time::Duration;
use tofu_core::{Header, Limits, Message, Options, Platform, PostError, Received, Stats, Status};

/// How an engine is made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The pool's size classes: bytes and count, ascending.
    pub pool: Vec<(usize, u16)>,
    /// Timeouts and limits.
    pub protocol: Options,
}

impl Default for Setup {
    /// Full limits, and more messages than most scenarios have in flight.
    fn default() -> Self {
        let pool = vec![(1_088, 256), (8_256, 64), (66_112, 16), (131_136, 4)];
        Setup { pool, protocol: Options::DEFAULT }
    }
}

impl Setup {
    /// A pool of `count` messages of `size` bytes each and no other.
    pub fn with_pool(size: u16, count: u16) -> Self {
        Setup::with_classes(&[(size, count)])
    }

    /// A pool of these size classes, ascending, and limits that make use of them.
    pub fn with_classes(classes: &[(u16, u16)]) -> Self {
        let largest = classes.last().map_or(0, |&(size, _)| size);
        let headers = (largest / 2).min(1_024);
        let mut setup = Setup::with_limits(headers, largest - 16 - headers);
        setup.pool = classes.iter().map(|&(size, count)| (size.into(), count)).collect();
        setup
    }

    /// Limits below what the pool could hold.
    pub fn with_limits(headers: u16, body: u16) -> Self {
        let mut setup = Setup::default();
        setup.protocol.limits = Limits { headers, body };
        setup
    }

    /// Changes timeouts.
    pub fn timeouts(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.protocol);
        self
    }

    /// How many messages the pool has.
    pub fn pool_capacity(&self) -> usize {
        self.pool.iter().map(|&(_, count)| usize::from(count)).sum()
    }
}

/// A backend under test: a place in which engines can talk to each other.
pub trait World {
    /// The platform of its engines.
    type Platform: Platform;
    /// Its engines.
    type Peer: Peer<Platform = Self::Platform>;

    /// How long a scenario listens before it believes that nothing comes.
    const QUIET: Duration;

    /// A new engine.
    fn peer(&self, setup: &Setup) -> Self::Peer;

    /// An address nobody listens on yet, and on which an engine can.
    fn address(&self) -> String;

    /// An address where nobody listens, and the status with which a connection fails.
    fn nowhere(&self) -> (String, Status);

    /// Lets time pass and the engines work.
    fn pass(&self, time: Duration);
}

/// A [`World`] that lets a scenario speak and read bare bytes.
pub trait RawWorld: World {
    /// A bare connection.
    type Raw: Raw;
    /// A bare listener.
    type RawListener: RawListener<Raw = Self::Raw>;

    /// As [`World::address`], and [`RawWorld::raw_connect`] reaches it.
    fn raw_address(&self) -> String;

    /// Connects to an engine that listens.
    fn raw_connect(&self, address: &str) -> Self::Raw;

    /// Listens where an engine can connect to.
    fn raw_listen(&self) -> Self::RawListener;
}

/// The other end of an engine's connection, as bare bytes.
pub trait Raw {
    /// Sends as many of these bytes as the connection takes within `timeout`; how many
    /// that was. Fewer as well when the engine closed.
    fn send(&mut self, bytes: &[u8], timeout: Duration) -> usize;

    /// Reads what there is, or waits for it. `Some` of nothing is the end of the stream (or a
    /// reset), `None` that nothing came in time.
    fn recv(&mut self, timeout: Duration) -> Option<Vec<u8>>;
}

/// Bare connections from engines.
pub trait RawListener {
    /// The connections.
    type Raw: Raw;

    /// Where engines connect to.
    fn address(&self) -> String;

    /// The next connection.
    fn accept(&mut self) -> Self::Raw;
}

/// An engine as its application sees it.
pub trait Peer {
    /// The platform of its messages.
    type Platform: Platform;
    /// Its channel groups.
    type Group: Group<Platform = Self::Platform>;

    /// A message from the pool; `None` while it is empty.
    fn get(&self) -> Option<Message<Self::Platform>>;
    /// A new channel group.
    fn group(&self) -> Self::Group;
    /// Stops the engine.
    fn stop(&self);
    /// Free messages in the pool.
    fn free_messages(&self) -> usize;
    /// Channels that exist.
    fn channels(&self) -> usize;
    /// What the engine takes.
    fn limits(&self) -> Limits;
    /// What was counted.
    fn stats(&self) -> Stats;
}

/// A channel group; dropping it ends it.
pub trait Group {
    /// The platform of its messages.
    type Platform: Platform;

    /// Posts a message.
    ///
    /// # Errors
    /// When it is refused.
    fn post(&self, message: Message<Self::Platform>) -> Result<Header, PostError<Self::Platform>>;

    /// The next thing received within `timeout`; `None` as well once the engine has stopped
    /// and everything was received.
    fn receive(&self, timeout: Duration) -> Option<Received<Self::Platform>>;

    /// Wakes the receiver.
    ///
    /// # Errors
    /// When it is refused.
    fn update_receiver(&self, message: Option<Message<Self::Platform>>) -> Result<(), Status>;
}
