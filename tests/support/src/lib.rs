//! What several of tofu's test programs need, and what has nothing to do with tofu.

mod lines;
mod stats;

pub use lines::lines;
pub use stats::{median, percentile};
