//! The `tofu` binary, run for real, and never for ever.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tofu_test_support::lines;

/// How long one run of the tool may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tool with these arguments.
pub(crate) fn tofu(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tofu"));
    command.args(args);
    command
}

/// Runs the tool to its end, with nothing on stdin.
pub(crate) fn run(args: &[&str]) -> Output {
    run_in(Path::new("."), args)
}

/// Runs the tool to its end in a directory.
pub(crate) fn run_in(dir: &Path, args: &[&str]) -> Output {
    let mut command = tofu(args);
    command.current_dir(dir).stdin(Stdio::null());
    finish(command)
}

/// Runs the tool to its end, with these bytes in a pipe on stdin.
pub(crate) fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let (source, mut sink) = std::io::pipe().expect("there are pipes");
    let input = input.to_owned();
    // It may end without reading all of it.
    thread::spawn(move || sink.write_all(&input));
    let mut command = tofu(args);
    command.stdin(source);
    finish(command)
}

fn finish(mut command: Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the tool starts");
    let id = child.id();
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match done.recv_timeout(PATIENCE) {
        Ok(output) => output.expect("the tool's output can be read"),
        Err(_) => panic!("{command:?} (process {id}) does not end"),
    }
}

/// Runs the tool, which must succeed; its stdout.
pub(crate) fn run_ok(args: &[&str]) -> Vec<u8> {
    let output = run(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tofu {args:?}: {stderr}");
    output.stdout
}

/// Runs the tool, which must fail with 1; the first word on stderr.
pub(crate) fn run_failing(args: &[&str]) -> String {
    failure(&run(args)).split(':').next().unwrap_or_default().to_owned()
}

/// What a run that must have failed with 1 says: one line.
pub(crate) fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = str::from_utf8(&output.stderr).expect("stderr is text");
    assert_eq!(stderr.lines().count(), 1, "{stderr:?}");
    stderr.trim_end().to_owned()
}

/// A running `tofu serve`; killed when dropped.
pub(crate) struct Serve {
    child: Child,
    stderr: mpsc::Receiver<String>,
    /// Where it listens, in the order of its arguments.
    pub(crate) addresses: Vec<String>,
}

impl Serve {
    /// Starts one and waits until it listens on all `addresses`.
    pub(crate) fn start(addresses: &[&str], options: &[&str]) -> Serve {
        let mut command = tofu(&["serve"]);
        command.args(addresses).args(options).stdin(Stdio::null());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the tool starts");
        let stdout = lines(child.stdout.take().expect("stdout is a pipe"));
        let stderr = lines(child.stderr.take().expect("stderr is a pipe"));
        let listening = addresses.iter().map(|_| {
            let line = stdout.recv_timeout(PATIENCE).expect("it says where it listens");
            line.strip_prefix("listening ").expect("nothing else is said").to_owned()
        });
        let mut listening: Vec<_> = listening.collect();
        listening.sort_by_key(|address| {
            let scheme = |address: &str| address.split('|').next().map(str::to_owned);
            addresses.iter().position(|asked| scheme(asked) == scheme(address))
        });
        Serve { child, stderr, addresses: listening }
    }

    /// One on TCP, with a root.
    pub(crate) fn with_root(root: &Path) -> Serve {
        let root = root.to_str().expect("the path is text");
        Serve::start(&["tcp|127.0.0.1|0"], &["--root", root])
    }

    /// Its first address.
    pub(crate) fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// Waits for its next line on stderr.
    pub(crate) fn complaint(&self) -> String {
        self.stderr.recv_timeout(PATIENCE).expect("it complains")
    }

    /// The port of its first address.
    pub(crate) fn port(&self) -> u16 {
        let port = self.address().rsplit('|').next().expect("an address has parts");
        port.parse().expect("it is a TCP address")
    }

    /// Sends it a signal and waits for its end; the exit code.
    #[cfg(unix)]
    pub(crate) fn signal(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill is there");
        assert!(sent.success());
        for _ in 0..PATIENCE.as_millis() / 10 {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that look random, the same for the same seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Reads what the server sends until a message with this id; its text headers.
pub(crate) fn answer(stream: &mut std::net::TcpStream, id: u64) -> String {
    use tofu_std::{HEADER_LEN, Header};
    stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    loop {
        let mut header = [0; HEADER_LEN];
        stream.read_exact(&mut header).expect("the server goes on");
        let header = Header::decode(&header).expect("the server speaks tofu");
        let mut text = vec![0; header.text_len.into()];
        stream.read_exact(&mut text).expect("the text headers come");
        let mut body = vec![0; header.body_len.into()];
        stream.read_exact(&mut body).expect("the body comes");
        if header.id == id {
            return String::from_utf8(text).expect("the text headers are text");
        }
    }
}

/// A bare connection that says hello, asks, and never reads.
pub(crate) fn stalled_client(port: u16, requests: &[(&str, &[u8])]) -> std::net::TcpStream {
    use tofu_std::{Header, Opcode};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let mut send = |opcode, id, text: &str, body: &[u8]| {
        let (text_len, body_len) = (text.len() as u16, body.len() as u16);
        let header = Header { opcode, id, text_len, body_len, ..Header::default() };
        let frame = [&header.encode()[..], text.as_bytes(), body].concat();
        stream.write_all(&frame).expect("it is read");
    };
    send(Opcode::HelloRequest, 1, "", b"");
    for (index, (text, body)) in requests.iter().enumerate() {
        send(Opcode::Request, 2 + index as u64, text, body);
    }
    stream
}
