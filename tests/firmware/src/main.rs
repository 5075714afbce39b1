//! Boots the firmware in an emulator, checks it from the host, and measures it.
//!
//! Called by `tests/firmware/run`, which builds what is needed.
//!
//! | module | concept |
//! |---|---|
//! | `emulator` | an image that runs, and what it says |
//! | `client`, `raw` | a client on tofu-std; one that speaks bytes and may misbehave |
//! | `echo`, `sensor`, `uart` | the checks of each image |
//! | `speed`, `trace` | messages and round trips, beside `baseline`; instructions of them |
//! | `elf`, `capture` | sizes of an image; lengths of Ethernet frames |
//! | `limits`, `table` | what must be reached; what is printed |

mod capture;
mod client;
mod echo;
mod elf;
mod emulator;
mod limits;
mod raw;
mod sensor;
mod speed;
mod table;
mod trace;
mod uart;

use emulator::{Emulator, Place};
use limits::Limits;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use table::Row;

/// What a check comes to.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Fails with `complaint` unless `condition` holds.
fn ensure(condition: bool, complaint: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(complaint().into()) }
}

/// Runs one check and says so.
fn check<T>(image: &str, promise: &str, outcome: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let outcome = outcome().map_err(|error| format!("{image}: {promise}: {error}"))?;
    println!("ok   {image}: {promise}");
    Ok(outcome)
}

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [images, scratch, tofu, limits] = arguments.as_slice() else {
        eprintln!("usage: tofu-firmware-tests IMAGES SCRATCH TOFU LIMITS");
        return ExitCode::from(2);
    };
    let place = Place { images: images.clone(), scratch: scratch.clone(), tofu: tofu.clone() };
    match Limits::read(limits).and_then(|limits| run(&place, &limits)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("FAIL {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(place: &Place, limits: &Limits) -> Outcome {
    let (mut echo, mut baseline) = speed::measure(place, limits)?;
    (echo.instructions, baseline.instructions) = trace::round_trips(place)?;
    echo::run(place, &mut echo)?;
    let sensor = sensor::run(place)?;
    let uart = uart::run(place)?;
    logs(place)?;
    let instructions = count(place)?;
    capture::check_all(place)?;
    baseline.sizes = elf::sizes(&place.image("baseline"))?;
    echo.sizes = elf::sizes(&place.image("echo"))?;
    table::print(&[&baseline, &echo, &sensor, &uart], instructions);
    limits.check(&baseline, &echo, instructions)
}

/// Instructions one message takes.
fn count(place: &Place) -> Outcome<u32> {
    check("count", "instructions are counted to the last", || {
        let mut board = Emulator::boot(place, "count", &["-icount", "shift=7"])?;
        let ruler = board.wait("ruler")?;
        // Two for each of its 1,000 turns, and a few around them.
        ensure((2_000..2_020).contains(&ruler), || format!("the ruler measures {ruler}"))?;
        board.wait("instructions")
    })
}

/// The defmt build logs something, beside what it does.
fn logs(place: &Place) -> Outcome {
    check("echo-defmt", "it logs", || {
        let (mut board, port) = Emulator::with_port(place, "echo-defmt", &[])?;
        // It listens, it says.
        board.wait_for_bytes(1)?;
        let client = client::Client::connect(port)?;
        client.round_trips(10)?;
        client.bye()?;
        // The channel is closed.
        board.wait_for_bytes(16)
    })
}

/// An image's row of the table, with its sizes.
fn row(place: &Place, image: &'static str, stack: u32) -> Outcome<Row> {
    Ok(Row { sizes: elf::sizes(&place.image(image))?, stack, ..Row::new(image) })
}
