//! Correlation: many requests in flight, answered in any order, matched by message id.
//!
//! The server here answers the last request first, to make the point.

use std::collections::HashMap;
use std::thread;
use tofu_examples::{
    Outcome, POOL_EMPTY, address_argument, both_ends, connect, ensure, expect, listen,
    next_message, say_goodbye,
};
use tofu_std::{ChannelGroup, Engine, Opcode};

const REQUESTS: usize = 5;

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let server = thread::spawn(move || serve(&group));
    both_ends(ask(&address), server)
}

/// The server: collects requests, and answers them in reverse.
fn serve(group: &ChannelGroup) -> Outcome {
    let mut waiting = Vec::new();
    while let Some(mut message) = next_message(group)? {
        if message.opcode() != Opcode::Request {
            message.reply()?;
            group.post(message)?;
            continue;
        }
        waiting.push(message);
        if waiting.len() == REQUESTS {
            println!("server: has {REQUESTS} requests, answers the last one first");
            while let Some(mut request) = waiting.pop() {
                let number: u64 = str::from_utf8(request.body())?.parse()?;
                request.set_body((number * number).to_string())?;
                // A reply keeps the request's id. That is all the correlation there is.
                request.reply()?;
                group.post(request)?;
            }
        }
    }
    Ok(())
}

/// The client: asks for squares without waiting between the requests.
fn ask(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let channel = connect(&group, address)?;

    // What was asked, by message id.
    let mut pending = HashMap::new();
    for number in 1..=REQUESTS {
        let mut request = engine.get().ok_or(POOL_EMPTY)?;
        request.prepare(Opcode::Request, channel);
        request.set_body(number.to_string())?;
        // The id was 0: the engine gives the message one that is unique in this process.
        let id = group.post(request)?.id;
        println!("client: Request {id} asks for the square of {number}");
        pending.insert(id, number);
    }

    while !pending.is_empty() {
        let response = expect(&group, Opcode::Response)?;
        let id = response.id();
        let number = pending.remove(&id).ok_or("nobody asked for this")?;
        let square: usize = str::from_utf8(response.body())?.parse()?;
        println!("client: Response {id} says {number} * {number} = {square}");
        ensure(square == number * number, "another request's answer")?;
    }
    say_goodbye(&group, channel)?;
    println!("client: every request was answered");
    Ok(())
}
