//! No file descriptor is left to accept with. Alone in its process, whose limit it lowers.
#![cfg(target_os = "linux")]

mod support;

use std::fs::File;
use std::time::Duration;
use support::*;
use tofu_std::testing::TempSocketPath;
use tofu_std::{ChannelGroup, Engine, Status};

/// The limit: more than the test needs.
const DESCRIPTORS: u64 = 64;
/// How long no descriptor is left: many times the 100 ms after which a listener tries again.
const DROUGHT: Duration = Duration::from_secs(1);
/// CPU time that trying again takes at most meanwhile, in ticks of 10 ms. Who tries all the time
/// takes about 100.
const TICKS: u64 = 10;

/// Takes every file descriptor that is left.
fn take_all() -> Vec<File> {
    let all: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!all.is_empty());
    all
}

fn assert_nothing_comes(group: &ChannelGroup, time: Duration) {
    let received = group.wait_receive(time).unwrap();
    assert!(received.is_none(), "{received:?}");
}

fn assert_accepting_fails_and_resumes(address: &str) {
    let server = Engine::new().unwrap().group().unwrap();
    let client = Engine::new().unwrap().group().unwrap();
    let (_, address) = listen(&server, address);
    let existing = pair(&client, &server, &address);
    let cpu = CpuTime::open();

    // Each time it is said once.
    for _ in 0..2 {
        let mut all = take_all();
        // One for the end that connects, none for the end that accepts.
        all.pop();
        let waiting = connect(&client, &address);
        assert_eq!(notice(&server, Status::AcceptFailed), Status::AcceptFailed);

        let before = cpu.ticks();
        assert_nothing_comes(&server, DROUGHT);
        let used = cpu.ticks() - before;
        assert!(used <= TICKS, "{used} ticks to find out that no connection can be accepted");
        assert_answers(&client, &server, existing);

        drop(all);
        let accepted = (waiting, hello(&server));
        assert_answers(&client, &server, accepted);
    }
    assert_answers(&client, &server, existing);
}

#[test]
fn a_listener_without_descriptors_says_so_and_goes_on_when_there_are_some() {
    let (_, most) = rlimit::Resource::NOFILE.get().unwrap();
    rlimit::Resource::NOFILE.set(DESCRIPTORS, most).unwrap();
    let uds = TempSocketPath::new();
    for address in ["tcp|127.0.0.1|0".to_owned(), uds.address()] {
        let before = open_files();
        assert_accepting_fails_and_resumes(&address);
        // Dropped engines end in the background. What they still close must not help the next.
        eventually("the engines have ended", || open_files() == before);
    }
}
