//! Requests of mixed sizes, several in flight, over one connection that stays.

use super::{CALLS, Worker};
use crate::connection::Connection;
use crate::ledger::{Begun, Kind};
use crate::pace::Pace;
use crate::{Outcome, Stage, content};
use rand::RngExt;
use std::collections::HashMap;
use std::time::Instant;
use tofu_std::Message;

const MAX_IN_FLIGHT: u64 = 8;
/// A text header that has to come back as well.
const TAG: &str = "tag";

/// A request that is not answered yet.
struct Call<'a> {
    begun: Begun<'a>,
    at: Instant,
    tag: String,
    body: Vec<u8>,
}

pub(super) fn run(stage: &Stage, mut worker: Worker) -> Outcome {
    let connection = Connection::open(stage, &worker.address)?;
    let mut pace = Pace::new(CALLS * stage.pace);
    while stage.gate.pass() {
        let count = worker.rng.random_range(1..=MAX_IN_FLIGHT);
        let calls = (0..count).map(|_| {
            let tag = format!("{:x}", worker.rng.random::<u64>());
            post(stage, &connection, tag, content::body(&mut worker.rng))
        });
        let mut calls = calls.collect::<Outcome<HashMap<_, _>>>()?;
        while !calls.is_empty() {
            let response = connection.response()?;
            let call = calls.remove(&response.id()).ok_or("an answer to nothing that was asked")?;
            check(stage, &response, call)?;
        }
        pace.spend(count);
    }
    connection.close()
}

/// One request and its answer.
pub(super) fn call(stage: &Stage, connection: &Connection<'_>, body: Vec<u8>) -> Outcome {
    let (id, call) = post(stage, connection, "one".into(), body)?;
    let response = connection.response()?;
    if response.id() != id {
        return Err("an answer to nothing that was asked".into());
    }
    check(stage, &response, call)
}

fn post<'a>(
    stage: &'a Stage,
    connection: &Connection<'_>,
    tag: String,
    body: Vec<u8>,
) -> Outcome<(u64, Call<'a>)> {
    let mut request = connection.request(body.len())?;
    request.body_mut().copy_from_slice(&body);
    request.add_header(TAG, &tag)?;
    let (begun, at) = (stage.ledger.begin(Kind::Call), Instant::now());
    Ok((connection.post(request)?, Call { begun, at, tag, body }))
}

fn check(stage: &Stage, response: &Message, call: Call<'_>) -> Outcome {
    stage.ledger.round_trips().push(call.at.elapsed());
    if response.more() || response.text().get_str(TAG) != Some(&call.tag) {
        return Err("an answer has another header".into());
    }
    if response.body() != call.body {
        return Err("an answer has another body".into());
    }
    let len = call.body.len() as u64;
    call.begun.finish(len, len);
    Ok(())
}
