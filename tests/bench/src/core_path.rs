//! The way of a message through the engine, in one thread: filled in, posted, framed, parsed, received.

use crate::Outcome;
use crate::wire::Wire;
use std::rc::Rc;
use tofu_core::{
    ChannelNumber, Engine, GroupId, Instant, LocalLock, Opcode, Options, Pool, Received, Transport,
};
use tofu_loopback::{Endpoint, Faults, Network};

/// The most messages that are posted before they are received.
pub const BATCH: u64 = 64;

const BODY: [u8; 64] = [7; 64];
const ADDRESS: &str = "mem|core";
const STAGING: usize = 64 * 1024;
/// Messages of a turn.
const BUDGET: u32 = 1_024;

tofu_core::platform! {
    /// Memory for one connection of an engine with itself.
    pub struct Memory {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Memory>>,
        lock: LocalLock,
        classes: 1,
        // A channel and a group may each hold half of what is there.
        messages: 512,
        channels: 3,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

/// An engine connected with itself.
pub struct CorePath<T> {
    engine: Engine<Memory>,
    io: T,
    group: GroupId,
    channel: ChannelNumber,
}

impl CorePath<Wire> {
    /// Over a buffer, which costs as little as moving bytes can.
    pub fn over_wire() -> Outcome<Self> {
        CorePath::new(Wire::default())
    }
}

impl CorePath<Endpoint> {
    /// Over the simulated network, which costs more than the engine does.
    pub fn over_loopback() -> Outcome<Self> {
        CorePath::new(Network::new(1, Faults::default()).endpoint())
    }
}

impl<T: Transport> CorePath<T> {
    fn new(io: T) -> Outcome<Self> {
        let pool = Rc::new(Pool::new());
        pool.add_class(1_088, 512);
        let mut engine = Engine::new(pool, &Options::DEFAULT);
        let staging = vec![0; STAGING].into_boxed_slice();
        let group = engine.open_group(staging).map_err(|_| "no place for a group")?;
        let mut path = CorePath { engine, io, group, channel: ChannelNumber::NONE };
        path.connect()?;
        Ok(path)
    }

    fn connect(&mut self) -> Outcome {
        let mut welcome = self.engine.get().ok_or("the pool is empty")?;
        welcome.listen_on(ADDRESS)?;
        self.engine.post(self.group, welcome).map_err(|error| error.status)?;
        let mut hello = self.engine.get().ok_or("the pool is empty")?;
        hello.connect_to(ADDRESS)?;
        self.channel = self.engine.post(self.group, hello).map_err(|error| error.status)?.channel;
        for _ in 0..10 {
            self.turn();
            while let Some(received) = self.engine.receive(self.group) {
                if matches!(received, Received::Peer(hello) if hello.opcode() == Opcode::HelloRequest)
                {
                    return Ok(());
                }
            }
        }
        Err("no hello came".into())
    }

    fn turn(&mut self) {
        self.engine.turn(Instant::ZERO, &mut self.io, BUDGET);
    }

    /// Sends `count` messages, `batch` at once, of which it is a multiple.
    pub fn run(&mut self, count: u64, batch: u64) -> Outcome {
        for _ in 0..count / batch {
            for _ in 0..batch {
                let mut signal = self.engine.get().ok_or("the pool is empty")?;
                signal.prepare(Opcode::Signal, self.channel).set_body(BODY)?;
                self.engine.post(self.group, signal).map_err(|error| error.status)?;
            }
            // One turn sends, the next receives.
            self.turn();
            self.turn();
            for _ in 0..batch {
                match self.engine.receive(self.group) {
                    Some(Received::Peer(signal)) if signal.body() == BODY => {}
                    other => return Err(format!("instead of a signal came {other:?}").into()),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_through() {
        CorePath::over_wire().unwrap().run(2 * BATCH, BATCH).unwrap();
        CorePath::over_loopback().unwrap().run(3, 1).unwrap();
    }
}
