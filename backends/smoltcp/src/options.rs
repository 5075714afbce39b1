//! What a stack can be told when it is made, and what it counts.

use core::time::Duration;

/// How a [`Stack`](crate::Stack) treats its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many sockets a listener keeps ready for clients, as far as there are free ones; 4. As many
    /// clients may connect between two turns. With 0 a listener takes none.
    pub backlog: usize,
    /// How long a connection may be silent before its peer is asked whether it is still there, and then again; 20 s.
    pub keep_alive: Duration,
    /// How long a peer may leave everything unanswered before its connection is lost; 300 s. Should be
    /// several times `keep_alive`, and several minutes: a peer that has no room for more is asked
    /// only once a minute. Before it is accepted it has 60 s, and a client's handshake 10 s.
    pub timeout: Duration,
    /// How long a closed connection may make no progress with its last bytes, and then with its
    /// end, before it is reset; 10 s.
    pub linger: Duration,
    /// Where ephemeral ports start: a number of ports after 49,152, of which there are 16,384; 0. Should differ from boot
    /// to boot, as the interface's own random seed should, so that a peer does not take a new connection for an old one.
    pub seed: u16,
}

impl Options {
    /// The defaults: a backlog of 4, 20 s, 300 s and 10 s, and the seed 0.
    pub const DEFAULT: Options = Options {
        backlog: 4,
        keep_alive: Duration::from_secs(20),
        timeout: Duration::from_secs(300),
        linger: Duration::from_secs(10),
        seed: 0,
    };
}

impl Default for Options {
    fn default() -> Self {
        Options::DEFAULT
    }
}

/// What a [`Stack`](crate::Stack) counts. Here a refused connection and an unanswered one are told
/// apart, which have the same status in the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections the other end refused.
    pub refused: u32,
    /// Connections given up before the other end had answered: by the engine's timeout or by the
    /// application.
    pub unanswered: u32,
    /// Closed connections that were reset because they made no progress for
    /// [`Options::linger`].
    pub cut: u32,
}
