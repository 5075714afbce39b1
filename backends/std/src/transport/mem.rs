//! Connections in memory, between the engines of one process or within one.
//!
//! A connection is two pipes of bounded size, each behind its own lock. Like a socket, a pipe
//! reports only to an end that waits: one that found it empty, or full.

use super::inbox::Mailbox;
use crate::sync::{Mutex, StaticMutex, lock};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use tofu_core::{Ready, Status};

/// The most bytes under way in one direction.
const CAPACITY: usize = if cfg!(loom) { 512 } else { 64 * 1024 };
/// The most connections that wait to be accepted.
const BACKLOG: usize = 1024;

/// The listeners of this process.
static LISTENERS: StaticMutex<BTreeMap<String, Arc<Backlog>>> = StaticMutex::new(BTreeMap::new());

/// A name that can be connected to, until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    name: String,
    backlog: Arc<Backlog>,
}

#[derive(Debug)]
struct Backlog {
    owner: Mailbox,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Arc<Connection>>,
    /// The listener found nobody waiting.
    listener_waits: bool,
    closed: bool,
}

/// Takes a name; news go to `owner`.
pub(super) fn listen(name: &str, owner: Mailbox) -> Result<Listener, Status> {
    let mut listeners = lock(&LISTENERS);
    if name.is_empty() {
        return Err(Status::InvalidAddress);
    }
    if listeners.contains_key(name) {
        return Err(Status::ListenFailed);
    }
    let queue = Mutex::new(Queue { listener_waits: true, ..Queue::default() });
    let backlog = Arc::new(Backlog { owner, queue });
    listeners.insert(name.to_owned(), backlog.clone());
    Ok(Listener { name: name.to_owned(), backlog })
}

/// Connects to a name; `None` while too many wait to be accepted there.
pub(super) fn connect(name: &str, end: Mailbox) -> Result<Option<Stream>, Status> {
    let backlog = lock(&LISTENERS).get(name).cloned().ok_or(Status::ConnectFailed)?;
    let mut queue = lock(&backlog.queue);
    if queue.closed {
        return Err(Status::ConnectFailed);
    }
    if queue.waiting.len() >= BACKLOG {
        return Ok(None);
    }
    let connection = Arc::new(Connection::default());
    queue.waiting.push_back(connection.clone());
    if std::mem::take(&mut queue.listener_waits) {
        backlog.owner.ready(Ready::Readable, Some(&end));
    }
    Ok(Some(Stream::new(connection, Side::Connector, end)))
}

impl Listener {
    /// The next connection. What came before `mailbox` was known was told to nobody: the caller
    /// must look.
    pub(super) fn accept(&self, mailbox: Mailbox) -> io::Result<Stream> {
        let mut queue = lock(&self.backlog.queue);
        match queue.waiting.pop_front() {
            Some(connection) => Ok(Stream::new(connection, Side::Acceptor, mailbox)),
            None => {
                queue.listener_waits = true;
                Err(ErrorKind::WouldBlock.into())
            }
        }
    }

    pub(super) fn write_address(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "mem|{}", self.name)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&LISTENERS).remove(&self.name);
        let mut queue = lock(&self.backlog.queue);
        queue.closed = true;
        let refused = std::mem::take(&mut queue.waiting);
        drop(queue);
        for connection in refused {
            connection.close(Side::Acceptor, End::Reset);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Connector,
    Acceptor,
}

impl Side {
    fn peer(self) -> Side {
        match self {
            Side::Connector => Side::Acceptor,
            Side::Acceptor => Side::Connector,
        }
    }
}

/// How a pipe's writer left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What is in it can still be read.
    Eof,
    /// What was in it is gone.
    Reset,
}

/// Bytes in one direction.
#[derive(Debug)]
struct Pipe {
    /// Takes memory as it is needed.
    bytes: VecDeque<u8>,
    end: Option<End>,
    reader_gone: bool,
    reader_waits: bool,
    writer_waits: bool,
}

impl Default for Pipe {
    fn default() -> Self {
        Pipe {
            bytes: VecDeque::new(),
            end: None,
            reader_gone: false,
            reader_waits: true,
            writer_waits: false,
        }
    }
}

impl Pipe {
    /// Moves out what fits; true if all of `bufs` was filled.
    fn take(&mut self, bufs: &mut [&mut [u8]]) -> (usize, bool) {
        let before = self.bytes.len();
        for buf in bufs {
            let mut rest: &mut [u8] = buf;
            while !rest.is_empty() {
                // One contiguous half of the ring at a time.
                match self.bytes.read(rest) {
                    Ok(count) if count > 0 => rest = &mut rest[count..],
                    _ => return (before - self.bytes.len(), false),
                }
            }
        }
        (before - self.bytes.len(), true)
    }

    /// Moves in what fits; true if that was all.
    fn put(&mut self, bufs: &[&[u8]]) -> (usize, bool) {
        let before = self.bytes.len();
        for buf in bufs {
            let count = buf.len().min(CAPACITY - self.bytes.len());
            self.bytes.extend(&buf[..count]);
            if count < buf.len() {
                return (self.bytes.len() - before, false);
            }
        }
        (self.bytes.len() - before, true)
    }
}

#[derive(Debug, Default)]
struct Connection {
    to_acceptor: Mutex<Pipe>,
    to_connector: Mutex<Pipe>,
    connector: OnceLock<Mailbox>,
    /// Unknown until it is accepted.
    acceptor: OnceLock<Mailbox>,
}

impl Connection {
    /// The pipe that `side` reads.
    fn incoming(&self, side: Side) -> &Mutex<Pipe> {
        match side {
            Side::Connector => &self.to_connector,
            Side::Acceptor => &self.to_acceptor,
        }
    }

    fn mailbox(&self, side: Side) -> &OnceLock<Mailbox> {
        match side {
            Side::Connector => &self.connector,
            Side::Acceptor => &self.acceptor,
        }
    }

    /// Tells one end what the other did.
    fn tell(&self, side: Side, ready: Ready) {
        if let Some(mailbox) = self.mailbox(side).get() {
            mailbox.ready(ready, self.mailbox(side.peer()).get());
        }
    }

    /// `side` leaves. Only the first call counts.
    fn close(&self, side: Side, how: End) {
        let mut pipe = lock(self.incoming(side.peer()));
        if pipe.end.is_some() {
            return;
        }
        pipe.end = Some(how);
        if how == End::Reset {
            pipe.bytes = VecDeque::new();
        }
        let reader_waits = std::mem::take(&mut pipe.reader_waits);
        drop(pipe);
        let mut pipe = lock(self.incoming(side));
        pipe.reader_gone = true;
        pipe.bytes = VecDeque::new();
        let writer_waits = std::mem::take(&mut pipe.writer_waits);
        drop(pipe);
        if reader_waits {
            self.tell(side.peer(), Ready::Readable);
        }
        if writer_waits {
            self.tell(side.peer(), Ready::Writable);
        }
    }
}

/// One end of a connection. Dropped, it closes gracefully: what it has sent stays readable, and
/// what the peer still sends is refused rather than swallowed.
#[derive(Debug)]
pub(super) struct Stream {
    connection: Arc<Connection>,
    side: Side,
}

impl Stream {
    fn new(connection: Arc<Connection>, side: Side, mailbox: Mailbox) -> Stream {
        // Each side is made once.
        let _ = connection.mailbox(side).set(mailbox);
        Stream { connection, side }
    }

    pub(super) fn recv(&self, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        let mut pipe = lock(self.connection.incoming(self.side));
        if pipe.end == Some(End::Reset) {
            return Poll::Ready(Err(Status::PeerDisconnected));
        }
        let (count, filled) = pipe.take(bufs);
        let ended = pipe.end.is_some();
        pipe.reader_waits = !filled && !ended;
        let has_room = pipe.writer_waits && pipe.bytes.len() <= CAPACITY / 2;
        if has_room {
            pipe.writer_waits = false;
        }
        drop(pipe);
        if has_room {
            self.connection.tell(self.side.peer(), Ready::Writable);
        }
        if !filled && ended && count > 0 {
            // The end is still to be read.
            self.connection.tell(self.side, Ready::Readable);
        }
        if count == 0 && !ended { Poll::Pending } else { Poll::Ready(Ok(count)) }
    }

    pub(super) fn send(&self, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        let mut pipe = lock(self.connection.incoming(self.side.peer()));
        if pipe.reader_gone {
            return Poll::Ready(Err(Status::PeerDisconnected));
        }
        let (count, all) = pipe.put(bufs);
        pipe.writer_waits = !all;
        let wake = count > 0 && std::mem::take(&mut pipe.reader_waits);
        drop(pipe);
        if wake {
            self.connection.tell(self.side.peer(), Ready::Readable);
        }
        if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
    }

    /// Leaves at once: the peer reads an error instead of what was sent.
    pub(super) fn abort(&self) {
        self.connection.close(self.side, End::Reset);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.close(self.side, End::Eof);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pipe: &mut Pipe, bytes: &[u8]) -> (usize, bool) {
        pipe.put(&[bytes])
    }

    #[test]
    fn a_pipe_keeps_order_and_its_bound() {
        let mut pipe = Pipe::default();
        assert_eq!(filled(&mut pipe, &[1; CAPACITY - 2]), (CAPACITY - 2, true));
        assert_eq!(pipe.put(&[&[2], &[3, 4], &[5]]), (2, false));
        let (mut first, mut second) = ([0; CAPACITY - 2], [0; 4]);
        assert_eq!(pipe.take(&mut [&mut first, &mut second]), (CAPACITY, false));
        assert_eq!((first[0], first[CAPACITY - 3], second), (1, 1, [2, 3, 0, 0]));
        assert_eq!(pipe.take(&mut [&mut second]), (0, false));
    }

    #[test]
    fn a_pipe_takes_no_memory_before_it_is_used() {
        let mut pipe = Pipe::default();
        assert_eq!(pipe.bytes.capacity(), 0);
        assert_eq!(filled(&mut pipe, &[7; 10]), (10, true));
        assert!(pipe.bytes.capacity() < 1024);
    }
}
