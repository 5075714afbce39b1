//! Round trips over plain sockets, to know what the machine itself does to anything that waits.

use super::{PINGS, Worker};
use crate::pace::Pace;
use crate::{Outcome, Stage};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

pub(super) fn run(stage: &Stage, mut worker: Worker) -> Outcome {
    let (mut here, there) = UnixStream::pair()?;
    thread::scope(|scope| {
        scope.spawn(move || echo(there));
        let mut pace = Pace::new(PINGS);
        let mut body = [0; 64];
        while stage.gate.pass() {
            let at = Instant::now();
            here.write_all(&body)?;
            here.read_exact(&mut body)?;
            stage.ledger.control().push(at.elapsed());
            pace.next(&mut worker.rng);
        }
        drop(here);
        Ok(())
    })
}

/// Sends back what comes until nothing does.
fn echo(mut socket: UnixStream) {
    let mut body = [0; 64];
    while socket.read_exact(&mut body).and_then(|()| socket.write_all(&body)).is_ok() {}
}
