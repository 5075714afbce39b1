//! `tofu call`: one request, and the response's body on stdout.

use crate::client::{self, Client};
use crate::failure::{Failure, Result};
use crate::output;
use crate::seconds;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tofu_std::MAX_SECTION_LEN;

const AFTER_HELP: &str = "\
Where the response comes in several messages, their bodies are written one after the other.

Failures, by what stderr begins with, among others:
  invalid_address       ADDRESS is none, or its host is not found
  connect_failed        nobody listens there, or it cannot be reached
  uds_path_not_found    there is no such socket
  peer_disconnected     the server went away, or hung up on what it did not
                        understand: it may be no tofu server
  invalid_message       what answers is no tofu server
  communication_failed  no response came in time
  invalid_body_len      the body is longer than the server takes, or than 65535
                        bytes
  invalid_headers_len   the text headers are
  processing_failed     the file cannot be read

Examples:
  tofu call 'tcp|localhost|7099' --body hello
  tofu call 'uds|/tmp/tofu.sock' --header kind:greeting --file in.bin > out.bin
  date | tofu call 'tcp|localhost|7099' --file - --timeout 2.5";

/// Send one request and write the response's body to stdout, byte for byte
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where the server listens
    address: String,
    /// A text header of the request; may be given several times
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// The request's body
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    body: Option<String>,
    /// A file that holds the request's body; `-` is stdin
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// How long it may take in all once the body is read, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds::parse)]
    // Else `-1` is taken for an option, and what is wrong with it not said.
    #[arg(allow_negative_numbers = true)]
    timeout: Duration,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result {
    let body = args.read_body()?;
    let deadline = Instant::now() + args.timeout;
    let engine = client::engine()?;
    let mut request = client::message(&engine)?;
    for (name, value) in &args.headers {
        request.add_header(name, value)?;
    }
    request.set_body(body)?;
    let client = Client::connect(&engine, &args.address, deadline)?;
    let left = deadline.saturating_duration_since(Instant::now());
    let id = client.post(request, left)?.id;
    loop {
        let response = client.response(id, deadline)?;
        output::write(response.body())?;
        if !response.more() {
            break;
        }
    }
    client.close();
    Ok(())
}

impl Args {
    fn read_body(&self) -> Result<Vec<u8>> {
        match (&self.body, &self.file) {
            (Some(text), _) => Ok(text.clone().into_bytes()),
            (None, Some(path)) => read_file(path).map_err(|error| {
                Failure::io(format_args!("cannot read {}", path.display()), &error)
            }),
            (None, None) => Ok(Vec::new()),
        }
    }
}

/// Reads a file, but no more than shows that it is too long.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut body = Vec::new();
    source.take(MAX_SECTION_LEN as u64 + 1).read_to_end(&mut body)?;
    Ok(body)
}

fn parse_header(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("there must be a `:` after the name")?;
    if name.is_empty() {
        Err("the name is empty".into())
    } else if text.contains(['\r', '\n']) {
        Err("a header is one line".into())
    } else {
        Ok((name.into(), value.into()))
    }
}
