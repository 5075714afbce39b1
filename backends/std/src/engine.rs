//! The thread-safe engine users hold.

use crate::driver::{Core, Driver};
use crate::group::ChannelGroup;
use crate::sync::now;
use crate::{Message, Options};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tofu_core::{HEADER_LEN, Limits, Pool, Stats, Status};

/// An engine: everything in tofu happens on one.
///
/// Cheap to clone; all clones are the same engine, and every call may come from any thread. When
/// the last clone and the last of its groups is dropped, it sends what was posted, in the
/// background, and ends; to be sure of it before a process exits, say goodbye and wait for the answer.
///
/// ```
/// let engine = tofu_std::Engine::new()?;
/// let group = engine.group()?;
/// let mut message = engine.get().expect("a fresh pool is full");
/// message.listen_on("tcp|127.0.0.1|0")?;
/// group.post(message)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    handle: Arc<Handle>,
}

/// Lets the engine end when dropped.
struct Handle {
    driver: Arc<Driver>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.driver.release();
    }
}

/// The engine has stopped, and everything it had for this group was received; or a panic inside it has
/// ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the engine has stopped")
    }
}

impl std::error::Error for Stopped {}

impl Engine {
    /// An engine with the default options.
    ///
    /// # Errors
    /// When the system has no file descriptor or thread left.
    pub fn new() -> io::Result<Engine> {
        Engine::with_options(Options::default())
    }

    /// An engine with these options.
    ///
    /// # Errors
    /// As [`Engine::new`]; [`io::ErrorKind::InvalidInput`] for a pool or a size without messages, for more
    /// than [`MAX_CLASSES`](tofu_core::MAX_CLASSES) sizes, and for a size or a `staging` below a header's.
    pub fn with_options(options: Options) -> io::Result<Engine> {
        options.check()?;
        Ok(Engine { handle: Arc::new(Handle { driver: Driver::start(&options)? }) })
    }

    /// A message from the pool; `None` while it is empty. The last message of a size is kept for
    /// receiving, unless it is the only one: who has asked for all he could can still be answered.
    ///
    /// It is of the pool's smallest size, and moves to a larger one when it is filled with more; that fails with
    /// [`PoolEmpty`](crate::MessageError::PoolEmpty) where none is free. Who needs much asks for it:
    /// [`get_sized`](Engine::get_sized).
    pub fn get(&self) -> Option<Message> {
        self.get_sized(0)
    }

    /// A message with room for `payload` bytes of text headers and body together; `None` while none of that size is
    /// free, and always where the pool has none so large.
    pub fn get_sized(&self, payload: usize) -> Option<Message> {
        self.take(payload).or_else(|| {
            // What was posted and is not written yet holds some.
            self.driver().flush();
            self.take(payload)
        })
    }

    /// A message from the pool; waits for one to come back for as long as `timeout` (`None`: for
    /// ever). `None` when none came in time, or none is free and the engine has stopped.
    pub fn get_wait(&self, timeout: impl Into<Option<Duration>>) -> Option<Message> {
        self.get_sized_wait(0, timeout)
    }

    /// As [`get_sized`](Engine::get_sized); waits as [`get_wait`](Engine::get_wait), but not for what the pool never has.
    pub fn get_sized_wait(
        &self,
        payload: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Option<Message> {
        if let Some(message) = self.get_sized(payload) {
            return Some(message);
        }
        if !self.is_ever_free(payload) {
            return None;
        }
        let driver = self.driver();
        let deadline = deadline(timeout.into());
        let got = driver.wait(driver.room(), deadline, |core| self.take_or_stop(core, payload));
        got.flatten()
    }

    /// As [`get_wait`](Engine::get_wait), for async code; with your runtime's timeouts. May be dropped at any time.
    pub async fn get_async(&self) -> Option<Message> {
        self.get_sized_async(0).await
    }

    /// As [`get_sized_wait`](Engine::get_sized_wait), for async code; with your runtime's timeouts. May be dropped at any
    /// time.
    pub async fn get_sized_async(&self, payload: usize) -> Option<Message> {
        if let Some(message) = self.get_sized(payload) {
            return Some(message);
        }
        if !self.is_ever_free(payload) {
            return None;
        }
        let driver = self.driver();
        driver.wait_async(driver.room(), |core| self.take_or_stop(core, payload)).await
    }

    /// Whether the pool has messages so large at all.
    fn is_ever_free(&self, payload: usize) -> bool {
        self.pool().largest() >= HEADER_LEN.saturating_add(payload)
    }

    /// A message; `None` inside when none is free and the engine has stopped.
    fn take_or_stop(&self, core: &Core, payload: usize) -> Option<Option<Message>> {
        match self.take(payload) {
            Some(message) => Some(Some(message)),
            None => core.stopped().then_some(None),
        }
    }

    fn take(&self, payload: usize) -> Option<Message> {
        Pool::get_sized(self.pool(), HEADER_LEN.saturating_add(payload))
    }

    /// A message from the pool, or from the heap where the pool is empty. It is
    /// for the application's own hand and lifts no channel's share.
    ///
    /// # Panics
    /// When the process is out of memory.
    pub fn get_always(&self) -> Message {
        Pool::get_always(self.pool()).expect("out of memory")
    }

    /// A new channel group.
    ///
    /// # Errors
    /// [`Status::ShutdownStarted`] when the engine has stopped, [`Status::PoolEmpty`] when 65,535 groups exist.
    pub fn group(&self) -> Result<ChannelGroup, Status> {
        ChannelGroup::new(self.clone())
    }

    /// Stops the engine: unsent messages are handed back with `shutdown_started`, every channel
    /// ends with `channel_closed`. Receivers get all that, then [`Stopped`].
    pub fn stop(&self) {
        self.driver().stop();
    }

    /// How many messages of all sizes are free.
    pub fn free_messages(&self) -> usize {
        self.pool().free()
    }

    /// The channels that exist: listeners, connections, and those whose `channel_closed` was
    /// not received yet.
    pub fn channels(&self) -> usize {
        self.driver().lock().engine.channels()
    }

    /// The longest text headers and body this engine takes.
    pub fn limits(&self) -> Limits {
        self.driver().lock().engine.limits()
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.driver().lock().engine.stats()
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.handle.driver
    }

    fn pool(&self) -> &Arc<Pool<crate::Host>> {
        &self.driver().pool
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("free_messages", &self.free_messages())
            .finish_non_exhaustive()
    }
}

/// The point in time after `timeout`; `None` for never.
pub(crate) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    let timeout = timeout?;
    now().checked_add(timeout)
}
