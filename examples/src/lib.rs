//! What the examples share, so that each shows its own pattern and nothing else.
//!
//! Start with `request_response.rs`, which writes out how to listen, connect, receive and say
//! goodbye. Each example is both ends in one process, and runs as is:
//!
//! ```text
//! cargo run --example correlation -- 'tcp|127.0.0.1|7099'
//! ```

use std::error::Error;
use std::thread::JoinHandle;
use std::time::Duration;
use tofu_std::{ChannelGroup, ChannelNumber, LISTEN_ON, Message, Opcode, Received, Status};

/// What an example's functions return: anything that goes wrong ends it with a non-zero exit code.
pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long an example waits for anything before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The error for a `get` that found no message.
pub const POOL_EMPTY: &str = "the pool is empty";

/// The address to listen on: the first argument, or any free port of this computer.
pub fn address_argument() -> String {
    std::env::args().nth(1).unwrap_or_else(|| "tcp|127.0.0.1|0".to_owned())
}

/// Starts a listener. Returns its channel and the address it really has.
pub fn listen(group: &ChannelGroup, address: &str) -> Outcome<(ChannelNumber, String)> {
    let mut welcome = group.engine().get().ok_or(POOL_EMPTY)?;
    welcome.listen_on(address)?;
    let listener = group.post(welcome)?.channel;
    match receive(group)? {
        Received::Returned(welcome, Status::Success) => {
            let address = welcome.text().get_str(LISTEN_ON);
            let address = address.ok_or("a listener without address")?;
            Ok((listener, address.to_owned()))
        }
        Received::Returned(_, status) => {
            Err(format!("cannot listen on {address}: {status}").into())
        }
        other => Err(format!("instead of a WelcomeResponse came {other:?}").into()),
    }
}

/// Connects, and waits for the server to greet back.
pub fn connect(group: &ChannelGroup, address: &str) -> Outcome<ChannelNumber> {
    let mut hello = group.engine().get().ok_or(POOL_EMPTY)?;
    hello.connect_to(address)?;
    let channel = group.post(hello)?.channel;
    expect(group, Opcode::HelloResponse)?;
    Ok(channel)
}

/// Says goodbye and waits until the channel is closed: by then the peer has received everything.
pub fn say_goodbye(group: &ChannelGroup, channel: ChannelNumber) -> Outcome {
    let mut bye = group.engine().get().ok_or(POOL_EMPTY)?;
    bye.prepare(Opcode::ByeRequest, channel);
    group.post(bye)?;
    expect(group, Opcode::ByeResponse)?;
    match next_message(group)? {
        None => Ok(()),
        Some(message) => Err(format!("after the goodbye came a {}", message.opcode()).into()),
    }
}

/// The next thing received. Nothing at all is an error here.
pub fn receive(group: &ChannelGroup) -> Outcome<Received> {
    let received = group.wait_receive(PATIENCE)?;
    Ok(received.ok_or("nothing came in time")?)
}

/// The next message of the peer, or `None` when the channel was closed by a goodbye.
pub fn next_message(group: &ChannelGroup) -> Outcome<Option<Message>> {
    loop {
        match receive(group)? {
            Received::Peer(message) => return Ok(Some(message)),
            Received::Returned(message, status) => {
                return Err(format!("{} came back: {status}", message.opcode()).into());
            }
            Received::Notice(notice) => match (notice.status, notice.reason) {
                (Status::ChannelClosed, Status::Success) => return Ok(None),
                (Status::ChannelClosed, reason) => {
                    return Err(format!("channel {} was closed: {reason}", notice.channel).into());
                }
                // Such as pool_empty: the engine goes on by itself.
                (status, _) => println!("notice: {status}"),
            },
        }
    }
}

/// The next message of the peer, which must have this opcode.
pub fn expect(group: &ChannelGroup, opcode: Opcode) -> Outcome<Message> {
    match next_message(group)? {
        Some(message) if message.opcode() == opcode => Ok(message),
        Some(message) => Err(format!("instead of {opcode} came {}", message.opcode()).into()),
        None => Err(format!("instead of {opcode} came a goodbye").into()),
    }
}

/// Fails with `complaint` unless `condition` holds.
pub fn ensure(condition: bool, complaint: &str) -> Outcome {
    if condition { Ok(()) } else { Err(complaint.into()) }
}

/// Waits for the server's thread, and tells what went wrong at either end.
pub fn both_ends(client: Outcome, server: JoinHandle<Outcome>) -> Outcome {
    let server = server.join().unwrap_or_else(|_| Err("it panicked".into()));
    match (client, server) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(client), Ok(())) => Err(format!("client: {client}").into()),
        (Ok(()), Err(server)) => Err(format!("server: {server}").into()),
        (Err(client), Err(server)) => Err(format!("client: {client}; server: {server}").into()),
    }
}

/// Compiles the programs of the project's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
