//! Listens on TCP and answers every message by itself, as `tofu serve` does, for four clients at
//! once.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use tofu_core::Engine;
use tofu_firmware::board::Board;
use tofu_firmware::echo::Echo;
use tofu_firmware::memory::Tofu;
use tofu_firmware::{host, memory, network};
use tofu_smoltcp::Stack;

/// Messages moved before the packets get their turn.
const BUDGET: u32 = 16;

#[entry]
fn main() -> ! {
    run();
    host::exit(false)
}

fn run() -> Option<()> {
    let board = Board::take()?;
    let mut stack = network::stack(board.ethernet)?;
    let (engine, group) = memory::engine(&memory::OPTIONS)?;
    let echo = Echo::listen(engine, group, network::LISTEN_ON)?;
    serve(board, &mut stack, engine, echo)
}

/// Apart from what sets it up, whose stack it would hold for ever.
#[inline(never)]
fn serve(board: Board, stack: &mut Stack<'_>, engine: &mut Engine<Tofu>, mut echo: Echo) -> ! {
    loop {
        let turn = stack.turn(engine, board.clock.now(), board.ethernet, BUDGET);
        let served = echo.serve(engine);
        if !turn.more && !served {
            board.ethernet.sleep_until(turn.deadline, &board.clock);
        }
    }
}
