//! The thread-safe engine users hold, and its channel groups.

use crate::{Message, Options, PostError, Received};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tofu_core::{Header, Limits, Stats, Status};

/// An engine: everything in tofu happens on one. Cheap to clone; all clones are the
/// same engine. When the last clone and the last of its groups is dropped, it stops.
#[derive(Clone)]
pub struct Engine {
    _x: Arc<()>,
}

/// The engine has stopped, and everything it had for this group was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the engine has stopped")
    }
}

impl std::error::Error for Stopped {}

/// A refused [`ChannelGroup::update_receiver`]: the message, if there was one, and why.
#[derive(Debug)]
pub struct UpdateError {
    /// The message, if there was one.
    pub message: Option<Message>,
    /// Why it was refused.
    pub status: Status,
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the receiver cannot be woken: {}", self.status)
    }
}

impl std::error::Error for UpdateError {}

impl Engine {
    /// An engine with the default options.
    pub fn new() -> io::Result<Engine> {
        Engine::with_options(Options::default())
    }

    /// An engine with these options.
    pub fn with_options(_options: Options) -> io::Result<Engine> {
        unimplemented!()
    }

    /// A message from the pool; `None` while it is empty.
    pub fn get(&self) -> Option<Message> {
        unimplemented!()
    }

    /// A message from the pool; waits for one to come back for as long as `timeout` (`None`: forever).
    pub fn get_wait(&self, _timeout: impl Into<Option<Duration>>) -> Option<Message> {
        unimplemented!()
    }

    /// A message from the pool, or from the heap where the pool is empty; for the application's own
    /// hand, it lifts no channel's share.
    ///
    /// # Panics
    /// When the process is out of memory.
    pub fn get_always(&self) -> Message {
        unimplemented!()
    }

    /// A new channel group.
    pub fn group(&self) -> Result<ChannelGroup, Stopped> {
        unimplemented!()
    }

    /// Stops the engine: unsent messages are handed back with `shutdown_started`, every channel ends with
    /// `channel_closed`; receivers get all that, then [`Stopped`].
    pub fn stop(&self) {
        unimplemented!()
    }

    /// Free messages in the pool.
    pub fn free_messages(&self) -> usize {
        unimplemented!()
    }

    /// Channels that exist: listeners, connections, and those whose `channel_closed` was not received yet.
    pub fn channels(&self) -> usize {
        unimplemented!()
    }

    /// What this engine takes.
    pub fn limits(&self) -> Limits {
        unimplemented!()
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }
}

/// A channel group: one receive queue and the channels that were made through it. Cheap to clone;
/// when the last clone is dropped, its channels send what was posted and close.
#[derive(Clone)]
pub struct ChannelGroup {
    _x: Arc<()>,
}

impl ChannelGroup {
    /// The engine it belongs to.
    pub fn engine(&self) -> &Engine {
        unimplemented!()
    }

    /// Posts a message. Never waits.
    pub fn post(&self, _message: Message) -> Result<Header, PostError> {
        unimplemented!()
    }

    /// Posts a message; where the channel holds its share (`pool_empty`), waits for room
    /// for as long as `timeout` (`None`: forever).
    pub fn post_wait(
        &self,
        _message: Message,
        _timeout: impl Into<Option<Duration>>,
    ) -> Result<Header, PostError> {
        unimplemented!()
    }

    /// The next thing received; waits for it for as long as `timeout` (`None`: forever). `Ok(None)` when
    /// nothing came in time.
    pub fn wait_receive(
        &self,
        _timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<Received>, Stopped> {
        unimplemented!()
    }

    /// The next thing received, without waiting.
    pub fn try_receive(&self) -> Result<Option<Received>, Stopped> {
        unimplemented!()
    }

    /// Wakes the receiver: with a message (`Received::Returned(message, receiver_update)`) or without
    /// (a notice).
    pub fn update_receiver(&self, _message: Option<Message>) -> Result<(), UpdateError> {
        unimplemented!()
    }
}
