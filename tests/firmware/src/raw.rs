//! A client that speaks bytes, and so may do what an engine would not.

use crate::Outcome;
use crate::emulator::{PATIENCE, dial, set_up};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use tofu_std::{HEADER_LEN, Header, Opcode};

/// A connection with a board.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

impl Raw {
    /// Says hello, and waits for the answer.
    pub(crate) fn connect(port: u16) -> Outcome<Raw> {
        let mut raw = Raw { stream: dial(port)? };
        raw.stream.write_all(&frame(Opcode::HelloRequest, 1, b""))?;
        let (header, _) = raw.read()?;
        if header.opcode != Opcode::HelloResponse {
            return Err(format!("instead of a greeting came {}", header.opcode).into());
        }
        Ok(raw)
    }

    /// Waits for a board that connects, and answers its hello.
    pub(crate) fn accept(port: u16) -> Outcome<Raw> {
        let (stream, _) = TcpListener::bind(("127.0.0.1", port))?.accept()?;
        let mut raw = Raw { stream: set_up(stream)? };
        let (hello, _) = raw.read()?;
        raw.stream.write_all(&frame(Opcode::HelloResponse, hello.id, b""))?;
        Ok(raw)
    }

    /// The next frame: its header and its body.
    pub(crate) fn read(&mut self) -> Outcome<(Header, Vec<u8>)> {
        let mut header = [0; HEADER_LEN];
        self.stream.read_exact(&mut header)?;
        let header = Header::decode(&header).map_err(|status| status.name())?;
        let mut payload = vec![0; header.payload_len()];
        self.stream.read_exact(&mut payload)?;
        Ok((header, payload.split_off(usize::from(header.text_len))))
    }

    /// Sends requests without reading an answer, until nobody takes any more; how many were sent whole,
    /// and what is left of the last one. Their ids count up from 1, and their bodies hold `body`.
    pub(crate) fn flood(&mut self, body: &[u8], most: u64) -> Outcome<(u64, Vec<u8>)> {
        self.stream.set_write_timeout(Some(Duration::from_millis(500)))?;
        for id in 1..=most {
            let mut rest = frame(Opcode::Request, id, body);
            while !rest.is_empty() {
                match self.stream.write(&rest) {
                    Ok(count) => drop(rest.drain(..count)),
                    Err(error) if is_timeout(&error) => {
                        self.stream.set_write_timeout(Some(PATIENCE))?;
                        return Ok((id - 1, rest));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Err(format!("the board takes {most} requests whose answers nobody reads").into())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A frame without text headers.
pub(crate) fn frame(opcode: Opcode, id: u64, body: &[u8]) -> Vec<u8> {
    let body_len = u16::try_from(body.len()).expect("a body of at most 65,535 bytes");
    let header = Header { opcode, id, body_len, ..Header::default() };
    [&header.encode()[..], body].concat()
}
