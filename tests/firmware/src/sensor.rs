//! The sensor image, with a host that comes and goes.

use crate::client::Client;
use crate::emulator::{Emulator, PATIENCE, Place};
use crate::raw::{Raw, frame};
use crate::table::Row;
use crate::{Outcome, check, ensure, row};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tofu_std::testing::free_tcp_port;
use tofu_std::{Engine, Message, Opcode, Received, Status};

/// What the image's log holds.
const LOG: usize = 100 * 1024;
/// How often the image says how far the log is.
const PROGRESS: usize = 25 * 1024;
/// Free messages with one that is filled in for the next try, at least.
const ALMOST_ALL: u32 = 15;
/// How long the board has for some requests, before it gets more.
const MOMENT: Duration = Duration::from_millis(10);
/// Requests at once: many times the pool's messages.
const SOME: u64 = 250;
/// More answers than fit between the board and a host that does not read.
const MANY: u64 = 500_000;

/// `tofu serve`; ends when dropped, without a goodbye.
struct Serve(Child);

impl Serve {
    fn start(place: &Place, port: u16) -> Outcome<Serve> {
        let mut process = Command::new(&place.tofu)
            .args(["serve", &format!("tcp|127.0.0.1|{port}")])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", place.tofu.display()))?;
        let output = process.stdout.take().ok_or("no output")?;
        let serve = Serve(process);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure(line.starts_with("listening"), || format!("tofu serve says {line:?}"))?;
        Ok(serve)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots and checks the image.
pub(crate) fn run(place: &Place) -> Outcome<Row> {
    let port = free_tcp_port()?;
    let mut board = Emulator::with_host(place, "sensor", port)?;
    check("sensor", "it waits for its host", || board.wait_value("notice", closed()))?;
    check("sensor", "its host is killed and restarted", || {
        for _ in 0..3 {
            let serve = Serve::start(place, port)?;
            board.wait("connected")?;
            drop(serve);
            board.wait_value("notice", closed())?;
            let free = board.wait("free")?;
            ensure(free >= ALMOST_ALL, || format!("only {free} messages are free"))?;
        }
        Ok(())
    })?;
    check(
        "sensor",
        "a host that asks and does not listen uses up the pool, which is said; then all recovers",
        || exhaust(&mut board, port),
    )?;
    let host = listen(port)?;
    check("sensor", "it tells its readings, and that it lives", || hear(&host))?;
    check("sensor", "it answers its host's requests", || ask(&host))?;
    check("sensor", "it streams its log down, and says how far it is", || fetch_log(&host))?;
    check("sensor", "it answers a goodbye, and comes back", || {
        host.post(host.message(Opcode::ByeRequest)?)?;
        wait_for(&host, |message| message.opcode() == Opcode::ByeResponse).map(drop)?;
        board.wait("free")?;
        let hello = wait_for(&host, |message| message.opcode() == Opcode::HelloRequest)?;
        ensure(hello.channel() != host.channel, || "on a channel that was closed".to_owned())
    })?;
    row(place, "sensor", board.stack)
}

fn closed() -> u32 {
    Status::ChannelClosed.code().into()
}

/// Asks without reading an answer, until the board has no message left to take another request; then reads
/// them all.
///
/// It takes a board that is the client. A server does not read whose answers are not sent: each of four
/// channels holds at most half of what the others have left, 8, 4, 2 and 1 of 16 messages.
fn exhaust(board: &mut Emulator, port: u16) -> Outcome {
    let mut host = Raw::accept(port)?;
    board.wait("connected")?;
    let (mut asked, dry) = (0, Status::PoolEmpty.code().into());
    while !board.says("notice", dry, MOMENT) {
        ensure(asked < MANY, || format!("{asked} requests do not use up the pool"))?;
        for _ in 0..SOME {
            asked += 1;
            host.stream.write_all(&frame(Opcode::Request, asked, b""))?;
        }
    }
    host.stream.write_all(&frame(Opcode::ByeRequest, asked + 1, b""))?;
    let mut answered = 0;
    loop {
        let (header, _) = host.read()?;
        match header.opcode {
            Opcode::Signal => {}
            Opcode::Response if header.id == answered + 1 => answered += 1,
            Opcode::ByeResponse if answered == asked => break,
            _ => return Err(format!("after {answered} of {asked} came {header:?}").into()),
        }
    }
    board.wait_value("notice", closed())?;
    let free = board.wait("free")?;
    ensure(free >= ALMOST_ALL, || format!("only {free} messages are free"))
}

/// Listens, and answers the board's hello.
fn listen(port: u16) -> Outcome<Client> {
    let group = Engine::new()?.group()?;
    let mut welcome = group.engine().get().ok_or("the pool is empty")?;
    welcome.listen_on(format_args!("tcp|127.0.0.1|{port}"))?;
    let channel = group.post(welcome)?.channel;
    let mut host = Client { group, channel };
    let mut hello = wait_for(&host, |message| message.opcode() == Opcode::HelloRequest)?;
    host.channel = hello.channel();
    hello.reply()?;
    host.post(hello)?;
    Ok(host)
}

/// The next message that is what it should be; others are let pass.
fn wait_for(host: &Client, wanted: impl Fn(&Message) -> bool) -> Outcome<Message> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match host.receive()? {
            Received::Peer(message) if wanted(&message) => return Ok(message),
            Received::Returned(message, status) if !status.is_success() => {
                return Err(format!("{} came back: {status}", message.opcode()).into());
            }
            _ => {}
        }
    }
    Err("the message that was wanted does not come".into())
}

fn reading(message: &Message) -> Option<u32> {
    message.text().get_str("reading")?.parse().ok()
}

fn hear(host: &Client) -> Outcome {
    let (mut last, mut readings, mut beats) = (None, 0, 0);
    while readings < 8 || beats < 3 {
        let signal = wait_for(host, |message| message.opcode() == Opcode::Signal)?;
        match reading(&signal) {
            Some(number) => {
                let next = last.is_none_or(|last: u32| number == last + 1);
                ensure(next, || format!("after {last:?} came reading {number}"))?;
                last = Some(number);
                readings += 1;
            }
            None => beats += 1,
        }
    }
    Ok(())
}

fn ask(host: &Client) -> Outcome {
    for _ in 0..100 {
        let id = host.request("")?;
        let answer = wait_for(host, |message| message.opcode() == Opcode::Response)?;
        ensure(answer.id() == id && reading(&answer).is_some(), || format!("came {answer:?}"))?;
    }
    Ok(())
}

fn fetch_log(host: &Client) -> Outcome {
    let mut request = host.message(Opcode::Request)?;
    request.add_header("log", "all")?;
    let id = host.post(request)?;
    let mut log = Vec::new();
    let mut reports = 0;
    loop {
        let message = wait_for(host, |message| message.id() == id)?;
        if message.opcode() == Opcode::Signal {
            let progress = message.text().get_str("Progress").unwrap_or_default();
            ensure(progress == format!("{}:{LOG}", log.len()), || format!("progress {progress}"))?;
            reports += 1;
            continue;
        }
        log.extend_from_slice(message.body());
        if !message.more() {
            break;
        }
    }
    let right = (0u32..).map(|at| (at.wrapping_mul(31) ^ (at >> 8)) as u8).take(LOG);
    ensure(right.eq(log.iter().copied()), || format!("of {} bytes some are wrong", log.len()))?;
    ensure(reports == (LOG - 1) / PROGRESS, || format!("{reports} reports of progress"))
}
