//! Mistakes made on purpose, one at a time, to show that the models find them.

use std::sync::atomic::{AtomicU8, Ordering};

/// Declares the mistakes, and their names.
macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A mistake that could have been made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake {
            $($(#[$doc])* $name,)*
        }

        impl Mistake {
            /// All there are.
            pub const ALL: &[Mistake] = &[$(Mistake::$name,)*];
        }
    };
}

mistakes! {
    /// Who leaves the poll tells nobody.
    NobodyIsTold,
    /// Who leaves the poll tells other waiters, but not the background thread.
    BackgroundIsNotTold,
    /// The background thread is not asked to leave the poll.
    BackgroundIsNotCalled,
    /// The background thread is not told that something was put off.
    FlushIsForgotten,
    /// Who waits for something in poll is not woken when it comes.
    PollIsNotRung,
    /// Who waits for something asleep is not woken when it comes.
    SleepersAreNotRung,
    /// Of several that sleep for one thing, one is counted.
    OneSleeperIsCounted,
    /// Whoever polls does not look first for what is there without an event.
    NewsAreOverlooked,
    /// Who waits for room is not woken when there may be some.
    RoomIsNotRung,
    /// Who turns while another polls leaves him work, and does not say so.
    LeavesWorkInSilence,
    /// After a turn, messages that come back wake nobody.
    StaysSilent,
    /// Stopping wakes nobody.
    StopsInSilence,
    /// The last handle is dropped, and nobody told.
    IsReleasedInSilence,
    /// Tasks are not woken by what they wait for.
    TasksAreNotRung,
    /// A panic is no concern of others.
    PanicsInSilence,
}

/// One more than the mistake; 0 for none.
static MADE: AtomicU8 = AtomicU8::new(0);

/// All engines of this process make this mistake from now on.
pub fn make(mistake: Mistake) {
    MADE.store(mistake as u8 + 1, Ordering::Relaxed);
}

pub(crate) fn is_planted(mistake: Mistake) -> bool {
    MADE.load(Ordering::Relaxed) == mistake as u8 + 1
}
