//! What the seeds reached: how channels ended, what came back, what was refused, which situations arose.

use crate::oracle::Kind;
use indicatif::HumanCount;
use std::fmt;
use tofu_core::{Opcode, Status};

/// How many statuses there are.
const STATUSES: usize = Status::ALL.len();

macro_rules! situations {
    ($($variant:ident $name:literal,)*) => {
        /// Something worth being reached.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Situation { $($variant,)* }

        impl Situation {
            /// All of them.
            pub const ALL: &'static [Situation] = &[$(Situation::$variant),*];

            /// What it is.
            pub fn name(self) -> &'static str {
                match self { $(Situation::$variant => $name,)* }
            }
        }
    };
}

situations! {
    CutWithinFrame "a connection is cut within a frame",
    CutBetweenFrames "a connection is cut between frames",
    GoodbyesCross "both ends ask for a goodbye at once",
    GoodbyeUnasked "a goodbye is answered that nobody asked for",
    SignalBehindGoodbye "a ByeSignal overtakes a goodbye",
    GroupDropped "a group is dropped with channels open",
    EngineStopped "an engine stops with channels open",
    EngineCrashed "an engine's process ends with channels open",
    ReceiverStopped "a receiver stops",
    PoolDry "an application finds the pool empty",
    ChannelsTaken "no channel is free",
    ShareUsedUp "a post is refused for the channel's share",
    ClockForward "a clock jumps forward",
    ClockBack "a clock jumps back",
    Stranger "a stranger connects",
    ConnectsToItself "an engine connects to itself",
    Blocked "messages wait for a peer that does not read",
    OneMessage "a pool has one message of some size",
}

/// What was reached, and how often.
#[derive(Clone)]
pub struct Coverage {
    /// Channels by kind and reason.
    closed: [[u64; STATUSES]; Kind::ALL.len()],
    returned: [u64; STATUSES],
    hellos_returned: [u64; STATUSES],
    refused: [u64; STATUSES],
    noticed: [u64; STATUSES],
    situations: [u64; Situation::ALL.len()],
    /// Messages posted.
    pub posted: u64,
    /// Messages delivered to a peer's application.
    pub delivered: u64,
    /// Turns taken.
    pub turns: u64,
    /// Virtual time, in seconds.
    pub seconds: u64,
}

impl Default for Coverage {
    fn default() -> Self {
        Coverage {
            closed: [[0; STATUSES]; Kind::ALL.len()],
            returned: [0; STATUSES],
            hellos_returned: [0; STATUSES],
            refused: [0; STATUSES],
            noticed: [0; STATUSES],
            situations: [0; Situation::ALL.len()],
            posted: 0,
            delivered: 0,
            turns: 0,
            seconds: 0,
        }
    }
}

fn at(status: Status) -> usize {
    usize::from(status.code()).min(STATUSES - 1)
}

impl Coverage {
    pub(crate) fn closed(&mut self, kind: Kind, reason: Status) {
        self.closed[kind as usize][at(reason)] += 1;
    }

    pub(crate) fn returned(&mut self, opcode: Opcode, status: Status) {
        let hello = matches!(opcode, Opcode::HelloResponse | Opcode::WelcomeResponse);
        let counts = if hello { &mut self.hellos_returned } else { &mut self.returned };
        counts[at(status)] += 1;
    }

    pub(crate) fn refused(&mut self, status: Status) {
        self.refused[at(status)] += 1;
    }

    pub(crate) fn noticed(&mut self, status: Status) {
        self.noticed[at(status)] += 1;
    }

    /// A situation arose.
    pub fn reach(&mut self, situation: Situation) {
        self.situations[situation as usize] += 1;
    }

    /// How often it arose.
    pub fn reached(&self, situation: Situation) -> u64 {
        self.situations[situation as usize]
    }

    /// Adds what another run reached.
    pub fn add(&mut self, other: &Coverage) {
        let add = |to: &mut [u64], from: &[u64]| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        };
        for (to, from) in self.closed.iter_mut().zip(&other.closed) {
            add(to, from);
        }
        add(&mut self.returned, &other.returned);
        add(&mut self.hellos_returned, &other.hellos_returned);
        add(&mut self.refused, &other.refused);
        add(&mut self.noticed, &other.noticed);
        add(&mut self.situations, &other.situations);
        self.posted += other.posted;
        self.delivered += other.delivered;
        self.turns += other.turns;
        self.seconds += other.seconds;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [listeners, clients, accepted] = &self.closed;
        let columns: [(&str, &[u64; STATUSES]); 7] = [
            ("listener", listeners),
            ("client", clients),
            ("accepted", accepted),
            ("hello back", &self.hellos_returned),
            ("other back", &self.returned),
            ("refused", &self.refused),
            ("notices", &self.noticed),
        ];
        writeln!(f, "  {:<24}{:^36}{:^36}", "", "channels closed with", "messages")?;
        write!(f, "  {:<24}", "status")?;
        for (title, _) in columns {
            write!(f, "{title:>12}")?;
        }
        writeln!(f)?;
        for status in Status::ALL {
            if columns.iter().all(|(_, counts)| counts[at(*status)] == 0) {
                continue;
            }
            write!(f, "  {:<24}", status.name())?;
            for (_, counts) in columns {
                match counts[at(*status)] {
                    0 => write!(f, "{:>12}", "·")?,
                    count => write!(f, "{:>12}", HumanCount(count).to_string())?,
                }
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        for situation in Situation::ALL {
            let count = self.reached(*situation);
            let count = if count == 0 { "never".into() } else { HumanCount(count).to_string() };
            writeln!(f, "  {:<48}{count:>12}", situation.name())?;
        }
        Ok(())
    }
}
