//! How a file crosses, for both sides.
//!
//! **put**, streaming up, one message id:
//!
//! | from | message |
//! |---|---|
//! | client | Request(more) with `put: NAME` and, where it is known, `size: BYTES` |
//! | client | Requests(more), each with the next bytes as body |
//! | server | Signals `progress: DONE:SIZE` now and then, every second at least while anything comes; `DONE:` where SIZE is not known |
//! | client | the last Request, with `checksum: HEX` |
//! | server | one Response, with `checksum` and `size` of what is stored |
//!
//! **get**, streaming down, one message id:
//!
//! | from | message |
//! |---|---|
//! | client | Request with `get: NAME` |
//! | server | Responses(more), each with the next bytes as body, the first with `size: BYTES` |
//! | server | Signals `progress: DONE:SIZE` now and then |
//! | server | the last Response, with `checksum: HEX` |
//!
//! Every message may carry bytes, the first and the last too, and the first may be the last. The
//! checksum is BLAKE3. The server checks `size` and `checksum` where they are given. What goes wrong on
//! the server is one last Response with `error: TEXT` and `status: NAME`, whatever came before; what the client
//! still sends of that id is thrown away. NAME is relative to the server's directory.

use crate::failure::{Failure, Result};
use crate::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;
use tofu_std::{Message, Status, TextHeaders};

/// Names the file to store.
pub(crate) const PUT: &str = "put";
/// Names the file to fetch.
pub(crate) const GET: &str = "get";
/// The file's length in bytes.
pub(crate) const SIZE: &str = "size";
/// The BLAKE3 of the whole file, in hexadecimal.
pub(crate) const CHECKSUM: &str = "checksum";
/// How much is done, of how much.
pub(crate) const PROGRESS: &str = "progress";

/// Bytes of one message's body: whole pages, and little enough that it fits the size class
/// of 64 KiB with its headers.
pub(crate) const BLOCK: usize = 60 * 1024;
/// How many bytes lie between two progress Signals.
pub(crate) const PROGRESS_STEP: u64 = 1024 * 1024;
/// How much time lies between two of an upload that is slow.
pub(crate) const PROGRESS_TIME: Duration = Duration::from_secs(1);

/// Counts and sums up the bytes of a file.
#[derive(Default)]
pub(crate) struct Tally {
    /// Boxed, for it is large and moves about.
    hasher: Box<blake3::Hasher>,
    bytes: u64,
}

impl Tally {
    /// Adds the next bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// How many there were.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Their checksum.
    pub(crate) fn checksum(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    /// Compares with what the other side says it sent.
    pub(crate) fn check(&self, size: Option<u64>, checksum: Option<&str>) -> Result {
        if size.is_some_and(|size| size != self.bytes) {
            return Err(Failure::new(Status::InvalidMessage, "the size is not what was announced"));
        }
        if checksum.is_some_and(|checksum| checksum != self.checksum()) {
            return Err(Failure::new(Status::InvalidMessage, "the checksum does not match"));
        }
        Ok(())
    }
}

/// What leads to something that is open already.
const OPEN_ALREADY: [&str; 5] =
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"];

/// A file on its way in. Nothing stands under its name before all of it is here, and
/// what is dropped unfinished leaves nothing behind.
pub(crate) struct Incoming {
    sink: Sink,
    tally: Tally,
    /// How long it should be, if the other side said so.
    pub(crate) size: Option<u64>,
}

enum Sink {
    /// Renamed to `target` in the end.
    File {
        part: NamedTempFile,
        target: PathBuf,
    },
    /// Something that cannot be renamed: a device or a pipe.
    Stream(File),
    Stdout,
}

impl Incoming {
    /// A file that will be `target`.
    pub(crate) fn create(target: PathBuf) -> io::Result<Incoming> {
        let folder = match target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let part = create_part(folder)?;
        // What it replaces may be secret.
        #[cfg(unix)]
        if let Ok(metadata) = fs::metadata(&target) {
            part.as_file().set_permissions(metadata.permissions())?;
        }
        Ok(Incoming::new(Sink::File { part, target }))
    }

    /// To a path the user names: a device, a pipe or what is open already is written to, not replaced.
    pub(crate) fn open(given: &Path) -> io::Result<Incoming> {
        if OPEN_ALREADY.iter().any(|name| given.starts_with(name)) {
            return Ok(Incoming::new(Sink::Stream(File::options().append(true).open(given)?)));
        }
        // Through links, so that they stay; one may lead to where nothing is yet.
        let linked = || Some(given.parent()?.join(fs::read_link(given).ok()?));
        let target = fs::canonicalize(given).ok().or_else(linked);
        let target = target.unwrap_or_else(|| given.to_owned());
        match fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => {
                Ok(Incoming::new(Sink::Stream(File::options().write(true).open(target)?)))
            }
            _ => Incoming::create(target),
        }
    }

    /// To stdout.
    pub(crate) fn stdout() -> Incoming {
        Incoming::new(Sink::Stdout)
    }

    fn new(sink: Sink) -> Incoming {
        Incoming { sink, tally: Tally::default(), size: None }
    }

    /// How many bytes are here.
    pub(crate) fn bytes(&self) -> u64 {
        self.tally.bytes()
    }

    /// Takes the next bytes, and from the first message the size.
    pub(crate) fn take(&mut self, message: &Message) -> Result {
        if self.size.is_none() {
            self.size = size(message.text())?;
        }
        let body = message.body();
        self.tally.add(body);
        if self.size.is_some_and(|size| self.tally.bytes() > size) {
            return Err(Failure::new(Status::InvalidMessage, "there is more than was announced"));
        }
        let written = match &mut self.sink {
            Sink::File { part, .. } => part.as_file_mut().write_all(body),
            Sink::Stream(file) => file.write_all(body),
            Sink::Stdout => return output::write(body),
        };
        written.map_err(|error| match (&self.sink, error.kind()) {
            (Sink::Stream(_), io::ErrorKind::BrokenPipe) => Failure::OutputClosed,
            _ => Failure::io("cannot write", &error),
        })
    }

    /// All is here: checks it, and gives it its name. The checksum.
    pub(crate) fn finish(self, checksum: Option<&str>) -> Result<String> {
        self.tally.check(self.size, checksum)?;
        if let Sink::File { part, target } = self.sink {
            part.persist(target).map_err(|error| Failure::io("cannot rename", &error.error))?;
        }
        Ok(self.tally.checksum())
    }
}

/// As any new file: the umask takes away what it should. An error does not name the path, which is nobody
/// else's business.
fn create_part(folder: &Path) -> io::Result<NamedTempFile> {
    let mut options = File::options();
    options.write(true).create_new(true);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tofu-").suffix(".part").make_in(folder, |path| options.open(path))
}

/// Checks that a file's name arrives as it is: spaces around a header's value are lost.
pub(crate) fn check_name(name: &str) -> Result {
    if name.trim_matches([' ', '\t']) == name && !name.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Status::NotAllowed,
        "a name that can be sent is not empty, and has no space around it",
    ))
}

/// The size a message announces, if it does.
pub(crate) fn size(text: TextHeaders<'_>) -> Result<Option<u64>> {
    let Some(size) = text.get(SIZE) else { return Ok(None) };
    let size = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok());
    size.map(Some).ok_or_else(|| Failure::new(Status::InvalidMessage, "the size is no number"))
}

/// The checksum a message announces, if it does.
pub(crate) fn checksum(text: TextHeaders<'_>) -> Option<String> {
    text.get(CHECKSUM).map(|checksum| String::from_utf8_lossy(checksum).into_owned())
}

/// How many bytes a server has by now, where it says so.
pub(crate) fn progress(text: TextHeaders<'_>) -> Option<u64> {
    text.get_str(PROGRESS)?.split(':').next()?.parse().ok()
}

/// The answer is not that of a server which keeps files: one without a root echoes.
pub(crate) fn no_files() -> Failure {
    Failure::new(Status::NotAllowed, "the server keeps no files: it needs --root")
}

/// A progress bar on stderr where that is a terminal, else nothing.
pub(crate) fn progress_bar(size: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = match size {
        Some(_) => "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{spinner} {bytes} {bytes_per_sec}",
    };
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
