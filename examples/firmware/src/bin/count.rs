//! How many instructions tofu spends on one message: filled in and posted on one channel, sent over
//! memory, framed in and dispatched on another.
//!
//! To be run under `-icount shift=7`, where each instruction takes 128 ns, whatever it does.
#![no_std]
#![no_main]

use core::fmt;
use core::task::Poll;
use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m_rt::entry;
use tofu_core::{
    Address, ChannelNumber, Close, Engine, GroupId, Instant, Link, Opcode, Options, Ready, Status,
    Transport,
};
use tofu_firmware::host;
use tofu_firmware::memory::{self, Message, Received, Tofu};

const BODY: [u8; 64] = *b"sixty-four bytes: as much as one reading of a sensor is made of.";
/// Messages that are counted.
const ROUNDS: u32 = 1_000;
const ADDRESS: &str = "mem|wire";

#[entry]
fn main() -> ! {
    host::exit(run().is_some())
}

fn run() -> Option<()> {
    let mut systick = cortex_m::Peripherals::take()?.SYST;
    systick.set_reload(0x00ff_ffff);
    systick.set_clock_source(SystClkSource::Core);
    systick.enable_counter();

    let mut wire = Wire::default();
    let (engine, group) = memory::engine(&Options::DEFAULT)?;
    let channel = open(engine, group, &mut wire)?;
    // The ruler first: two instructions a turn of this loop.
    let ruler = count(|| {
        cortex_m::asm::delay(ROUNDS);
        Some(())
    });
    host::say("ruler", ruler? as usize);
    if exchange(engine, group, channel, &mut wire)?.body() != BODY {
        return None;
    }
    let all = count(|| {
        for _ in 0..ROUNDS {
            exchange(engine, group, channel, &mut wire)?;
        }
        Some(())
    });
    host::say("instructions", (all? / ROUNDS) as usize);
    Some(())
}

/// Instructions that `f` takes: one is 128 ns, a tick of SysTick 80 ns.
fn count(f: impl FnOnce() -> Option<()>) -> Option<u32> {
    let before = SYST::get_current();
    f()?;
    let ticks = before.wrapping_sub(SYST::get_current()) & 0x00ff_ffff;
    Some(ticks * 5 / 8)
}

/// Connects the engine with itself.
fn open(engine: &mut Engine<Tofu>, group: GroupId, wire: &mut Wire) -> Option<ChannelNumber> {
    let mut welcome = engine.get()?;
    welcome.listen_on(ADDRESS).ok()?;
    engine.post(group, welcome).ok()?;
    let mut hello = engine.get()?;
    hello.connect_to(ADDRESS).ok()?;
    let channel = engine.post(group, hello).ok()?.channel;
    for _ in 0..10 {
        engine.turn(Instant::ZERO, wire, 16);
        match engine.receive(group) {
            Some(Received::Peer(hello)) if hello.opcode() == Opcode::HelloRequest => {
                return Some(channel);
            }
            _ => {}
        }
    }
    None
}

/// One message, from an empty one to the arm of the `match` that handles it.
fn exchange(
    engine: &mut Engine<Tofu>,
    group: GroupId,
    channel: ChannelNumber,
    wire: &mut Wire,
) -> Option<Message> {
    let mut signal = engine.get()?;
    signal.prepare(Opcode::Signal, channel);
    signal.set_body(BODY).ok()?;
    engine.post(group, signal).ok()?;
    // One turn sends, the next receives.
    engine.turn(Instant::ZERO, wire, 16);
    engine.turn(Instant::ZERO, wire, 16);
    match engine.receive(group)? {
        Received::Peer(signal) if signal.body().len() == BODY.len() => Some(signal),
        _ => None,
    }
}

/// A transport in memory: one connection, one way.
struct Wire {
    listener: Option<Link>,
    /// The accepting end.
    server: Option<Link>,
    bytes: [u8; memory::MESSAGE],
    len: usize,
    /// News, at most one for each link and the listener's two.
    ready: [Option<(Link, Ready)>; 4],
}

impl Default for Wire {
    fn default() -> Self {
        Wire { listener: None, server: None, bytes: [0; memory::MESSAGE], len: 0, ready: [None; 4] }
    }
}

impl Wire {
    fn tell(&mut self, link: Option<Link>, ready: Ready) {
        if let (Some(link), Some(place)) = (link, self.ready.iter_mut().find(|at| at.is_none())) {
            *place = Some((link, ready));
        }
    }
}

impl Transport for Wire {
    fn listen(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        self.listener = Some(link);
        self.tell(Some(link), Ready::Opened);
        Ok(())
    }

    fn connect(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        self.tell(Some(link), Ready::Opened);
        self.tell(self.listener, Ready::Readable);
        Ok(())
    }

    fn local_address(&self, _: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(ADDRESS)
    }

    fn accept(&mut self, _: Link, link: Link) -> Poll<Result<(), Status>> {
        if self.server.is_some() {
            return Poll::Pending;
        }
        self.server = Some(link);
        self.tell(Some(link), Ready::Readable);
        Poll::Ready(Ok(()))
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        if self.server != Some(link) || self.len == 0 {
            return Poll::Pending;
        }
        let mut rest = &self.bytes[..self.len];
        for buf in bufs {
            let (now, later) = rest.split_at(buf.len().min(rest.len()));
            buf[..now.len()].copy_from_slice(now);
            rest = later;
        }
        let (read, left) = (self.len - rest.len(), rest.len());
        self.bytes.copy_within(read..read + left, 0);
        self.len = left;
        Poll::Ready(Ok(read))
    }

    fn send(&mut self, _: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        let before = self.len;
        for buf in bufs {
            let count = buf.len().min(self.bytes.len() - self.len);
            self.bytes[self.len..self.len + count].copy_from_slice(&buf[..count]);
            self.len += count;
        }
        self.tell(self.server, Ready::Readable);
        Poll::Ready(Ok(self.len - before))
    }

    fn want_write(&mut self, _: Link, _: bool) {}

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        self.ready.iter_mut().find_map(Option::take)
    }

    fn close(&mut self, _: Link, _: Close) {}
}
