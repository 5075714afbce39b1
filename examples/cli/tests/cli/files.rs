//! `tofu put` and `tofu get`.

use crate::common::{
    Serve, answer, failure, noise, run_failing, run_in, run_ok, run_with_input, stalled_client,
};
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

/// More than fits into all buffers on the way.
const BIG: u64 = 64 << 20;

/// A path as an argument.
fn arg(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// What a directory holds.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn round_trip(address: &str, root: &Path, len: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (source, copy) = (dir.path().join("source.bin"), dir.path().join("copy.bin"));
    let content = noise(len, len as u64);
    fs::write(&source, &content).unwrap();
    run_ok(&["put", address, arg(&source)]);
    assert!(fs::read(root.join("source.bin")).unwrap() == content, "{len} bytes are stored");
    run_ok(&["get", address, "source.bin", "-o", arg(&copy)]);
    assert!(fs::read(&copy).unwrap() == content, "{len} bytes come back");
    assert!(run_ok(&["get", address, "source.bin", "-o", "-"]) == content, "to stdout as well");
    assert_eq!(names(root), ["source.bin"], "nothing else is left");
}

#[test]
fn files_come_back_as_they_were() {
    let root = tempfile::tempdir().unwrap();
    let serve = Serve::with_root(root.path());
    for len in [0, 1, 61_440, 61_441, 5_000_000] {
        round_trip(serve.address(), root.path(), len);
    }
}

#[cfg(unix)]
#[test]
fn over_a_unix_socket_too() {
    let root = tempfile::tempdir().unwrap();
    let socket = tofu_std::testing::TempSocketPath::new();
    let serve = Serve::start(&[&socket.address()], &["--root", arg(root.path())]);
    round_trip(serve.address(), root.path(), 5_000_000);
}

#[test]
fn names_can_be_chosen_on_both_sides() {
    let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(root.path().join("sub")).unwrap();
    fs::write(dir.path().join("a"), "content").unwrap();
    let serve = Serve::with_root(root.path());
    let put = run_in(dir.path(), &["put", serve.address(), "a", "--as", "sub/b c"]);
    assert!(put.status.success(), "{put:?}");
    let get = run_in(dir.path(), &["get", serve.address(), "sub/b c"]);
    assert!(get.status.success(), "{get:?}");
    assert_eq!(fs::read(dir.path().join("b c")).unwrap(), b"content");
}

#[test]
fn call_reads_and_writes_files_too() {
    let root = tempfile::tempdir().unwrap();
    let serve = Serve::with_root(root.path());
    run_ok(&["call", serve.address(), "--header", "put:x", "--body", "small"]);
    assert_eq!(run_ok(&["call", serve.address(), "--header", "get:x"]), b"small");
    let content = noise(3_000_000, 1);
    fs::write(root.path().join("large"), &content).unwrap();
    assert!(run_ok(&["call", serve.address(), "--header", "get:large"]) == content);
    assert_eq!(run_ok(&["call", serve.address(), "--body", "other"]), b"other");
}

#[test]
fn names_that_lead_out_are_refused() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::create_dir(root.join("sub")).unwrap();
    fs::write(outer.path().join("secret"), "secret").unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outer.path(), root.join("out")).unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
    }
    let serve = Serve::with_root(&root);
    let source = outer.path().join("source");
    fs::write(&source, "new").unwrap();
    let absolute = arg(&outer.path().join("secret")).to_owned();
    let mut refused = vec!["../secret", "sub/../../secret", &absolute, "", ".", "sub", "sub/.."];
    if cfg!(unix) {
        refused.extend(["out/secret", "link"]);
    }
    for name in refused {
        let get = ["get", serve.address(), name, "-o", "-"];
        assert_eq!(run_failing(&get), "not_allowed", "get {name:?}");
        let put = ["put", serve.address(), arg(&source), "--as", name];
        assert_eq!(run_failing(&put), "not_allowed", "put {name:?}");
    }
    assert_eq!(run_failing(&["get", serve.address(), "none", "-o", "-"]), "processing_failed");
    let unusable = ["put", serve.address(), arg(&source), "--as", &"x".repeat(300)];
    assert_eq!(run_failing(&unusable), "processing_failed");
    assert_eq!(run_ok(&["call", serve.address(), "--body", "alive"]), b"alive");
    assert_eq!(fs::read(outer.path().join("secret")).unwrap(), b"secret");
    assert_eq!(names(outer.path()), ["root", "secret", "source"]);
}

#[test]
fn stdin_is_stored_under_the_name_it_is_given() {
    let root = tempfile::tempdir().unwrap();
    let serve = Serve::with_root(root.path());
    for len in [0, 1, 300_000] {
        let content = noise(len, 3);
        let put = run_with_input(&["put", serve.address(), "-", "--as", "x"], &content);
        assert!(put.status.success(), "{put:?}");
        assert!(fs::read(root.path().join("x")).unwrap() == content, "{len} bytes");
    }
    let nameless = run_with_input(&["put", serve.address(), "-"], b"content");
    assert_eq!(failure(&nameless), "not_allowed: stdin has no name: it needs --as");
}

#[cfg(unix)]
#[test]
fn a_failure_says_which_file_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let serve = Serve::with_root(dir.path());
    let why = "No such file or directory (os error 2)";
    let (source, copy) = (dir.path().join("x"), dir.path().join("none/x"));
    fs::write(&source, "content").unwrap();
    let args = ["get", serve.address(), "x", "-o", arg(&copy)];
    let line = format!("processing_failed: cannot write {}: {why}", copy.display());
    assert_eq!(failure(&run_in(dir.path(), &args)), line);
    let args = ["get", serve.address(), "nope"];
    assert_eq!(
        failure(&run_in(dir.path(), &args)),
        format!("processing_failed: nope: the server says: {why}")
    );
    let args = ["put", serve.address(), arg(&source), "--as", "none/x"];
    let line = format!("processing_failed: the server says: the file's directory: {why}");
    assert_eq!(failure(&run_in(dir.path(), &args)), line);
}

#[test]
fn a_failed_get_leaves_no_file() {
    let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let serve = Serve::with_root(root.path());
    let output = run_in(dir.path(), &["get", serve.address(), "none"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(names(dir.path()).is_empty());
}

/// Waits until `holds`.
fn eventually(promise: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{promise}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The id of the messages of a file that is sent without the tool.
const FILE_ID: u64 = 9;

/// Sends one block of a file; `more` says whether others follow.
fn send_block(text: &str, more: bool) -> Vec<u8> {
    let (text_len, body_len) = (text.len() as u16, 4);
    let header = tofu_std::Header { id: FILE_ID, more, text_len, body_len, ..Default::default() };
    [&header.encode()[..], text.as_bytes(), b"data"].concat()
}

#[test]
fn a_broken_or_wrong_upload_leaves_nothing() {
    use std::io::Write;
    let root = tempfile::tempdir().unwrap();
    let serve = Serve::with_root(root.path());
    let mut broken = stalled_client(serve.port(), &[]);
    broken.write_all(&send_block("put:broken\r\n", true)).unwrap();
    eventually("it has begun", || !names(root.path()).is_empty());
    drop(broken);
    eventually("its half is removed", || names(root.path()).is_empty());
    for end in ["checksum:0123\r\n", "checksum:\u{ff}\r\n", "size:99\r\n", "size:-4\r\n"] {
        let mut wrong = stalled_client(serve.port(), &[]);
        wrong.write_all(&send_block(&format!("put:wrong\r\n{end}"), false)).unwrap();
        let refusal = answer(&mut wrong, FILE_ID);
        assert!(refusal.contains("status:invalid_message\r\n"), "{end:?}: {refusal:?}");
        assert!(names(root.path()).is_empty(), "{end:?}");
    }
}

#[test]
fn a_client_that_stalls_stalls_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    File::create(root.path().join("big")).unwrap().set_len(BIG).unwrap();
    let serve = Serve::with_root(root.path());
    let _stalled: Vec<_> =
        (0..3).map(|_| stalled_client(serve.port(), &[("get:big\r\n", b"")])).collect();
    let threads = [1, 2].map(|index| {
        let (address, root) = (serve.address().to_owned(), root.path().to_owned());
        std::thread::spawn(move || {
            let dir = tempfile::tempdir().unwrap();
            let source = dir.path().join(format!("file{index}"));
            let content = noise(3_000_000, index);
            fs::write(&source, &content).unwrap();
            run_ok(&["put", &address, arg(&source)]);
            assert!(fs::read(root.join(format!("file{index}"))).unwrap() == content);
            let copy = dir.path().join("copy");
            run_ok(&["get", &address, &format!("file{index}"), "-o", arg(&copy)]);
            assert!(fs::read(&copy).unwrap() == content);
        })
    });
    let start = Instant::now();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(start.elapsed() < Duration::from_secs(25), "before the stalled ones are cut off");
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    use std::io::Read;
    let root = tempfile::tempdir().unwrap();
    File::create(root.path().join("big")).unwrap().set_len(BIG).unwrap();
    let options = ["--root", arg(root.path()), "--patience", "0.3"];
    let serve = Serve::start(&["tcp|127.0.0.1|0"], &options);
    let mut stalled = stalled_client(serve.port(), &[("get:big\r\n", b"")]);
    assert!(serve.complaint().ends_with("is cut off"));
    stalled.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rest = Vec::new();
    // What had reached this side may still be there, or the reset took it away.
    let end = stalled.read_to_end(&mut rest);
    assert!(end.is_ok_and(|len| len < BIG as usize) || rest.len() < BIG as usize);
    assert_eq!(run_ok(&["call", serve.address(), "--body", "x"]), b"x");
}

#[test]
fn a_name_that_would_not_arrive_as_it_is_is_refused() {
    let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(root.path().join("x"), "another").unwrap();
    let source = dir.path().join("source");
    fs::write(&source, "new").unwrap();
    let serve = Serve::with_root(root.path());
    for name in [" x", "x ", "x\t"] {
        let get = ["get", serve.address(), name, "-o", "-"];
        assert_eq!(run_failing(&get), "not_allowed", "get {name:?}");
        let put = ["put", serve.address(), arg(&source), "--as", name];
        assert_eq!(run_failing(&put), "not_allowed", "put {name:?}");
    }
    assert_eq!(fs::read(root.path().join("x")).unwrap(), b"another");
}

#[cfg(unix)]
#[test]
fn what_replaces_a_file_is_as_secret_as_that() {
    use std::os::unix::fs::PermissionsExt;
    let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = [root.path().join("x"), dir.path().join("x")];
    for file in &files {
        fs::write(file, "old").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let source = dir.path().join("source");
    fs::write(&source, "new").unwrap();
    let serve = Serve::with_root(root.path());
    run_ok(&["put", serve.address(), arg(&source), "--as", "x"]);
    run_ok(&["get", serve.address(), "x", "-o", arg(&files[1])]);
    for file in files {
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_where_nothing_is_yet_stays() {
    let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(root.path().join("x"), "content").unwrap();
    std::os::unix::fs::symlink("target", dir.path().join("link")).unwrap();
    let serve = Serve::with_root(root.path());
    run_ok(&["get", serve.address(), "x", "-o", arg(&dir.path().join("link"))]);
    assert_eq!(fs::read(dir.path().join("target")).unwrap(), b"content");
    assert!(fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_claims_to_be_empty_is_sent_whole() {
    let root = tempfile::tempdir().unwrap();
    let serve = Serve::with_root(root.path());
    run_ok(&["put", serve.address(), "/proc/version"]);
    assert_eq!(fs::read(root.path().join("version")).unwrap(), fs::read("/proc/version").unwrap());
}
