//! Connections that do nothing, and still answer.

use super::{IDLE, Worker, calls};
use crate::connection::Connection;
use crate::{Outcome, Stage};

pub(super) fn run(stage: &Stage, worker: Worker) -> Outcome {
    let open = |_| Connection::open(stage, &worker.address);
    let connections = (0..IDLE).map(open).collect::<Outcome<Vec<_>>>()?;
    while stage.gate.pass() {
        for connection in &connections {
            calls::call(stage, connection, b"still there".to_vec())?;
        }
        stage.gate.wait_for_closing();
    }
    connections.into_iter().try_for_each(Connection::close)
}
