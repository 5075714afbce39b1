//! What is told of a run: a table on standard output, and files.

mod json;
mod table;

use crate::Outcome;
use crate::row::Row;
use std::fs;
use std::path::Path;

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    println!("{}", table::table(rows));
}

/// Writes the files into a directory, which is made if need be.
pub(crate) fn write(rows: &[Row], directory: &Path) -> Outcome {
    fs::create_dir_all(directory)?;
    json::write(rows, &directory.join("bench.json"))?;
    Ok(())
}
