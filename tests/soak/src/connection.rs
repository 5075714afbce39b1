//! A connection to the server, as the workers see it: whatever ends it unasked is a broken promise.

use crate::ledger::Ledger;
use crate::{Outcome, PATIENCE, Stage};
use std::thread;
use std::time::{Duration, Instant};
use tofu_std::{
    ChannelGroup, ChannelNumber, Message, MessageError, Notice, Opcode, Received, Status,
};

/// A connection with its own channel group.
pub(crate) struct Connection<'a> {
    ledger: &'a Ledger,
    group: ChannelGroup,
    channel: ChannelNumber,
}

impl<'a> Connection<'a> {
    /// Connects, says hello and waits for the answer.
    pub(crate) fn open(stage: &'a Stage, address: &str) -> Outcome<Connection<'a>> {
        let connection = Connection::post_hello(stage, address)?;
        match connection.receive()?.opcode() {
            Opcode::HelloResponse => Ok(connection),
            other => Err(format!("hello is answered by {other:?}").into()),
        }
    }

    /// Asks for a connection, and waits for nothing.
    pub(crate) fn post_hello(stage: &'a Stage, address: &str) -> Outcome<Connection<'a>> {
        let group = stage.engine.group()?;
        let mut hello = stage.engine.get_wait(PATIENCE).ok_or("no message comes back in time")?;
        hello.connect_to(address)?;
        stage.ledger.count_message();
        let channel = group.post(hello)?.channel;
        Ok(Connection { ledger: &stage.ledger, group, channel })
    }

    /// A request with room for a body.
    pub(crate) fn request(&self, body_len: usize) -> Outcome<Message> {
        let engine = self.group.engine();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut message = engine.get_wait(PATIENCE).ok_or("no message comes back in time")?;
            match message.resize_body(body_len) {
                Ok(()) => return Ok(message),
                Err(MessageError::PoolEmpty) if Instant::now() < deadline => {
                    drop(message);
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Posts a message, waiting for room; its id.
    pub(crate) fn post(&self, mut message: Message) -> Outcome<u64> {
        message.set_channel(self.channel);
        self.ledger.count_message();
        match self.group.post_wait(message, PATIENCE) {
            Ok(header) => Ok(header.id),
            Err(error) => Err(format!("a post is refused: {}", error.status).into()),
        }
    }

    /// The server's next message.
    pub(crate) fn receive(&self) -> Outcome<Message> {
        loop {
            match self.next()? {
                Received::Peer(message) => return Ok(message),
                Received::Notice(Notice { status: Status::PoolEmpty, .. }) => {}
                Received::Notice(notice) => return Err(unexpected(notice).into()),
                Received::Returned(message, status) => {
                    return Err(format!("{:?} comes back: {status}", message.opcode()).into());
                }
            }
        }
    }

    /// The next Response, past all Signals of progress.
    pub(crate) fn response(&self) -> Outcome<Message> {
        loop {
            let message = self.receive()?;
            match message.opcode() {
                Opcode::Signal => {}
                Opcode::Response => return Ok(message),
                other => return Err(format!("the server sends {other:?}").into()),
            }
        }
    }

    /// Says goodbye. What the server was sending may still come before its answer.
    pub(crate) fn close(self) -> Outcome {
        self.post_bye(Opcode::ByeRequest)?;
        let mut answered = false;
        loop {
            match self.next()? {
                Received::Peer(message) => answered |= message.opcode() == Opcode::ByeResponse,
                Received::Notice(Notice { status: Status::PoolEmpty, .. }) => {}
                Received::Notice(notice) => {
                    let expected = (Status::ChannelClosed, Status::Success, true);
                    if (notice.status, notice.reason, answered) != expected {
                        return Err(format!("in a goodbye: {}", unexpected(notice)).into());
                    }
                    return self.nothing_follows();
                }
                Received::Returned(message, status) => {
                    let opcode = message.opcode();
                    return Err(format!("in a goodbye {opcode:?} comes back: {status}").into());
                }
            }
        }
    }

    /// Drops the connection by a ByeSignal. What was unsent comes back, then `channel_closed`.
    pub(crate) fn break_off(self) -> Outcome {
        self.post_bye(Opcode::ByeSignal)?;
        loop {
            match self.next()? {
                Received::Peer(_) | Received::Returned(_, Status::ChannelClosed) => {}
                Received::Notice(Notice { status: Status::PoolEmpty, .. }) => {}
                Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                    return self.nothing_follows();
                }
                Received::Notice(notice) => return Err(unexpected(notice).into()),
                Received::Returned(_, status) => {
                    return Err(format!("a message comes back with {status}").into());
                }
            }
        }
    }

    /// Waits for the server's goodbye, and answers it.
    pub(crate) fn be_dismissed(self) -> Outcome {
        let mut bye = self.receive()?;
        if bye.opcode() != Opcode::ByeRequest {
            return Err(format!("instead of a goodbye the server sends {:?}", bye.opcode()).into());
        }
        bye.reply()?;
        self.group.post(bye).map_err(|error| error.status)?;
        match self.next()? {
            Received::Notice(Notice {
                status: Status::ChannelClosed,
                reason: Status::Success,
                ..
            }) => self.nothing_follows(),
            other => Err(format!("a goodbye ends with {other:?}").into()),
        }
    }

    fn post_bye(&self, opcode: Opcode) -> Outcome {
        let mut bye = self.group.engine().get_always();
        bye.prepare(opcode, self.channel);
        self.ledger.count_message();
        self.group.post(bye).map(drop).map_err(|error| error.status.into())
    }

    fn nothing_follows(&self) -> Outcome {
        match self.group.try_receive()? {
            None | Some(Received::Notice(Notice { status: Status::PoolEmpty, .. })) => Ok(()),
            Some(other) => Err(format!("after channel_closed comes {other:?}").into()),
        }
    }

    fn next(&self) -> Outcome<Received> {
        let received = self.group.wait_receive(PATIENCE)?.ok_or("nothing comes in time")?;
        if matches!(received, Received::Peer(_)) {
            self.ledger.count_message();
        }
        Ok(received)
    }
}

fn unexpected(notice: Notice) -> String {
    format!("the engine says {}, because of {}", notice.status, notice.reason)
}
