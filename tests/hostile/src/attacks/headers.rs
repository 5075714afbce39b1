//! Text headers and lengths that are out of all proportion.

use super::Ground;
use crate::Outcome;
use crate::wire::{Wire, code, frame};

/// The most bytes of text headers a frame has room for.
const MOST: usize = 65_535;

/// Announced limits that leave no room, are none, or say several things at once.
pub(super) fn limits(ground: &Ground) -> Outcome<u64> {
    let digits = "9".repeat(30_000);
    let many = "~limits:headers=1,body=1\r\n".repeat(2_000);
    let values: [&str; 12] = [
        "headers=0,body=0",
        "headers=0",
        "body=0",
        "headers=4000000000,body=4000000000",
        "headers=-1,body=-1",
        "headers=,body=",
        "headers=1e9,body=0x10",
        "=,=,=,,,,",
        "headers=headers=headers=",
        "\u{0}\u{7f}",
        &format!("headers={digits},body={digits}"),
        &format!("headers=9\r\n{many}"),
    ];
    let mut done = 0;
    for nth in 0..ground.size {
        for value in &values {
            let mut wire = Wire::connect(ground.server(nth))?;
            let text = format!("~connect_to:tcp|a|1\r\n~limits:{value}\r\n");
            wire.send(&frame(code::HELLO_REQUEST, 0, 1, text.as_bytes(), b""));
            wire.send(&frame(code::REQUEST, 0, 2, b"k:v\r\n", &[7; 100]));
            wire.finish()?;
            done += 1;
        }
    }
    Ok(done)
}

/// As many lines as there is room for, in requests and in hellos.
pub(super) fn lines(ground: &Ground) -> Outcome<u64> {
    let lines: [&[u8]; 7] = [b":\r\n", b"a:\r\n", b"\r\n", b"\n", b"\r", b":", b"x"];
    let mut done = 0;
    for nth in 0..ground.size {
        for line in lines {
            let text: Vec<u8> = line.iter().copied().cycle().take(MOST).collect();
            let mut wire = Wire::greet(ground.server(nth))?;
            wire.send(&frame(code::REQUEST, 0, 2, &text, b"body"));
            wire.send(&frame(code::REQUEST, 0, 3, b"", b"next"));
            let mut last = None;
            while last != Some(3) {
                let (header, _) = wire.read_frame()?.ok_or("a frame cost its channel")?;
                last = Some(header[11]);
            }
            let mut first = Wire::connect(ground.server(nth))?;
            first.send(&frame(code::HELLO_REQUEST, 0, 1, &text, b""));
            first.finish()?;
            done += 2;
        }
    }
    Ok(done)
}

/// Frames longer than the server takes, in rows, and one that it does between them.
pub(super) fn too_long(ground: &Ground) -> Outcome<u64> {
    const ROW: usize = 20;
    let long = [1_001, 5_000, 65_535].map(|len| frame(code::SIGNAL, 0, 9, b"", &vec![1; len]));
    let mut wire = Wire::greet(ground.server(0))?;
    let mut done = 0;
    for nth in 0..ground.size / ROW {
        for _ in 0..ROW {
            wire.send(&long[nth % long.len()]);
            done += 1;
        }
        wire.send(&frame(code::REQUEST, 0, 4, b"", b"short"));
        wire.read_frame()?.ok_or("a frame too long cost its channel")?;
    }
    Ok(done)
}
