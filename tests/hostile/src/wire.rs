//! Bare connections: bytes as an attacker likes them.

use crate::Outcome;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server may leave an attacker without a word or an end.
const PATIENCE: Duration = Duration::from_secs(20);
/// What goes to the system in one call. Megabytes would keep it busy, and all others off the processor, for
/// milliseconds.
const CHUNK: usize = 16 * 1024;

/// Opcodes on the wire, and the bits beside them.
pub(crate) mod code {
    pub(crate) const REQUEST: u8 = 0;
    pub(crate) const RESPONSE: u8 = 1;
    pub(crate) const SIGNAL: u8 = 2;
    pub(crate) const HELLO_REQUEST: u8 = 3;
    pub(crate) const HELLO_RESPONSE: u8 = 4;
    pub(crate) const BYE_REQUEST: u8 = 5;
    pub(crate) const BYE_RESPONSE: u8 = 6;
    pub(crate) const BYE_SIGNAL: u8 = 7;
    pub(crate) const WELCOME_REQUEST: u8 = 8;
    pub(crate) const WELCOME_RESPONSE: u8 = 9;
    pub(crate) const ORIGIN: u8 = 1 << 4;
    pub(crate) const MORE: u8 = 1 << 5;
    pub(crate) const RESERVED: u8 = 3 << 6;
}

/// Bytes of a header.
pub(crate) const HEADER: usize = 16;

/// The bytes of a frame; `proto` and `status` as one likes.
pub(crate) fn frame(proto: u8, status: u8, id: u64, text: &[u8], body: &[u8]) -> Vec<u8> {
    let lengths = [text.len(), body.len()].map(|len| u16::try_from(len).expect("it fits a frame"));
    let mut bytes = header(proto, status, id, lengths).to_vec();
    bytes.extend_from_slice(text);
    bytes.extend_from_slice(body);
    bytes
}

/// A header that announces these lengths.
pub(crate) fn header(proto: u8, status: u8, id: u64, [text, body]: [u16; 2]) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..2].copy_from_slice(&7_u16.to_be_bytes());
    bytes[2] = proto;
    bytes[3] = status;
    bytes[4..12].copy_from_slice(&id.to_be_bytes());
    bytes[12..14].copy_from_slice(&text.to_be_bytes());
    bytes[14..].copy_from_slice(&body.to_be_bytes());
    bytes
}

/// A proper HelloRequest.
pub(crate) fn hello() -> Vec<u8> {
    frame(code::HELLO_REQUEST, 0, 1, b"~connect_to:tcp|here|1\r\n", b"")
}

/// A connection.
pub(crate) struct Wire(TcpStream);

impl Wire {
    /// Connects.
    pub(crate) fn connect(server: SocketAddr) -> Outcome<Wire> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Wire(stream))
    }

    /// Connects and says hello, whose answer has come.
    pub(crate) fn greet(server: SocketAddr) -> Outcome<Wire> {
        let mut wire = Wire::connect(server)?;
        wire.0.write_all(&hello())?;
        let (header, _) = wire.read_frame()?.ok_or("a hello is not answered")?;
        match header[2] {
            code::HELLO_RESPONSE => Ok(wire),
            other => Err(format!("instead of a HelloResponse came opcode {other}").into()),
        }
    }

    /// Sends as much as the server takes. Whether that was all.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        bytes.chunks(CHUNK).all(|chunk| self.0.write_all(chunk).is_ok())
    }

    /// From now on nothing waits: calls that would fail.
    pub(crate) fn never_wait(&self) -> Outcome {
        Ok(self.0.set_nonblocking(true)?)
    }

    /// Reads a frame: its header and what follows it. `None` at the end of the stream, however it came.
    ///
    /// # Errors
    /// When nothing comes in time, or what comes is no frame that an engine may send.
    pub(crate) fn read_frame(&mut self) -> Outcome<Option<([u8; HEADER], Vec<u8>)>> {
        let mut header = [0; HEADER];
        if !self.fill(&mut header)? {
            return Ok(None);
        }
        let len = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
        let mut payload = vec![0; len(12) + len(14)];
        let marks = header[2] & (code::ORIGIN | code::RESERVED) | header[3];
        let never = [code::BYE_SIGNAL, code::WELCOME_REQUEST, code::WELCOME_RESPONSE];
        let opcode = header[2] & 0xf;
        if marks != 0 || opcode > 9 || never.contains(&opcode) {
            return Err(format!("the server sent {header:x?}").into());
        }
        Ok(self.fill(&mut payload)?.then_some((header, payload)))
    }

    /// Reads frames until the server closes; how many.
    pub(crate) fn read_to_end(&mut self) -> Outcome<u64> {
        let mut frames = 0;
        while self.read_frame()?.is_some() {
            frames += 1;
        }
        Ok(frames)
    }

    /// Says nothing more, and reads frames until the server closes.
    pub(crate) fn finish(&mut self) -> Outcome<u64> {
        // It may be closed already.
        let _ = self.0.shutdown(Shutdown::Write);
        self.read_to_end()
    }

    /// Ends the connection by a reset.
    pub(crate) fn reset(self) {
        // Where it is gone already there is nothing to reset.
        let _ = rustix::net::sockopt::set_socket_linger(&self.0, Some(Duration::ZERO));
    }

    /// Fills a buffer. False at the end of the stream.
    fn fill(&mut self, bytes: &mut [u8]) -> Outcome<bool> {
        match self.0.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err("the server neither answers nor closes".into())
            }
            Err(_) => Ok(false),
        }
    }
}
