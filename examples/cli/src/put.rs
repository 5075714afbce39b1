//! `tofu put`: a file to the server, streamed.

use crate::client::{self, Client};
use crate::failure::{Failure, Result};
use crate::refusal;
use crate::seconds::Patience;
use crate::transfer::{self, BLOCK, CHECKSUM, PUT, SIZE, Tally};
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tofu_std::{Engine, Message, Opcode, Status};

/// Messages of the server that are looked at before the next block is sent.
const NEWS: usize = 64;

const AFTER_HELP: &str = "\
The server needs `--root`, and the directory a NAME is in. The file stands under its name only once \
all of it has arrived and its checksum is right; then it replaces a file of that name. Of a file that \
grows, what was there at the beginning is sent; of stdin, all until it ends.

Failures, by what stderr begins with, among others:
  not_allowed           the server has no `--root`, or NAME leads out of it
  processing_failed     the file cannot be read, or not be stored
  communication_failed  nothing moved for as long as --patience

Examples:
  tofu put 'tcp|localhost|7099' photo.jpg
  tofu put 'uds|/tmp/tofu.sock' photo.jpg --as 2026.jpg
  tar c photos | tofu put 'tcp|localhost|7099' - --as photos.tar";

/// Store a file on a server, streamed and checked end to end
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where the server listens
    address: String,
    /// The file; `-` is stdin, which needs --as
    file: PathBuf,
    /// Its name on the server [default: the file's own]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result {
    let name = args.name()?;
    let (mut file, size) = args.open().map_err(|error| args.unreadable(&error))?;
    let engine = client::engine()?;
    let client = Client::connect(&engine, &args.address, args.patience.deadline())?;
    let mut upload = Upload::open(&engine, client, name, size, args.patience)?;
    while upload.send_block(|block| file.read(block).map_err(|error| args.unreadable(&error)))? {}
    if size.is_some_and(|size| upload.tally.bytes() < size) {
        return Err(args.unreadable(&io::Error::other("it became shorter meanwhile")));
    }
    upload.finish()
}

impl Args {
    fn name(&self) -> Result<&str> {
        let name = match &self.name {
            Some(name) => Some(name.as_str()),
            None if self.is_stdin() => {
                return Err(Failure::new(Status::NotAllowed, "stdin has no name: it needs --as"));
            }
            None => self.file.file_name().and_then(|name| name.to_str()),
        };
        let name = name.ok_or_else(|| {
            Failure::new(Status::NotAllowed, "the file has no name that can be sent; see --as")
        })?;
        transfer::check_name(name).map(|()| name)
    }

    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    /// What is to be read, and how many bytes that will be, if it is known.
    fn open(&self) -> io::Result<(Box<dyn Read>, Option<u64>)> {
        if self.is_stdin() {
            return Ok((Box::new(io::stdin()), None));
        }
        let file = File::open(&self.file)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // Those of the system claim to be empty, and are not.
        let size = Some(metadata.len()).filter(|&size| metadata.is_file() && size > 0);
        Ok((Box::new(file.take(size.unwrap_or(u64::MAX))), size))
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::io(format_args!("cannot read {}", self.file.display()), error)
    }
}

struct Upload<'a> {
    engine: &'a Engine,
    client: Client,
    patience: Patience,
    id: u64,
    tally: Tally,
    bar: ProgressBar,
}

impl Upload<'_> {
    fn open<'a>(
        engine: &'a Engine,
        client: Client,
        name: &str,
        size: Option<u64>,
        patience: Patience,
    ) -> Result<Upload<'a>> {
        let mut request = client::message(engine)?;
        request.set_more(true);
        request.add_header(PUT, name)?;
        if let Some(size) = size {
            request.add_header_display(SIZE, size)?;
        }
        let id = client.post(request, patience.time)?.id;
        let bar = transfer::progress_bar(size);
        Ok(Upload { engine, client, patience, id, tally: Tally::default(), bar })
    }

    /// Sends what `read` puts into a block; false when that is nothing.
    fn send_block(&mut self, read: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<bool> {
        // It may have refused by now. It may also talk for ever.
        for _ in 0..NEWS {
            let Some(message) = self.client.poll()? else { break };
            if self.is_response(&message) {
                refusal::verdict(&message)?;
                return Err(transfer::no_files());
            }
        }
        let mut block = client::sized_message(self.engine, BLOCK)?;
        block.resize_body(BLOCK)?;
        let len = read(block.body_mut())?;
        if len == 0 {
            return Ok(false);
        }
        block.resize_body(len)?;
        block.set_id(self.id);
        block.set_more(true);
        self.tally.add(block.body());
        self.client.post(block, self.patience.time)?;
        self.bar.set_position(self.tally.bytes());
        Ok(true)
    }

    fn finish(self) -> Result {
        let mut last = client::message(self.engine)?;
        last.set_id(self.id);
        last.add_header(CHECKSUM, self.tally.checksum())?;
        self.client.post(last, self.patience.time)?;
        let (mut deadline, mut done) = (self.patience.deadline(), 0);
        let response = loop {
            let message = self.client.receive(deadline).map_err(or_stored)?;
            if self.is_response(&message) {
                break message;
            }
            if let Some(more) = transfer::progress(message.text()).filter(|more| *more > done) {
                (deadline, done) = (self.patience.deadline(), more);
            }
        };
        refusal::verdict(&response)?;
        let checksum = transfer::checksum(response.text()).filter(|_| !response.more());
        self.tally.check(None, Some(&checksum.ok_or_else(transfer::no_files)?))?;
        self.bar.finish();
        self.client.close();
        Ok(())
    }

    fn is_response(&self, message: &Message) -> bool {
        message.opcode() == Opcode::Response && message.id() == self.id
    }
}

/// The server has all of it, and does not say what became of it.
fn or_stored(failure: Failure) -> Failure {
    match failure {
        Failure::Status(status @ Status::CommunicationFailed, detail) => {
            Failure::new(status, format_args!("{detail}; the file may be stored all the same"))
        }
        other => other,
    }
}
