//! What the patterns are played on.

use crate::failure::{Failure, Result};
use std::time::{Duration, Instant};
use tofu_std::testing::unique_mem_address;
use tofu_std::{
    ChannelGroup, ChannelNumber, Engine, Header, LISTEN_ON, Message, Notice, Opcode, Received,
    Status,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What messages cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Memory.
    Mem,
    /// TCP over the loopback interface.
    Tcp,
    /// A Unix domain socket.
    #[cfg(unix)]
    Uds,
}

impl Transport {
    /// Those this system has.
    pub(super) const ALL: &[Transport] = &[
        Transport::Mem,
        Transport::Tcp,
        #[cfg(unix)]
        Transport::Uds,
    ];

    /// As in addresses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Transport::Mem => "mem",
            Transport::Tcp => "tcp",
            #[cfg(unix)]
            Transport::Uds => "uds",
        }
    }
}

/// An engine, and the transport to play on.
pub(super) struct Stage {
    engine: Engine,
    transport: Transport,
    #[cfg(unix)]
    socket: tofu_std::testing::TempSocketPath,
}

impl Stage {
    pub(super) fn new(engine: Engine, transport: Transport) -> Stage {
        Stage {
            engine,
            transport,
            #[cfg(unix)]
            socket: tofu_std::testing::TempSocketPath::new(),
        }
    }

    /// Where to listen.
    pub(super) fn address(&self) -> String {
        match self.transport {
            Transport::Mem => unique_mem_address(),
            Transport::Tcp => "tcp|127.0.0.1|0".into(),
            #[cfg(unix)]
            Transport::Uds => self.socket.address(),
        }
    }

    /// Somebody who listens, connects, or both.
    pub(super) fn party(&self) -> Result<Party> {
        Ok(Party { group: self.engine.group()? })
    }

    /// A server and a client that have said hello.
    pub(super) fn pair(&self) -> Result<Pair> {
        let (server, client) = (self.party()?, self.party()?);
        let address = server.listen(&self.address())?;
        let at_client = client.connect(&address)?;
        let at_server = server.welcome()?;
        client.expect(Opcode::HelloResponse)?;
        Ok(Pair { server, client, at_server, at_client })
    }
}

/// Two who have said hello, and the number of the channel on each side.
pub(super) struct Pair {
    pub(super) server: Party,
    pub(super) client: Party,
    pub(super) at_server: ChannelNumber,
    pub(super) at_client: ChannelNumber,
}

/// One who takes part: a channel group.
pub(super) struct Party {
    group: ChannelGroup,
}

impl Party {
    /// Listens; the address it really has.
    pub(super) fn listen(&self, address: &str) -> Result<String> {
        let mut welcome = self.group.engine().get_always();
        welcome.listen_on(address)?;
        self.group.post(welcome)?;
        match self.next()? {
            Received::Returned(message, Status::Success) => {
                Ok(message.text().get_str(LISTEN_ON).unwrap_or_default().into())
            }
            Received::Returned(_, status) => Err(status.into()),
            other => Err(unexpected("a WelcomeResponse", &other)),
        }
    }

    /// Posts a HelloRequest.
    pub(super) fn connect(&self, address: &str) -> Result<ChannelNumber> {
        let mut hello = self.group.engine().get_always();
        hello.connect_to(address)?;
        Ok(self.group.post(hello)?.channel)
    }

    /// Answers the next HelloRequest.
    pub(super) fn welcome(&self) -> Result<ChannelNumber> {
        let hello = self.expect(Opcode::HelloRequest)?;
        Ok(self.answer(hello)?.channel)
    }

    /// A message for a channel.
    pub(super) fn message(
        &self,
        opcode: Opcode,
        channel: ChannelNumber,
        body: impl AsRef<[u8]>,
    ) -> Result<Message> {
        let mut message = self.group.engine().get_wait(PATIENCE).ok_or(Status::PoolEmpty)?;
        message.prepare(opcode, channel);
        message.set_body(body)?;
        Ok(message)
    }

    /// Posts a message.
    pub(super) fn post(&self, message: Message) -> Result<Header> {
        Ok(self.group.post_wait(message, PATIENCE)?)
    }

    /// Fills in a message and posts it.
    pub(super) fn say(
        &self,
        opcode: Opcode,
        channel: ChannelNumber,
        body: impl AsRef<[u8]>,
    ) -> Result<Header> {
        self.post(self.message(opcode, channel, body)?)
    }

    /// One message of a stream: all have the same id, and all but the last `more`. An id
    /// of 0 begins a stream.
    pub(super) fn stream(
        &self,
        opcode: Opcode,
        channel: ChannelNumber,
        id: u64,
        body: impl AsRef<[u8]>,
        more: bool,
    ) -> Result<u64> {
        let mut message = self.message(opcode, channel, body)?;
        message.set_id(id);
        message.set_more(more);
        Ok(self.post(message)?.id)
    }

    /// Posts a message back as its own answer.
    pub(super) fn answer(&self, mut message: Message) -> Result<Header> {
        message.reply()?;
        self.post(message)
    }

    /// The next thing received.
    pub(super) fn next(&self) -> Result<Received> {
        self.next_within(PATIENCE)?
            .ok_or_else(|| Failure::new(Status::CommunicationFailed, "nothing came in time"))
    }

    /// The next thing received within this time.
    pub(super) fn next_within(&self, time: Duration) -> Result<Option<Received>> {
        Ok(self.group.wait_receive(time)?)
    }

    /// The next thing, which must be a message of the other side.
    pub(super) fn receive(&self) -> Result<Message> {
        match self.next()? {
            Received::Peer(message) => Ok(message),
            Received::Returned(_, status) => Err(status.into()),
            other => Err(unexpected("a message", &other)),
        }
    }

    /// The next thing, which must be such a message.
    pub(super) fn expect(&self, opcode: Opcode) -> Result<Message> {
        let message = self.receive()?;
        check(message.opcode() == opcode, opcode)?;
        Ok(message)
    }

    /// The next thing, which must be a message of ours handed back; its status.
    pub(super) fn expect_returned(&self) -> Result<Status> {
        match self.next()? {
            Received::Returned(_, status) => Ok(status),
            other => Err(unexpected("a message handed back", &other)),
        }
    }

    /// The next thing, which must be the last word about this channel.
    pub(super) fn expect_closed(&self, channel: ChannelNumber) -> Result {
        match self.next()? {
            Received::Notice(Notice { channel: closed, status: Status::ChannelClosed, .. })
                if closed == channel =>
            {
                Ok(())
            }
            other => Err(unexpected("channel_closed", &other)),
        }
    }
}

/// Fails unless what is promised holds.
pub(super) fn check(holds: bool, promise: impl std::fmt::Debug) -> Result {
    match holds {
        true => Ok(()),
        false => Err(Failure::new(
            Status::ProcessingFailed,
            format_args!("this does not hold: {promise:?}"),
        )),
    }
}

/// How long it takes until `time` after `start`.
pub(super) fn left(start: Instant, time: Duration) -> Duration {
    time.saturating_sub(start.elapsed())
}

fn unexpected(wanted: &str, got: &Received) -> Failure {
    Failure::new(Status::ProcessingFailed, format_args!("expected {wanted}, got {got:?}"))
}
