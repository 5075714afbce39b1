//! Why a command failed.

use crate::verbose;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;
use tofu_std::{Address, MAX_SECTION_LEN, MessageError, PostError, Status, Stopped};

/// What a command comes to.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A status, and what else there is to say; may be nothing.
    Status(Status, String),
    /// Nobody reads our output any more. They had enough: nothing to complain about.
    OutputClosed,
}

impl Failure {
    /// A status and more about it.
    pub(crate) fn new(status: Status, detail: impl Display) -> Self {
        Failure::Status(status, detail.to_string())
    }

    /// What came of connecting to an address, or of listening on it.
    pub(crate) fn at(status: Status, address: &str) -> Self {
        match Address::parse(address) {
            Err(error) if status == Status::InvalidAddress => {
                Failure::new(status, format_args!("{address}: {error}"))
            }
            _ if comes_of_the_system(status) && verbose::has_more() => {
                Failure::new(status, format_args!("{address} (-v tells more)"))
            }
            _ => Failure::new(status, address),
        }
    }

    /// The same, and what it is about.
    pub(crate) fn about(self, what: impl Display) -> Self {
        match self {
            Failure::Status(status, detail) => {
                Failure::new(status, format_args!("{what}: {detail}"))
            }
            Failure::OutputClosed => self,
        }
    }

    /// The same; where nothing else is said, that it happened at this address.
    pub(crate) fn or_at(self, address: &str) -> Self {
        match self {
            Failure::Status(status, detail) if detail.is_empty() => Failure::at(status, address),
            other => other,
        }
    }

    /// An operation on a file that failed: `what` it was.
    pub(crate) fn io(what: impl Display, error: &io::Error) -> Self {
        Failure::new(Status::ProcessingFailed, format_args!("{what}: {error}"))
    }

    /// The line for stderr, the status' name first.
    pub(crate) fn line(&self) -> String {
        match self {
            Failure::Status(status, detail) if detail.is_empty() => status.to_string(),
            Failure::Status(status, detail) => format!("{status}: {detail}"),
            Failure::OutputClosed => "output closed".into(),
        }
    }

    /// Says it on stderr, and with which code the process ends.
    pub(crate) fn report(&self) -> ExitCode {
        if matches!(self, Failure::OutputClosed) {
            return ExitCode::SUCCESS;
        }
        crate::output::complain(&self.line());
        ExitCode::FAILURE
    }
}

/// Whether a status is what is left of an error of the operating system, or of its look-up of a name.
fn comes_of_the_system(status: Status) -> bool {
    matches!(status, Status::ConnectFailed | Status::ListenFailed | Status::InvalidAddress)
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Failure::Status(status, String::new())
    }
}

impl From<MessageError> for Failure {
    fn from(error: MessageError) -> Self {
        let most = match error {
            MessageError::HeadersTooLong | MessageError::BodyTooLong => {
                format!(": {MAX_SECTION_LEN} bytes is the most a message takes")
            }
            _ => String::new(),
        };
        Failure::new(error.status(), format_args!("{error}{most}"))
    }
}

impl From<PostError> for Failure {
    fn from(error: PostError) -> Self {
        error.status.into()
    }
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Status::ShutdownStarted.into()
    }
}
