//! Many clients: one receive loop, state by channel number, cleaned up on `channel_closed`.
//!
//! Every channel ends with exactly one `channel_closed`, however it ends. So that is the one place to
//! clean up. One client here leaves without a goodbye, to show it.

use std::collections::HashMap;
use std::thread;
use tofu_examples::{
    Outcome, POOL_EMPTY, address_argument, both_ends, ensure, expect, listen, receive, say_goodbye,
};
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Message, Opcode, Received, Status};

const NAMES: [&str; 3] = ["Ann", "Ben", "Cem"];
/// Who leaves without a goodbye.
const RUDE: &str = "Ben";

/// What the server knows of a client.
struct Client {
    name: String,
    total: u64,
}

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let server = thread::spawn(move || serve(&group));
    both_ends(run_clients(&address), server)
}

/// The server: until the last client has come and gone.
fn serve(group: &ChannelGroup) -> Outcome {
    let mut clients: HashMap<ChannelNumber, Client> = HashMap::new();
    let mut gone = 0;
    while gone < NAMES.len() {
        match receive(group)? {
            Received::Peer(message) => handle(group, &mut clients, message)?,
            // An answer to a client that is gone. Its channel_closed follows.
            Received::Returned(message, status) => {
                println!("server: {} not delivered: {status}", message.opcode());
            }
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                let client = clients.remove(&notice.channel);
                let Client { name, total } = client.ok_or("it never said hello")?;
                println!("server: {name} left with {total}: {}", notice.reason);
                let expected = if name == RUDE { 3 } else { 6 };
                ensure(total == expected, "the total is wrong")?;
                gone += 1;
            }
            Received::Notice(notice) => println!("server: notice {}", notice.status),
        }
    }
    ensure(clients.is_empty(), "a client was forgotten")
}

fn handle(
    group: &ChannelGroup,
    clients: &mut HashMap<ChannelNumber, Client>,
    mut message: Message,
) -> Outcome {
    let channel = message.channel();
    match message.opcode() {
        Opcode::HelloRequest => {
            let name = message.text().get_str("Name").unwrap_or("nobody").to_owned();
            println!("server: {name} is on channel {channel}");
            clients.insert(channel, Client { name, total: 0 });
        }
        Opcode::Request => {
            let client = clients.get_mut(&channel).ok_or("it never said hello")?;
            client.total += str::from_utf8(message.body())?.parse::<u64>()?;
            message.set_body(client.total.to_string())?;
        }
        _ => {}
    }
    message.reply()?;
    // A client may be gone before its answer is posted. That must not end the server.
    if let Err(refused) = group.post(message) {
        println!("server: {refused}");
    }
    Ok(())
}

fn run_clients(address: &str) -> Outcome {
    thread::scope(|scope| {
        for client in NAMES.map(|name| scope.spawn(move || count(name, address))) {
            client.join().map_err(|_| "a client panicked")??;
        }
        Ok(())
    })
}

/// A client: the server adds up its numbers, apart from those of the others.
fn count(name: &str, address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let mut hello = engine.get().ok_or(POOL_EMPTY)?;
    hello.connect_to(address)?;
    hello.add_header("Name", name)?;
    let channel = group.post(hello)?.channel;
    expect(&group, Opcode::HelloResponse)?;

    let mut total = 0;
    for number in 1..=3 {
        let mut request = engine.get().ok_or(POOL_EMPTY)?;
        request.prepare(Opcode::Request, channel);
        request.set_body(number.to_string())?;
        group.post(request)?;
        total += number;
        let response = expect(&group, Opcode::Response)?;
        let answer: u64 = str::from_utf8(response.body())?.parse()?;
        ensure(answer == total, "somebody else's numbers")?;
        if name == RUDE && number == 2 {
            // Gone: the engine is dropped with its connection.
            println!("{name}: leaves without a goodbye");
            return Ok(());
        }
    }
    println!("{name}: counted to {total}");
    say_goodbye(&group, channel)
}
