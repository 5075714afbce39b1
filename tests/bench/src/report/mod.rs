//! What is told of a run: a table, and files.

mod chart;
mod json;
mod table;

pub(crate) use table::table;

use crate::Outcome;
use crate::machine::Machine;
use crate::row::Row;
use std::fs;
use std::path::Path;

/// Writes the files into a directory, which is made if need be.
pub(crate) fn write(machine: &Machine, rows: &[Row], directory: &Path) -> Outcome {
    fs::create_dir_all(directory)?;
    json::write(machine, rows, &directory.join("bench.json"))?;
    chart::write(rows, &directory.join("bench.svg"))
}

/// A number with commas.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 65_535].map(grouped), ["0", "999", "1,000", "65,535"]);
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
