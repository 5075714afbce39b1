//! A client on tofu-std.

use crate::emulator::PATIENCE;
use crate::{Outcome, ensure};
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Message, Notice, Opcode, Received, Status};

/// Requests under way at once where many are sent.
const WINDOW: usize = 16;

/// A connection to a board.
pub(crate) struct Client {
    pub(crate) group: ChannelGroup,
    pub(crate) channel: ChannelNumber,
}

impl Client {
    /// Says hello, and waits for the answer.
    pub(crate) fn connect(port: u16) -> Outcome<Client> {
        let client = Client::hello(port)?;
        client.expect(Opcode::HelloResponse)?;
        Ok(client)
    }

    /// Says hello.
    pub(crate) fn hello(port: u16) -> Outcome<Client> {
        let group = Engine::new()?.group()?;
        let mut hello = group.engine().get().ok_or("the pool is empty")?;
        hello.connect_to(format_args!("tcp|127.0.0.1|{port}"))?;
        let channel = group.post(hello)?.channel;
        Ok(Client { group, channel })
    }

    /// An empty message for this channel.
    pub(crate) fn message(&self, opcode: Opcode) -> Outcome<Message> {
        let mut message = self.group.engine().get().ok_or("the pool is empty")?;
        message.prepare(opcode, self.channel);
        Ok(message)
    }

    /// Posts it; its id.
    pub(crate) fn post(&self, message: Message) -> Outcome<u64> {
        Ok(self.group.post_wait(message, PATIENCE)?.id)
    }

    pub(crate) fn request(&self, body: impl AsRef<[u8]>) -> Outcome<u64> {
        let mut request = self.message(Opcode::Request)?;
        request.set_body(body)?;
        self.post(request)
    }

    /// The next thing received.
    pub(crate) fn receive(&self) -> Outcome<Received> {
        self.group.wait_receive(PATIENCE)?.ok_or_else(|| "nothing comes".into())
    }

    /// The next thing received, which must be a message of this kind.
    pub(crate) fn expect(&self, opcode: Opcode) -> Outcome<Message> {
        match self.receive()? {
            Received::Peer(message) if message.opcode() == opcode => Ok(message),
            other => Err(format!("instead of {opcode} came {other:?}").into()),
        }
    }

    /// Waits for the end of the channel; why it ended.
    pub(crate) fn expect_closed(&self) -> Outcome<Status> {
        match self.receive()? {
            Received::Notice(Notice { status: Status::ChannelClosed, reason, .. }) => Ok(reason),
            other => Err(format!("instead of channel_closed came {other:?}").into()),
        }
    }

    /// Asks, and checks the answers, some under way at once.
    pub(crate) fn round_trips(&self, count: usize) -> Outcome {
        let body = |number: usize| format!("request {number}").into_bytes();
        let mut sent = 0;
        for received in 0..count {
            while sent < count.min(received + WINDOW) {
                self.request(body(sent))?;
                sent += 1;
            }
            let answer = self.expect(Opcode::Response)?;
            ensure(answer.body() == body(received), || {
                format!("to {received} came {}", String::from_utf8_lossy(answer.body()))
            })?;
        }
        Ok(())
    }

    /// Says goodbye, and waits until all is said.
    pub(crate) fn bye(&self) -> Outcome {
        self.post(self.message(Opcode::ByeRequest)?)?;
        self.expect(Opcode::ByeResponse)?;
        let reason = self.expect_closed()?;
        ensure(reason.is_success(), || format!("after a goodbye it was closed for {reason}"))
    }
}
