//! Logging: the one file here that names the `log` crate. Without the feature nothing is told.

use std::fmt::Display;
use std::io;
use tofu_core::Status;

/// Tells what the system said about something, where only a status goes on.
pub(crate) fn told(what: impl Display, error: &io::Error) {
    #[cfg(feature = "log")]
    ::log::debug!("{what}: {error}");
    #[cfg(not(feature = "log"))]
    let _ = (what, error);
}

/// The status an error of the system comes to. What it was is told.
pub(crate) fn failed(status: Status, what: impl Display) -> impl FnOnce(io::Error) -> Status {
    move |error| {
        told(what, &error);
        status
    }
}
