//! How many instructions a round trip takes, as the emulator's log has them.
//!
//! Times vary with the host and with how it wakes the emulator. This hardly does: where the host is busy the board
//! wakes up in vain more often, so that of several runs the shortest counts.

use crate::emulator::{Emulator, Place};
use crate::raw::Raw;
use crate::{Outcome, check, ensure, speed};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::iter;
use std::path::Path;

/// What differs between two runs of so many round trips is theirs.
const FEW: usize = 50;
const MANY: usize = 150;
/// Runs of each kind.
const TRIES: usize = 3;

/// Instructions a round trip: `echo`'s and `baseline`'s.
pub(crate) fn round_trips(place: &Place) -> Outcome<(u32, u32)> {
    check("echo", "the instructions of a round trip are counted", || {
        Ok((round_trip(place, "echo")?, round_trip(place, "baseline")?))
    })
}

fn round_trip(place: &Place, image: &str) -> Outcome<u32> {
    let (few, many) = (shortest(place, image, FEW)?, shortest(place, image, MANY)?);
    ensure(few > 0 && many > few, || "the emulator's log tells nothing".to_owned())?;
    Ok(u32::try_from((many - few) / (MANY - FEW) as u64)?)
}

fn shortest(place: &Place, image: &str, count: usize) -> Outcome<u64> {
    let runs: Outcome<Vec<u64>> = (0..TRIES).map(|_| run(place, image, count)).collect();
    Ok(runs?.into_iter().min().unwrap_or_default())
}

/// Instructions from the start to the end of so many round trips.
fn run(place: &Place, image: &str, count: usize) -> Outcome<u64> {
    let log = place.scratch.join(format!("{image}.log"));
    let path = log.to_str().ok_or("a path that is no text")?;
    // Unchained, so that each block that is executed has its line.
    let (mut board, port) =
        Emulator::with_port(place, image, &["-d", "in_asm,exec,nochain", "-D", path])?;
    board.wait("stack")?;
    let mut stream = match image {
        "baseline" => crate::emulator::dial(port)?,
        _ => Raw::connect(port)?.stream,
    };
    speed::exchange_all(&mut stream, count)?;
    drop(board);
    let instructions = executed(&log)?;
    fs::remove_file(log)?;
    Ok(instructions)
}

/// Instructions in a log, which tells of each block once what is in it, and each time that it is executed.
fn executed(log: &Path) -> Outcome<u64> {
    let (mut blocks, mut block) = (HashMap::<u32, u64>::new(), None);
    let length = |blocks: &HashMap<u32, u64>, address: u32| {
        let length = blocks.get(&address).copied();
        length.ok_or_else(|| format!("nothing is told of the block at {address:#x}"))
    };
    let mut sum = 0;
    for line in whole_lines(log)? {
        let line = line?;
        if line.starts_with("IN:") {
            block = None;
        } else if let Some(address) = instruction(&line) {
            let block = *block.get_or_insert_with(|| {
                blocks.insert(address, 0);
                address
            });
            blocks.entry(block).and_modify(|count| *count += 1);
        } else if let Some(address) = execution(&line) {
            sum += length(&blocks, address)?;
        } else if let Some(address) = interruption(&line) {
            // It comes again.
            sum -= length(&blocks, address)?;
        }
    }
    Ok(sum)
}

/// The lines of a log. The last is left out where it is cut off: there the emulator was ended.
fn whole_lines(log: &Path) -> Outcome<impl Iterator<Item = io::Result<String>>> {
    let mut log = BufReader::new(File::open(log)?);
    Ok(iter::from_fn(move || {
        let mut line = Vec::new();
        match log.read_until(b'\n', &mut line) {
            Ok(_) if !line.ends_with(b"\n") => None,
            Ok(_) => Some(Ok(String::from_utf8_lossy(&line).into_owned())),
            Err(error) => Some(Err(error)),
        }
    }))
}

/// The address in `0x00000468:  b5f0       push  {r4, …}`.
fn instruction(line: &str) -> Option<u32> {
    let (address, _) = line.strip_prefix("0x")?.split_once(':')?;
    u32::from_str_radix(address, 16).ok()
}

/// The address in `Trace 0: 0x7f8a6c000100 [00000000/00000468/…] …`.
fn execution(line: &str) -> Option<u32> {
    let (_, block) = line.strip_prefix("Trace ")?.split_once('[')?;
    u32::from_str_radix(block.split('/').nth(1)?, 16).ok()
}

/// The address in `Stopped execution of TB chain before 0x7f8a6c000100 [00000468] …`.
fn interruption(line: &str) -> Option<u32> {
    let (_, block) = line.strip_prefix("Stopped ")?.split_once('[')?;
    u32::from_str_radix(block.split(']').next()?, 16).ok()
}
