//! No file descriptor is left to connect with. Alone in its process, whose limit it lowers. What becomes of
//! a listener then is in `backends/std/tests/accept_failed.rs`, and of many connections in `descriptors.rs`.

use std::fs::File;
use tofu_faults::stage::Stage;
use tofu_std::testing::TempSocketPath;
use tofu_std::{Options, Status};

/// The limit: more than the test needs.
const DESCRIPTORS: u64 = 64;
/// How often it is tried without.
const TRIES: usize = 10;

#[test]
fn a_client_without_descriptors_is_told_and_connects_when_there_are_some() {
    let (_, most) = rlimit::Resource::NOFILE.get().expect("there is a limit");
    rlimit::Resource::NOFILE.set(DESCRIPTORS, most).expect("it may be lowered");
    let path = TempSocketPath::new();
    for address in ["tcp|127.0.0.1|0".to_owned(), path.address()] {
        let mut stage = Stage::new(Options::default(), Options::default(), &address);
        let before = stage.pair();
        let all: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(!all.is_empty());
        for _ in 0..TRIES {
            let posted = stage.client.connect(&stage.address);
            assert_eq!(stage.client.expect_refused(posted), Status::ConnectFailed);
        }
        stage.assert_answers(before);
        drop(all);
        stage.say_goodbye(before);
        stage.end();
    }
}
