//! Several listeners: TCP and a Unix socket in one group, served by one loop.
//!
//! ```text
//! cargo run --example several_listeners -- 'tcp|127.0.0.1|0' 'mem|here'
//! ```

use std::thread;
use tofu_examples::{
    Outcome, POOL_EMPTY, both_ends, connect, ensure, expect, listen, next_message, receive,
    say_goodbye,
};
use tofu_std::testing::{TempSocketPath, unique_mem_address};
use tofu_std::{CONNECT_TO, ChannelGroup, ChannelNumber, Engine, Opcode, Received, Status};

fn main() -> Outcome {
    let socket = TempSocketPath::new();
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.is_empty() {
        wanted.push("tcp|127.0.0.1|0".to_owned());
        let uds = cfg!(unix).then(|| socket.address());
        wanted.push(uds.unwrap_or_else(unique_mem_address));
    }

    let engine = Engine::new()?;
    let group = engine.group()?;
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for address in &wanted {
        let (listener, address) = listen(&group, address)?;
        println!("server: channel {listener} listens on {address}");
        listeners.push(listener);
        addresses.push(address);
    }
    let server = thread::spawn(move || serve(&group, listeners));
    let clients = addresses.iter().try_for_each(|address| ask(address));
    both_ends(clients, server)
}

/// The server: serves as many clients as there are listeners, then closes the listeners.
fn serve(group: &ChannelGroup, mut listeners: Vec<ChannelNumber>) -> Outcome {
    for _ in 0..listeners.len() {
        // One loop for all: a client's messages look the same, wherever it came in.
        while let Some(mut message) = next_message(group)? {
            if message.opcode() == Opcode::HelloRequest {
                // Only its hello tells, if anybody wants to know.
                let through = message.text().get_str(CONNECT_TO).unwrap_or("nowhere");
                println!("server: a client came through {through}");
            }
            message.reply()?;
            group.post(message)?;
        }
        println!("server: a client said goodbye");
    }
    close(group, &mut listeners)
}

/// A ByeRequest stops a listener. The engine answers it; connections the listener accepted live on.
fn close(group: &ChannelGroup, listeners: &mut Vec<ChannelNumber>) -> Outcome {
    for &listener in listeners.iter() {
        let mut bye = group.engine().get().ok_or(POOL_EMPTY)?;
        bye.prepare(Opcode::ByeRequest, listener);
        group.post(bye)?;
    }
    while !listeners.is_empty() {
        match receive(group)? {
            Received::Returned(message, Status::Success) => {
                let listener = message.channel();
                println!("server: {} for channel {listener}", message.opcode());
            }
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                listeners.retain(|&listener| listener != notice.channel);
                println!("server: channel {} is closed", notice.channel);
            }
            other => return Err(format!("instead of a goodbye came {other:?}").into()),
        }
    }
    Ok(())
}

/// A client: asks through one of the listeners.
fn ask(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let channel = connect(&group, address)?;

    let mut request = engine.get().ok_or(POOL_EMPTY)?;
    request.prepare(Opcode::Request, channel);
    request.set_body(address)?;
    group.post(request)?;
    let response = expect(&group, Opcode::Response)?;
    let answer = str::from_utf8(response.body())?;
    println!("client: answered through {answer}");
    ensure(answer == address, "the answer is wrong")?;
    say_goodbye(&group, channel)
}
