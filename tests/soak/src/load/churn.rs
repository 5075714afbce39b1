//! Connect, hello, goodbye.

use super::{CYCLES, Worker, calls};
use crate::connection::Connection;
use crate::ledger::{Kind, Way};
use crate::pace::Pace;
use crate::{Outcome, Stage, content};
use rand::RngExt;

pub(super) fn run(stage: &Stage, mut worker: Worker) -> Outcome {
    let mut pace = Pace::new(CYCLES * stage.pace);
    while stage.gate.pass() {
        let begun = stage.ledger.begin(Kind::Cycle);
        match worker.rng.random_range(0..8) {
            0 => {
                Connection::post_hello(stage, &worker.address)?.break_off()?;
                begun.abort(Way::Signal);
            }
            1 => {
                drop(Connection::post_hello(stage, &worker.address)?);
                begun.abort(Way::Dropped);
            }
            2..4 => {
                let connection = Connection::open(stage, &worker.address)?;
                calls::call(stage, &connection, content::body(&mut worker.rng))?;
                connection.close()?;
                begun.finish(0, 0);
            }
            _ => {
                Connection::open(stage, &worker.address)?.close()?;
                begun.finish(0, 0);
            }
        }
        pace.next(&mut worker.rng);
    }
    Ok(())
}
