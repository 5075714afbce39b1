//! The path of a Unix socket is deleted underneath its listener.

use std::fs;
use tofu_faults::stage::Stage;
use tofu_std::testing::TempSocketPath;
use tofu_std::{Options, Status};

#[test]
fn channels_go_on_and_a_new_listener_keeps_the_path_when_the_old_one_ends() {
    let path = TempSocketPath::new();
    let mut stage = Stage::new(Options::default(), Options::default(), &path.address());
    let before = stage.pair();
    fs::remove_file(path.path()).expect("it is there");
    stage.assert_answers(before);
    let lost = stage.client.connect(&stage.address);
    assert_eq!(stage.client.expect_refused(lost), Status::UdsPathNotFound);

    let (listener, address) = stage.server.listen(&stage.address, None);
    assert_eq!(address, stage.address);
    let between = stage.pair();
    stage.server.close(stage.listener);
    stage.listener = listener;
    assert!(path.path().exists(), "it is the new one's");
    for pair in [before, between] {
        stage.assert_answers(pair);
        stage.say_goodbye(pair);
    }
    stage.end();
    assert!(!path.path().exists(), "the new one has removed it");
}
