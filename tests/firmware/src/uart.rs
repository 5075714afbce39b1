//! The UART image: the emulator's end of the line is a Unix socket.

use crate::emulator::{Emulator, PATIENCE, Place};
use crate::table::Row;
use crate::{Outcome, check, ensure, row};
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tofu_core::{Engine, GroupId, Limits, Options, Pool};
use tofu_serial::Serial;
use tofu_std::testing::TempSocketPath;
use tofu_std::{ChannelNumber, Host, Message, Opcode, Received, Status};

const MESSAGE: usize = 1_024;
const MESSAGES: u16 = 64;
const REQUESTS: u64 = 300;
/// Requests under way at once.
const WINDOW: u64 = 8;

/// Boots and checks the image.
pub(crate) fn run(place: &Place) -> Outcome<Row> {
    let path = TempSocketPath::new();
    let device = format!("socket,id=u0,path={},server=on,wait=off", path.path().display());
    let mut board = Emulator::boot(place, "uart", &["-chardev", &device, "-serial", "chardev:u0"])?;
    board.wait_value("listening", 0)?;
    let before = board.wait("free")?;
    let mut row = row(place, "uart", 0)?;
    for session in [1, 100] {
        let promise = ["it is reached over its line", "it is reached by a host that restarted"];
        check("uart", promise[usize::from(session > 1)], || {
            let mut client = Client::connect(path.path(), session)?;
            row.round_trip = client.round_trips(1)?;
            row.rate = client.round_trips(WINDOW)?.recip();
            client.bye()?;
            let free = board.closed(1)?;
            ensure(free == before, || format!("{free} messages are free, and were {before}"))
        })?;
    }
    row.stack = board.stack;
    Ok(row)
}

/// A client at this end of the line.
struct Client {
    engine: Engine<Host>,
    group: GroupId,
    line: Serial<Line>,
    channel: ChannelNumber,
    start: Instant,
}

impl Client {
    fn connect(path: &std::path::Path, session: u32) -> Outcome<Client> {
        let pool = Arc::new(Pool::new());
        pool.add_class(MESSAGE, MESSAGES);
        let limits = Limits { headers: 256, body: 512 };
        let mut engine = Engine::new(pool, &Options { limits, ..Options::DEFAULT });
        let staging = vec![0; 256].into_boxed_slice();
        let group = engine.open_group(staging).map_err(|_| "no group")?;
        let line = Serial::new(Line::open(path)?, "board", session, tofu_serial::Options::DEFAULT);
        let mut hello = engine.get().ok_or("the pool is empty")?;
        hello.connect_to("serial|board")?;
        let channel = engine.post(group, hello).map_err(|error| error.status)?.channel;
        let mut client = Client { engine, group, line, channel, start: Instant::now() };
        client.expect(Opcode::HelloResponse)?;
        Ok(client)
    }

    fn post(&mut self, opcode: Opcode, id: u64) -> Outcome {
        let mut message = self.engine.get().ok_or("the pool is empty")?;
        message.prepare(opcode, self.channel);
        message.set_id(id);
        if opcode == Opcode::Request {
            message.set_body([id as u8; 64])?;
        }
        self.engine.post(self.group, message).map_err(|error| error.status)?;
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Received> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let micros = u64::try_from(self.start.elapsed().as_micros())?;
            let now = tofu_core::Instant::from_micros(micros);
            let turn = self.line.turn(&mut self.engine, now, 16);
            if let Some(received) = self.engine.receive(self.group) {
                return Ok(received);
            }
            if !turn.more {
                thread::sleep(Duration::from_micros(50));
            }
        }
        Err("nothing comes over the line".into())
    }

    fn expect(&mut self, opcode: Opcode) -> Outcome<Message> {
        match self.receive()? {
            Received::Peer(message) if message.opcode() == opcode => Ok(message),
            other => Err(format!("instead of {opcode} came {other:?}").into()),
        }
    }

    /// Asks, `window` requests under way at once; the seconds each took.
    fn round_trips(&mut self, window: u64) -> Outcome<f64> {
        let start = Instant::now();
        let mut sent = 0;
        for received in 1..=REQUESTS {
            while sent < REQUESTS.min(received - 1 + window) {
                sent += 1;
                self.post(Opcode::Request, sent)?;
            }
            let answer = self.expect(Opcode::Response)?;
            let right = answer.id() == received && answer.body() == [received as u8; 64];
            ensure(right, || format!("to {received} came {answer:?}"))?;
        }
        Ok(start.elapsed().as_secs_f64() / REQUESTS as f64)
    }

    fn bye(&mut self) -> Outcome {
        self.post(Opcode::ByeRequest, 0)?;
        self.expect(Opcode::ByeResponse)?;
        match self.receive()? {
            Received::Notice(notice) if notice.status == Status::ChannelClosed => Ok(()),
            other => Err(format!("instead of channel_closed came {other:?}").into()),
        }
    }
}

/// A socket that does not block.
struct Line {
    stream: UnixStream,
    /// Bytes that were read to see whether there are any.
    ahead: VecDeque<u8>,
}

impl Line {
    fn open(path: &std::path::Path) -> Outcome<Line> {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        Ok(Line { stream, ahead: VecDeque::new() })
    }
}

impl ErrorType for Line {
    type Error = ErrorKind;
}

impl ReadReady for Line {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        if self.ahead.is_empty() {
            let mut bytes = [0; 512];
            match io::Read::read(&mut self.stream, &mut bytes) {
                Ok(count) => self.ahead.extend(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(ErrorKind::Other),
            }
        }
        Ok(!self.ahead.is_empty())
    }
}

impl WriteReady for Line {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        // Small messages: the socket has room for all that may be under way.
        Ok(true)
    }
}

impl Read for Line {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        io::Read::read(&mut self.ahead, buf).map_err(|_| ErrorKind::Other)
    }
}

impl Write for Line {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        io::Write::write(&mut self.stream, buf).map_err(|_| ErrorKind::Other)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
