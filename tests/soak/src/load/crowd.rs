//! Clients that ask and never read, until the server has needed nearly every message its pool has.
//!
//! A pool takes memory when a message is first needed, so that a rare crowd in the middle of a run would look like a
//! leak. After this one there is nothing left to take, and what grows then is one.

use crate::bare::{Socket, connect, frame};
use crate::{Outcome, Stage};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use tofu_std::Opcode;

/// Each gets half of what the others have left of a pool.
const CLIENTS: usize = 12;
/// More than a client's share of the pool and all buffers on the way.
const ASKED: usize = 12 << 20;
/// For so long a socket must take nothing to count as full.
const FULL: Duration = Duration::from_millis(100);
/// Bodies in the middle of the size classes of 1 and 8 KiB.
const BODIES: [usize; 2] = [600, 5_000];
const FILE: &str = "crowd";

/// Fills the pool, with files and with answers of each size, and lets go of it again.
pub(crate) fn fill_pool(stage: &Stage, root: &Path) -> Outcome {
    let address = stage.addresses.last().ok_or("the server listens nowhere")?;
    let file = root.join(FILE);
    fs::write(&file, vec![0; ASKED])?;
    let mut requests = vec![(frame(Opcode::Request, false, &format!("get:{FILE}\r\n"), &[]), 1)];
    requests
        .extend(BODIES.map(|len| (frame(Opcode::Request, false, "", &vec![0; len]), ASKED / len)));
    // All stay connected to the end.
    let mut crowd = Vec::new();
    for (request, times) in &requests {
        for _ in 0..CLIENTS {
            crowd.push(ask(address, request, *times)?);
        }
    }
    fs::remove_file(&file)?;
    Ok(())
}

/// A client that asks so many times, or until the server takes no more.
fn ask(address: &str, request: &[u8], times: usize) -> Outcome<Box<dyn Socket>> {
    let mut socket = connect(address, FULL)?;
    socket.write_all(&frame(Opcode::HelloRequest, false, "", &[]))?;
    match (0..times).try_for_each(|_| socket.write_all(request)) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error.into()),
        _ => Ok(socket),
    }
}
