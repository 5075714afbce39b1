//! What crossed the emulated Ethernet: frames of a length a real one would carry.

use crate::emulator::Place;
use crate::{Outcome, check, ensure};
use std::fs;
use std::ops::RangeInclusive;

/// The firmware's own hardware address.
const BOARD: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Without the checksum, which a capture does not hold.
const LENGTHS: RangeInclusive<usize> = 60..=1514;
const FILE_HEADER: usize = 24;
const FRAME_HEADER: usize = 16;

/// Checks the captures of all images that were run.
pub(crate) fn check_all(place: &Place) -> Outcome {
    for image in ["baseline", "echo", "sensor"] {
        check(image, "Ethernet frames hold 60 to 1,514 bytes", || {
            let path = place.scratch.join(format!("{image}.pcap"));
            let frames = check_lengths(&fs::read(path)?)?;
            ensure(frames > 100, || format!("there are only {frames}"))
        })?;
    }
    Ok(())
}

/// How many frames the board sent.
fn check_lengths(file: &[u8]) -> Outcome<usize> {
    let mut rest = file.get(FILE_HEADER..).ok_or("the capture is empty")?;
    let mut frames = 0;
    while let Some((header, after)) = rest.split_at_checked(FRAME_HEADER) {
        let len = usize::try_from(u32::from_le_bytes(header[8..12].try_into()?))?;
        // The last one may be cut off: the emulator was ended while it wrote.
        let Some((frame, after)) = after.split_at_checked(len) else { break };
        rest = after;
        if frame.get(6..12) == Some(&BOARD) {
            frames += 1;
            ensure(LENGTHS.contains(&len), || format!("frame {frames} holds {len} bytes"))?;
        }
    }
    Ok(frames)
}
