//! Channel groups: what is posted, and what is received.

use crate::driver::{Bell, Core};
use crate::engine::{Engine, Stopped, deadline};
use crate::{Message, PostError, Received};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use tofu_core::{GroupId, Header, Status};

/// A channel group: one receive queue, and the channels that were made through it.
///
/// Cheap to clone; every call may come from any thread. When the last clone is dropped, its
/// listeners close, and its connections send what was posted and close. Without a goodbye: to their peers it looks as if this
/// side was gone.
///
/// Threads that receive from clones of one group share its queue: each message goes to whichever comes
/// first. That suits workers that answer requests which stand for themselves. Messages of a stream would be handled out of
/// order, and a goodbye answered before what came ahead of it: there, one thread receives, and hands each channel's messages
/// to the same worker. Threads that ask, and want their own answers, take a group and a channel each; or one thread
/// receives, and hands the answers on by their ids.
#[derive(Clone)]
pub struct ChannelGroup {
    handle: Arc<Handle>,
}

/// Ends the group when dropped.
struct Handle {
    engine: Engine,
    id: GroupId,
    bell: Arc<Bell>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.engine.driver().close_group(self.id);
    }
}

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

impl ChannelGroup {
    pub(crate) fn new(engine: Engine) -> Result<ChannelGroup, Status> {
        let driver = engine.driver();
        let bell = driver.new_bell();
        let staging = vec![0; driver.staging()].into_boxed_slice();
        let id = driver.with(|core| {
            if core.is_broken() || core.engine.is_stopping() {
                return Err(Status::ShutdownStarted);
            }
            let id = core.engine.open_group(staging).map_err(|_| Status::PoolEmpty)?;
            let woken = core.engine.set_waker(id, Waker::from(bell.clone()));
            debug_assert!(woken.is_ok(), "a new group exists");
            Ok(id)
        })?;
        Ok(ChannelGroup { handle: Arc::new(Handle { engine, id, bell }) })
    }

    /// The engine it belongs to.
    pub fn engine(&self) -> &Engine {
        &self.handle.engine
    }

    /// Posts a message: the message *is* the operation. Never waits, and success does not mean "sent": a
    /// message that can't be sent is received again as [`Received::Returned`].
    ///
    /// Returns the completed header: with the channel a Hello or Welcome was given, and a fresh
    /// id where it was 0.
    ///
    /// What the peer takes at most is known once its hello, or its answer to ours, is here. What is posted before and is
    /// longer is thrown away at the other end, with a notice to that application.
    ///
    /// # Errors
    /// See [`tofu_core::Engine::post`]; the message comes back.
    pub fn post(&self, message: Message) -> Result<Header, PostError> {
        let Handle { engine, id, .. } = &*self.handle;
        let driver = engine.driver();
        driver.post(&mut driver.lock(), *id, message)
    }

    /// Posts a message; while its channel holds more than its share of the pool, waits for room
    /// for as long as `timeout` (`None`: for ever).
    ///
    /// A peer that does not read holds up this thread as long. Who serves several bounds that; and two ends that both
    /// post before they receive would wait for each other.
    ///
    /// # Errors
    /// As [`ChannelGroup::post`]; [`Status::PoolEmpty`] when there was no room in time.
    pub fn post_wait(
        &self,
        message: Message,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Header, PostError> {
        let mut refused = match self.post(message) {
            Err(error) if error.status == Status::PoolEmpty => Some(error),
            outcome => return outcome,
        };
        let driver = self.handle.engine.driver();
        let posted = driver.wait(driver.room(), deadline(timeout.into()), |core| {
            self.post_again(core, &mut refused)
        });
        match (posted, refused) {
            (Some(outcome), _) => outcome,
            (None, Some(error)) => Err(error),
            (None, None) => unreachable!("a message is posted, or refused and kept"),
        }
    }

    /// As [`post_wait`](ChannelGroup::post_wait), for async code; with your runtime's timeouts. Dropped before it is done, it
    /// posts nothing, and the message is gone.
    ///
    /// # Errors
    /// As [`ChannelGroup::post`]; but for want of room.
    pub async fn post_async(&self, message: Message) -> Result<Header, PostError> {
        let mut refused = match self.post(message) {
            Err(error) if error.status == Status::PoolEmpty => Some(error),
            outcome => return outcome,
        };
        let driver = self.handle.engine.driver();
        driver.wait_async(driver.room(), |core| self.post_again(core, &mut refused)).await
    }

    /// Posts what was refused; `None` while there is no room.
    fn post_again(
        &self,
        core: &mut Core,
        refused: &mut Option<PostError>,
    ) -> Option<Result<Header, PostError>> {
        let Handle { engine, id, .. } = &*self.handle;
        match engine.driver().post(core, *id, refused.take()?.message) {
            Err(error) if error.status == Status::PoolEmpty => {
                *refused = Some(error);
                None
            }
            outcome => Some(outcome),
        }
    }

    /// The next thing received, in order; waits for it for as long as `timeout` (`None`: for
    /// ever). `Ok(None)` when nothing came in time.
    ///
    /// While it waits, this thread runs the engine. With a timeout of zero it does as
    /// [`try_receive`](ChannelGroup::try_receive).
    ///
    /// # Errors
    /// When the engine has stopped and everything was received.
    pub fn wait_receive(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<Received>, Stopped> {
        let Handle { engine, id, bell } = &*self.handle;
        let driver = engine.driver();
        let received =
            driver.wait(bell, deadline(timeout.into()), |core| driver.receive_or_stop(core, *id));
        received.transpose()
    }

    /// The next thing received, in order, for async code; with your runtime's timeouts. Dropped before it is done, it
    /// takes nothing: what comes is for the next who receives.
    ///
    /// Any runtime will do: the engine's background thread runs the engine while tasks wait, and wakes them.
    ///
    /// # Errors
    /// As [`ChannelGroup::wait_receive`].
    pub async fn receive_async(&self) -> Result<Received, Stopped> {
        let Handle { engine, id, bell } = &*self.handle;
        let driver = engine.driver();
        driver.wait_async(bell, |core| driver.receive_or_stop(core, *id)).await
    }

    /// The next thing received, without waiting. When there is nothing, this thread runs the engine once, unless somebody
    /// does already: who only polls depends on no other thread.
    ///
    /// # Errors
    /// As [`ChannelGroup::wait_receive`].
    pub fn try_receive(&self) -> Result<Option<Received>, Stopped> {
        let Handle { engine, id, .. } = &*self.handle;
        let driver = engine.driver();
        let mut core = driver.lock();
        let received = driver.receive(&mut core, *id);
        if received.is_some() {
            return Ok(received);
        }
        if core.stopped() {
            return Err(Stopped);
        }
        driver.look(&mut core);
        Ok(driver.receive(&mut core, *id))
    }

    /// Wakes the receiver, from any thread: with a message, which it receives as
    /// `Received::Returned(message, receiver_update)`, or without, as a notice.
    ///
    /// # Errors
    /// `shutdown_started` when the engine has stopped; the message comes back.
    pub fn update_receiver(&self, message: Option<Message>) -> Result<(), UpdateError> {
        let Handle { engine, id, .. } = &*self.handle;
        let updated = engine.driver().with(|core| match core.is_broken() {
            false => core.engine.update_receiver(*id, message),
            true => Err((message, Status::ShutdownStarted)),
        });
        updated.map_err(|(message, status)| UpdateError { message, status })
    }
}

impl fmt::Debug for ChannelGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelGroup").field("id", &self.handle.id).finish_non_exhaustive()
    }
}
