//! A connection as the client commands see it: whatever ends it is a failure.

use crate::failure::{Failure, Result};
use crate::refusal;
use std::cell::Cell;
use std::time::{Duration, Instant};
use tofu_std::{
    Address, ChannelGroup, ChannelNumber, Engine, Header, LIMITS, Limits, Message, Notice, Opcode,
    Received, Status,
};

/// How long to wait for a message of our own pool.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for a HelloResponse. It is a courtesy, so that after this we go on
/// without; but it brings the peer's limits.
const COURTESY: Duration = Duration::from_secs(1);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection to a server.
pub(crate) struct Client {
    group: ChannelGroup,
    channel: ChannelNumber,
    address: String,
    /// What the server takes, once it has answered.
    limits: Cell<Option<Limits>>,
}

/// Refuses an address where nobody but this process could be.
pub(crate) fn check_address(address: &str) -> Result {
    match Address::parse(address) {
        Ok(Address::Mem { .. }) => Err(Failure::new(
            Status::InvalidAddress,
            format_args!("{address}: memory is within this process, and nobody else is in it"),
        )),
        _ => Ok(()),
    }
}

/// An engine for one command.
pub(crate) fn engine() -> Result<Engine> {
    Engine::new().map_err(|error| Failure::io("cannot start the engine", &error))
}

/// A fresh message.
pub(crate) fn message(engine: &Engine) -> Result<Message> {
    sized_message(engine, 0)
}

/// A fresh message with room for a body of so many bytes.
pub(crate) fn sized_message(engine: &Engine, len: usize) -> Result<Message> {
    engine.get_sized_wait(len, PATIENCE).ok_or_else(|| Status::PoolEmpty.into())
}

impl Client {
    /// Connects and says hello.
    pub(crate) fn connect(engine: &Engine, address: &str, deadline: Instant) -> Result<Client> {
        check_address(address)?;
        Client::greet(engine, address, deadline).map_err(|failure| failure.or_at(address))
    }

    fn greet(engine: &Engine, address: &str, deadline: Instant) -> Result<Client> {
        let group = engine.group()?;
        let mut hello = message(engine)?;
        hello.connect_to(address)?;
        let channel = group.post(hello)?.channel;
        let client = Client { group, channel, address: address.into(), limits: Cell::default() };
        let courtesy = deadline.min(Instant::now() + COURTESY);
        while client.limits.get().is_none() {
            let Some(received) = client.wait(courtesy)? else { break };
            client.judge(received)?;
        }
        Ok(client)
    }

    /// The channel.
    pub(crate) fn channel(&self) -> ChannelNumber {
        self.channel
    }

    /// Posts a message to the server; waits for room as long as `patience`.
    pub(crate) fn post(&self, mut message: Message, patience: Duration) -> Result<Header> {
        message.set_channel(self.channel);
        let refused = match self.group.post_wait(message, patience) {
            Ok(header) => return Ok(header),
            Err(error) => error.status,
        };
        Err(match refused {
            Status::PoolEmpty => silent(),
            Status::ChannelClosed | Status::InvalidChannelNumber => self.why_closed(refused),
            status => self.end(status),
        })
    }

    /// The next message of the server, until `deadline`.
    pub(crate) fn receive(&self, deadline: Instant) -> Result<Message> {
        loop {
            let received = self.wait(deadline)?.ok_or_else(silent)?;
            if let Some(message) = self.judge(received)? {
                return Ok(message);
            }
        }
    }

    /// The next Response of this id, until `deadline`. Others are passed over.
    pub(crate) fn response(&self, id: u64, deadline: Instant) -> Result<Message> {
        loop {
            let message = self.receive(deadline)?;
            if message.opcode() == Opcode::Response && message.id() == id {
                return Ok(message);
            }
        }
    }

    /// The next message of the server, if it is here.
    pub(crate) fn poll(&self) -> Result<Option<Message>> {
        while let Some(received) = self.group.try_receive()? {
            if let Some(message) = self.judge(received)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Says goodbye. What was posted arrives before it.
    pub(crate) fn close(self) {
        let Ok(mut bye) = message(self.group.engine()) else {
            return;
        };
        bye.prepare(Opcode::ByeRequest, self.channel);
        if self.group.post(bye).is_err() {
            return;
        }
        let deadline = Instant::now() + GOODBYE;
        // The work is done: how the goodbye goes changes nothing.
        while let Ok(Some(received)) = self.wait(deadline) {
            if matches!(received, Received::Notice(notice) if notice.status == Status::ChannelClosed)
            {
                break;
            }
        }
    }

    /// Nothing once the time is up, whatever is there: a server may talk for ever.
    fn wait(&self, deadline: Instant) -> Result<Option<Received>> {
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(self.group.wait_receive(left)?),
            _ => Ok(None),
        }
    }

    /// A message of the server, or nothing of interest, or the end.
    fn judge(&self, received: Received) -> Result<Option<Message>> {
        match received {
            Received::Peer(message) => match message.opcode() {
                Opcode::HelloResponse => {
                    let limits = message.text().get(LIMITS);
                    self.limits.set(Some(limits.map_or(Limits::MAX, Limits::parse)));
                    Ok(None)
                }
                Opcode::ByeResponse => Ok(None),
                Opcode::ByeRequest => Err(self.dismissed(message)),
                _ => Ok(Some(message)),
            },
            Received::Returned(_, status) => Err(self.end(status)),
            Received::Notice(notice) => match notice.status {
                Status::ReceiverUpdate | Status::PoolEmpty => Ok(None),
                _ => Err(self.end(reason(notice))),
            },
        }
    }

    /// Why nothing goes on; for a message that is too long, what would not be.
    fn end(&self, status: Status) -> Failure {
        let Some(limits) = self.limits.get() else {
            return Failure::at(status, &self.address);
        };
        let (most, what) = match status {
            Status::InvalidBodyLen => (limits.body, "body"),
            Status::InvalidHeadersLen => (limits.headers, "text headers"),
            _ => return status.into(),
        };
        Failure::new(status, format_args!("the server takes {most} bytes of {what} at most"))
    }

    /// The server closes.
    fn dismissed(&self, mut bye: Message) -> Failure {
        // It waits for the answer, but not for ever: if this fails it closes all the same.
        let _ = bye.reply().map(|()| self.group.post(bye));
        Failure::new(Status::ChannelClosed, "the server said goodbye")
    }

    /// What ended the channel.
    fn why_closed(&self, otherwise: Status) -> Failure {
        let deadline = Instant::now() + GOODBYE;
        while let Ok(Some(received)) = self.wait(deadline) {
            // A server that says why says so before it closes.
            let said = self.judge(received).and_then(|message| match message {
                Some(message) => refusal::verdict(&message),
                None => Ok(()),
            });
            if let Err(failure) = said {
                return failure;
            }
        }
        self.end(otherwise)
    }
}

fn silent() -> Failure {
    Failure::new(Status::CommunicationFailed, "nothing came in time")
}

fn reason(notice: Notice) -> Status {
    match notice.reason {
        Status::Success => Status::ChannelClosed,
        reason => reason,
    }
}
