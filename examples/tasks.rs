//! Async tasks: a server and its clients on one thread of tokio, or of any other runtime.
//!
//! `receive_async`, `get_async` and `post_async` wait as their namesakes do, but hold up no thread. Timeouts are the
//! runtime's: what is dropped has taken nothing, so that waiting can be given up and begun again.

use std::time::Duration;
use tofu_examples::{Outcome, PATIENCE, POOL_EMPTY, address_argument, ensure, listen};
use tofu_std::{ChannelGroup, Engine, Message, Opcode, Received, Status};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const CLIENTS: u32 = 5;

fn main() -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async { timeout(PATIENCE, run()).await? })
}

async fn run() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let server = tokio::spawn(serve(group));
    // One engine for all of them, with a group and a channel each.
    let client = Engine::new()?;
    let mut clients = JoinSet::new();
    for number in 1..=CLIENTS {
        clients.spawn(ask(client.clone(), address.clone(), number));
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    engine.stop();
    server.await?
}

/// The server: one task receives, and each request is answered by a task of its own.
async fn serve(group: ChannelGroup) -> Outcome {
    let mut answering = JoinSet::new();
    // Until the engine stops.
    while let Ok(received) = group.receive_async().await {
        let Received::Peer(mut message) = received else { continue };
        if message.opcode() == Opcode::Request {
            answering.spawn(answer(group.clone(), message));
        } else if message.reply().is_ok() {
            // HelloRequest and ByeRequest.
            group.post_async(message).await?;
        }
    }
    answering.join_all().await.into_iter().collect()
}

/// Takes its time, during which the others go on.
async fn answer(group: ChannelGroup, mut request: Message) -> Outcome {
    let number: u64 = str::from_utf8(request.body())?.parse()?;
    sleep(Duration::from_millis(300 / number)).await;
    request.set_body((number * number).to_string())?;
    request.reply()?;
    group.post_async(request).await?;
    Ok(())
}

/// A client.
async fn ask(engine: Engine, address: String, number: u32) -> Outcome {
    let group = engine.group()?;
    let mut hello = engine.get_async().await.ok_or(POOL_EMPTY)?;
    hello.connect_to(&address)?;
    let channel = group.post(hello)?.channel;
    let mut request = engine.get_async().await.ok_or(POOL_EMPTY)?;
    request.prepare(Opcode::Request, channel).set_body(number.to_string())?;
    group.post_async(request).await?;
    loop {
        // A deadline of its own for each answer; here it is only told of.
        match timeout(Duration::from_millis(30), group.receive_async()).await {
            Err(_) => println!("client {number}: still waits"),
            Ok(received) => match received? {
                Received::Peer(message) if message.opcode() == Opcode::Response => {
                    let square = str::from_utf8(message.body())?;
                    println!("client {number}: its square is {square}");
                    ensure(square == (number * number).to_string(), "the answer is wrong")?;
                    break;
                }
                received => expect_peer(received)?,
            },
        }
    }
    let mut bye = engine.get_async().await.ok_or(POOL_EMPTY)?;
    bye.prepare(Opcode::ByeRequest, channel);
    group.post(bye)?;
    loop {
        match group.receive_async().await? {
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                println!("client {number}: channel closed: {}", notice.reason);
                return ensure(notice.reason.is_success(), "the goodbye failed");
            }
            received => expect_peer(received)?,
        }
    }
}

/// Anything of the peer's is as good as another: its HelloResponse, its ByeResponse.
fn expect_peer(received: Received) -> Outcome {
    match received {
        Received::Peer(_) => Ok(()),
        other => Err(format!("instead of a message of the peer's came {other:?}").into()),
    }
}
