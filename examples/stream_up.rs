//! Streaming up: Request(more) … Request(last) → Response, one message id.
//!
//! The client sends more than its pool holds, and so is paced: it waits for messages to come back
//! to the pool, and for room on the channel.

use std::thread;
use tofu_examples::{
    Outcome, PATIENCE, POOL_EMPTY, address_argument, both_ends, connect, ensure, expect, listen,
    next_message, say_goodbye,
};
use tofu_std::{ChannelGroup, Engine, MAX_FRAME_LEN, Opcode, Options};

const CHUNK: usize = 1_000;
const CHUNKS: usize = 500;

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let server = thread::spawn(move || serve(&group));
    both_ends(upload(&address), server)
}

/// The server: adds up the chunks, and answers the last one.
fn serve(group: &ChannelGroup) -> Outcome {
    let (mut chunks, mut bytes, mut sum) = (0, 0, 0);
    while let Some(mut message) = next_message(group)? {
        if message.opcode() == Opcode::Request {
            chunks += 1;
            bytes += message.body().len();
            sum += checksum(message.body());
            if message.more() {
                // Dropped here, the message is back in the pool.
                continue;
            }
            let id = message.id();
            println!("server: Request {id} is complete: {chunks} chunks");
            message.set_body(format!("{bytes} {sum}"))?;
        }
        message.reply()?;
        group.post(message)?;
    }
    Ok(())
}

/// The client: sends the chunks, then reads what the server made of them.
fn upload(address: &str) -> Outcome {
    // A tiny pool: 16 messages, each large enough for any frame.
    let engine = Engine::with_options(Options::with_pool(MAX_FRAME_LEN, 16))?;
    let group = engine.group()?;
    let channel = connect(&group, address)?;

    let mut id = 0;
    let mut sum = 0;
    for number in 1..=CHUNKS {
        // Wait for a message where all are on their way …
        let mut chunk = engine.get_wait(PATIENCE).ok_or(POOL_EMPTY)?;
        chunk.prepare(Opcode::Request, channel);
        chunk.resize_body(CHUNK)?;
        chunk.body_mut().fill(number as u8);
        sum += checksum(chunk.body());
        chunk.set_more(number < CHUNKS);
        // The engine chose an id for the first chunk; the others share it.
        chunk.set_id(id);
        // … and for room where the channel has its share of them. A plain `post` would
        // hand the chunk back with pool_empty.
        id = group.post_wait(chunk, PATIENCE)?.id;
    }
    println!("client: sent Request {id} in {CHUNKS} chunks of {CHUNK} bytes");

    let response = expect(&group, Opcode::Response)?;
    let answer = str::from_utf8(response.body())?;
    println!("client: Response {}: {answer}", response.id());
    ensure(response.id() == id, "the answer has another id")?;
    let expected = format!("{} {sum}", CHUNK * CHUNKS);
    ensure(answer == expected, "not every byte arrived")?;
    say_goodbye(&group, channel)?;
    println!("client: every byte arrived");
    Ok(())
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum()
}
