//! Bugs put in on purpose, one at a time, to show that the tests find them. Never part of a build
//! that is used: the feature is for `tests/simulation` alone.
#![allow(missing_docs)]

use core::sync::atomic::{AtomicU8, Ordering};

/// A bug that could have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// What waits for a message of any but the smallest size is not resumed.
    ResumesSmallestOnly = 1,
    /// Of the channels that wait for the staging buffer, one goes on.
    UnblocksOne,
    /// The last byte of a message was sent, and the message is still the next to be sent.
    KeepsWhatIsSent,
    /// The second of two partial writes of one message forgets the first.
    ForgetsPartialWrite,
    /// Room to write is asked for once in a channel's life.
    AsksForRoomOnce,
    /// Goodbyes that cross close the channel without a word.
    ClosesSilently,
    /// A message that was being read when its link was lost does not go back.
    LeaksUnfinished,
    /// The receiver is woken for what comes second.
    WakesLate,
}

impl Bug {
    pub const ALL: [Bug; 8] = [
        Bug::ResumesSmallestOnly,
        Bug::UnblocksOne,
        Bug::KeepsWhatIsSent,
        Bug::ForgetsPartialWrite,
        Bug::AsksForRoomOnce,
        Bug::ClosesSilently,
        Bug::LeaksUnfinished,
        Bug::WakesLate,
    ];
}

static PLANTED: AtomicU8 = AtomicU8::new(0);

/// All engines of this process have this bug from now on, or none.
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), Ordering::Relaxed);
}

pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.load(Ordering::Relaxed) == bug as u8
}
