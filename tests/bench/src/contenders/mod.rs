//! Who is compared, each behind the same few verbs, so that a mode is written once.
//!
//! A message here is a body. A *request* is answered by its own copy, a *signal* is not answered. A
//! signal whose length differs from the one before ends a stream, which the server tells its
//! parent of.

#[cfg(feature = "peers")]
mod nng;
mod raw;
mod tofu;
#[cfg(feature = "peers")]
mod zmq;

use crate::Outcome;
use crate::control;
use std::fmt;
use std::path::PathBuf;

/// Who can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Contender {
    /// Blocking sockets and nothing else.
    Raw,
    /// The same, but with a poll to wait in, as whoever waits for more than one socket needs.
    Polled,
    Zmq,
    Nng,
    Tofu,
}

impl Contender {
    /// All that this program was built with.
    pub(crate) const BUILT: &[Contender] = match cfg!(feature = "peers") {
        true => {
            &[Contender::Raw, Contender::Polled, Contender::Zmq, Contender::Nng, Contender::Tofu]
        }
        false => &[Contender::Raw, Contender::Polled, Contender::Tofu],
    };
    /// Those that keep more than one message under way.
    pub(crate) const PIPELINING: &[Contender] = match cfg!(feature = "peers") {
        true => &[Contender::Raw, Contender::Zmq, Contender::Nng, Contender::Tofu],
        false => Contender::WITH_CHANNELS,
    };
    /// Those for whom a connection is something one can hold.
    pub(crate) const WITH_CHANNELS: &[Contender] = &[Contender::Raw, Contender::Tofu];

    /// As an argument of this program.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Contender::Raw => "raw",
            Contender::Polled => "polled",
            Contender::Zmq => "zmq",
            Contender::Nng => "nng",
            Contender::Tofu => "tofu",
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contender::Raw => "raw",
            Contender::Polled => "raw, polled",
            Contender::Zmq => "ZeroMQ",
            Contender::Nng => "nng",
            Contender::Tofu => "tofu",
        })
    }
}

/// What goes on between the two ends; some contenders have a kind of socket for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pattern {
    /// Requests are answered. Signals may come between.
    Requests,
    /// Signals, one way.
    Stream,
    /// Connections that say hello and goodbye, and nothing else.
    Cycles,
}

impl Pattern {
    /// As an argument of this program.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Pattern::Requests => "requests",
            Pattern::Stream => "stream",
            Pattern::Cycles => "cycles",
        }
    }
}

/// Where a server listens.
pub(crate) enum Place {
    /// Any free port of 127.0.0.1.
    Tcp,
    /// A Unix socket.
    Uds(PathBuf),
}

/// The client's end.
pub(crate) trait Client {
    /// Opens channels beside those there are. They are numbered from 0.
    fn open(&mut self, count: usize) -> Outcome;

    /// Sends a request. It may stay behind until an answer is waited for.
    fn request(&mut self, channel: usize, body: &[u8]) -> Outcome;

    /// Sends a signal. It may stay behind until [`Client::flush`].
    fn signal(&mut self, channel: usize, body: &[u8]) -> Outcome;

    /// Waits for an answer: its channel and its body.
    fn answer(&mut self) -> Outcome<(usize, &[u8])>;

    /// Leaves nothing behind.
    fn flush(&mut self) -> Outcome;

    /// Connects, says hello, says goodbye and closes.
    fn cycle(&mut self) -> Outcome;
}

/// Connects to a server; there are no channels yet.
pub(crate) fn client(
    contender: Contender,
    pattern: Pattern,
    address: &str,
) -> Outcome<Box<dyn Client>> {
    match contender {
        Contender::Raw => Ok(Box::new(raw::Client::new(address, raw::Wait::InRead))),
        Contender::Polled => Ok(Box::new(raw::Client::new(address, raw::Wait::InPoll))),
        Contender::Tofu => Ok(Box::new(tofu::Client::new(address)?)),
        #[cfg(feature = "peers")]
        Contender::Zmq => Ok(Box::new(zmq::Client::new(pattern, address)?)),
        #[cfg(feature = "peers")]
        Contender::Nng => Ok(Box::new(nng::Client::new(pattern, address)?)),
        #[cfg(not(feature = "peers"))]
        Contender::Zmq | Contender::Nng => not_built(pattern),
    }
}

/// Serves until the process ends.
pub(crate) fn serve(contender: Contender, pattern: Pattern, place: &Place) -> Outcome {
    match contender {
        Contender::Raw => raw::serve(pattern, place, raw::Wait::InRead),
        Contender::Polled => raw::serve(pattern, place, raw::Wait::InPoll),
        Contender::Tofu => tofu::serve(place),
        #[cfg(feature = "peers")]
        Contender::Zmq => zmq::serve(pattern, place),
        #[cfg(feature = "peers")]
        Contender::Nng => nng::serve(pattern, place),
        #[cfg(not(feature = "peers"))]
        Contender::Zmq | Contender::Nng => not_built(pattern),
    }
}

#[cfg(not(feature = "peers"))]
fn not_built<T>(_: Pattern) -> Outcome<T> {
    Err("this needs the feature `peers`".into())
}

/// Tells the parent where the server listens.
fn announce(address: impl fmt::Display) {
    control::say(format_args!("ready {address}"));
}

/// Counts the signals of one stream, and tells the parent of its end.
#[derive(Default)]
struct Tally {
    count: u64,
    len: usize,
}

impl Tally {
    fn take(&mut self, len: usize) {
        if self.count == 0 {
            self.len = len;
        }
        self.count += 1;
        if len != self.len {
            control::say(format_args!("done {}", self.count));
            self.count = 0;
        }
    }
}
