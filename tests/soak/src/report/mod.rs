//! What is told of a run: tables, and files.

mod chart;
mod json;
mod table;

pub(crate) use table::{periods, promises};

use crate::Outcome;
use crate::samples::Run;
use crate::verdict::Check;
use std::fs;
use std::path::Path;

/// Writes the files into a directory, which is made if need be.
pub(crate) fn write(run: &Run, checks: &[Check], directory: &Path) -> Outcome {
    fs::create_dir_all(directory)?;
    json::write(run, checks, &directory.join("soak.json"))?;
    chart::write(run, &directory.join("soak.svg"))
}
