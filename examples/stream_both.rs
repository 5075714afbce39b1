//! Streaming both ways: chunks go up while answers come down, all with one message id.
//!
//! The client keeps a few chunks in flight; each answer makes room for the next. So neither end
//! waits for the other's last message, and neither is flooded.

use std::thread;
use tofu_examples::{
    Outcome, POOL_EMPTY, address_argument, both_ends, connect, ensure, expect, listen,
    next_message, say_goodbye,
};
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Opcode};

const WORDS: [&str; 6] = ["every", "tofu", "message", "is", "the", "API"];
/// How many words the client sends ahead of the answers.
const WINDOW: usize = 2;

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let server = thread::spawn(move || serve(&group));
    both_ends(converse(&address), server)
}

/// The server: answers each chunk as it comes. A reply keeps the id and `more`, so the answers
/// are a stream of the same shape.
fn serve(group: &ChannelGroup) -> Outcome {
    while let Some(mut message) = next_message(group)? {
        if message.opcode() == Opcode::Request {
            message.body_mut().make_ascii_uppercase();
        }
        message.reply()?;
        group.post(message)?;
    }
    Ok(())
}

/// The client: sends and receives by turns.
fn converse(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let channel = connect(&group, address)?;

    let mut id = 0;
    let (mut sent, mut received) = (0, 0);
    while sent < WINDOW {
        id = send_word(&group, channel, id, sent)?;
        sent += 1;
    }
    for word in WORDS {
        let response = expect(&group, Opcode::Response)?;
        let answer = str::from_utf8(response.body())?;
        println!("client: got {answer}");
        ensure(response.id() == id, "a response to something else")?;
        ensure(answer == word.to_uppercase(), "the answer is wrong")?;
        received += 1;
        let more = received < WORDS.len();
        ensure(response.more() == more, "the stream has the wrong end")?;
        if sent < WORDS.len() {
            id = send_word(&group, channel, id, sent)?;
            sent += 1;
        }
    }
    say_goodbye(&group, channel)?;
    println!("client: both streams are complete");
    Ok(())
}

/// Sends one chunk and returns the stream's id, which the engine chooses for the first.
fn send_word(group: &ChannelGroup, channel: ChannelNumber, id: u64, index: usize) -> Outcome<u64> {
    let mut request = group.engine().get().ok_or(POOL_EMPTY)?;
    request.prepare(Opcode::Request, channel);
    request.set_id(id);
    request.set_body(WORDS[index])?;
    request.set_more(index + 1 < WORDS.len());
    println!("client: sends {}", WORDS[index]);
    Ok(group.post(request)?.id)
}
