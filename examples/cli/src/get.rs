//! `tofu get`: a file from the server, streamed.

use crate::client::{self, Client};
use crate::failure::{Failure, Result};
use crate::refusal;
use crate::seconds::Patience;
use crate::transfer::{self, GET, Incoming};
use std::path::{Path, PathBuf};
use tofu_std::{Message, Status};

const AFTER_HELP: &str = "\
The server needs `--root`. The file stands under its name only once all of it has arrived and its \
checksum is right; a file of that name is replaced. A signal that ends it leaves what has arrived \
behind, as `.tofu-….part`.

Who reads from `-o -` and takes nothing for as long as the server's `--patience` is cut off.

Failures, by what stderr begins with, among others:
  not_allowed           the server has no `--root`, or NAME leads out of it
  processing_failed     the server has no such file, or FILE cannot be written
  communication_failed  nothing came for as long as --patience

Examples:
  tofu get 'tcp|localhost|7099' photo.jpg
  tofu get 'tcp|localhost|7099' pictures/2026.jpg -o photo.jpg
  tofu get 'uds|/tmp/tofu.sock' log.txt -o - | gzip > log.gz";

/// Fetch a file from a server, streamed and checked end to end
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where the server listens
    address: String,
    /// The file's name on the server
    name: String,
    /// Where to store it; `-` is stdout [default: the last part of NAME]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result {
    transfer::check_name(&args.name)?;
    let engine = client::engine()?;
    let client = Client::connect(&engine, &args.address, args.patience.deadline())?;
    let mut request = client::message(&engine)?;
    request.add_header(GET, &args.name)?;
    let id = client.post(request, args.patience.time)?.id;
    let mut deadline = args.patience.deadline();
    let mut response = client.response(id, deadline)?;
    args.verdict(&response)?;
    let mut file = args.open()?;
    let bar = transfer::progress_bar(transfer::size(response.text())?);
    loop {
        file.take(&response)?;
        bar.set_position(file.bytes());
        if !response.more() {
            break;
        }
        if !response.body().is_empty() {
            deadline = args.patience.deadline();
        }
        response = client.response(id, deadline)?;
        args.verdict(&response)?;
    }
    let checksum = transfer::checksum(response.text()).ok_or_else(transfer::no_files)?;
    file.finish(Some(&checksum))?;
    bar.finish();
    client.close();
    Ok(())
}

impl Args {
    /// What the server says went wrong with the file, if anything.
    fn verdict(&self, response: &Message) -> Result {
        refusal::verdict(response).map_err(|failure| failure.about(&self.name))
    }

    fn open(&self) -> Result<Incoming> {
        let target = match &self.output {
            Some(path) if path == Path::new("-") => return Ok(Incoming::stdout()),
            Some(path) => path.as_path(),
            None => Path::new(&self.name).file_name().map(Path::new).ok_or_else(|| {
                Failure::new(Status::NotAllowed, "the name has no last part; see --output")
            })?,
        };
        Incoming::open(target)
            .map_err(|error| Failure::io(format_args!("cannot write {}", target.display()), &error))
    }
}
