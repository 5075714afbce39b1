//! Request and response: a client asks, a server answers.
//!
//! Start here. Every step is a message: listening, connecting, asking, answering, saying goodbye.
//! The other examples leave these steps to the helpers in `src/lib.rs`, which do the same.
//!
//! ```text
//! cargo run --example request_response -- 'tcp|127.0.0.1|7099'
//! ```

use std::thread;
use tofu_examples::{Outcome, PATIENCE, address_argument, both_ends, ensure};
use tofu_std::{ChannelGroup, Engine, LISTEN_ON, Message, Opcode, PostError, Received, Status};

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let address = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let server = thread::spawn(move || serve(&group));
    both_ends(ask(&address), server)
}

/// A WelcomeRequest starts a listener. The engine's answer to it holds the address that came of it,
/// with a real port where we asked for port 0.
fn listen(group: &ChannelGroup, address: &str) -> Outcome<String> {
    let mut welcome = group.engine().get().ok_or("the pool is empty")?;
    welcome.listen_on(address)?;
    group.post(welcome)?;
    match group.wait_receive(PATIENCE)? {
        Some(Received::Returned(welcome, Status::Success)) => {
            let address = welcome.text().get_str(LISTEN_ON);
            Ok(address.ok_or("a listener without address")?.to_owned())
        }
        Some(Received::Returned(_, status)) => {
            Err(format!("cannot listen on {address}: {status}").into())
        }
        other => Err(format!("instead of a WelcomeResponse came {other:?}").into()),
    }
}

/// The server: turns what it receives into its answer, until its client is gone.
fn serve(group: &ChannelGroup) -> Outcome {
    loop {
        let received = group.wait_receive(PATIENCE)?;
        match received.ok_or("nothing came in time")? {
            // From the client: a HelloRequest, then Requests, at last a ByeRequest.
            Received::Peer(mut message) => {
                println!("server: got {}", message.opcode());
                if message.opcode() == Opcode::Request {
                    let greeting = format!("hello, {}", str::from_utf8(message.body())?);
                    message.set_body(greeting)?;
                }
                // The answer goes to the same channel with the same id.
                message.reply()?;
                group.post(message)?;
            }
            // Ours, and it could not be sent.
            Received::Returned(message, status) => {
                return Err(format!("{} came back: {status}", message.opcode()).into());
            }
            // The last word about a channel. The listener ends with the engine, when both are dropped.
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                println!("server: the client is gone: {}", notice.reason);
                return Ok(());
            }
            Received::Notice(notice) => println!("server: notice {}", notice.status),
        }
    }
}

/// The client. It has an engine of its own, as it would in another process.
fn ask(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;

    // Post never waits. It returns the completed header, with the channel the connection will have.
    let mut hello = engine.get().ok_or("the pool is empty")?;
    hello.connect_to(address)?;
    let channel = group.post(hello)?.channel;

    // So a request may follow at once.
    let mut request = engine.get().ok_or("the pool is empty")?;
    request.prepare(Opcode::Request, channel);
    request.add_header("Content-Type", "text/plain")?;
    request.set_body("tofu")?;
    let id = group.post(request)?.id;
    println!("client: posted HelloRequest and Request {id}");

    let answer = wait_for_answer(&group)?;
    let text = str::from_utf8(answer.body())?;
    println!("client: Response {}: {text}", answer.id());
    ensure(answer.id() == id, "the answer has another id")?;
    ensure(text == "hello, tofu", "the answer is wrong")?;

    let mut bye = engine.get().ok_or("the pool is empty")?;
    bye.prepare(Opcode::ByeRequest, channel);
    group.post(bye)?;
    // Nothing can follow a ByeRequest. A refused message comes back inside the error.
    match group.post(answer) {
        Err(PostError { message, status, .. }) => {
            println!("client: a late {} was refused: {status}", message.opcode());
        }
        Ok(_) => return Err("a message after the goodbye was accepted".into()),
    }
    wait_until_closed(&group)
}

fn wait_for_answer(group: &ChannelGroup) -> Outcome<Message> {
    loop {
        let received = group.wait_receive(PATIENCE)?;
        match received.ok_or("nothing came in time")? {
            Received::Peer(message) if message.opcode() == Opcode::Response => return Ok(message),
            Received::Peer(message) => println!("client: got {}", message.opcode()),
            // Also the word that a connection failed: a HelloResponse with connect_failed.
            Received::Returned(message, status) => {
                return Err(format!("{} came back: {status}", message.opcode()).into());
            }
            Received::Notice(notice) => return Err(format!("notice {}", notice.status).into()),
        }
    }
}

/// By then the server has received everything, and said goodbye, too.
fn wait_until_closed(group: &ChannelGroup) -> Outcome {
    loop {
        let received = group.wait_receive(PATIENCE)?;
        match received.ok_or("nothing came in time")? {
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                println!("client: channel closed: {}", notice.reason);
                return ensure(notice.reason.is_success(), "the goodbye failed");
            }
            Received::Peer(message) => println!("client: got {}", message.opcode()),
            other => return Err(format!("instead of a goodbye came {other:?}").into()),
        }
    }
}
