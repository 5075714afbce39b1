//! Blocking sockets, as somebody would write it who needs nothing else: frames with a header as long as
//! tofu's, TCP_NODELAY, buffers of 64 KiB, a thread of the server for each connection.
//!
//! Small frames are gathered and leave in one write, at the latest before the thread waits for
//! something; large ones are written from where they lie.

use super::{Pattern, Place, Tally, announce};
use crate::Outcome;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

const BUFFER: usize = 64 * 1024;
/// A body from this length on is not copied.
const LARGE: usize = 8 * 1024;
const HEADER_LEN: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Answer,
    Signal,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Request, Kind::Answer, Kind::Signal];
}

/// Where a thread waits for the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    InRead,
    InPoll,
}

/// A connection of either kind.
enum Socket {
    Tcp(TcpStream),
    Uds(UnixStream),
}

impl Socket {
    fn connect(address: &str) -> io::Result<Socket> {
        match address.strip_prefix("uds:") {
            Some(path) => UnixStream::connect(path).map(Socket::Uds),
            None => Socket::tcp(TcpStream::connect(address)?),
        }
    }

    fn tcp(stream: TcpStream) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        Ok(Socket::Tcp(stream))
    }

    /// Whatever waits for this socket from now on, waits here.
    fn poll(&self) -> io::Result<mio::Poll> {
        let descriptor = match self {
            Socket::Tcp(stream) => stream.as_raw_fd(),
            Socket::Uds(stream) => stream.as_raw_fd(),
        };
        let poll = mio::Poll::new()?;
        let interest = Interest::READABLE;
        poll.registry().register(&mut SourceFd(&descriptor), Token(0), interest)?;
        Ok(poll)
    }

    /// Writes all of both.
    fn write_both(&self, mut first: &[u8], mut second: &[u8]) -> io::Result<()> {
        while !first.is_empty() && !second.is_empty() {
            let written = match self.write_some(first, second) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let of_first = written.min(first.len());
            first = &first[of_first..];
            second = &second[written - of_first..];
        }
        self.write_all(first)?;
        self.write_all(second)
    }

    fn write_some(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        match self {
            Socket::Tcp(stream) => (&mut &*stream).write_vectored(&slices),
            Socket::Uds(stream) => (&mut &*stream).write_vectored(&slices),
        }
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).write_all(bytes),
            Socket::Uds(stream) => (&mut &*stream).write_all(bytes),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).read(buf),
            Socket::Uds(stream) => (&mut &*stream).read(buf),
        }
    }
}

/// A socket that is read.
struct Reader {
    socket: Socket,
    /// Where it is waited for, if not in the read.
    poll: Option<(mio::Poll, mio::Events)>,
    /// Something may be there; if not, it is worth waiting first.
    ready: bool,
}

impl Reader {
    fn new(socket: Socket, wait: Wait) -> io::Result<Reader> {
        let poll = match wait {
            Wait::InRead => None,
            Wait::InPoll => Some((socket.poll()?, mio::Events::with_capacity(1))),
        };
        Ok(Reader { socket, poll, ready: false })
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some((poll, events)) = self.poll.as_mut().filter(|_| !self.ready) {
            poll.poll(events, None)?;
        }
        let read = (&self.socket).read(buf)?;
        // The poll tells of what comes after a short read.
        self.ready = read == buf.len();
        Ok(read)
    }
}

/// A socket of either kind that listens.
enum Listener {
    Tcp(TcpListener),
    Uds(UnixListener),
}

impl Listener {
    fn bind(place: &Place) -> io::Result<Listener> {
        match place {
            Place::Tcp => {
                let listener = TcpListener::bind(("127.0.0.1", 0))?;
                announce(listener.local_addr()?);
                Ok(Listener::Tcp(listener))
            }
            Place::Uds(path) => {
                let listener = UnixListener::bind(path)?;
                announce(format_args!("uds:{}", path.display()));
                Ok(Listener::Uds(listener))
            }
        }
    }

    fn accept(&self) -> io::Result<Socket> {
        match self {
            Listener::Tcp(listener) => Socket::tcp(listener.accept()?.0),
            Listener::Uds(listener) => Ok(Socket::Uds(listener.accept()?.0)),
        }
    }
}

/// A connection with its buffers.
struct Connection {
    reader: BufReader<Reader>,
    /// Frames that are not written yet.
    pending: Vec<u8>,
    /// The last body read.
    body: Vec<u8>,
}

impl Connection {
    fn new(socket: Socket, wait: Wait) -> io::Result<Connection> {
        let reader = BufReader::with_capacity(BUFFER, Reader::new(socket, wait)?);
        Ok(Connection { reader, pending: Vec::with_capacity(BUFFER), body: Vec::new() })
    }

    fn socket(&self) -> &Socket {
        &self.reader.get_ref().socket
    }

    fn write(&mut self, kind: Kind, body: &[u8]) -> io::Result<()> {
        put(&self.reader.get_ref().socket, &mut self.pending, kind, body)
    }

    /// Sends the last body back.
    fn echo(&mut self) -> io::Result<()> {
        put(&self.reader.get_ref().socket, &mut self.pending, Kind::Answer, &self.body)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket().write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// The next frame, whose body it leaves behind. `None` at the end of the connection.
    fn read(&mut self) -> io::Result<Option<Kind>> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut header = [0; HEADER_LEN];
        self.reader.read_exact(&mut header)?;
        let (kind, len) = decode(&header).ok_or(ErrorKind::InvalidData)?;
        self.body.resize(len, 0);
        self.reader.read_exact(&mut self.body)?;
        Ok(Some(kind))
    }

    /// Whether the next read would not wait.
    fn has_frame(&self) -> bool {
        let buffered = self.reader.buffer();
        let header = buffered.first_chunk().and_then(decode);
        header.is_some_and(|(_, len)| buffered.len() >= HEADER_LEN + len)
    }
}

/// Writes a frame, or puts it with those that are pending.
fn put(socket: &Socket, pending: &mut Vec<u8>, kind: Kind, body: &[u8]) -> io::Result<()> {
    if pending.len() + HEADER_LEN + body.len() > BUFFER && body.len() < LARGE {
        socket.write_all(pending)?;
        pending.clear();
    }
    pending.extend_from_slice(&encode(kind, body.len()));
    if body.len() < LARGE {
        pending.extend_from_slice(body);
        return Ok(());
    }
    socket.write_both(pending, body)?;
    pending.clear();
    Ok(())
}

fn encode(kind: Kind, len: usize) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[0] = kind as u8;
    header[8..].copy_from_slice(&(len as u64).to_be_bytes());
    header
}

fn decode(header: &[u8; HEADER_LEN]) -> Option<(Kind, usize)> {
    let kind = *Kind::ALL.get(usize::from(header[0]))?;
    let len = u64::from_be_bytes(*header.last_chunk()?);
    Some((kind, usize::try_from(len).ok()?))
}

/// The client's end. Answers are read in the order of the requests.
pub(super) struct Client {
    address: String,
    wait: Wait,
    connections: Vec<Connection>,
    /// The connections whose answers are due.
    due: VecDeque<usize>,
    /// The connection that has something pending.
    unflushed: usize,
}

impl Client {
    pub(super) fn new(address: &str, wait: Wait) -> Client {
        let (connections, due) = (Vec::new(), VecDeque::new());
        Client { address: address.to_owned(), wait, connections, due, unflushed: 0 }
    }

    fn write(&mut self, channel: usize, kind: Kind, body: &[u8]) -> io::Result<()> {
        if self.unflushed != channel {
            self.connections[self.unflushed].flush()?;
            self.unflushed = channel;
        }
        self.connections[channel].write(kind, body)
    }
}

impl super::Client for Client {
    fn open(&mut self, count: usize) -> Outcome {
        for _ in 0..count {
            let socket = Socket::connect(&self.address)?;
            self.connections.push(Connection::new(socket, self.wait)?);
        }
        Ok(())
    }

    fn request(&mut self, channel: usize, body: &[u8]) -> Outcome {
        self.write(channel, Kind::Request, body)?;
        self.due.push_back(channel);
        Ok(())
    }

    fn signal(&mut self, channel: usize, body: &[u8]) -> Outcome {
        Ok(self.write(channel, Kind::Signal, body)?)
    }

    fn answer(&mut self) -> Outcome<(usize, &[u8])> {
        let channel = self.due.pop_front().ok_or("no answer is due")?;
        if !self.connections[channel].has_frame() {
            self.connections[self.unflushed].flush()?;
        }
        let connection = &mut self.connections[channel];
        match connection.read()? {
            Some(Kind::Answer) => Ok((channel, &connection.body)),
            _ => Err("something else than an answer".into()),
        }
    }

    fn flush(&mut self) -> Outcome {
        Ok(self.connections[self.unflushed].flush()?)
    }

    fn cycle(&mut self) -> Outcome {
        let socket = Socket::connect(&self.address)?;
        socket.write_all(&[1])?;
        let mut byte = [0];
        (&socket).read_exact(&mut byte)?;
        if byte == [1] { Ok(()) } else { Err("another byte came back".into()) }
    }
}

pub(super) fn serve(pattern: Pattern, place: &Place, wait: Wait) -> Outcome {
    let listener = Listener::bind(place)?;
    loop {
        let socket = listener.accept()?;
        if pattern == Pattern::Cycles {
            let mut byte = [0];
            (&socket).read_exact(&mut byte)?;
            socket.write_all(&byte)?;
        } else {
            thread::spawn(move || {
                // A client that is gone is none of our business.
                let _ = Connection::new(socket, wait).and_then(attend);
            });
        }
    }
}

/// Serves one connection.
fn attend(mut connection: Connection) -> io::Result<()> {
    let mut tally = Tally::default();
    while let Some(kind) = connection.read()? {
        match kind {
            Kind::Signal => tally.take(connection.body.len()),
            _ => connection.echo()?,
        }
        if !connection.has_frame() {
            connection.flush()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        for kind in Kind::ALL {
            for len in [0, 64, 65_535] {
                assert!(decode(&encode(kind, len)) == Some((kind, len)));
            }
        }
        assert!(decode(&[3; HEADER_LEN]).is_none());
    }
}
