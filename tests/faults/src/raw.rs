//! A peer made by hand: bare sockets, and what they say.

use crate::fault::Fault;
use crate::{SOON, eventually};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use tofu_std::{Header, Opcode};

/// A bare connection.
pub struct Raw(pub TcpStream);

impl Raw {
    /// Connects to a TCP address of tofu's.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn connect(address: &str) -> Raw {
        Raw::new(TcpStream::connect(socket_address(address)).expect("somebody listens"))
    }

    /// The next connection.
    ///
    /// # Panics
    /// When the listener is broken.
    pub fn accept(listener: &TcpListener) -> Raw {
        Raw::new(listener.accept().expect("somebody connects").0)
    }

    fn new(stream: TcpStream) -> Raw {
        stream.set_read_timeout(Some(SOON)).expect("it is open");
        stream.set_write_timeout(Some(SOON)).expect("it is open");
        Raw(stream)
    }

    /// Sends a frame with this body.
    ///
    /// # Panics
    /// When the connection is lost.
    pub fn say(&mut self, opcode: Opcode, id: u64, body: &[u8]) {
        self.0.write_all(&frame(opcode, id, body)).expect("it is read");
    }

    /// Reads a frame.
    ///
    /// # Panics
    /// When none comes.
    pub fn hear(&mut self) -> Header {
        let mut header = [0; tofu_std::HEADER_LEN];
        self.0.read_exact(&mut header).expect("a header comes");
        let header = Header::decode(&header).expect("a good header");
        let rest = usize::from(header.text_len) + usize::from(header.body_len);
        self.0.read_exact(&mut vec![0; rest]).expect("the rest comes");
        header
    }

    /// Sends so much of a frame with this body.
    ///
    /// # Panics
    /// When the connection is lost.
    pub fn say_part(&mut self, opcode: Opcode, body: &[u8], bytes: usize) {
        self.0.write_all(&frame(opcode, 1, body)[..bytes]).expect("it is read");
    }

    /// Ends it.
    pub fn end(self, fault: Fault) {
        fault.strike(&self.0);
    }
}

fn frame(opcode: Opcode, id: u64, body: &[u8]) -> Vec<u8> {
    let body_len = u16::try_from(body.len()).expect("it fits");
    let header = Header { opcode, id, body_len, ..Header::default() };
    [&header.encode()[..], body].concat()
}

/// A tofu address as the standard library's.
pub(crate) fn socket_address(address: &str) -> String {
    address.replacen("tcp|", "", 1).replace('|', ":")
}

/// A bare listener, and its address.
///
/// # Panics
/// When the system has no port left.
pub fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, format!("tcp|127.0.0.1|{port}"))
}

/// Whether a connection waits to be accepted.
///
/// # Panics
/// When the listener is broken.
pub fn waits(listener: &TcpListener) -> bool {
    let mut polled = [PollFd::new(listener, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::default())).expect("it can be polled") > 0
}

/// A listener with which nobody gets connected any more, its address, and those who wait there.
///
/// # Panics
/// When the system has no port left.
pub fn full_listener() -> ((TcpListener, Vec<TcpStream>), String) {
    let (listener, address) = listener();
    rustix::net::listen(&listener, 0).expect("it may wait for fewer");
    let to = listener.local_addr().expect("it is bound");
    // One fits, however busy the machine is. With it there the next are dropped.
    let first = TcpStream::connect(to).expect("there is room for one");
    eventually("it is there", || waits(&listener));
    let enough = Duration::from_millis(200);
    let more = std::iter::from_fn(|| TcpStream::connect_timeout(&to, enough).ok());
    let waiting = std::iter::once(first).chain(more).collect();
    ((listener, waiting), address)
}
