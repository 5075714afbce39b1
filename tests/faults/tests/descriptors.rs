//! No descriptor is left to connect with. What a listener does without is in `accept_failed` of `tofu-std`, and
//! that thousands are given back in its `descriptors`. Alone in its process, whose limit it lowers.

use std::fs::File;
use tofu_faults::stage::Stage;
use tofu_std::testing::TempSocketPath;
use tofu_std::{Opcode, Options, Received, Status};

/// The limit: more than the test needs.
const DESCRIPTORS: u64 = 64;

fn connect_without(address: &str) {
    let mut stage = Stage::new(Options::default(), Options::default(), address);
    let existing = stage.pair();
    for _ in 0..3 {
        let all: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(!all.is_empty());
        let hello = stage.client.connect(&stage.address);
        match stage.client.receive() {
            Received::Returned(message, Status::ConnectFailed) => {
                assert_eq!((message.opcode(), message.id()), (Opcode::HelloResponse, hello.id));
            }
            other => panic!("expected the HelloResponse of the engine, got {other:?}"),
        }
        assert_eq!(stage.client.expect_end(hello.channel).reason, Status::ConnectFailed);
        stage.assert_answers(existing);
        drop(all);
        let next = stage.pair();
        stage.assert_answers(next);
        stage.say_goodbye(next);
    }
    stage.say_goodbye(existing);
    stage.end();
}

#[test]
fn who_connects_without_descriptors_is_told_and_may_try_again() {
    let (_, most) = rlimit::Resource::NOFILE.get().expect("there is a limit");
    rlimit::Resource::NOFILE.set(DESCRIPTORS, most).expect("it may be lowered");
    connect_without("tcp|127.0.0.1|0");
    connect_without(&TempSocketPath::new().address());
}
