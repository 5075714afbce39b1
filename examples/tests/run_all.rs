//! Runs every example, over every transport it can be told to use, and checks what it prints.
//!
//! `cargo test` builds the examples of this package beside the test: `target/PROFILE/examples`.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
#[cfg(unix)]
use tofu_std::testing::TempSocketPath;

/// How long an example may run.
const LIMIT: Duration = Duration::from_secs(60);

/// Each example, and lines that tell that its pattern was played through.
const EXAMPLES: [(&str, &[&str]); 15] = [
    ("request_response", &["hello, tofu", "a late Response was refused: channel_closed"]),
    ("correlation", &["answers the last one first", "5 * 5 = 25", "every request was answered"]),
    ("stream_up", &["complete: 500 chunks", "every byte arrived"]),
    ("stream_down", &["more: true: Press the tofu.", "more: false: Fry", "recipe is complete"]),
    ("stream_both", &["sends message", "got MESSAGE", "both streams are complete"]),
    ("progress", &[": 1:4", ": 4:4", ": done"]),
    ("heartbeat", &["server: Signal 5", "client: falls silent", "client: channel closed"]),
    ("peers", &["Bob: Alice asks", "Alice: Bob asks", "Alice: twice 3 is 6", "Bob: twice 3 is 6"]),
    (
        "many_clients",
        &["Ann left with 6: success", "Ben left with 3: ", "Cem left with 6: success"],
    ),
    ("any_transport", &["65535 bytes went to "]),
    ("several_listeners", &[" came through ", "answered through ", "ByeResponse for channel "]),
    ("reconnect", &["server: gone", "HelloResponse from the engine", "client: has 2 answers"]),
    ("workers", &["worker 0: channel ", "comes to 1275", "50 chunks were added up in order"]),
    ("tasks", &["client 1: still waits", "client 5: its square is 25", "closed: success"]),
    (
        "print_server",
        &["no job for", "job 102 goes back to the queue", "job 102 is printed", "ByeRequest 3:3"],
    ),
];

fn run_all(address: &str) {
    for (name, lines) in EXAMPLES {
        run(name, &[address], lines);
    }
}

#[test]
fn every_example_runs_over_tcp() {
    run_all("tcp|127.0.0.1|0");
}

#[test]
#[cfg(unix)]
fn every_example_runs_over_unix_sockets() {
    run_all(&TempSocketPath::new().address());
}

#[test]
fn every_example_runs_in_memory() {
    run_all("mem|example");
}

#[test]
fn every_example_runs_without_arguments() {
    for (name, lines) in EXAMPLES {
        run(name, &[], lines);
    }
}

#[test]
#[cfg(unix)]
fn several_transports_at_once() {
    let socket = TempSocketPath::new();
    let through = format!("answered through {}", socket.address());
    let addresses = ["tcp|127.0.0.1|0", &socket.address(), "mem|example"];
    run("several_listeners", &addresses, &["through tcp|", &through, "through mem|example"]);
    let to = format!("65535 bytes went to {}", socket.address());
    run("any_transport", &addresses, &["went to tcp|", &to, "went to mem|example"]);
}

#[test]
fn a_bad_address_is_told_and_fails() {
    for (name, _) in EXAMPLES {
        let (success, output) = outcome(name, &["pigeon|post"]);
        assert!(!success, "{name} succeeded:\n{output}");
        assert!(
            output.contains("cannot listen on pigeon|post: invalid_address"),
            "{name}:\n{output}"
        );
    }
}

#[test]
fn no_example_is_forgotten() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = here.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let written: BTreeSet<String> =
        sources.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(written, EXAMPLES.map(|(name, _)| name.to_owned()).into());
}

/// Runs an example, which must succeed and print each of these.
#[track_caller]
fn run(name: &str, arguments: &[&str], lines: &[&str]) {
    let (success, output) = outcome(name, arguments);
    assert!(success, "{name} {arguments:?} failed:\n{output}");
    for line in lines {
        assert!(output.contains(line), "{name} {arguments:?} did not print {line:?}:\n{output}");
    }
}

/// Runs an example to its end: whether it succeeded, and what it printed.
#[track_caller]
fn outcome(name: &str, arguments: &[&str]) -> (bool, String) {
    let path = binary(name);
    let mut child = Command::new(&path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{}: {error}; build it by `cargo build --examples`", path.display())
        });
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (done, ended) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut output = String::new();
        // Both end with the process. What goes to stderr is a line, so it can wait.
        let _ = stdout.read_to_string(&mut output);
        let _ = stderr.read_to_string(&mut output);
        let _ = done.send(());
        output
    });
    let in_time = ended.recv_timeout(LIMIT).is_ok();
    if !in_time {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    let output = reader.join().unwrap();
    assert!(in_time, "{name} {arguments:?} did not end within {LIMIT:?}:\n{output}");
    (status.success(), output)
}

/// This test is `target/PROFILE/deps/run_all-HASH`, an example `target/PROFILE/examples/NAME`.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
