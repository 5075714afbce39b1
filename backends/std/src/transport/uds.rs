//! Unix domain sockets, and the files that stand for them.

use super::inbox::lock;
use mio::net::{UnixListener, UnixStream};
use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tofu_core::Status;

/// Held while a path is bound, so that two engines of this process do not take each other's new
/// socket for a stale one.
static BINDING: Mutex<()> = Mutex::new(());

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
    let socket = match UnixListener::bind_addr(&address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(&file, &address).and_then(|()| UnixListener::bind_addr(&address))
        }
        bound => bound,
    };
    let socket = socket.map_err(|_| Status::ListenFailed)?;
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
            _ => Err(Status::ConnectFailed),
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

fn remove_stale(file: &Path, address: &SocketAddr) -> io::Result<()> {
    let found = socket_file(file).ok_or(ErrorKind::AddrInUse)?;
    match UnixStream::connect_addr(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        // It answers, or would if fewer waited, or it cannot be known.
        _ => return Err(ErrorKind::AddrInUse.into()),
    }
    // Another process may have replaced it meanwhile.
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
    /// Removes the file if it is still ours. The open socket keeps its inode from being used
    /// for another file until then.
    fn drop(&mut self) {
        if self.id.is_some() && socket_file(&self.file) == self.id {
            // Where it cannot be removed, the next listener replaces it.
            let _ = fs::remove_file(&self.file);
        }
    }
}
