//! Peers: after the hello, either side sends Requests to the other, at any time, both at once.
//!
//! Who connected and who listened matters no more: `converse` is the same code for both ends.

use std::thread;
use tofu_examples::{
    Outcome, POOL_EMPTY, address_argument, both_ends, connect, ensure, expect, listen,
    next_message, say_goodbye,
};
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Message, Opcode};

/// How many questions each side asks.
const QUESTIONS: u64 = 3;

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("Bob: listening on {address}");
    let bob = thread::spawn(move || bob(&group));
    both_ends(alice(&address), bob)
}

/// Alice connects, and says goodbye in the end.
fn alice(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let channel = connect(&group, address)?;
    converse("Alice", &group, channel)?;
    say_goodbye(&group, channel)?;
    println!("Alice: said goodbye");
    Ok(())
}

/// Bob is called. The HelloRequest tells him on which channel.
fn bob(group: &ChannelGroup) -> Outcome {
    let mut hello = expect(group, Opcode::HelloRequest)?;
    let channel = hello.channel();
    hello.reply()?;
    group.post(hello)?;
    converse("Bob", group, channel)?;
    let mut bye = expect(group, Opcode::ByeRequest)?;
    bye.reply()?;
    group.post(bye)?;
    ensure(next_message(group)?.is_none(), "something came after the goodbye")
}

/// Asks all questions, and answers the other's, in whatever order they come.
fn converse(name: &str, group: &ChannelGroup, channel: ChannelNumber) -> Outcome {
    for number in 1..=QUESTIONS {
        let mut request = group.engine().get().ok_or(POOL_EMPTY)?;
        request.prepare(Opcode::Request, channel);
        request.add_header("From", name)?;
        request.set_body(number.to_string())?;
        group.post(request)?;
    }
    let (mut answers, mut answered) = (0, 0);
    while answers < QUESTIONS || answered < QUESTIONS {
        let message = next_message(group)?.ok_or("the other side left too early")?;
        match message.opcode() {
            Opcode::Request => {
                answer(name, group, message)?;
                answered += 1;
            }
            Opcode::Response => {
                answers += 1;
                let doubled: u64 = str::from_utf8(message.body())?.parse()?;
                println!("{name}: twice {answers} is {doubled}");
                // One after the other, for the other side answers in order.
                ensure(doubled == 2 * answers, "the answer is wrong")?;
            }
            other => return Err(format!("unexpected {other}").into()),
        }
    }
    Ok(())
}

fn answer(name: &str, group: &ChannelGroup, mut request: Message) -> Outcome {
    let number: u64 = str::from_utf8(request.body())?.parse()?;
    let from = request.text().get_str("From").unwrap_or("somebody");
    println!("{name}: {from} asks for twice {number}");
    request.set_body((2 * number).to_string())?;
    request.reply()?;
    group.post(request)?;
    Ok(())
}
