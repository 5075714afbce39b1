//! The `tofu` tool, as a user runs it.

mod calls;
mod common;
mod files;
