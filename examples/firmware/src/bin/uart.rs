//! The echo service over the first UART. The emulator connects it with whatever `-serial` names.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use tofu_firmware::board::Board;
use tofu_firmware::echo::Echo;
use tofu_firmware::{host, memory};
use tofu_serial::{Options, Serial};

/// Messages moved before the line gets its turn.
const BUDGET: u32 = 16;
/// The line's name at this end.
const LINE: &str = "uart0";
/// The first session's number. A board that restarts would take it from a random source.
const SESSION: u32 = 1;

#[entry]
fn main() -> ! {
    run();
    host::exit(false)
}

fn run() -> Option<()> {
    let board = Board::take()?;
    let mut line: Serial<_> = Serial::new(board.uart, LINE, SESSION, Options::DEFAULT);
    let (engine, group) = memory::engine(&memory::OPTIONS)?;
    let mut echo = Echo::listen(engine, group, "serial|uart0")?;
    loop {
        let turn = line.turn(engine, board.clock.now(), BUDGET);
        let served = echo.serve(engine);
        if !turn.more && !served {
            let write = line.wants_write();
            line.io().sleep(write);
        }
    }
}
