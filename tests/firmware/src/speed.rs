//! How fast: `echo` beside `baseline`, which sends the same bytes back without tofu.
//!
//! Both are driven by the same plain client and take turns, so that whatever else the host
//! does concerns both; the medians of many counts. All of it stays on one core: left alone, the scheduler sometimes gives an
//! emulator's two threads a core each, which then wake one another across them, and a round trip takes half as long again,
//! of one image or of both. Where they miss the limit, it is counted again: who else keeps the host busy goes, a slower
//! engine stays.

use crate::emulator::{Emulator, Place};
use crate::limits::Limits;
use crate::raw::{Raw, frame};
use crate::table::Row;
use crate::{Outcome, check, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;
use tofu_std::{HEADER_LEN, Opcode};

const BODY: usize = 64;
const ROUND_TRIPS: usize = 250;
/// How often each is counted before both are booted anew.
const TURNS: usize = 12;
/// How often both are booted: where their memory lies makes a difference of some percent.
const BOOTS: usize = 5;
/// How often all of it is counted at most.
const ATTEMPTS: usize = 3;
/// Messages a second are counted over so many windows, of so many messages.
const WINDOWS: usize = 30;
const WINDOW: usize = 8;

/// The rows of `echo` and `baseline`, without sizes.
pub(crate) fn measure(place: &Place, limits: &Limits) -> Outcome<(Row, Row)> {
    // What a thread starts stays where that is.
    let measuring = || {
        if let Some(core) = core_affinity::get_core_ids().as_deref().and_then(<[_]>::first) {
            core_affinity::set_for_current(*core);
        }
        measure_here(place, limits)
    };
    let measured = thread::scope(|scope| scope.spawn(measuring).join());
    measured.map_err(|_| "the measuring panicked")?
}

fn measure_here(place: &Place, limits: &Limits) -> Outcome<(Row, Row)> {
    check("echo", "its speed is measured beside baseline's", || {
        let (mut echo, mut baseline) = (Row::new("echo"), Row::new("baseline"));
        for _ in 0..ATTEMPTS {
            let (mut plain, mut tofu) = (Counts::default(), Counts::default());
            for _ in 0..BOOTS {
                baseline.stack = baseline.stack.max(count(place, &mut plain, &mut tofu)?);
            }
            (baseline.round_trip, baseline.rate) = plain.medians();
            (echo.round_trip, echo.rate) = tofu.medians();
            if limits.check_rate(&baseline, &echo)?.is_none() {
                break;
            }
        }
        Ok((echo, baseline))
    })
}

/// Boots both and counts; the stack that baseline used.
fn count(place: &Place, plain_counts: &mut Counts, tofu_counts: &mut Counts) -> Outcome<u32> {
    let (mut board, port) = Emulator::with_port(place, "baseline", &[])?;
    let (mut tofu_board, tofu_port) = Emulator::with_port(place, "echo", &[])?;
    board.wait("stack")?;
    tofu_board.wait_value("listening", 0)?;
    let mut plain = crate::emulator::dial(port)?;
    let mut tofu = Raw::connect(tofu_port)?.stream;
    for _ in 0..TURNS {
        plain_counts.add(&mut plain)?;
        tofu_counts.add(&mut tofu)?;
    }
    drop(plain);
    board.wait("stack")?;
    Ok(board.stack)
}

/// Seconds a round trip, and messages a second, as counted again and again.
#[derive(Default)]
struct Counts {
    round_trips: Vec<f64>,
    rates: Vec<f64>,
}

impl Counts {
    fn add(&mut self, stream: &mut TcpStream) -> Outcome {
        let start = Instant::now();
        exchange_all(stream, ROUND_TRIPS)?;
        self.round_trips.push(start.elapsed().as_secs_f64() / ROUND_TRIPS as f64);
        let several = request().repeat(WINDOW);
        let start = Instant::now();
        for _ in 0..WINDOWS {
            exchange(stream, &several)?;
        }
        self.rates.push((WINDOWS * WINDOW) as f64 / start.elapsed().as_secs_f64());
        Ok(())
    }

    fn medians(mut self) -> (f64, f64) {
        (median(&mut self.round_trips), median(&mut self.rates))
    }
}

fn median(counts: &mut [f64]) -> f64 {
    counts.sort_by(f64::total_cmp);
    counts.get(counts.len() / 2).copied().unwrap_or_default()
}

fn request() -> Vec<u8> {
    frame(Opcode::Request, 1, &[b'x'; BODY])
}

/// Makes so many round trips.
pub(crate) fn exchange_all(stream: &mut TcpStream, count: usize) -> Outcome {
    let request = request();
    (0..count).try_for_each(|_| exchange(stream, &request))
}

/// Sends messages and waits for as many bytes. What echo changes of them is in the headers.
fn exchange(stream: &mut TcpStream, messages: &[u8]) -> Outcome {
    stream.write_all(messages)?;
    let mut answer = vec![0; messages.len()];
    stream.read_exact(&mut answer)?;
    ensure(answer[HEADER_LEN..HEADER_LEN + BODY] == messages[HEADER_LEN..HEADER_LEN + BODY], || {
        "another message came back".to_owned()
    })
}
