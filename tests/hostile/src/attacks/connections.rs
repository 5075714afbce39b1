//! Connections for the sake of connections.

use super::Ground;
use crate::Outcome;
use crate::wire::{Wire, code, frame, hello};
use std::thread;
use std::time::Duration;

/// Between two bytes of the slow.
const SLOW: Duration = Duration::from_secs(1);

/// As many as there may be at once, and not a byte. The server gives up on each.
pub(super) fn silent(ground: &Ground) -> Outcome<u64> {
    let mut wires = open(ground, |_| false)?;
    expect_no_answers(&mut wires)
}

/// A byte a second each: half of them of a hello, half of a frame after one. That is never
/// nothing, and never enough.
pub(super) fn slow(ground: &Ground) -> Outcome<u64> {
    let mut wires = open(ground, |nth| nth % 2 == 0)?;
    let bytes = hello();
    let rounds = ground.setting.patience.as_secs() + 2;
    for byte in bytes.iter().take(rounds as usize) {
        for wire in &mut wires {
            // Whoever was closed takes none.
            wire.send(&[*byte]);
        }
        thread::sleep(SLOW);
    }
    expect_no_answers(&mut wires)
}

/// More than the listener takes at once; who waits is served when another is given up on.
pub(super) fn crowd(ground: &Ground) -> Outcome<u64> {
    silent(ground)
}

fn open(ground: &Ground, greets: fn(usize) -> bool) -> Outcome<Vec<Wire>> {
    let connect = |nth| match greets(nth) {
        true => Wire::greet(ground.server(nth)),
        false => Wire::connect(ground.server(nth)),
    };
    (0..ground.size).map(connect).collect()
}

fn expect_no_answers(wires: &mut [Wire]) -> Outcome<u64> {
    for wire in wires.iter_mut() {
        if wire.read_to_end()? > 0 {
            return Err("an answer to nothing".into());
        }
    }
    Ok(wires.len() as u64)
}

/// Opened and reset as fast as one can: before the hello, within it, and with a request under way.
pub(super) fn aborts(ground: &Ground) -> Outcome<u64> {
    let [hello, request] = [hello(), frame(code::REQUEST, 0, 2, b"", &[1; 500])];
    for nth in 0..ground.size {
        let mut wire = Wire::connect(ground.server(nth))?;
        match nth % 3 {
            0 => {}
            1 => drop(wire.send(&hello[..20])),
            _ => drop(wire.send(&[&hello[..], &request].concat())),
        }
        wire.reset();
    }
    Ok(ground.size as u64)
}

/// A hello on each new connection, and sometimes a second.
pub(super) fn hellos(ground: &Ground) -> Outcome<u64> {
    for nth in 0..ground.size {
        let mut wire = Wire::greet(ground.server(nth))?;
        if nth % 4 == 0 {
            wire.send(&hello());
            if wire.read_to_end()? > 0 {
                return Err("a second hello is answered".into());
            }
        }
    }
    Ok(ground.size as u64)
}
