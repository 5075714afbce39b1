//! The file of a Unix socket is deleted underneath its listener.

use std::fs;
use tofu_faults::side::Side;
use tofu_faults::stage::Stage;
use tofu_std::testing::TempSocketPath;
use tofu_std::{Opcode, Options, Status};

#[test]
fn channels_go_on_and_another_listener_takes_the_path_and_keeps_it() {
    let path = TempSocketPath::new();
    let mut stage = Stage::new(Options::default(), Options::default(), &path.address());
    let pair = stage.pair();
    fs::remove_file(path.path()).expect("it is there");
    stage.assert_answers(pair);
    let lost = stage.client.connect(&path.address()).channel;
    assert_eq!(stage.client.expect_end(lost).reason, Status::UdsPathNotFound);

    let mut next = Side::new(Options::default());
    let (listener, _) = next.listen(&path.address(), None);
    // The first one closes, and its file is not its own any more.
    stage.server.say(Opcode::ByeSignal, stage.listener, b"");
    assert_eq!(stage.server.expect_end(stage.listener).reason, Status::ChannelClosed);
    assert!(path.path().exists());
    stage.assert_answers(pair);
    stage.say_goodbye(pair);

    // The next takes what comes, until it closes and takes its file along.
    stage.server.assert_at_rest(0);
    let first = std::mem::replace(&mut stage.server, next);
    let pair = stage.pair();
    stage.assert_answers(pair);
    stage.say_goodbye(pair);
    stage.server.say(Opcode::ByeSignal, listener, b"");
    stage.server.expect_end(listener);
    assert!(!path.path().exists());

    let mut first = std::mem::replace(&mut stage.server, first);
    first.assert_at_rest(0);
    drop(first);
    (stage.listener, _) = stage.server.listen(&path.address(), None);
    stage.end();
}
