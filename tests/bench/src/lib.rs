//! The way of a message through the engine alone, which `tofu-bench` times and `core-path` lets others count.

mod core_path;
mod wire;

pub use core_path::{BATCH, CorePath};
pub use wire::Wire;

use std::error::Error;

/// What may go wrong.
pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;
