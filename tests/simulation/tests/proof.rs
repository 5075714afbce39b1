//! The checks bite, and the command that is printed shows the failure again. Through the program itself:
//! a bug is put into a whole process.
#![allow(missing_docs)]
#![cfg(feature = "sabotage")]

use std::process::{Command, Output};

fn sim(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_tofu-sim");
    Command::new(program).args(args).output().expect("the program runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What stands behind `FAIL seed N: `.
fn promise(text: &str) -> &str {
    let line = text.lines().find(|line| line.starts_with("FAIL")).expect("a failure");
    line.split_once(": ").expect("a promise").1
}

#[test]
fn every_bug_is_found() {
    let output = sim(&["--prove"]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("found")).count(), 8, "{text}");
}

#[test]
fn the_printed_command_shows_the_failure_again() {
    for bug in ["ForgetsPartialWrite", "LeaksUnfinished", "ResumesSmallestOnly", "WakesLate"] {
        let found = sim(&["--seeds", "10000", "--bug", bug]);
        let found = text(&found);
        let command = found.lines().find_map(|line| line.trim().strip_prefix("cargo run"));
        let (_, args) = command.and_then(|command| command.split_once(" -- ")).expect("a command");
        let again = sim(&args.split(' ').collect::<Vec<_>>());
        let shown = text(&again);
        assert!(!again.status.success(), "{bug}: {args} shows nothing");
        assert_eq!(promise(&shown), promise(&found), "{bug}: {args}");
        assert!(shown.contains("BROKEN"), "{bug}: the trace shows where");
    }
}

#[test]
fn without_a_bug_the_same_seeds_keep_every_promise() {
    let output = sim(&["--seeds", "600"]);
    assert!(output.status.success(), "{}", text(&output));
}
