//! Reconnect: on `connect_failed` or `channel_closed`, the client posts a new HelloRequest.
//!
//! The server answers one request, goes away, and comes back. The client lives through it with one
//! loop and one variable: its channel, or none.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use tofu_examples::{
    Outcome, PATIENCE, POOL_EMPTY, address_argument, both_ends, listen, next_message, say_goodbye,
};
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Message, Opcode, Received, Status};

/// How long the client waits before it tries again.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the server comes to life, to answer one request each time.
const LIVES: usize = 2;

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let (missed, outage) = channel();
    let same_address = address.clone();
    let server = thread::spawn(move || {
        answer_one(&group)?;
        // Dropped with its last group, the engine closes its listener and its connections.
        drop((group, engine));
        println!("server: gone");
        come_back(&same_address, &outage)
    });
    both_ends(ask(&address, &missed), server)
}

/// The server's second life, which begins when the client has noticed the end of the first.
fn come_back(address: &str, outage: &Receiver<()>) -> Outcome {
    outage.recv_timeout(PATIENCE)?;
    let engine = Engine::new()?;
    let group = engine.group()?;
    listen(&group, address)?;
    println!("server: back on {address}");
    answer_one(&group)
}

/// Greets clients until one has its answer and the channel is closed.
fn answer_one(group: &ChannelGroup) -> Outcome {
    loop {
        let mut message = next_message(group)?.ok_or("a goodbye before the request")?;
        let answered = message.opcode() == Opcode::Request;
        message.reply()?;
        let channel = group.post(message)?.channel;
        if answered {
            return say_goodbye(group, channel);
        }
    }
}

/// The client: wants one answer from each life of the server.
fn ask(address: &str, missed: &Sender<()>) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let mut channel = Some(say_hello(&group, address)?);
    let mut answers = 0;
    while answers < LIVES || channel.is_some() {
        let wait = if channel.is_some() { PATIENCE } else { PAUSE };
        match group.wait_receive(wait)? {
            None if channel.is_some() => return Err("the server does not answer".into()),
            // The pause is over.
            None => channel = Some(say_hello(&group, address)?),
            Some(Received::Peer(message)) => answers += usize::from(handle(&group, message)?),
            // The connection failed. A HelloResponse from the engine says why; the request that was
            // posted with it comes back, too. Then follows channel_closed, as for a lost connection.
            Some(Received::Returned(message, status)) => {
                println!("client: {} from the engine: {status}", message.opcode());
                if message.opcode() == Opcode::HelloResponse {
                    // Only the first failure brings the server back; later ones interest nobody.
                    let _ = missed.send(());
                }
            }
            Some(Received::Notice(notice)) if notice.status == Status::ChannelClosed => {
                println!("client: channel closed: {}", notice.reason);
                channel = None;
            }
            Some(Received::Notice(notice)) => println!("client: notice {}", notice.status),
        }
    }
    println!("client: has {answers} answers");
    Ok(())
}

/// Connects and asks, all at once.
fn say_hello(group: &ChannelGroup, address: &str) -> Outcome<ChannelNumber> {
    let mut hello = group.engine().get().ok_or(POOL_EMPTY)?;
    hello.connect_to(address)?;
    let channel = group.post(hello)?.channel;
    let mut request = group.engine().get().ok_or(POOL_EMPTY)?;
    request.prepare(Opcode::Request, channel);
    println!("client: HelloRequest and Request on channel {channel}");
    // Where the connection has failed already, the request is refused. The reason is on its way.
    if let Err(refused) = group.post(request) {
        println!("client: {refused}");
    }
    Ok(channel)
}

/// True for an answer.
fn handle(group: &ChannelGroup, mut message: Message) -> Outcome<bool> {
    println!("client: got {}", message.opcode());
    if message.opcode() == Opcode::ByeRequest {
        message.reply()?;
        group.post(message)?;
        return Ok(false);
    }
    Ok(message.opcode() == Opcode::Response)
}
