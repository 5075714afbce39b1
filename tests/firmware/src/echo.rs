//! The echo image, over the emulated Ethernet.

use crate::client::Client;
use crate::emulator::{Emulator, Place};
use crate::raw::{Raw, frame};
use crate::table::Row;
use crate::{Outcome, check, ensure};
use std::io::Write;
use std::thread;
use tofu_std::{HEADER_LEN, Opcode, Received, Status};

const CLIENTS: usize = 4;
const MANY: usize = 10_000;

/// A board that echoes.
struct Echo {
    board: Emulator,
    port: u16,
    /// The pool's free messages while nobody is connected.
    free: u32,
}

/// Boots and checks the image; completes its row.
pub(crate) fn run(place: &Place, row: &mut Row) -> Outcome {
    let mut echo = check("echo", "it boots and listens", || Echo::boot(place))?;
    echo.check("requests are answered, each by itself", requests)?;
    echo.check("a stream up is answered once", stream_up)?;
    echo.check("streams flow both ways at once", stream_both)?;
    echo.check("four clients at once, and a fifth is turned away", four_clients)?;
    echo.check("too long a body is a notice, and the channel goes on", too_long)?;
    echo.check(
        "clients that do not read hold their shares and nobody up; then all recover",
        shares,
    )?;
    echo.check("10,000 messages", many)?;
    echo.check("a link dropped in mid-frame", mid_frame)?;
    echo.check("a goodbye loses nothing", goodbye)?;
    echo.check("a sudden end", sudden_end)?;
    // Of 16 messages four clients can hold 8, 4, 2 and 1.
    check("echo", "shares kept the pool from running dry", || {
        ensure(!echo.board.ran_dry, || "it ran dry".to_owned())
    })?;
    row.stack = echo.board.stack;
    Ok(())
}

impl Echo {
    fn boot(place: &Place) -> Outcome<Echo> {
        let (mut board, port) = Emulator::with_port(place, "echo", &[])?;
        board.wait_value("listening", 0)?;
        let free = board.wait("free")?;
        ensure(free > 0, || "the pool is empty".to_owned())?;
        Ok(Echo { board, port, free })
    }

    /// A check tells how many channels it used. When they are closed, every message is free again.
    fn check(&mut self, promise: &str, f: fn(&mut Echo) -> Outcome<usize>) -> Outcome {
        check("echo", promise, || {
            let channels = f(self)?;
            let (free, before) = (self.board.closed(channels)?, self.free);
            ensure(free == before, || format!("{free} messages are free, and were {before}"))
        })
    }
}

fn requests(echo: &mut Echo) -> Outcome<usize> {
    let client = Client::connect(echo.port)?;
    for length in [0, 1, 63, 64, 200, 368] {
        let body: Vec<u8> = (0..length).map(|at| (at * 31 % 256) as u8).collect();
        let mut request = client.message(Opcode::Request)?;
        request.add_header("name", "a value")?;
        request.set_body(&body)?;
        let id = client.post(request)?;
        let answer = client.expect(Opcode::Response)?;
        let same = answer.id() == id && answer.body() == body;
        let named = answer.text().get("name") == Some(b"a value");
        ensure(same && named, || format!("{length} bytes came back as {answer:?}"))?;
    }
    client.round_trips(200)?;
    client.bye()?;
    Ok(1)
}

fn stream_up(echo: &mut Echo) -> Outcome<usize> {
    let client = Client::connect(echo.port)?;
    let mut id = 0;
    for piece in (0..50).rev() {
        let mut signal = client.message(Opcode::Signal)?;
        signal.set_id(id);
        signal.set_more(piece > 0);
        signal.set_body([b'x'; 300])?;
        id = client.post(signal)?;
    }
    let answer = client.expect(Opcode::Response)?;
    ensure(answer.id() == id && answer.body().is_empty(), || format!("came {answer:?}"))?;
    client.bye()?;
    Ok(1)
}

fn stream_both(echo: &mut Echo) -> Outcome<usize> {
    const PIECES: usize = 200;
    let client = Client::connect(echo.port)?;
    let (mut id, mut sent) = (0, 0);
    for received in 0..PIECES {
        while sent < PIECES.min(received + 12) {
            let mut piece = client.message(Opcode::Request)?;
            piece.set_id(id);
            piece.set_more(sent + 1 < PIECES);
            piece.set_body(format!("piece {sent}"))?;
            id = client.post(piece)?;
            sent += 1;
        }
        let piece = client.expect(Opcode::Response)?;
        let last = received + 1 == PIECES;
        let right = piece.body() == format!("piece {received}").as_bytes();
        ensure(right && piece.id() == id && piece.more() != last, || format!("came {piece:?}"))?;
    }
    client.bye()?;
    Ok(1)
}

fn four_clients(echo: &mut Echo) -> Outcome<usize> {
    let port = echo.port;
    let clients = (0..CLIENTS).map(|_| Client::connect(port)).collect::<Outcome<Vec<_>>>()?;
    let fifth = Client::hello(port)?;
    // Its hello comes back, or not, if it had left already; then it is closed.
    while !matches!(fifth.receive()?, Received::Notice(end) if end.status == Status::ChannelClosed)
    {
    }
    thread::scope(|scope| {
        let talks: Vec<_> =
            clients.iter().map(|client| scope.spawn(|| client.round_trips(500))).collect();
        talks.into_iter().try_for_each(|talk| talk.join().map_err(|_| "a client panicked")?)
    })?;
    for client in &clients {
        client.bye()?;
    }
    Ok(CLIENTS)
}

fn too_long(echo: &mut Echo) -> Outcome<usize> {
    const LENGTH: usize = 4_000;
    // An engine would refuse to send it.
    let client = Client::connect(echo.port)?;
    let mut long = client.message(Opcode::Request)?;
    long.set_body([0; LENGTH])?;
    let refused = client.group.post(long).err().map(|error| error.status);
    ensure(refused == Some(Status::InvalidBodyLen), || format!("it was {refused:?}"))?;
    client.round_trips(1)?;
    client.bye()?;
    // Others might not know.
    let mut raw = Raw::connect(echo.port)?;
    raw.stream.write_all(&frame(Opcode::Request, 7, &[0; LENGTH]))?;
    raw.stream.write_all(&frame(Opcode::Request, 8, b"short"))?;
    let (header, body) = raw.read()?;
    ensure(header.id == 8 && body == b"short", || format!("came {header:?}"))?;
    drop(raw);
    let free = echo.board.closed(1)?;
    ensure(free == echo.free, || format!("{free} messages are free after the first client"))?;
    echo.board.wait_value("notice", Status::InvalidBodyLen.code().into())?;
    Ok(1)
}

fn shares(echo: &mut Echo) -> Outcome<usize> {
    const BODY: [u8; 300] = [b'x'; 300];
    let mut greedy = Vec::new();
    for number in 1..=CLIENTS {
        if number == CLIENTS {
            let client = Client::connect(echo.port)?;
            client.round_trips(100)?;
            client.bye()?;
            echo.board.closed(1)?;
        }
        let mut raw = Raw::connect(echo.port)?;
        let (sent, rest) = raw.flood(&BODY, 100_000)?;
        greedy.push((raw, sent, rest));
    }
    for (raw, sent, rest) in &mut greedy {
        let mut writer = raw.stream.try_clone()?;
        let rest = std::mem::take(rest);
        // The end of the last request goes out only while answers are read.
        let writing = thread::spawn(move || writer.write_all(&rest));
        for id in 1..=*sent + 1 {
            let (header, body) = raw.read()?;
            ensure(header.id == id && body == BODY, || format!("to {id} came {header:?}"))?;
        }
        writing.join().map_err(|_| "the writer panicked")??;
    }
    Ok(CLIENTS)
}

fn many(echo: &mut Echo) -> Outcome<usize> {
    let client = Client::connect(echo.port)?;
    client.round_trips(MANY)?;
    client.bye()?;
    Ok(1)
}

fn mid_frame(echo: &mut Echo) -> Outcome<usize> {
    const CUTS: [usize; 4] = [1, HEADER_LEN - 1, HEADER_LEN, HEADER_LEN + 30];
    for cut in CUTS {
        let mut raw = Raw::connect(echo.port)?;
        let request = frame(Opcode::Request, 2, &[0; 64]);
        raw.stream.write_all(&request[..cut])?;
        drop(raw);
        let free = echo.board.closed(1)?;
        ensure(free == echo.free, || format!("{free} messages are free after byte {cut}"))?;
    }
    let client = Client::connect(echo.port)?;
    client.round_trips(10)?;
    client.bye()?;
    Ok(1)
}

fn goodbye(echo: &mut Echo) -> Outcome<usize> {
    const REQUESTS: usize = 200;
    let client = Client::connect(echo.port)?;
    let ids = (0..REQUESTS).map(|_| client.request([b'x'; 200])).collect::<Outcome<Vec<_>>>()?;
    client.post(client.message(Opcode::ByeRequest)?)?;
    for id in ids {
        let answer = client.expect(Opcode::Response)?;
        ensure(answer.id() == id && answer.body().len() == 200, || format!("came {answer:?}"))?;
    }
    client.expect(Opcode::ByeResponse)?;
    let reason = client.expect_closed()?;
    ensure(reason.is_success(), || format!("it was closed for {reason}"))?;
    Ok(1)
}

fn sudden_end(echo: &mut Echo) -> Outcome<usize> {
    let client = Client::connect(echo.port)?;
    client.round_trips(10)?;
    client.post(client.message(Opcode::ByeSignal)?)?;
    client.expect_closed()?;
    Ok(1)
}
