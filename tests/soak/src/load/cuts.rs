//! Bare sockets, dropped at any byte of a file.

use super::{CUTS, Worker, streams};
use crate::bare::{Socket, connect, frame};
use crate::content::{BLOCK, Content, Slot};
use crate::ledger::{Kind, Way};
use crate::pace::Pace;
use crate::{Outcome, PATIENCE, Stage};
use rand::RngExt;
use tofu_std::Opcode;

const BUFFER: usize = 16 * 1024;

pub(super) fn run(stage: &Stage, mut worker: Worker) -> Outcome {
    let mut slot = Slot::new(&worker.name);
    streams::fill(stage, &mut worker, &mut slot)?;
    let mut pace = Pace::new(CUTS * stage.pace);
    while stage.gate.pass() {
        let socket = connect(&worker.address, PATIENCE)?;
        if worker.rng.random() {
            let begun = stage.ledger.begin(Kind::Put);
            cut_put(&mut worker, socket, &slot)?;
            begun.abort(Way::Cut);
        } else {
            let begun = stage.ledger.begin(Kind::Get);
            cut_get(&mut worker, socket, &slot)?;
            begun.abort(Way::Cut);
        }
        pace.next(&mut worker.rng);
    }
    stage.keep(slot);
    Ok(())
}

/// Sends all up to a byte that may be any but those of the last frame.
fn cut_put(worker: &mut Worker, mut socket: Box<dyn Socket>, slot: &Slot) -> Outcome {
    let mut content = Content::any(&mut worker.rng);
    let mut bytes = frame(Opcode::HelloRequest, false, "", &[]);
    bytes.extend(frame(Opcode::Request, true, &format!("put:{}\r\n", slot.name), &[]));
    let end = worker.rng.random_range(0..=bytes.len() as u64 + content.len());
    while (bytes.len() as u64) < end {
        let mut block = vec![0; content.next_len(BLOCK)];
        content.fill(&mut block);
        bytes.extend(frame(Opcode::Request, true, "", &block));
    }
    socket.write_all(&bytes[..end as usize])?;
    Ok(())
}

/// Asks for a file, and takes some of it.
fn cut_get(worker: &mut Worker, mut socket: Box<dyn Socket>, slot: &Slot) -> Outcome {
    let mut bytes = frame(Opcode::HelloRequest, false, "", &[]);
    bytes.extend(frame(Opcode::Request, false, &format!("get:{}\r\n", slot.name), &[]));
    socket.write_all(&bytes)?;
    let len = slot.stored.map_or(0, |stored| stored.len);
    let mut left = usize::try_from(worker.rng.random_range(0..=len))?;
    let mut buffer = [0; BUFFER];
    while left > 0 {
        let taken = socket.read(&mut buffer[..left.min(BUFFER)])?;
        if taken == 0 {
            return Err("the server closes in the middle of a get".into());
        }
        left -= taken;
    }
    Ok(())
}
