//! Traffic that takes what it can get of the server's messages.

use super::Ground;
use crate::Outcome;
use crate::wire::{Wire, code, frame, header};
use std::thread;

/// Frames to one connection, one after the other.
const ROW: usize = 1_000;

/// Responses to nothing, and at last a goodbye's.
pub(super) fn replies(ground: &Ground) -> Outcome<u64> {
    let mut sent = 0;
    for nth in 0..ground.size / ROW {
        let mut wire = Wire::greet(ground.server(nth))?;
        let ids = (1..).take(ROW).map(|id| id * 0x0101_0101_0101);
        let row: Vec<u8> =
            ids.flat_map(|id| frame(code::RESPONSE, 0, id, b"", b"you asked?")).collect();
        wire.send(&row);
        let last = [code::HELLO_RESPONSE, code::BYE_RESPONSE][nth % 2];
        wire.send(&frame(last, 0, 3, b"", b""));
        if wire.read_to_end()? > 0 {
            return Err("a reply is answered".into());
        }
        sent += ROW as u64 + 1;
    }
    Ok(sent)
}

/// Frames of every size are begun, and left at that.
pub(super) fn unfinished(ground: &Ground) -> Outcome<u64> {
    let lengths: [[u16; 2]; 4] = [[0, 64], [0, 5_000], [0, 65_535], [65_535, 65_535]];
    let mut wires = Vec::new();
    for nth in 0..ground.size {
        let mut wire = Wire::greet(ground.server(nth))?;
        // Three in four are small: those are what the neighbour needs.
        let lengths = if nth % 4 > 0 { lengths[0] } else { lengths[nth / 4 % 4] };
        wire.send(&header(code::REQUEST, 0, 2, lengths));
        wire.send(b"begun");
        wires.push(wire);
    }
    for wire in &mut wires {
        if wire.read_to_end()? > 0 {
            return Err("half a request is answered".into());
        }
    }
    Ok(wires.len() as u64)
}

/// Requests whose answers nobody takes.
pub(super) fn unread(ground: &Ground) -> Outcome<u64> {
    let small = frame(code::REQUEST, 0, 2, b"", &[1; 1_000]).repeat(4_000);
    let large = frame(code::REQUEST, 0, 2, b"", &[1; 65_535]).repeat(60);
    let mut wires = Vec::new();
    for nth in 0..ground.size {
        let mut wire = Wire::greet(ground.server(nth))?;
        wire.never_wait()?;
        // Until the server stops reading.
        wire.send(if nth % 2 == 0 { &small } else { &large });
        wires.push(wire);
    }
    // By then the server has given up on the first of them. Who reads now would wait for the kernel, which
    // keeps trying to deliver what the server has long let go of.
    thread::sleep(3 * ground.setting.idle);
    Ok(wires.len() as u64)
}
