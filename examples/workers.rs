//! Workers: one thread receives, and hands each channel's messages to the same worker, which answers them.
//!
//! So the messages of a channel are handled in order, and its goodbye is answered last. Threads that received from
//! clones of the group themselves would each take whatever comes next: that suits requests which stand for themselves,
//! but neither streams nor goodbyes.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use tofu_examples::{
    Outcome, PATIENCE, POOL_EMPTY, address_argument, both_ends, connect, ensure, expect, listen,
    receive, say_goodbye,
};
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Message, Opcode, Received, Status};

const WORKERS: usize = 3;
const CLIENTS: usize = 6;
const CHUNKS: u64 = 50;

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
    let (inboxes, workers): (Vec<_>, Vec<_>) = (0..WORKERS)
        .map(|number| {
            let (inbox, messages) = channel();
            let group = group.clone();
            (inbox, thread::spawn(move || work(number, &group, &messages)))
        })
        .unzip();
    let dispatched = dispatch(group, &inboxes);
    // Without their inboxes, the workers end.
    drop(inboxes);
    let ends = workers.into_iter().map(|worker| worker.join().map_err(|_| "a worker panicked")?);
    ends.fold(dispatched, |outcome, end| outcome.and(end))
}

/// Receives, and does nothing that takes long.
fn dispatch(group: &ChannelGroup, inboxes: &[Sender<Message>]) -> Outcome {
    let mut gone = 0;
    while gone < CLIENTS {
        match receive(group)? {
            Received::Peer(message) => {
                let worker = usize::from(message.channel().get()) % inboxes.len();
                inboxes[worker].send(message)?;
            }
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                ensure(notice.reason.is_success(), "a goodbye failed")?;
                gone += 1;
            }
            other => println!("server: {other:?}"),
        }
    }
    Ok(())
}

/// A worker: adds up each client's stream of numbers, and answers its last message with the sum.
fn work(number: usize, group: &ChannelGroup, messages: &Receiver<Message>) -> Outcome {
    let mut sums: HashMap<ChannelNumber, u64> = HashMap::new();
    for mut message in messages {
        if message.opcode() == Opcode::Request {
            let sum = sums.entry(message.channel()).or_default();
            *sum += str::from_utf8(message.body())?.parse::<u64>()?;
            // Real work takes time.
            thread::sleep(Duration::from_micros(100));
            if message.more() {
                continue;
            }
            println!("worker {number}: channel {} comes to {sum}", message.channel());
            message.set_body(sum.to_string())?;
        }
        message.reply()?;
        group.post_wait(message, PATIENCE)?;
    }
    Ok(())
}

fn run_clients(address: &str) -> Outcome {
    let engine = Engine::new()?;
    thread::scope(|scope| {
        let clients = [(); CLIENTS].map(|()| scope.spawn(|| add_up(&engine, address)));
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        Ok(())
    })
}

/// A client: streams numbers up, and knows what they come to.
fn add_up(engine: &Engine, address: &str) -> Outcome {
    let group = engine.group()?;
    let channel = connect(&group, address)?;
    let mut id = 0;
    for number in 1..=CHUNKS {
        let mut chunk = engine.get_wait(PATIENCE).ok_or(POOL_EMPTY)?;
        chunk.prepare(Opcode::Request, channel);
        chunk.set_id(id);
        chunk.set_more(number < CHUNKS);
        chunk.set_body(number.to_string())?;
        // The first is given an id, which they share.
        id = group.post_wait(chunk, PATIENCE)?.id;
    }
    let answer = expect(&group, Opcode::Response)?;
    let sum: u64 = str::from_utf8(answer.body())?.parse()?;
    ensure(sum == CHUNKS * (CHUNKS + 1) / 2, "some of it was lost, or came twice")?;
    println!("client: {CHUNKS} chunks were added up in order");
    say_goodbye(&group, channel)
}
