//! Streaming down: Request → Response(more) … Response(last), one message id.

use std::thread;
use tofu_examples::{
    Outcome, PATIENCE, POOL_EMPTY, address_argument, both_ends, connect, ensure, expect, listen,
    next_message, say_goodbye,
};
use tofu_std::{ChannelGroup, Engine, Message, Opcode};

/// What the server has to tell, line by line.
const RECIPE: &str = "Press the tofu.\nCut it into cubes.\nAdd some spice.\nFry until golden.";

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("server: listening on {address}");
    let server = thread::spawn(move || serve(&group));
    both_ends(download(&address), server)
}

/// The server: streams the recipe to whoever asks.
fn serve(group: &ChannelGroup) -> Outcome {
    while let Some(mut message) = next_message(group)? {
        if message.opcode() == Opcode::Request {
            stream_recipe(group, &message)?;
        } else {
            message.reply()?;
            group.post(message)?;
        }
    }
    Ok(())
}

/// One Response for each line, all with the id of the request.
fn stream_recipe(group: &ChannelGroup, request: &Message) -> Outcome {
    let wish = str::from_utf8(request.body())?;
    println!("server: Request {}: {wish}", request.id());
    let mut lines = RECIPE.lines().peekable();
    while let Some(line) = lines.next() {
        let mut response = group.engine().get_wait(PATIENCE).ok_or(POOL_EMPTY)?;
        response.prepare(Opcode::Response, request.channel());
        response.set_id(request.id());
        response.set_body(line)?;
        response.set_more(lines.peek().is_some());
        // A slow reader paces us: the post waits while the channel holds its share.
        group.post_wait(response, PATIENCE)?;
    }
    Ok(())
}

/// The client: asks once, and reads until the response without `more`.
fn download(address: &str) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let channel = connect(&group, address)?;

    let mut request = engine.get().ok_or(POOL_EMPTY)?;
    request.prepare(Opcode::Request, channel);
    request.set_body("the recipe, please")?;
    let id = group.post(request)?.id;

    let mut recipe = Vec::new();
    loop {
        let response = expect(&group, Opcode::Response)?;
        ensure(response.id() == id, "a response to something else")?;
        let line = str::from_utf8(response.body())?;
        println!("client: Response {id}, more: {}: {line}", response.more());
        recipe.push(line.to_owned());
        if !response.more() {
            break;
        }
    }
    ensure(recipe.join("\n") == RECIPE, "the recipe is not complete")?;
    say_goodbye(&group, channel)?;
    println!("client: the recipe is complete");
    Ok(())
}
