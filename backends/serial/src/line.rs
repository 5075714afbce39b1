//! The line: reads and writes it, and sorts its packets by session.

use crate::buffer::Outbox;
use crate::packet::{Assembler, Header, Kind, LONGEST, SHORTEST};
use crate::session::Session;
use crate::{Options, Stats};
use embedded_io::{Read, ReadReady, Write, WriteReady};
use tofu_core::{Engine, Instant, Link, Platform, Status, Turn};

/// How many bytes are read from the line at once.
const CHUNK: usize = 64;
/// How often the line is read before others get their turn.
const READS: usize = 64;

/// One end of a line, as the [`Transport`](tofu_core::Transport) of one engine.
///
/// `RX` is how many bytes may wait to be read in each direction of opening: what the peer
/// sends before it waits for this engine. `TX` is how many may wait for the line. Two of the first, one of
/// the second and some 500 bytes are what it takes. `RX` is from 64 to 32,767 bytes, `TX` at least 256; by default
/// both are 512.
///
/// ```
/// # fn line(uart: impl embedded_io::Read + embedded_io::Write + embedded_io::ReadReady + embedded_io::WriteReady) {
/// use tofu_serial::{Options, Serial};
/// let boots = 7; // from a random source, or counted in flash
/// let line: Serial<_> = Serial::new(uart, "sensor", boots << 16, Options::default());
/// # }
/// ```
pub struct Serial<IO, const RX: usize = 512, const TX: usize = 512> {
    io: IO,
    pub(crate) name: &'static str,
    options: Options,
    pub(crate) now: Instant,
    pub(crate) next_session: u32,
    assembler: Assembler,
    pub(crate) outbox: Outbox<TX>,
    pub(crate) listener: Option<Listener>,
    /// What this engine opened.
    pub(crate) opened: Session<RX>,
    /// What the peer opened.
    pub(crate) accepted: Session<RX>,
    /// Which of the two is told first that there is room: who did not send last.
    pub(crate) accepted_first: bool,
    more_to_read: bool,
    /// The last read failed.
    failing: bool,
    pub(crate) stats: Stats,
}

/// Who listens on the line.
pub(crate) struct Listener {
    pub(crate) link: Link,
    pub(crate) opened_told: bool,
    pub(crate) readable: bool,
}

impl<IO, const RX: usize, const TX: usize> Serial<IO, RX, TX>
where
    IO: Read + Write + ReadReady + WriteReady,
{
    /// An end of `io` that answers to `serial|NAME`.
    ///
    /// `session` is the number of the first session this side opens; the following ones count
    /// up. A device that restarts should not use the numbers of the last run again: take them from a
    /// random source, or from a counter that outlives a restart.
    pub fn new(io: IO, name: &'static str, session: u32, options: Options) -> Self {
        const {
            assert!(RX >= 64 && RX <= i16::MAX as usize, "RX is from 64 to 32,767");
            assert!(TX >= LONGEST, "TX is at least 256");
        }
        Serial {
            io,
            name,
            options,
            now: Instant::ZERO,
            next_session: session,
            assembler: Assembler::new(),
            outbox: Outbox::new(),
            listener: None,
            opened: Session::new(true),
            accepted: Session::new(false),
            accepted_first: false,
            more_to_read: false,
            failing: false,
            stats: Stats::default(),
        }
    }

    /// The line itself, for instance to serve its interrupt.
    pub fn io(&mut self) -> &mut IO {
        &mut self.io
    }

    /// What has been counted so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether something waits for the line to take it: wake up for that as well.
    pub fn wants_write(&self) -> bool {
        !self.outbox.waiting().is_empty()
    }

    /// Moves bytes in, gives the engine its turn, moves bytes out. As [`Engine::turn`], but
    /// minds the line's timeouts as well.
    ///
    /// Call it when the line has bytes, when it can take some and [`Serial::wants_write`], when
    /// [`Turn::deadline`] passes, after a post, and at once while [`Turn::more`] holds.
    pub fn turn<P: Platform>(&mut self, engine: &mut Engine<P>, now: Instant, budget: u32) -> Turn {
        self.poll(now);
        let turn = engine.turn(now, self, budget);
        self.write_line();
        let deadline = turn.deadline.into_iter().chain(self.deadline()).min();
        Turn { more: turn.more || self.has_more(), deadline, ..turn }
    }

    /// The line's part of [`Serial::turn`]: moves bytes in and out, and looks at timeouts. For
    /// drivers that give the engine its turn themselves; call it before and after.
    pub fn poll(&mut self, now: Instant) {
        self.now = self.now.max(now);
        // What has arrived by now counts, however late it is read.
        self.read_line();
        self.opened.expire(self.now, &self.options);
        self.accepted.expire(self.now, &self.options);
        self.write_line();
    }

    /// When [`Serial::poll`] is due, if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let has_room = self.outbox.room() >= SHORTEST;
        let deadlines =
            [&self.opened, &self.accepted].map(|it| it.deadline(&self.options, has_room));
        deadlines.into_iter().flatten().min()
    }

    /// Whether there is more to do now: bytes to read, or news for the engine.
    pub fn has_more(&self) -> bool {
        self.more_to_read || self.has_news()
    }

    // In.

    fn read_line(&mut self) {
        self.more_to_read = false;
        for _ in 0..READS {
            let mut chunk = [0; CHUNK];
            let read = match self.io.read_ready() {
                Ok(false) => return,
                Ok(true) => self.io.read(&mut chunk),
                Err(error) => Err(error),
            };
            match read {
                // The line is gone.
                Ok(0) => return self.fail(),
                Ok(count) => chunk.iter().take(count).for_each(|&byte| self.take_byte(byte)),
                Err(_) => {
                    // For instance a UART that was not served in time. What fails again and again
                    // is not worth hurrying back to.
                    self.more_to_read = !core::mem::replace(&mut self.failing, true);
                    return self.take_damage();
                }
            }
            self.failing = false;
        }
        self.more_to_read = true;
    }

    fn take_byte(&mut self, byte: u8) {
        match self.assembler.feed(byte) {
            None => {}
            Some(Ok(packet)) => self.take_packet(&packet),
            Some(Err(_)) => self.take_damage(),
        }
    }

    fn take_damage(&mut self) {
        self.stats.damaged = self.stats.damaged.wrapping_add(1);
        self.fail();
    }

    /// Nobody knows whose bytes were lost: both sessions end.
    fn fail(&mut self) {
        self.opened.fail(Status::CommunicationFailed);
        self.accepted.fail(Status::CommunicationFailed);
    }

    fn take_packet(&mut self, packet: &Header) {
        self.stats.received = self.stats.received.wrapping_add(1);
        let now = self.now;
        let session = if packet.from_opener { &mut self.accepted } else { &mut self.opened };
        let known = match packet.kind {
            Kind::Open if packet.from_opener => {
                session.take_open(packet, self.listener.is_some(), now);
                true
            }
            Kind::OpenAck if !packet.from_opener => session.take_open_ack(packet, now),
            // No peer sends these.
            Kind::Open | Kind::OpenAck => true,
            Kind::Data | Kind::Alive => session.take(packet, self.assembler.payload(), now),
            Kind::Close => {
                // Who closes does not wait for an answer.
                session.take(packet, &[], now);
                true
            }
            Kind::Refuse | Kind::Abort => {
                session.take_end(packet.session, Status::PeerDisconnected);
                true
            }
            Kind::Lost => {
                session.take_end(packet.session, Status::CommunicationFailed);
                true
            }
        };
        if !known {
            session.disown(packet.session);
        }
        self.wake_listener();
    }

    // Out.

    /// Queues what is due and writes what the line takes.
    fn write_line(&mut self) {
        self.queue_due();
        self.drain();
        // There is room now.
        self.queue_due();
        self.drain();
        if self.outbox.room() >= LONGEST {
            self.opened.unblock();
            self.accepted.unblock();
        }
    }

    fn queue_due(&mut self) {
        for session in [&mut self.opened, &mut self.accepted] {
            // A farewell, and the beginning of what comes after it.
            for _ in 0..2 {
                let Some(header) = session.due(self.now, &self.options) else { break };
                if !self.outbox.append(|room| header.write([].into_iter(), room)) {
                    break;
                }
                session.note_due(&header, self.now);
            }
        }
    }

    fn drain(&mut self) {
        // Each round takes at least one byte.
        for _ in 0..TX {
            if !self.wants_write() {
                return;
            }
            let written = match self.io.write_ready() {
                Ok(true) => self.io.write(self.outbox.waiting()),
                Ok(false) => return,
                Err(error) => Err(error),
            };
            match written {
                Ok(0) => return,
                Ok(count) => self.outbox.consume(count),
                Err(_) => {
                    // How much of it went out is not known.
                    self.outbox.clear();
                    return self.take_damage();
                }
            }
        }
    }
}

impl<IO, const RX: usize, const TX: usize> Serial<IO, RX, TX> {
    /// Tells the listener of a session that waits.
    pub(crate) fn wake_listener(&mut self) {
        if let Some(listener) = &mut self.listener {
            listener.readable |= self.accepted.is_waiting();
        }
    }

    pub(crate) fn has_news(&self) -> bool {
        let listener = self.listener.as_ref();
        listener.is_some_and(|it| !it.opened_told || it.readable)
            || self.opened.has_news()
            || self.accepted.has_news()
    }
}
