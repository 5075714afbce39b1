//! nng with its defaults: pair for requests, push and pull for streams.

use super::{Pattern, Place, Tally, announce};
use crate::Outcome;
use nng::options::Options;
use nng::options::transport::tcp::BoundPort;
use nng::{Listener, Message, Protocol, Socket};

/// The client's end: one connection.
pub(super) struct Client {
    socket: Socket,
    last: Message,
}

impl Client {
    pub(super) fn new(pattern: Pattern, address: &str) -> Outcome<Client> {
        let stream = pattern == Pattern::Stream;
        let socket = Socket::new(if stream { Protocol::Push0 } else { Protocol::Pair0 })?;
        socket.dial(address)?;
        Ok(Client { socket, last: Message::new() })
    }

    fn send(&self, body: &[u8]) -> Outcome {
        self.socket.send(body).map_err(|(_, error)| error)?;
        Ok(())
    }
}

impl super::Client for Client {
    fn open(&mut self, count: usize) -> Outcome {
        if count == 1 { Ok(()) } else { Err("one connection is all there is".into()) }
    }

    fn request(&mut self, _: usize, body: &[u8]) -> Outcome {
        self.send(body)
    }

    fn signal(&mut self, _: usize, body: &[u8]) -> Outcome {
        self.send(body)
    }

    fn answer(&mut self) -> Outcome<(usize, &[u8])> {
        self.last = self.socket.recv()?;
        Ok((0, &self.last))
    }

    fn flush(&mut self) -> Outcome {
        Ok(())
    }

    fn cycle(&mut self) -> Outcome {
        Err("it hides its connections".into())
    }
}

pub(super) fn serve(pattern: Pattern, place: &Place) -> Outcome {
    let stream = pattern == Pattern::Stream;
    let socket = Socket::new(if stream { Protocol::Pull0 } else { Protocol::Pair0 })?;
    match place {
        Place::Tcp => {
            let listener = Listener::new(&socket, "tcp://127.0.0.1:0")?;
            announce(format_args!("tcp://127.0.0.1:{}", listener.get_opt::<BoundPort>()?));
        }
        Place::Uds(path) => {
            let address = format!("ipc://{}", path.display());
            socket.listen(&address)?;
            announce(address);
        }
    }
    let mut tally = Tally::default();
    loop {
        let message = socket.recv()?;
        if stream {
            tally.take(message.len());
        } else {
            socket.send(message).map_err(|(_, error)| error)?;
        }
    }
}
