//! Connects to a host and tells it readings, again and again. The host may ask for the last one, or for
//! the log, which is streamed. When the host goes away, it tries again until it is back.
//!
//! Arguments: `host=ADDRESS port=NUMBER`.
#![no_std]
#![no_main]

use core::time::Duration;
use cortex_m_rt::entry;
use tofu_core::{ChannelNumber, Engine, GroupId, Instant, MessageError, Notice, Opcode, Status};
use tofu_firmware::answers::Answers;
use tofu_firmware::board::Board;
use tofu_firmware::host::{self, Arguments};
use tofu_firmware::memory::{self, Message, Received, Tofu};
use tofu_firmware::network;

/// Messages moved before the packets get their turn.
const BUDGET: u32 = 16;
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two readings.
const READING: Duration = Duration::from_millis(100);
/// Between two heartbeats.
const BEAT: Duration = Duration::from_millis(250);
/// The log's length, of one message of it, and of what is sent between two reports of progress.
const LOG: u32 = 100 * 1024;
const BLOCK: u32 = 256;
const PROGRESS: u32 = 25 * 1024;

/// How late may be what is due by the sensor's own time.
const NAP: Duration = Duration::from_millis(10);

#[entry]
fn main() -> ! {
    run();
    host::exit(false)
}

fn run() -> Option<()> {
    let arguments = Arguments::get();
    let board = Board::take()?;
    let mut stack = network::stack(board.ethernet)?;
    let (engine, group) = memory::engine(&memory::OPTIONS)?;
    let mut sensor = Sensor::new(group, arguments.value("host")?, arguments.value("port")?);
    loop {
        let now = board.clock.now();
        let turn = stack.turn(engine, now, board.ethernet, BUDGET);
        let worked = sensor.work(engine, now);
        if !turn.more && !worked {
            let deadline = turn.deadline.unwrap_or(Instant::FAR).min(now.after(NAP));
            board.ethernet.sleep_until(Some(deadline), &board.clock);
        }
    }
}

/// The application.
struct Sensor<'a> {
    group: GroupId,
    answers: Answers,
    host: &'a str,
    port: &'a str,
    /// Where the host is, if it is there.
    channel: Option<ChannelNumber>,
    connect_at: Instant,
    read_at: Instant,
    beat_at: Instant,
    readings: u32,
    log: Option<Log>,
}

/// A log on its way to the host.
#[derive(Clone, Copy)]
struct Log {
    id: u64,
    sent: u32,
    progress_at: u32,
}

impl<'a> Sensor<'a> {
    fn new(group: GroupId, host: &'a str, port: &'a str) -> Self {
        Sensor {
            group,
            answers: Answers::new(group),
            host,
            port,
            channel: None,
            connect_at: Instant::ZERO,
            read_at: Instant::ZERO,
            beat_at: Instant::ZERO,
            readings: 0,
            log: None,
        }
    }

    /// Does what is due. True if more may be due at once.
    fn work(&mut self, engine: &mut Engine<Tofu>, now: Instant) -> bool {
        let received = self.receive(engine, now);
        let Some(channel) = self.channel else {
            if now >= self.connect_at {
                self.connect_at = now.after(PAUSE);
                self.connect(engine);
            }
            return received;
        };
        // What finds no room now is tried again.
        if now >= self.read_at && self.tell_reading(engine, channel).is_some() {
            self.read_at = now.after(READING);
        }
        if now >= self.beat_at && self.beat(engine, channel).is_some() {
            self.beat_at = now.after(BEAT);
        }
        let streamed = self.send_log(engine, channel).is_some();
        received || streamed
    }

    fn connect(&mut self, engine: &mut Engine<Tofu>) -> Option<()> {
        let mut hello = engine.get()?;
        hello.connect_to(format_args!("tcp|{}|{}", self.host, self.port)).ok()?;
        self.channel = Some(engine.post(self.group, hello).ok()?.channel);
        Some(())
    }

    /// A reading is a Signal; its number is what was read.
    fn tell_reading(&mut self, engine: &mut Engine<Tofu>, channel: ChannelNumber) -> Option<()> {
        let mut signal = engine.get()?;
        signal.prepare(Opcode::Signal, channel);
        signal.add_header_display("reading", self.readings + 1).ok()?;
        engine.post(self.group, signal).ok()?;
        self.readings += 1;
        Some(())
    }

    /// A heartbeat is a Signal with nothing in it.
    fn beat(&self, engine: &mut Engine<Tofu>, channel: ChannelNumber) -> Option<()> {
        let mut signal = engine.get()?;
        signal.prepare(Opcode::Signal, channel);
        engine.post(self.group, signal).ok()?;
        Some(())
    }

    /// The next message of the log; `None` if none is asked for, or there is no room.
    fn send_log(&mut self, engine: &mut Engine<Tofu>, channel: ChannelNumber) -> Option<()> {
        let mut log = self.log?;
        let mut message = engine.get()?;
        message.set_channel(channel);
        message.set_id(log.id);
        log.fill(&mut message).ok()?;
        engine.post(self.group, message).ok()?;
        self.log = (log.sent < LOG).then_some(log);
        Some(())
    }

    /// True if something was received.
    fn receive(&mut self, engine: &mut Engine<Tofu>, now: Instant) -> bool {
        let mut some = self.answers.retry(engine);
        while let Some(received) = engine.receive(self.group) {
            some = true;
            match received {
                Received::Peer(message) => self.handle(engine, message),
                // What was said to a host that is gone is not worth saying again.
                Received::Returned(..) => {}
                Received::Notice(notice) => self.note(engine, &notice, now),
            }
        }
        some
    }

    fn handle(&mut self, engine: &mut Engine<Tofu>, mut message: Message) {
        match message.opcode() {
            Opcode::HelloResponse => host::say("connected", self.readings as usize),
            Opcode::Request if message.text().get("log").is_some() && self.log.is_none() => {
                self.log = Some(Log { id: message.id(), sent: 0, progress_at: PROGRESS });
            }
            Opcode::Request => {
                message.clear();
                // A number is short.
                let _ = message.add_header_display("reading", self.readings);
                self.answers.answer(engine, message);
            }
            Opcode::ByeRequest => self.answers.answer(engine, message),
            // The host's echo of a Signal.
            _ => {}
        }
    }

    fn note(&mut self, engine: &Engine<Tofu>, notice: &Notice, now: Instant) {
        host::say("notice", notice.status.code().into());
        if notice.status == Status::ChannelClosed {
            host::report(engine.pool().free());
            self.channel = None;
            self.log = None;
            self.connect_at = now.after(PAUSE);
        }
    }
}

impl Log {
    /// The next part of the log, or how far it is.
    fn fill(&mut self, message: &mut Message) -> Result<(), MessageError> {
        if self.sent >= self.progress_at {
            message.set_opcode(Opcode::Signal);
            message.add_header_display("Progress", format_args!("{}:{LOG}", self.sent))?;
            self.progress_at += PROGRESS;
            return Ok(());
        }
        let len = BLOCK.min(LOG - self.sent);
        message.set_opcode(Opcode::Response);
        message.resize_body(len as usize)?;
        for (at, byte) in (self.sent..).zip(message.body_mut()) {
            *byte = log_byte(at);
        }
        self.sent += len;
        message.set_more(self.sent < LOG);
        Ok(())
    }
}

/// What the log holds: something else everywhere, so that a piece that is missing shows.
fn log_byte(at: u32) -> u8 {
    let [byte, ..] = (at.wrapping_mul(31) ^ (at >> 8)).to_le_bytes();
    byte
}
