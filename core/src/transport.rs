//! The seam between the engine and whatever moves its bytes.

use crate::{Address, Status};
use core::fmt;
use core::task::Poll;

/// Names one listener or connection between an [`Engine`](crate::Engine) and its
/// [`Transport`]. The engine chooses it; a dense index from 0, so a backend may keep
/// its links in an array.
///
/// After [`Transport::close`] the engine may give the same link to another
/// connection. A backend must not report the old one's events under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Link(pub u16);

impl Link {
    /// The link as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What happened on a link.
///
/// `Readable` and `Writable` are hints: the engine tries, and is content
/// with [`Poll::Pending`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Ready {
    /// A listener listens, or a connection is made, that [`Transport::listen`] or
    /// [`Transport::connect`] began. Not before it, but from then on, [`Readable`](Ready::Readable) tells
    /// of whatever is there on a connection, though [`Transport::recv`] was never called.
    Opened,
    /// It could not be opened.
    Failed(Status),
    /// Bytes, an end of stream, an error, or (on a listener) a connection wait.
    Readable,
    /// Sending may go on.
    Writable,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Close {
    /// Everything handed to [`Transport::send`] must reach the peer, followed by
    /// an end of stream. What the peer still sends is read and thrown away, for
    /// a bounded time, so that no reset overtakes our bytes.
    Graceful,
    /// As gracefully, but both ends have said all they had to say, and the peer has read ours: nothing
    /// needs to be waited for, and what it sends nevertheless may meet a reset.
    Done,
    /// At once; what is in flight may be lost.
    Abort,
}

/// Moves bytes for an engine. Nothing here blocks: [`Poll::Pending`] means "would
/// block", and promises a later [`Ready`] for the link.
///
/// Calls for a link come in this order: [`listen`](Transport::listen),
/// [`connect`](Transport::connect) or a successful [`accept`](Transport::accept)
/// gives it to the backend; [`close`](Transport::close) takes it back.
pub trait Transport {
    /// Starts listening. The outcome comes as [`Ready::Opened`] or [`Ready::Failed`].
    ///
    /// # Errors
    /// [`Status::InvalidAddress`], [`Status::ListenFailed`]: refused at once,
    /// the link is not taken.
    fn listen(&mut self, link: Link, at: &Address<'_>) -> Result<(), Status>;

    /// Starts connecting. The outcome comes as [`Ready::Opened`] or [`Ready::Failed`].
    ///
    /// # Errors
    /// [`Status::InvalidAddress`], [`Status::UdsPathNotFound`], [`Status::ConnectFailed`]:
    /// refused at once, the link is not taken.
    fn connect(&mut self, link: Link, to: &Address<'_>) -> Result<(), Status>;

    /// Writes the address a listener really has, for instance with the
    /// port that was chosen for port 0.
    ///
    /// # Errors
    /// When `out` does.
    fn local_address(&self, listener: Link, out: &mut dyn fmt::Write) -> fmt::Result;

    /// Takes a waiting connection and names it `link`. The engine reads it without being told that
    /// there is something.
    ///
    /// # Errors
    /// [`Status::AcceptFailed`]: for instance no file descriptors. The listener stays;
    /// the engine tries again after a while.
    fn accept(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>>;

    /// Reads into `bufs`, in order. `Ok(0)` is the end of the stream.
    ///
    /// A count below the room offered means that there is no more for now: as
    /// after `Pending`, the engine waits for [`Ready::Readable`], which must also
    /// come for an end of stream that is already there.
    ///
    /// # Errors
    /// [`Status::RecvFailed`] or [`Status::PeerDisconnected`]: the connection is lost.
    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>>;

    /// Writes from `bufs`, in order; may take less than all. A lower count means, as
    /// `Pending` does, that the engine waits for [`Ready::Writable`] if it asked for it by
    /// [`want_write`](Transport::want_write).
    ///
    /// # Errors
    /// [`Status::SendFailed`] or [`Status::PeerDisconnected`]: no more can be sent.
    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>>;

    /// Says whether the engine has bytes that did not go out and waits for [`Ready::Writable`].
    fn want_write(&mut self, link: Link, on: bool);

    /// The next link something happened on; `None` when all have been told.
    fn next_ready(&mut self) -> Option<(Link, Ready)>;

    /// Ends a link, in whatever state it is.
    fn close(&mut self, link: Link, how: Close);
}
