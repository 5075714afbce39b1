//! What attackers do. Each goes on until it is through; all of them run at the lowest priority, as the
//! processor they use is not the point.

mod connections;
mod floods;
mod frames;
mod headers;

use crate::Outcome;
use crate::server::{Report, Setting};
use crate::target::Target;
use std::net::SocketAddr;
use std::time::Duration;

/// An attack.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What is done, as the table has it.
    pub(crate) what: &'static str,
    /// How often: in a full run, and in a quick one.
    pub(crate) sizes: [usize; 2],
    pub(crate) setting: Setting,
    pub(crate) run: fn(&Ground) -> Outcome<u64>,
    /// Whether the server saw what it was to see.
    pub(crate) shows: fn(&Report) -> bool,
}

/// Whom to attack, and how much.
#[derive(Clone)]
pub(crate) struct Ground {
    addresses: Vec<SocketAddr>,
    pub(crate) size: usize,
    pub(crate) setting: Setting,
}

impl Ground {
    pub(crate) fn new(target: &Target, size: usize) -> Ground {
        let addresses = (0..64).map(|nth| target.address(nth)).collect();
        Ground { addresses, size, setting: target.setting }
    }

    /// Where the `nth` attacker connects to.
    pub(crate) fn server(&self, nth: usize) -> SocketAddr {
        self.addresses[nth % self.addresses.len()]
    }
}

/// A listener that takes all that come.
const ALL: Setting = Setting { channels: u16::MAX, ..Setting::USUAL };
/// One that gives up soon on who does not get on.
const HASTY: Setting = Setting { patience: Duration::from_millis(800), ..ALL };

/// All of them.
pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "malformed",
        what: "frames that break a rule",
        sizes: [200, 5],
        setting: Setting::USUAL,
        run: frames::malformed,
        shows: |report| report.unannounced > 0 && report.closed > 0,
    },
    Attack {
        name: "random",
        what: "connections of random bytes",
        sizes: [20_000, 300],
        setting: Setting::USUAL,
        run: frames::random,
        shows: |report| report.unannounced > 0,
    },
    Attack {
        name: "mutated",
        what: "sessions with one byte changed",
        sizes: [8, 1],
        setting: Setting::USUAL,
        run: frames::mutated,
        shows: |report| report.unannounced > 0 && report.closed > 0,
    },
    Attack {
        name: "silent",
        what: "connections that say nothing",
        sizes: [10_000, 400],
        setting: HASTY,
        run: connections::silent,
        shows: |report| report.unannounced > 0,
    },
    Attack {
        name: "slow",
        what: "connections of a byte a second",
        sizes: [10_000, 200],
        setting: HASTY,
        run: connections::slow,
        shows: |report| report.unannounced > 0 && report.closed > 0,
    },
    Attack {
        name: "crowd",
        what: "connections beyond the listener's bound",
        sizes: [4_000, 200],
        setting: Setting { channels: 100, patience: Duration::from_millis(800), ..Setting::USUAL },
        run: connections::crowd,
        shows: |report| report.full > 0,
    },
    Attack {
        name: "aborts",
        what: "connections opened and reset",
        sizes: [40_000, 1_000],
        setting: Setting::USUAL,
        run: connections::aborts,
        shows: |report| report.unannounced > 0 && report.closed > 0,
    },
    Attack {
        name: "hellos",
        what: "hellos, on new connections and again on old ones",
        sizes: [20_000, 400],
        setting: Setting::USUAL,
        run: connections::hellos,
        shows: |report| report.closed > 0,
    },
    Attack {
        name: "limits",
        what: "announced limits that are none",
        sizes: [200, 5],
        setting: Setting::USUAL,
        run: headers::limits,
        shows: |report| report.refused > 0,
    },
    Attack {
        name: "lines",
        what: "frames of 65,535 bytes in the shortest lines",
        sizes: [400, 10],
        setting: Setting::USUAL,
        run: headers::lines,
        shows: |report| report.too_long > 0,
    },
    Attack {
        name: "too-long",
        what: "frames beyond the limits",
        sizes: [20_000, 400],
        setting: Setting { body: 1_000, ..Setting::USUAL },
        run: headers::too_long,
        shows: |report| report.too_long > 0,
    },
    Attack {
        name: "replies",
        what: "replies nobody asked for",
        sizes: [500_000, 5_000],
        setting: Setting::USUAL,
        run: floods::replies,
        shows: |report| report.received > 0,
    },
    Attack {
        name: "unfinished",
        what: "frames that are begun and left",
        sizes: [1_000, 300],
        setting: Setting { patience: Duration::from_millis(800), ..Setting::USUAL },
        run: floods::unfinished,
        shows: |report| report.closed > 0,
    },
    Attack {
        name: "unread",
        what: "clients that ask and never read",
        sizes: [500, 50],
        setting: Setting::USUAL,
        run: floods::unread,
        shows: |report| report.closed > 0,
    },
];
