//! Writing to stdout and stderr, where a closed pipe is no reason to panic.

use crate::failure::{Failure, Result};
use std::io::{self, Write};

/// Writes bytes to stdout as they are, at once.
pub(crate) fn write(bytes: &[u8]) -> Result {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| output_failure(&error))
}

/// Writes one line to stdout, at once.
pub(crate) fn line(text: &str) -> Result {
    write(format!("{text}\n").as_bytes())
}

/// Writes one line to stderr. Where that fails there is nobody left to tell.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What a failed write to stdout means.
pub(crate) fn output_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::io("cannot write the output", error),
    }
}
