//! How a server says what went wrong, and how a client hears it.

use crate::failure::{Failure, Result};
use tofu_std::{Message, Opcode, Status};

/// What went wrong, in words.
const ERROR: &str = "error";
/// What went wrong, as a status' name.
const STATUS: &str = "status";

/// Makes a message the last Response of its id, one that says what went wrong.
pub(crate) fn refuse(message: &mut Message, failure: &Failure) -> Result {
    let (status, detail) = match failure {
        Failure::Status(status, detail) => (*status, detail.as_str()),
        Failure::OutputClosed => (Status::ProcessingFailed, ""),
    };
    let detail = detail.replace(char::is_control, " ");
    message.clear();
    message.set_opcode(Opcode::Response);
    message.set_more(false);
    message.add_header(STATUS, status.name())?;
    message.add_header(ERROR, detail)?;
    Ok(())
}

/// What a Response says went wrong, if anything.
pub(crate) fn verdict(response: &Message) -> Result {
    let Some(error) = response.text().get(ERROR) else {
        return Ok(());
    };
    let name = response.text().get_str(STATUS);
    let status = Status::ALL.iter().find(|status| Some(status.name()) == name);
    let status = status.filter(|status| !status.is_success());
    let status = status.copied().unwrap_or(Status::ProcessingFailed);
    // It is printed, and may be anybody's.
    let error = String::from_utf8_lossy(error).replace(char::is_control, " ");
    Err(Failure::new(status, format_args!("the server says: {error}")))
}
