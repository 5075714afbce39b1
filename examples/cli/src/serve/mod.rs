//! `tofu serve`: an echo, and with `--root` a place for files.
//!
//! One thread, one receive loop, state by channel number. Nothing in it waits for a single client:
//! an answer that has no room is kept in its channel's outbox and tried again, a file that
//! is fetched is read only as fast as its channel takes it.

mod download;
mod peer;
mod root;
mod server;
mod uploads;

use crate::client;
use crate::failure::{Failure, Result};
use crate::seconds;
use root::Root;
use server::Server;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tofu_std::{ChannelGroup, Engine, Options};

const AFTER_HELP: &str = "\
Prints `listening ADDRESS` for each listener once it is ready, with the port it really has.

The echo: a HelloRequest is answered by a HelloResponse, a Request by a Response with the same text \
headers, body, id and `more`, a ByeRequest by a ByeResponse. A Signal with `more` is not answered, \
the last one by an empty Response.

With --root, Requests with a header `put: NAME` or `get: NAME` store or fetch files under DIR; see \
`tofu put` and `tofu get`. A NAME that leads out of DIR is refused. Nobody else should be able to \
write in DIR: a directory that becomes a link while a NAME in it is looked up is followed.

SIGINT, SIGTERM and SIGHUP, under nohup too: what is queued is finished, for 3 seconds at most, then \
it ends with 0. A second signal ends it at once, and leaves unfinished files behind, as \
`.tofu-….part`; so does SIGKILL.

Examples:
  tofu serve 'tcp|127.0.0.1|7099'
  tofu serve 'tcp||0' 'uds|/tmp/tofu.sock' --root ./files";

/// Serve: answer with an echo, and keep files under a directory
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where to listen
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// Store and fetch files under this directory
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Drop a connection that has not taken what waits for it for so long, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds::parse)]
    #[arg(allow_negative_numbers = true)]
    patience: Duration,
    /// Drop a connection that passes no byte for so long, in seconds [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds::parse)]
    #[arg(allow_negative_numbers = true)]
    idle: Option<Duration>,
    /// Connections at once on each address; more have to wait
    #[arg(long, value_name = "N", default_value_t = Options::default().protocol.listener_channels)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result {
    args.addresses.iter().try_for_each(|address| client::check_address(address))?;
    let root =
        match &args.root {
            Some(dir) => Some(Root::open(dir).map_err(|error| {
                Failure::io(format_args!("cannot use {}", dir.display()), &error)
            })?),
            None => None,
        };
    let mut options = Options::default();
    options.protocol.send_timeout = Some(args.patience);
    options.protocol.idle_timeout = args.idle;
    options.protocol.listener_channels = args.clients;
    let engine = Engine::with_options(options)
        .map_err(|error| Failure::io("cannot start the engine", &error))?;
    let group = engine.group()?;
    let stop = watch_signals(&group)?;
    let mut server = Server::new(group, root, stop);
    let outcome = server.listen(&args.addresses).and_then(|()| server.run());
    engine.stop();
    outcome
}

/// A flag that the first signal raises, waking the receiver. The second ends the process.
fn watch_signals(group: &ChannelGroup) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (raised, group) = (stop.clone(), group.clone());
    let handler = move || {
        if raised.swap(true, Ordering::SeqCst) {
            process::exit(1);
        }
        // It fails only where the engine has stopped already.
        let _ = group.update_receiver(None);
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::new(tofu_std::Status::ProcessingFailed, error))?;
    Ok(stop)
}
