//! Any transport: the same code over TCP, Unix sockets and memory. Only the address differs.
//!
//! ```text
//! cargo run --example any_transport -- 'tcp|::1|0' 'mem|here'
//! ```

use std::thread;
use tofu_examples::{
    Outcome, POOL_EMPTY, both_ends, connect, ensure, expect, listen, next_message, say_goodbye,
};
use tofu_std::testing::{TempSocketPath, unique_mem_address};
use tofu_std::{ChannelGroup, Engine, Opcode};

fn main() -> Outcome {
    let socket = TempSocketPath::new();
    let mut addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses.push("tcp|127.0.0.1|0".to_owned());
        addresses.push(unique_mem_address());
        if cfg!(unix) {
            addresses.push(socket.address());
        }
    }
    addresses.iter().try_for_each(|address| round_trip(address))
}

/// A server, a client and an echo. Nothing from here on knows a transport.
fn round_trip(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, address)?;
    println!("server: listening on {address}");
    let server = thread::spawn(move || echo(&group));
    both_ends(ask(&address), server)
}

/// The server: sends everything back.
fn echo(group: &ChannelGroup) -> Outcome {
    while let Some(mut message) = next_message(group)? {
        message.reply()?;
        group.post(message)?;
    }
    Ok(())
}

/// The client: sends the largest body there is, and compares what comes back.
fn ask(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let channel = connect(&group, address)?;

    let body: Vec<u8> = (0..u16::MAX).map(|index| index as u8).collect();
    let mut request = engine.get().ok_or(POOL_EMPTY)?;
    request.prepare(Opcode::Request, channel);
    request.set_body(&body)?;
    let id = group.post(request)?.id;

    let response = expect(&group, Opcode::Response)?;
    ensure(response.id() == id, "the answer has another id")?;
    ensure(response.body() == body, "the echo differs")?;
    println!("client: {} bytes went to {address} and back", body.len());
    say_goodbye(&group, channel)
}
