//! A peer to be killed, stopped and started again: `peer listen ADDRESS`, or `peer connect ADDRESS CHANNELS`.
//!
//! Says where it listens, once it does, and ends with its stdin. What it does on a channel it is told by a
//! Request: `stream` is answered by Signals without end, their ids 1, 2, 3, …; `count` by the number
//! of Signals that came, if their ids were that; anything else by itself.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;
use std::{env, process, thread};
use tofu_std::{ChannelGroup, ChannelNumber, Engine, LISTEN_ON, Message, Opcode, Received, Status};

type Error = Box<dyn std::error::Error>;

/// How long it waits when it can neither send nor has anything to receive.
const PAUSE: Duration = Duration::from_millis(1);
/// The body of each Signal of a stream.
const BODY: [u8; 600] = [7; 600];

fn main() -> Result<(), Error> {
    thread::spawn(|| {
        // Whoever started this is gone, or has had enough.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let engine = Engine::new()?;
    let mut peer = Peer { group: engine.group()?, engine, channels: BTreeMap::new() };
    match arguments[..] {
        ["listen", address] => peer.listen(address)?,
        ["connect", address, channels] => {
            (0..channels.parse::<u32>()?).try_for_each(|_| peer.connect(address))?;
        }
        _ => return Err("peer listen ADDRESS | peer connect ADDRESS CHANNELS".into()),
    }
    peer.run()
}

struct Peer {
    engine: Engine,
    group: ChannelGroup,
    channels: BTreeMap<ChannelNumber, Channel>,
}

#[derive(Default)]
struct Channel {
    /// The id of the Signal that is sent next, if there is a stream.
    next: Option<u64>,
    /// How many Signals came, until one was out of order.
    count: u64,
    out_of_order: bool,
}

impl Peer {
    fn listen(&self, address: &str) -> Result<(), Error> {
        let mut welcome = self.engine.get().ok_or(Status::PoolEmpty)?;
        welcome.listen_on(address)?;
        self.group.post(welcome)?;
        match self.group.wait_receive(None)? {
            Some(Received::Returned(message, Status::Success)) => {
                println!("{}", message.text().get_str(LISTEN_ON).unwrap_or_default());
                Ok(())
            }
            other => Err(format!("cannot listen: {other:?}").into()),
        }
    }

    fn connect(&mut self, address: &str) -> Result<(), Error> {
        let mut hello = self.engine.get().ok_or(Status::PoolEmpty)?;
        hello.connect_to(address)?;
        let channel = self.group.post(hello)?.channel;
        self.channels.insert(channel, Channel::default());
        Ok(())
    }

    fn run(&mut self) -> Result<(), Error> {
        loop {
            let streams = self.channels.values().any(|channel| channel.next.is_some());
            let sent = streams && self.send();
            let wait = match (streams, sent) {
                (false, _) => None,
                (true, false) => Some(PAUSE),
                (true, true) => Some(Duration::ZERO),
            };
            match self.group.wait_receive(wait)? {
                Some(Received::Peer(message)) => self.take(message)?,
                Some(Received::Notice(notice)) => drop(self.channels.remove(&notice.channel)),
                Some(Received::Returned(..)) | None => {}
            }
        }
    }

    /// Sends the next Signal of each stream that has room; whether there was one.
    fn send(&mut self) -> bool {
        let mut sent = false;
        for (&number, channel) in &mut self.channels {
            let Some(next) = channel.next else { continue };
            let Some(mut signal) = self.engine.get() else { break };
            signal.prepare(Opcode::Signal, number).set_id(next);
            if signal.set_body(BODY).is_ok() && self.group.post(signal).is_ok() {
                channel.next = Some(next + 1);
                sent = true;
            }
        }
        sent
    }

    fn take(&mut self, mut message: Message) -> Result<(), Error> {
        let channel = self.channels.entry(message.channel()).or_default();
        match (message.opcode(), message.body()) {
            (Opcode::Signal, _) => {
                channel.out_of_order |= message.id() != channel.count + 1;
                channel.count += u64::from(!channel.out_of_order);
                return Ok(());
            }
            (Opcode::Request, b"stream") => {
                channel.next = Some(1);
                return Ok(());
            }
            (Opcode::Request, b"count") => {
                let count = channel.count.to_string();
                message.set_body(count)?;
            }
            _ => {}
        }
        if message.reply().is_ok()
            && let Err(refused) = self.group.post_wait(message, None)
            && refused.status != Status::ChannelClosed
        {
            return Err(refused.status.into());
        }
        Ok(())
    }
}
