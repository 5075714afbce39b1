//! Patterns of channels: many, lost, found again.

use super::stage::{Pair, Party, Stage, check, left};
use crate::failure::Result;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tofu_std::Opcode::{
    ByeRequest, ByeResponse, ByeSignal, HelloRequest, HelloResponse, Request, Response, Signal,
};
use tofu_std::testing::unique_mem_address;
use tofu_std::{ChannelNumber, MAX_SECTION_LEN, Received, Status};

/// An empty Signal every so often; the receiver times a silent peer out.
pub(super) fn heartbeat(stage: &Stage) -> Result {
    const BEAT: Duration = Duration::from_millis(10);
    const SILENCE: Duration = Duration::from_millis(60);
    let Pair { server, client, at_server, at_client } = stage.pair()?;
    for _ in 0..5 {
        client.say(Signal, at_client, [])?;
        let beat = Instant::now();
        check(server.expect(Signal)?.body().is_empty(), "a heartbeat is an empty Signal")?;
        let early = server.next_within(left(beat, BEAT))?;
        check(early.is_none(), "nothing comes between two beats")?;
    }
    check(server.next_within(SILENCE)?.is_none(), "then the client is silent")?;
    server.say(ByeSignal, at_server, [])?;
    server.expect_closed(at_server)?;
    client.expect_closed(at_client)
}

/// One receive loop, state by channel number, cleaned up on `channel_closed`.
pub(super) fn many_clients(stage: &Stage) -> Result {
    const CLIENTS: u32 = 32;
    let (server, client) = (stage.party()?, stage.party()?);
    let address = server.listen(&stage.address())?;
    for _ in 0..CLIENTS {
        let channel = client.connect(&address)?;
        for _ in 0..3 {
            client.say(Request, channel, [])?;
        }
        client.say(ByeRequest, channel, [])?;
    }
    // How many requests each client has made.
    let mut state = HashMap::<ChannelNumber, u32>::new();
    let (mut seen, mut closed) = (0, 0);
    while closed < CLIENTS {
        match server.next()? {
            Received::Peer(message) => {
                let count = state.entry(message.channel()).or_default();
                match message.opcode() {
                    HelloRequest => seen += 1,
                    Request => *count += 1,
                    opcode => check(opcode == ByeRequest && *count == 3, "each asks 3 times")?,
                }
                server.answer(message)?;
            }
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                closed += u32::from(state.remove(&notice.channel).is_some());
            }
            _ => check(false, "nothing is handed back")?,
        }
    }
    check(seen == CLIENTS, "every client is seen")?;
    check(state.is_empty(), "the state of each is cleaned up")?;
    count_answers(&client, CLIENTS)
}

/// Each client: a HelloResponse, three Responses, a ByeResponse, `channel_closed`.
fn count_answers(client: &Party, clients: u32) -> Result {
    let (mut responses, mut closed) = (0, 0);
    while closed < clients {
        match client.next()? {
            Received::Peer(message) => responses += u32::from(message.opcode() == Response),
            Received::Notice(_) => closed += 1,
            Received::Returned(..) => check(false, "nothing is handed back")?,
        }
    }
    check(responses == 3 * clients, "every request of every client is answered")
}

/// The same code over every transport: hello, the largest body there is, and a goodbye that
/// loses nothing.
pub(super) fn any_transport(stage: &Stage) -> Result {
    let Pair { server, client, at_server, at_client } = stage.pair()?;
    let body: Vec<u8> = (0..MAX_SECTION_LEN).map(|index| (31 * index % 256) as u8).collect();
    client.say(Request, at_client, &body)?;
    client.say(ByeRequest, at_client, [])?;
    for expected in [Request, ByeRequest] {
        server.answer(server.expect(expected)?)?;
    }
    check(client.expect(Response)?.body() == body, "65,535 bytes come back as they were")?;
    client.expect(ByeResponse)?;
    client.expect_closed(at_client)?;
    server.expect_closed(at_server)
}

/// Two listeners in one group, one loop.
pub(super) fn several_listeners(stage: &Stage) -> Result {
    let (server, client) = (stage.party()?, stage.party()?);
    let addresses = [server.listen(&stage.address())?, server.listen(&unique_mem_address())?];
    let mut channels = Vec::new();
    for address in &addresses {
        let channel = client.connect(address)?;
        client.say(Request, channel, address)?;
        channels.push(channel);
    }
    for _ in 0..2 * addresses.len() {
        let message = server.receive()?;
        check(matches!(message.opcode(), HelloRequest | Request), "both say hello and ask")?;
        server.answer(message)?;
    }
    let mut answered = HashMap::new();
    for _ in 0..2 * addresses.len() {
        let message = client.receive()?;
        if message.opcode() == Response {
            answered.insert(message.channel(), message.body().to_vec());
        }
    }
    for (channel, address) in channels.iter().zip(&addresses) {
        let body = answered.get(channel);
        let same = body.is_some_and(|body| body == address.as_bytes());
        check(same, "each is answered on its own channel")?;
    }
    Ok(())
}

/// On a failed connect or `channel_closed` the application posts a new HelloRequest.
pub(super) fn reconnect(stage: &Stage) -> Result {
    let client = stage.party()?;
    // A listener that is gone again leaves an address where nobody answers.
    let address = {
        let server = stage.party()?;
        let address = server.listen(&stage.address())?;
        let lost = client.connect(&address)?;
        let at_server = server.welcome()?;
        client.expect(HelloResponse)?;
        server.say(ByeSignal, at_server, [])?;
        client.expect_closed(lost)?;
        address
    };
    let refused = client.connect(&address)?;
    let status = client.expect_returned()?;
    let nobody = matches!(status, Status::ConnectFailed | Status::UdsPathNotFound);
    check(nobody, "nobody answers while the server is away")?;
    client.expect_closed(refused)?;
    let server = stage.party()?;
    server.listen(&address)?;
    let found = client.connect(&address)?;
    server.welcome()?;
    client.expect(HelloResponse)?;
    client.say(Request, found, "back again")?;
    check(server.expect(Request)?.body() == b"back again", "the new channel works")
}
