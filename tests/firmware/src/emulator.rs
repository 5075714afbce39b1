//! An image that runs in the emulator, and what it says.

use crate::Outcome;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tofu_std::Status;
use tofu_std::testing::free_tcp_port;

/// How long anything may take that a board does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const EMULATOR: &str = "qemu-system-arm";
/// The port the images listen on, in the emulated network.
const BOARD: &str = "10.0.2.15:7099";

/// Where things are.
pub(crate) struct Place {
    /// The built images.
    pub(crate) images: PathBuf,
    /// For files that nobody needs afterwards.
    pub(crate) scratch: PathBuf,
    /// The `tofu` tool.
    pub(crate) tofu: PathBuf,
}

impl Place {
    pub(crate) fn image(&self, name: &str) -> PathBuf {
        self.images.join(name)
    }
}

/// An emulator. Ends when dropped.
pub(crate) struct Emulator {
    process: Child,
    said: Receiver<(String, u32)>,
    bytes: Arc<AtomicUsize>,
    /// Holds the emulator's process id while it runs: `run` ends what we could not.
    id_file: PathBuf,
    /// The most stack it reported.
    pub(crate) stack: u32,
    /// It has said that its pool was empty.
    pub(crate) ran_dry: bool,
}

impl Emulator {
    /// Boots an image.
    pub(crate) fn boot<S: AsRef<OsStr>>(
        place: &Place,
        image: &str,
        options: &[S],
    ) -> Outcome<Emulator> {
        let path = place.image(image);
        if !path.exists() {
            return Err(format!("there is no image {}", path.display()).into());
        }
        let id_file = place.scratch.join(format!("{image}.pid"));
        let mut process = Command::new(EMULATOR)
            .args(["-machine", "lm3s6965evb", "-display", "none", "-monitor", "none"])
            .arg("-semihosting")
            .arg("-pidfile")
            .arg(&id_file)
            .arg("-kernel")
            .arg(path)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {EMULATOR}: {error}"))?;
        let output = process.stdout.take().ok_or("no output")?;
        let (teller, said) = channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        let counter = bytes.clone();
        // It ends with the emulator.
        thread::spawn(move || listen(output, &teller, &counter));
        Ok(Emulator { process, said, bytes, id_file, stack: 0, ran_dry: false })
    }

    /// Boots an image that listens; also the port that leads to it.
    pub(crate) fn with_port(
        place: &Place,
        image: &str,
        options: &[&str],
    ) -> Outcome<(Emulator, u16)> {
        let port = free_tcp_port()?;
        let forward = format!(",hostfwd=tcp:127.0.0.1:{port}-{BOARD}");
        let mut all = network(place, image, &forward);
        all.extend(options.iter().map(|&option| option.to_owned()));
        Ok((Emulator::boot(place, image, &all)?, port))
    }

    /// Boots an image that connects to a port of this host.
    pub(crate) fn with_host(place: &Place, image: &str, port: u16) -> Outcome<Emulator> {
        let mut all = network(place, image, "");
        let arguments = format!("enable=on,arg=firmware,arg=host=10.0.2.2,arg=port={port}");
        all.extend(["-semihosting-config".to_owned(), arguments]);
        Emulator::boot(place, image, &all)
    }

    /// Waits until the image has said `name=`; the value.
    pub(crate) fn wait(&mut self, name: &str) -> Outcome<u32> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (said, value) = self
                .said
                .recv_timeout(left)
                .map_err(|_| format!("the board does not say `{name}`"))?;
            self.note(&said, value);
            if said == name {
                return Ok(value);
            }
        }
    }

    fn note(&mut self, said: &str, value: u32) {
        if said == "stack" {
            self.stack = self.stack.max(value);
        }
        self.ran_dry |= said == "notice" && value == Status::PoolEmpty.code().into();
    }

    /// Whether the image says `name=value` within a time.
    pub(crate) fn says(&mut self, name: &str, value: u32, time: Duration) -> bool {
        let until = Instant::now() + time;
        while let Ok((said, number)) =
            self.said.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.note(&said, number);
            if said == name && number == value {
                return true;
            }
        }
        false
    }

    /// Waits until the image has said `name=value`.
    pub(crate) fn wait_value(&mut self, name: &str, value: u32) -> Outcome {
        while self.wait(name)? != value {}
        Ok(())
    }

    /// Waits until `count` channels were closed; the pool's free messages then.
    pub(crate) fn closed(&mut self, count: usize) -> Outcome<u32> {
        let mut free = 0;
        for _ in 0..count {
            free = self.wait("free")?;
        }
        Ok(free)
    }

    /// Waits until the image has put out so many bytes.
    pub(crate) fn wait_for_bytes(&mut self, count: usize) -> Outcome {
        let until = Instant::now() + PATIENCE;
        while self.bytes.load(Ordering::Relaxed) < count {
            if until <= Instant::now() {
                return Err("the board says nothing".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.id_file);
    }
}

/// The network card, and a capture of what crosses it.
fn network(place: &Place, image: &str, forward: &str) -> Vec<String> {
    let capture = place.scratch.join(format!("{image}.pcap"));
    let network = format!("user,id=n0,model=stellaris{forward}");
    let dump = format!("filter-dump,id=f0,netdev=n0,file={}", capture.display());
    ["-nic", &network, "-object", &dump].map(str::to_owned).to_vec()
}

/// Splits what an image says into `name=value` pairs.
fn listen(mut output: impl Read, teller: &Sender<(String, u32)>, bytes: &AtomicUsize) {
    let (mut text, mut chunk) = (Vec::new(), [0; 256]);
    while let Ok(count @ 1..) = output.read(&mut chunk) {
        bytes.fetch_add(count, Ordering::Relaxed);
        text.extend_from_slice(&chunk[..count]);
        while let Some(end) = text.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            for word in String::from_utf8_lossy(&line).split_whitespace() {
                if let Some((name, value)) = word.split_once('=')
                    && let Ok(value) = value.parse()
                    && teller.send((name.to_owned(), value)).is_err()
                {
                    return;
                }
            }
        }
    }
}

/// A plain connection to a board.
pub(crate) fn dial(port: u16) -> Outcome<TcpStream> {
    set_up(TcpStream::connect(("127.0.0.1", port))?)
}

/// Lets a plain connection wait no longer than anything else.
pub(crate) fn set_up(stream: TcpStream) -> Outcome<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
