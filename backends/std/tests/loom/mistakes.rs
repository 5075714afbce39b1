//! Each model bites: with a mistake made on purpose it fails.

use std::process::Command;
use tofu_std::model::{Mistake, make};

/// Names the mistake a process makes.
const MISTAKE: &str = "TOFU_MISTAKE";

/// Makes the mistake this process was started for.
pub(crate) fn make_mistake() {
    let Ok(name) = std::env::var(MISTAKE) else { return };
    let mistake = Mistake::ALL.iter().find(|mistake| format!("{mistake:?}") == name);
    make(*mistake.expect("a mistake's name"));
}

/// Whether a model fails with a mistake. In a process of its own: who is left waiting cannot be unwound.
fn is_found(mistake: Mistake, model: &str) -> bool {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", &format!("models::{model}"), "--nocapture"])
        .env(MISTAKE, format!("{mistake:?}"))
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("Is the model fully deterministic"), "{text}");
    // Forgotten, or going round for ever.
    let stuck = text.contains("deadlock; threads") || text.contains("maximum number of branches");
    eprintln!("{mistake:?} {model}: {}", if stuck { "found" } else { "not found" });
    stuck && !output.status.success()
}

macro_rules! mistakes {
    ($($mistake:ident: $($model:ident)*;)*) => {$(
        #[test]
        #[allow(non_snake_case)]
        fn $mistake() {
            $(assert!(is_found(Mistake::$mistake, stringify!($model)));)*
        }
    )*};
}

mistakes! {
    NobodyIsTold: who_leaves_the_poll_with_a_message_hands_over;
    BackgroundIsNotTold: the_background_thread_takes_over_from_the_last_who_waits;
    BackgroundIsNotCalled: posts_are_written_while_nobody_waits;
    FlushIsForgotten: posts_are_written_while_another_thread_waits;
    PollIsNotRung: an_update_wakes_who_polls_and_who_sleeps;
    SleepersAreNotRung: an_update_wakes_who_polls_and_who_sleeps;
    OneSleeperIsCounted: each_update_wakes_one_of_several_receivers;
    NewsAreOverlooked: who_only_looks_takes_no_wake_up_from_who_waits;
    RoomIsNotRung: who_waits_for_a_message_gets_the_one_that_comes_back a_post_that_waits_for_room_is_woken_when_the_peer_reads;
    LeavesWorkInSilence: an_engine_talks_to_itself;
    StaysSilent: reading_goes_on_when_a_message_comes_back;
    StopsInSilence: stopping_lets_who_polls_and_who_sleeps_return stopping_ends_a_wait_for_a_message;
    IsReleasedInSilence: an_engine_without_channels_ends_with_its_last_handle;
    TasksAreNotRung: a_task_is_woken_while_nobody_waits a_task_that_waits_for_a_message_gets_the_one_that_comes_back;
    PanicsInSilence: a_panic_under_the_lock_lets_everybody_return;
}
