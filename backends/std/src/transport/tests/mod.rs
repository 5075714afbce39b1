//! The transport over real sockets: what [`tofu_core::Transport`] promises, for every kind.

mod failures;
mod opening;
mod rig;
mod streams;
