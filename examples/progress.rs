//! Progress: Request → Signal … Signal → Response, one message id.
//!
//! A Signal needs no answer. While a long request is served, Signals of the same id tell how
//! far it is.

use std::thread;
use tofu_examples::{
    Outcome, POOL_EMPTY, address_argument, both_ends, connect, ensure, listen, next_message,
    say_goodbye,
};
use tofu_std::{ChannelGroup, Engine, Message, Opcode};

const STEPS: u32 = 4;

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let server = thread::spawn(move || serve(&group));
    both_ends(ask(&address), server)
}

/// The server: does the work of a request in steps.
fn serve(group: &ChannelGroup) -> Outcome {
    while let Some(mut message) = next_message(group)? {
        if message.opcode() == Opcode::Request {
            let task = str::from_utf8(message.body())?;
            println!("server: Request {}: {task}", message.id());
            for step in 1..=STEPS {
                // The step's work would be done here.
                report(group, &message, step)?;
            }
            message.set_body("done")?;
        }
        message.reply()?;
        group.post(message)?;
    }
    Ok(())
}

fn report(group: &ChannelGroup, request: &Message, step: u32) -> Outcome {
    let mut signal = group.engine().get().ok_or(POOL_EMPTY)?;
    signal.prepare(Opcode::Signal, request.channel());
    signal.set_id(request.id());
    signal.add_header_display("Progress", format_args!("{step}:{STEPS}"))?;
    group.post(signal)?;
    Ok(())
}

/// The client: asks, and watches the progress until the answer is there.
fn ask(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let channel = connect(&group, address)?;

    let mut request = engine.get().ok_or(POOL_EMPTY)?;
    request.prepare(Opcode::Request, channel);
    request.set_body("fry the tofu")?;
    let id = group.post(request)?.id;

    let mut steps = 0;
    loop {
        let message = next_message(&group)?.ok_or("the server left before it answered")?;
        ensure(message.id() == id, "a message about something else")?;
        match message.opcode() {
            Opcode::Signal => {
                steps += 1;
                let progress = message.text().get_str("Progress").unwrap_or("none");
                println!("client: Signal {id}: {progress}");
                ensure(progress == format!("{steps}:{STEPS}"), "a step is missing")?;
            }
            Opcode::Response => {
                println!("client: Response {id}: {}", str::from_utf8(message.body())?);
                ensure(message.body() == b"done", "the work was not done")?;
                break;
            }
            other => return Err(format!("unexpected {other}").into()),
        }
    }
    ensure(steps == STEPS, "the progress is not complete")?;
    say_goodbye(&group, channel)
}
