//! Unix domain sockets, and the files that stand for them.
//!
//! A socket file that refuses connections may be stale, or bound by another process that does not
//! listen yet. So who binds a path holds an advisory lock on its directory meanwhile. Where the
//! directory cannot be opened or locked at all (no permission to read it, a file system
//! without locks), two processes that listen on one path at the same moment may take each other's
//! new file for a stale one. A directory that someone else keeps locked cannot be listened in.

use crate::log::failed;
use crate::sync::{StaticMutex, lock};
use mio::net::{UnixListener, UnixStream};
use std::fmt;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tofu_core::Status;

/// Held while a path is bound, so that two engines of this process do not take each other's new
/// socket for a stale one.
static BINDING: StaticMutex<()> = StaticMutex::new(());

/// How often a directory's lock is tried. It is held for a few system calls, so a pause or two are
/// enough unless its holder sleeps; and the engine stands still meanwhile.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// A listener, and the file it made.
#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    /// As the caller gave it.
    path: String,
    /// What to remove; does not change with the working directory.
    file: PathBuf,
    id: Option<FileId>,
}

/// Tells a file from another at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Listens on a path. A socket file on which no one answers is replaced; anything else there is
/// left alone.
pub(super) fn listen(path: &str) -> Result<Listener, Status> {
    let address = address(path)?;
    let file = std::path::absolute(path).map_err(|_| Status::InvalidAddress)?;
    let _binding = lock(&BINDING);
    let _locked = lock_directory(&file)?;
    let socket = match UnixListener::bind_addr(&address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(&file, &address).and_then(|()| UnixListener::bind_addr(&address))
        }
        bound => bound,
    };
    let socket = socket.map_err(failed(Status::ListenFailed, path))?;
    let id = socket_file(&file);
    Ok(Listener { socket, path: path.to_owned(), file, id })
}

/// Connects to a path; `None` while too many wait to be accepted there.
pub(super) fn connect(path: &str) -> Result<Option<UnixStream>, Status> {
    match UnixStream::connect_addr(&address(path)?) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Ok(None),
            ErrorKind::NotFound | ErrorKind::NotADirectory => Err(Status::UdsPathNotFound),
            _ => Err(failed(Status::ConnectFailed, path)(error)),
        },
    }
}

/// Refuses a path that is too long or holds a zero byte.
fn address(path: &str) -> Result<SocketAddr, Status> {
    match path.is_empty() {
        true => Err(Status::InvalidAddress),
        false => SocketAddr::from_pathname(path).map_err(|_| Status::InvalidAddress),
    }
}

/// Keeps other processes from binding in the directory of `file`, where it can be locked.
fn lock_directory(file: &Path) -> Result<Option<Locked>, Status> {
    // To open anything else may take for ever.
    let directory = file.parent().filter(|path| path.is_dir());
    let Some(directory) = directory.and_then(|path| File::open(path).ok()) else {
        return Ok(None);
    };
    for _ in 0..LOCK_TRIES {
        match directory.try_lock() {
            Ok(()) => return Ok(Some(Locked(directory))),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    Err(Status::ListenFailed)
}

/// Unlocked when dropped, also where a child that was forked meanwhile has it open.
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn remove_stale(file: &Path, address: &SocketAddr) -> io::Result<()> {
    let found = socket_file(file).ok_or(ErrorKind::AddrInUse)?;
    match UnixStream::connect_addr(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        // It answers, or would if fewer waited, or it cannot be known.
        _ => return Err(ErrorKind::AddrInUse.into()),
    }
    // Someone who takes no lock may have replaced it meanwhile.
    if socket_file(file) != Some(found) {
        return Err(ErrorKind::AddrInUse.into());
    }
    fs::remove_file(file)
}

/// The socket file at a path, if it is one.
fn socket_file(path: &Path) -> Option<FileId> {
    let metadata = fs::symlink_metadata(path).ok()?;
    metadata.file_type().is_socket().then(|| FileId::of(&metadata))
}

impl Listener {
    pub(super) fn accept(&self) -> io::Result<UnixStream> {
        self.socket.accept().map(|(stream, _)| stream)
    }

    pub(super) fn write_address(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "uds|{}", self.path)
    }

    pub(super) fn source(&mut self) -> &mut UnixListener {
        &mut self.socket
    }
}

impl Drop for Listener {
    /// Removes the file if it is still ours. This needs no lock: the open socket still answers, so
    /// that no one takes the file for stale, and keeps its inode from being used for another file.
    fn drop(&mut self) {
        if self.id.is_some() && socket_file(&self.file) == self.id {
            // Where it cannot be removed, the next listener replaces it.
            let _ = fs::remove_file(&self.file);
        }
    }
}
