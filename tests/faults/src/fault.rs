//! What happens to a connection.

use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A reset.
    Reset,
    /// An end of the stream, as of a process that ends.
    End,
    /// Nothing more, either way.
    Silence,
}

impl Fault {
    /// The two that are an end.
    pub const ENDS: [Fault; 2] = [Fault::Reset, Fault::End];

    /// Does it to a stream. A reset goes out when the stream is dropped.
    ///
    /// # Panics
    /// Never, while it is open.
    pub fn strike(self, stream: &TcpStream) {
        match self {
            Fault::Reset => {
                let no_time = Some(Duration::ZERO);
                rustix::net::sockopt::set_socket_linger(stream, no_time).expect("it is open");
            }
            // The other end may be gone.
            Fault::End => drop(stream.shutdown(Shutdown::Write)),
            Fault::Silence => {}
        }
    }
}
