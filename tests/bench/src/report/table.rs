//! The table that is printed.

use super::grouped;
use crate::contenders::Contender;
use crate::row::{Baseline, Goal, Row};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

/// All rows, as Markdown.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    let contenders = Contender::BUILT;
    let mut titles = vec!["what".to_owned(), "over".into(), String::new()];
    titles.extend(contenders.iter().map(Contender::to_string));
    titles.extend(["ratio", "to", "goal", ""].map(str::to_owned));
    let numbers = 2..=contenders.len() + 3;
    table.set_header(titles);
    for row in rows {
        table.add_row(cells(row));
    }
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cells(row: &Row) -> Vec<String> {
    let over = row.setting.map_or("memory".into(), |setting| setting.to_string());
    let (number, of) = row.parameter;
    let mut cells = vec![row.what.to_owned(), over, format!("{} {of}", grouped(number))];
    for &contender in Contender::BUILT {
        cells.push(row.value(contender).map(|value| row.unit.show(value)).unwrap_or_default());
    }
    cells.push(row.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default());
    cells.push(match &row.baseline {
        Baseline::None => String::new(),
        Baseline::Contender(contender) => contender.to_string(),
        Baseline::Own(name, _) => (*name).to_owned(),
    });
    cells.push(row.goal.map(|goal| show_goal(row, goal)).unwrap_or_default());
    cells.push(row.verdict().map(|verdict| verdict.to_string()).unwrap_or_default());
    cells
}

fn show_goal(row: &Row, goal: Goal) -> String {
    let show = |value: f64| match row.baseline {
        Baseline::None => row.unit.show(value),
        _ => format!("{value:.2}"),
    };
    let (sign, bound, aim) = match goal {
        Goal::AtMost { bound, aim } => ('≤', bound, aim),
        Goal::AtLeast { bound, aim } => ('≥', bound, aim),
    };
    match bound == aim {
        true => format!("{sign} {}", show(bound)),
        false => format!("{sign} {}, aim {}", show(bound), show(aim)),
    }
}
