//! The disk is full below a `tofu serve`: a file system of two MiB, mounted where only the server sees it.

use libtest_mimic::{Failed, Trial};
use procfs::process::Process as Facts;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use tempfile::TempDir;
use tofu_conformance::skip::Needy;
use tofu_faults::eventually;
use tofu_faults::process::Process;
use tofu_faults::side::Side;
use tofu_std::{Opcode, Options, Status};

/// Runs a command as root of namespaces of its own.
const ALONE: [&str; 4] = ["--user", "--map-root-user", "--mount", "--"];
/// Mounts a file system at its first argument, then becomes the rest of them.
const MOUNTED: &str = "mount -t tmpfs -o size=2m tofu \"$0\" && exec \"$@\"";
/// What does not fit, and what does.
const TOO_LONG: usize = 5_000_000;
const SHORT: usize = 500_000;

fn main() -> ExitCode {
    let tests = Needy { name: "the tests with a full disk", variable: "TOFU_FAULTS", threads: 1 };
    tests.run(prepare, vec![Trial::test("a_put_that_does_not_fit_fails_and_leaves_nothing", put)])
}

fn prepare() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut command = Command::new("unshare");
    command.args(ALONE).args(["sh", "-c", MOUNTED]).arg(dir.path()).arg("true");
    match command.output()? {
        output if output.status.success() => Ok(()),
        output => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!("a file system cannot be mounted: {}", why.trim())))
        }
    }
}

/// The tool.
fn tool() -> PathBuf {
    let mut build = escargot::CargoBuild::new().package("tofu-cli").bin("tofu");
    if !cfg!(debug_assertions) {
        build = build.release();
    }
    build.run().expect("the tool can be built").path().to_owned()
}

/// A server on a small disk, and its client.
struct Rig {
    tool: PathBuf,
    server: Process,
    address: String,
    dir: TempDir,
}

impl Rig {
    fn new() -> Rig {
        let (tool, dir) = (tool(), tempfile::tempdir().expect("a folder"));
        let root = dir.path().to_str().expect("it is text");
        let path = tool.to_str().expect("it is text");
        let serve = ["sh", "-c", MOUNTED, root, path, "serve", "tcp|127.0.0.1|0", "--root", root];
        let mut server = Process::start("unshare", &[&ALONE[..], &serve].concat());
        let line = server.line();
        let address = line.strip_prefix("listening ").expect("it says where").to_owned();
        Rig { tool, server, address, dir }
    }

    /// Puts so many bytes under this name.
    fn put(&self, name: &str, bytes: usize) -> Output {
        let source = tempfile::NamedTempFile::new().expect("a file");
        fs::write(source.path(), vec![7; bytes]).expect("there is room here");
        let mut command = Command::new(&self.tool);
        command.args(["put", &self.address]).arg(source.path()).args(["--as", name]);
        command.stdin(Stdio::null()).output().expect("the tool runs")
    }

    /// What is on the disk: names and lengths.
    fn files(&self) -> Vec<(String, u64)> {
        let inside = Path::new("/proc").join(self.server.id().to_string()).join("root");
        let root = inside.join(self.dir.path().strip_prefix("/").expect("it is absolute"));
        let entries = fs::read_dir(root).expect("the disk can be seen").map(Result::unwrap);
        let files = entries.map(|entry| {
            let name = entry.file_name().into_string().expect("it is text");
            (name, entry.metadata().expect("it is there").len())
        });
        files.collect()
    }

    fn descriptors(&self) -> usize {
        let server = Facts::new(self.server.id().cast_signed()).expect("it runs");
        server.fd_count().expect("it can be looked at")
    }
}

fn put() -> Result<(), Failed> {
    let rig = Rig::new();
    let mut side = Side::new(Options::default());
    let channel = side.connect(&rig.address).channel;
    side.expect(Opcode::HelloResponse);
    let before = rig.descriptors();

    for _ in 0..3 {
        let output = rig.put("long", TOO_LONG);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        let expected = "processing_failed: the server says: cannot write: No space left";
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(rig.files(), [], "no part of it is left");
    }

    // The server goes on, for others and for those who put.
    side.say(Opcode::Request, channel, b"still there?");
    assert_eq!(side.expect(Opcode::Response).body(), b"still there?");
    let output = rig.put("short", SHORT);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(rig.files(), [("short".to_owned(), SHORT as u64)]);
    eventually("the server has closed all", || rig.descriptors() == before);
    side.say(Opcode::ByeRequest, channel, b"");
    side.expect(Opcode::ByeResponse);
    assert_eq!(side.expect_end(channel).reason, Status::Success);
    side.assert_at_rest(0);
    Ok(())
}
