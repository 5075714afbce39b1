//! Bytes that are no proper frames.

use super::Ground;
use crate::Outcome;
use crate::random::Random;
use crate::wire::{HEADER, Wire, code, frame, hello};

/// A recorded session of the published engine: what its client sent.
const SESSION: &[u8] = include_bytes!("../../../conformance/data/session.c2s");
/// Of a body, every so manieth byte is changed.
const BODY_STEP: usize = 4_099;

/// Each rule of PROTOCOL, section 4, broken again and again, in place of a hello and after one.
pub(super) fn malformed(ground: &Ground) -> Outcome<u64> {
    let mut done = 0;
    for round in 0..ground.size {
        for bad in first_frames() {
            let mut wire = Wire::connect(ground.server(round))?;
            wire.send(&bad);
            expect_close(&mut wire, 0, &bad)?;
            done += 1;
        }
        for bad in later_frames() {
            let mut wire = Wire::greet(ground.server(round))?;
            wire.send(&frame(code::REQUEST, 0, 5, b"", b"good"));
            wire.send(&bad);
            expect_close(&mut wire, 1, &bad)?;
            done += 1;
        }
        done += marked(ground, round)?;
    }
    Ok(done)
}

/// What may not come first.
fn first_frames() -> Vec<Vec<u8>> {
    let others = (0..16).filter(|&opcode| opcode != code::HELLO_REQUEST);
    let marked = [code::HELLO_REQUEST | code::MORE];
    others.chain(marked).map(|proto| frame(proto, 0, 9, b"~connect_to:tcp|a|1\r\n", b"")).collect()
}

/// What may not come after a hello.
fn later_frames() -> Vec<Vec<u8>> {
    let mut bad = vec![hello()];
    bad.extend((10..16).map(|opcode| frame(opcode, 0, 9, b"", b"unknown")));
    for proto in [
        code::WELCOME_REQUEST,
        code::WELCOME_RESPONSE,
        code::HELLO_RESPONSE,
        code::BYE_SIGNAL,
        code::BYE_REQUEST | code::MORE,
        code::BYE_RESPONSE | code::MORE,
    ] {
        bad.push(frame(proto, 0, 9, b"~listen_on:tcp||0\r\n", b""));
    }
    bad.extend([code::RESPONSE, code::BYE_RESPONSE].map(|proto| frame(proto, 0, 0, b"", b"")));
    bad
}

/// What only an engine says to its application is ignored, and the answer bears none of it.
fn marked(ground: &Ground, round: usize) -> Outcome<u64> {
    let mut wire = Wire::greet(ground.server(round))?;
    let marks = [(code::ORIGIN, 0), (code::ORIGIN, 22), (code::RESERVED, 0), (0, 19), (0, 255)];
    for (id, (bits, status)) in (1..).zip(marks) {
        wire.send(&frame(code::REQUEST | bits, status, id, b"", b"mine"));
        let (header, body) = wire.read_frame()?.ok_or("a marked frame is not answered")?;
        if (header[2], &header[4..12], &body[..]) != (code::RESPONSE, &id.to_be_bytes(), b"mine") {
            return Err(format!("a marked frame is answered by {header:x?}").into());
        }
    }
    Ok(marks.len() as u64)
}

/// The server closes, after as many answers at most: the channel may be gone before they are given.
fn expect_close(wire: &mut Wire, answers: u64, bad: &[u8]) -> Outcome {
    match wire.read_to_end()? {
        frames if frames <= answers => Ok(()),
        frames => {
            Err(format!("{frames} answers before the close for {:x?}", &bad[..HEADER]).into())
        }
    }
}

/// Anything at all, with and without a hello before it.
pub(super) fn random(ground: &Ground) -> Outcome<u64> {
    let mut random = Random::new(1);
    for nth in 0..ground.size {
        let greeted = random.below(2) == 0;
        let mut wire = match greeted {
            true => Wire::greet(ground.server(nth))?,
            false => Wire::connect(ground.server(nth))?,
        };
        let len = random.below(3_000);
        let bytes: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
        wire.send(&bytes);
        wire.finish()?;
    }
    Ok(ground.size as u64)
}

/// A proper session with one byte changed, each in turn: all of headers and text headers, and a
/// sample of the long body. `size` is how many of its bits are flipped.
pub(super) fn mutated(ground: &Ground) -> Outcome<u64> {
    let mut session = SESSION.to_vec();
    let mut done = 0;
    for at in places() {
        for bit in 0..ground.size {
            session[at] ^= 1_u8.rotate_left(bit as u32);
            let mut wire = Wire::connect(ground.server(at))?;
            wire.send(&session);
            wire.finish()?;
            session[at] = SESSION[at];
            done += 1;
        }
    }
    Ok(done)
}

/// Where a byte is changed.
fn places() -> Vec<usize> {
    let (mut places, mut start) = (Vec::new(), 0);
    while let Some(header) = SESSION.get(start..start + HEADER) {
        let len = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
        let body = start + HEADER + len(12);
        places.extend(start..body);
        start = body + len(14);
        places.extend((body..start).step_by(BODY_STEP));
    }
    places
}
