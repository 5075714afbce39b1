//! ZeroMQ with its defaults: DEALER and ROUTER for requests, PUSH and PULL for streams.

use super::{Pattern, Place, Tally, announce};
use crate::Outcome;
use zmq::{Context, Message, Socket, SocketType};

fn socket(context: &Context, kind: SocketType) -> Outcome<Socket> {
    let socket = context.socket(kind)?;
    // Everything has arrived before anything is closed.
    socket.set_linger(0)?;
    Ok(socket)
}

/// The client's end: one connection.
pub(super) struct Client {
    socket: Socket,
    last: Message,
}

impl Client {
    pub(super) fn new(pattern: Pattern, address: &str) -> Outcome<Client> {
        let kind = if pattern == Pattern::Stream { zmq::PUSH } else { zmq::DEALER };
        let socket = socket(&Context::new(), kind)?;
        socket.connect(address)?;
        Ok(Client { socket, last: Message::new() })
    }
}

impl super::Client for Client {
    fn open(&mut self, count: usize) -> Outcome {
        if count == 1 { Ok(()) } else { Err("one connection is all there is".into()) }
    }

    fn request(&mut self, _: usize, body: &[u8]) -> Outcome {
        Ok(self.socket.send(body, 0)?)
    }

    fn signal(&mut self, _: usize, body: &[u8]) -> Outcome {
        Ok(self.socket.send(body, 0)?)
    }

    fn answer(&mut self) -> Outcome<(usize, &[u8])> {
        self.socket.recv(&mut self.last, 0)?;
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
    let kind = if pattern == Pattern::Stream { zmq::PULL } else { zmq::ROUTER };
    let socket = socket(&Context::new(), kind)?;
    match place {
        Place::Tcp => socket.bind("tcp://127.0.0.1:*")?,
        Place::Uds(path) => socket.bind(&format!("ipc://{}", path.display()))?,
    }
    announce(socket.get_last_endpoint()?.map_err(|_| "an address that is no text")?);
    let mut tally = Tally::default();
    loop {
        let message = socket.recv_msg(0)?;
        if pattern == Pattern::Stream {
            tally.take(message.len());
        } else {
            // Whom the answer is for, then the body.
            socket.send(message, zmq::SNDMORE)?;
            socket.send(socket.recv_msg(0)?, 0)?;
        }
    }
}
