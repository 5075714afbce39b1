//! tofu, as its README shows it: default options, one group, the thread that waits drives.

use super::{Place, Tally, announce};
use crate::Outcome;
use tofu_std::{
    BOUNDS, ChannelGroup, ChannelNumber, Engine, LISTEN_ON, Message, Opcode, Received, Status,
};

/// Hellos under way at once while many channels are opened.
const HELLOS: usize = 256;

/// The client's end. An id tells the channel, so nothing has to be looked up.
pub(super) struct Client {
    address: String,
    engine: Engine,
    group: ChannelGroup,
    channels: Vec<ChannelNumber>,
    /// The last answer.
    last: Option<Message>,
}

impl Client {
    pub(super) fn new(address: &str) -> Outcome<Client> {
        let engine = Engine::new()?;
        let group = engine.group()?;
        let (address, channels) = (address.to_owned(), Vec::new());
        Ok(Client { address, engine, group, channels, last: None })
    }

    fn message(&self) -> Outcome<Message> {
        Ok(self.engine.get_wait(None).ok_or(Status::ShutdownStarted)?)
    }

    fn hello(&mut self) -> Outcome<ChannelNumber> {
        let mut hello = self.message()?;
        hello.connect_to(&self.address)?;
        Ok(self.group.post_wait(hello, None)?.channel)
    }

    fn send(&self, opcode: Opcode, channel: usize, body: &[u8]) -> Outcome {
        let mut message = self.message()?;
        message.prepare(opcode, self.channels[channel]).set_body(body)?;
        message.set_id(channel as u64 + 1);
        self.group.post_wait(message, None)?;
        Ok(())
    }

    /// The next message of a peer.
    fn receive(&self) -> Outcome<Message> {
        match self.group.wait_receive(None)? {
            Some(Received::Peer(message)) => Ok(message),
            other => Err(format!("instead of a message came {other:?}").into()),
        }
    }

    fn expect(&self, opcode: Opcode) -> Outcome {
        let message = self.receive()?;
        match message.opcode() == opcode {
            true => Ok(()),
            false => Err(format!("instead of {opcode} came {}", message.opcode()).into()),
        }
    }

    fn expect_closed(&self) -> Outcome {
        match self.group.wait_receive(None)? {
            Some(Received::Notice(notice))
                if (notice.status, notice.reason) == (Status::ChannelClosed, Status::Success) =>
            {
                Ok(())
            }
            other => Err(format!("instead of channel_closed came {other:?}").into()),
        }
    }
}

impl super::Client for Client {
    fn open(&mut self, count: usize) -> Outcome {
        for opened in 0..count + HELLOS {
            if opened < count {
                let channel = self.hello()?;
                self.channels.push(channel);
            }
            if opened >= HELLOS && opened - HELLOS < count {
                self.expect(Opcode::HelloResponse)?;
            }
        }
        Ok(())
    }

    fn request(&mut self, channel: usize, body: &[u8]) -> Outcome {
        self.send(Opcode::Request, channel, body)
    }

    fn signal(&mut self, channel: usize, body: &[u8]) -> Outcome {
        self.send(Opcode::Signal, channel, body)
    }

    fn answer(&mut self) -> Outcome<(usize, &[u8])> {
        let message = self.last.insert(self.receive()?);
        match message.opcode() {
            Opcode::Response => Ok((message.id() as usize - 1, message.body())),
            other => Err(format!("instead of an answer came a {other}").into()),
        }
    }

    fn flush(&mut self) -> Outcome {
        match self.group.try_receive()? {
            None => Ok(()),
            Some(other) => Err(format!("nothing was asked for, and {other:?} came").into()),
        }
    }

    fn cycle(&mut self) -> Outcome {
        let channel = self.hello()?;
        self.expect(Opcode::HelloResponse)?;
        let mut bye = self.message()?;
        bye.prepare(Opcode::ByeRequest, channel);
        self.group.post(bye)?;
        self.expect(Opcode::ByeResponse)?;
        self.expect_closed()
    }
}

pub(super) fn serve(place: &Place) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let mut welcome = engine.get().ok_or(Status::PoolEmpty)?;
    match place {
        Place::Tcp => welcome.listen_on("tcp|127.0.0.1|0")?,
        Place::Uds(path) => welcome.listen_on(format_args!("uds|{}", path.display()))?,
    }
    // As many as there are numbers: more idle channels than a listener has by default.
    welcome.add_header(BOUNDS, "channels=65534")?;
    group.post(welcome)?;
    let mut tally = Tally::default();
    while let Some(received) = group.wait_receive(None)? {
        match received {
            Received::Peer(message) if message.opcode() == Opcode::Signal => {
                tally.take(message.body().len());
            }
            Received::Peer(message) => answer(&group, message)?,
            Received::Returned(welcome, Status::Success) => {
                announce(welcome.text().get_str(LISTEN_ON).ok_or("a listener without address")?);
            }
            // Clients come and go.
            Received::Returned(..) | Received::Notice(_) => {}
        }
    }
    Ok(())
}

fn answer(group: &ChannelGroup, mut message: Message) -> Outcome {
    message.reply()?;
    match group.post_wait(message, None) {
        Err(error)
            if !matches!(error.status, Status::ChannelClosed | Status::InvalidChannelNumber) =>
        {
            Err(error.into())
        }
        _ => Ok(()),
    }
}
