//! Options with one timeout that fires.

use crate::SOON;
use std::time::Duration;
use tofu_std::Options;

/// The timeout in question; all others are [`SOON`]. Longer than a busy machine lets a thread wait, for
/// the connection that is tried afterwards has it as well.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// Sets one timeout.
pub type Set = fn(&mut Options);

/// Nothing came.
pub const IDLE: Set = |options| options.protocol.idle_timeout = Some(TIMEOUT);
/// Nothing was taken.
pub const SEND: Set = |options| options.protocol.send_timeout = Some(TIMEOUT);
/// A frame stayed unfinished.
pub const FRAME: Set = |options| options.protocol.frame_timeout = TIMEOUT;
/// A goodbye was not answered.
pub const BYE: Set = |options| options.protocol.bye_timeout = TIMEOUT;
/// No hello came.
pub const HELLO: Set = |options| options.protocol.hello_timeout = TIMEOUT;
/// A connection did not come about.
pub const CONNECT: Set = |options| options.protocol.connect_timeout = TIMEOUT;
/// None of them.
pub const NONE: Set = |_| {};

/// Options with one timeout that fires here.
#[must_use]
pub fn only(set: Set) -> Options {
    let mut options = Options::default();
    let protocol = &mut options.protocol;
    protocol.connect_timeout = SOON;
    protocol.hello_timeout = SOON;
    protocol.bye_timeout = SOON;
    protocol.frame_timeout = SOON;
    set(&mut options);
    options
}
