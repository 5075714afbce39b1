//! What an engine can be told when it is made.

use crate::{Bounds, Limits};
use core::time::Duration;

/// An engine's timeouts and limits. The defaults are those of a host. A timeout of [`Duration::MAX`] never fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long the transport may take to connect; 10 s.
    pub connect_timeout: Duration,
    /// How long an accepted connection may take to say hello; 10 s.
    pub hello_timeout: Duration,
    /// How long a peer may take none of what waits to be sent to it; `None`, the default, for as long as it
    /// likes. A server with strangers for clients wants one: who never reads holds part of the pool.
    pub send_timeout: Option<Duration>,
    /// How long a goodbye may make no progress, 10 s: nothing of ours is sent, and nothing of the peer's received
    /// before its answer. Stands still while all waits for the application to receive what is there.
    pub bye_timeout: Duration,
    /// How long a frame may take to arrive once it has begun, 30 s; where we stopped reading in the middle of one,
    /// once we go on.
    pub frame_timeout: Duration,
    /// How long a channel may pass no byte in either direction; `None`, the default, for as long as it likes.
    pub idle_timeout: Option<Duration>,
    /// How long a listener waits after it failed to accept; 100 ms.
    pub accept_retry: Duration,
    /// The longest text headers and body to receive; 65,535 bytes of each. What the pool's largest message cannot
    /// hold together is cut: text headers to a quarter of it, but 256 bytes where that is no more than half, and 96 in any
    /// case; the body to the rest. [`Engine::limits`](crate::Engine::limits) tells what came of it.
    pub limits: Limits,
    /// The most lines of text headers in a frame that is received; 1,024. One with more is thrown away, as
    /// one that is too long: looking up each of many lines takes the square of their number.
    pub header_lines: u16,
    /// The most channels that a listener may have accepted and not seen the end of; 1,024. With 0 it accepts none. Its
    /// WelcomeRequest may say otherwise: see [`Bounds`].
    ///
    /// A channel takes a message for each frame that it has begun to send, and may leave it at that until
    /// the frame times out. With fewer channels than half of the pool's messages, strangers who do no more
    /// than that, or never read their answers, cannot keep others from being served.
    pub listener_channels: u16,
}

impl Options {
    /// The defaults.
    pub const DEFAULT: Options = Options {
        connect_timeout: Duration::from_secs(10),
        hello_timeout: Duration::from_secs(10),
        send_timeout: None,
        bye_timeout: Duration::from_secs(10),
        frame_timeout: Duration::from_secs(30),
        idle_timeout: None,
        accept_retry: Duration::from_millis(100),
        limits: Limits::MAX,
        header_lines: 1_024,
        // Far fewer than small messages in a host's pool: see there.
        listener_channels: 1_024,
    };

    /// What a listener bears, and a channel, where the largest frame is `frame_len` bytes.
    pub(crate) fn bounds(&self, frame_len: usize) -> Bounds {
        Bounds {
            channels: self.listener_channels,
            header_lines: self.header_lines,
            limits: self.limits.fit(frame_len),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options::DEFAULT
    }
}
