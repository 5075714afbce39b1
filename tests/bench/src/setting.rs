//! Between what, and on which cores, the two ends talk.
//!
//! Left to itself, a scheduler sometimes lets two processes that wait for each other share a core and sometimes
//! does not, and a round trip takes three times longer in one case than in the other. So it is told.

use core_affinity::CoreId;
use std::fmt;
use std::process::{Command, Stdio};

/// Between what, and on which cores, the two ends talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) transport: Transport,
    pub(crate) placement: Placement,
}

impl Setting {
    /// Both kinds of sockets at a placement.
    pub(crate) fn at(placement: Placement) -> [Setting; 2] {
        [Transport::Tcp, Transport::Uds].map(|transport| Setting { transport, placement })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.transport, self.placement)
    }
}

/// Which kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Uds,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "TCP",
            Transport::Uds => "UDS",
        })
    }
}

/// On which cores the two ends run, each with all its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Both on one: what the two cost the processor, and nothing else.
    OneCore,
    /// Each on its own: with the time it takes to wake the other core.
    TwoCores,
}

impl Placement {
    pub(crate) const ALL: [Placement; 2] = [Placement::OneCore, Placement::TwoCores];
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Placement::OneCore => "one core",
            Placement::TwoCores => "two cores",
        })
    }
}

/// The cores this process may run on.
pub(crate) struct Cores(Vec<CoreId>);

impl Cores {
    /// To be asked before any thread stays on one.
    pub(crate) fn find() -> Cores {
        Cores(core_affinity::get_core_ids().unwrap_or_default())
    }

    /// The cores of client and server. `None` where there is no choice.
    pub(crate) fn of(&self, placement: Placement) -> Option<(usize, usize)> {
        let [first, second, ..] = self.0.as_slice() else {
            return None;
        };
        match placement {
            Placement::OneCore => Some((first.id, first.id)),
            Placement::TwoCores => Some((first.id, second.id)),
        }
    }
}

/// While it lives, the first thread of this process runs whenever it can, before others of its core.
/// What it starts does not.
pub(crate) struct Preferred(());

impl Preferred {
    /// Where it is not allowed, or there is no `chrt`, the scheduler decides.
    pub(crate) fn new() -> Preferred {
        schedule(&["--reset-on-fork", "--fifo", "--pid", "10"]);
        Preferred(())
    }
}

impl Drop for Preferred {
    fn drop(&mut self) {
        schedule(&["--other", "--pid", "0"]);
    }
}

fn schedule(policy: &[&str]) {
    let process = std::process::id().to_string();
    let mut chrt = Command::new("chrt");
    let _ = chrt.args(policy).arg(process).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Keeps this thread, and whatever it starts from now on, on one core.
pub(crate) fn stay_on(core: usize) {
    // Where it can't be had, the scheduler decides.
    core_affinity::set_for_current(CoreId { id: core });
}
