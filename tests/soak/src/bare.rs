//! Bare sockets, and frames made by hand: clients that keep to no rule.

use crate::Outcome;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tofu_std::{Header, Opcode};

const ID: u64 = 7;

/// A frame with any id.
pub(crate) fn frame(opcode: Opcode, more: bool, text: &str, body: &[u8]) -> Vec<u8> {
    let (text_len, body_len) = (text.len() as u16, body.len() as u16);
    let header = Header { opcode, id: ID, more, text_len, body_len, ..Header::default() };
    [&header.encode()[..], text.as_bytes(), body].concat()
}

/// Either kind of socket.
pub(crate) trait Socket: Read + Write {}
impl<T: Read + Write> Socket for T {}

/// Connects; no read or write waits longer than this.
pub(crate) fn connect(address: &str, patience: Duration) -> Outcome<Box<dyn Socket>> {
    let parts: Vec<_> = address.split('|').collect();
    match parts[..] {
        ["tcp", host, port] => {
            let socket = TcpStream::connect((host, port.parse()?))?;
            socket.set_read_timeout(Some(patience))?;
            socket.set_write_timeout(Some(patience))?;
            Ok(Box::new(socket))
        }
        ["uds", path] => {
            let socket = UnixStream::connect(path)?;
            socket.set_read_timeout(Some(patience))?;
            socket.set_write_timeout(Some(patience))?;
            Ok(Box::new(socket))
        }
        _ => Err(format!("no address for a bare socket: {address}").into()),
    }
}
