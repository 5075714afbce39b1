//! Patterns of messages on one channel.

use super::stage::{Pair, Stage, check};
use crate::failure::Result;
use std::collections::HashMap;
use tofu_std::Opcode::{Request, Response, Signal};

/// How many messages a stream has.
const CHUNKS: u8 = 16;
/// Bytes of one of them.
const CHUNK: usize = 4096;

fn chunk(number: u8) -> [u8; CHUNK] {
    [number; CHUNK]
}

/// Request → Response.
pub(super) fn request_response(stage: &Stage) -> Result {
    let Pair { server, client, at_client, .. } = stage.pair()?;
    let mut request = client.message(Request, at_client, "how are you?")?;
    request.add_header("language", "en")?;
    let id = client.post(request)?.id;
    let mut request = server.expect(Request)?;
    check(request.body() == b"how are you?", "the request's body arrives")?;
    check(request.text().get_str("language") == Some("en"), "its text header arrives")?;
    request.set_body("fine")?;
    server.answer(request)?;
    let response = client.expect(Response)?;
    check(response.id() == id, "the response has the request's id")?;
    check(response.body() == b"fine", "the response's body arrives")
}

/// Many requests in flight, answered in any order, matched by message id.
pub(super) fn correlation(stage: &Stage) -> Result {
    let Pair { server, client, at_client, .. } = stage.pair()?;
    let mut asked = HashMap::new();
    for number in 0..CHUNKS {
        asked.insert(client.say(Request, at_client, [number])?.id, number);
    }
    check(asked.len() == usize::from(CHUNKS), "every request has an id of its own")?;
    let mut requests = Vec::new();
    for _ in 0..CHUNKS {
        requests.push(server.expect(Request)?);
    }
    // The last one first.
    while let Some(mut request) = requests.pop() {
        let doubled = request.body().iter().map(|number| number * 2).collect::<Vec<_>>();
        request.set_body(doubled)?;
        server.answer(request)?;
    }
    for _ in 0..CHUNKS {
        let response = client.expect(Response)?;
        let number = asked.remove(&response.id()).unwrap_or(u8::MAX / 2);
        check(response.body() == [number * 2], "each response answers its own request")?;
    }
    check(asked.is_empty(), "every request is answered")
}

/// Request(more) … Request(last) → Response.
pub(super) fn streaming_up(stage: &Stage) -> Result {
    let Pair { server, client, at_client, .. } = stage.pair()?;
    let mut id = 0;
    for number in 0..CHUNKS {
        id = client.stream(Request, at_client, id, chunk(number), number + 1 < CHUNKS)?;
    }
    let mut bytes = Vec::new();
    let mut last = loop {
        let request = server.expect(Request)?;
        check(request.id() == id, "a stream has one message id")?;
        bytes.extend_from_slice(request.body());
        if !request.more() {
            break request;
        }
    };
    check(bytes == (0..CHUNKS).flat_map(chunk).collect::<Vec<_>>(), "all arrives, in order")?;
    last.set_body(bytes.len().to_string())?;
    server.answer(last)?;
    let response = client.expect(Response)?;
    let answered = response.id() == id && response.body() == bytes.len().to_string().as_bytes();
    check(answered, "one response answers the stream")
}

/// Request → Response(more) … Response(last).
pub(super) fn streaming_down(stage: &Stage) -> Result {
    let Pair { server, client, at_server, at_client } = stage.pair()?;
    let id = client.say(Request, at_client, "all, please")?.id;
    let asked = server.expect(Request)?.id();
    for number in 0..CHUNKS {
        server.stream(Response, at_server, asked, chunk(number), number + 1 < CHUNKS)?;
    }
    for number in 0..CHUNKS {
        let response = client.expect(Response)?;
        check(response.id() == id, "a stream has one message id")?;
        check(response.body() == chunk(number), "all arrives, in order")?;
        check(response.more() == (number + 1 < CHUNKS), "the last one says so")?;
    }
    Ok(())
}

/// Both at once, one message id: what goes up comes down while more goes up.
pub(super) fn streaming_both_ways(stage: &Stage) -> Result {
    let Pair { server, client, at_client, .. } = stage.pair()?;
    let mut id = client.stream(Request, at_client, 0, chunk(0), true)?;
    for number in 0..CHUNKS {
        // The client is always one ahead of what it has back.
        if number + 1 < CHUNKS {
            let more = number + 2 < CHUNKS;
            id = client.stream(Request, at_client, id, chunk(number + 1), more)?;
        }
        server.answer(server.expect(Request)?)?;
        let response = client.expect(Response)?;
        check(response.id() == id, "both streams have one message id")?;
        check(response.body() == chunk(number), "all comes back, in order")?;
        check(response.more() == (number + 1 < CHUNKS), "the last one says so")?;
    }
    Ok(())
}

/// Request → Signal … Signal → Response.
pub(super) fn progress(stage: &Stage) -> Result {
    const STEPS: u8 = 4;
    let Pair { server, client, at_server, at_client } = stage.pair()?;
    let id = client.say(Request, at_client, "a long task")?.id;
    let request = server.expect(Request)?;
    for step in 1..=STEPS {
        let mut signal = server.message(Signal, at_server, [])?;
        signal.set_id(request.id());
        signal.add_header_display("progress", format_args!("{step}:{STEPS}"))?;
        server.post(signal)?;
    }
    server.answer(request)?;
    for step in 1..=STEPS {
        let signal = client.expect(Signal)?;
        check(signal.id() == id, "progress has the request's id")?;
        let expected = format!("{step}:{STEPS}");
        check(signal.text().get_str("progress") == Some(&expected), "progress comes in order")?;
    }
    check(client.expect(Response)?.id() == id, "then the response comes")
}

/// After hello, Request ↔ Request from either side.
pub(super) fn peers(stage: &Stage) -> Result {
    let Pair { server, client, at_server, at_client } = stage.pair()?;
    let from_client = client.say(Request, at_client, "client")?.id;
    let from_server = server.say(Request, at_server, "server")?.id;
    for (party, asks, own) in [(&client, "server", from_client), (&server, "client", from_server)] {
        let request = party.expect(Request)?;
        check(request.body() == asks.as_bytes(), "either side is asked by the other")?;
        check(request.id() != own, "the ids are the askers' own")?;
        party.answer(request)?;
    }
    check(client.expect(Response)?.id() == from_client, "the client is answered")?;
    check(server.expect(Response)?.id() == from_server, "the server is answered")
}
