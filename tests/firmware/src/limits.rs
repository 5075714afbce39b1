//! What must be reached: the committed ceilings.

use crate::table::Row;
use crate::{Outcome, ensure};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Ceilings by name, from a file of lines `name value`.
pub(crate) struct Limits(HashMap<String, u32>);

impl Limits {
    /// Reads them.
    pub(crate) fn read(path: &Path) -> Outcome<Limits> {
        let text = fs::read_to_string(path)?;
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let limits = lines.map(|line| {
            let (name, value) = line.split_once(' ').ok_or("a line has no value")?;
            Ok((name.to_owned(), value.trim().parse()?))
        });
        Ok(Limits(limits.collect::<Outcome<_>>()?))
    }

    fn value(&self, name: &str) -> Outcome<u32> {
        self.0.get(name).copied().ok_or_else(|| format!("there is no limit `{name}`").into())
    }

    /// How the rate of round trips misses its limit, if it does.
    pub(crate) fn check_rate(&self, baseline: &Row, echo: &Row) -> Outcome<Option<String>> {
        let percent = (100.0 * baseline.round_trip / echo.round_trip) as u32;
        let limit = self.value("rate_percent")?;
        Ok((percent < limit).then(|| format!("rate_percent is {percent}, less than {limit}")))
    }

    /// Checks what was measured; tells all that is not reached.
    pub(crate) fn check(&self, baseline: &Row, echo: &Row, instructions: u32) -> Outcome {
        let share = echo.sizes.text.saturating_sub(baseline.sizes.text);
        let most = [
            ("echo_text", echo.sizes.text),
            ("echo_ram", echo.sizes.data + echo.sizes.bss),
            ("share_of_text", share),
            ("round_trip_instructions", echo.instructions),
            ("instructions", instructions),
        ];
        let mut missed = Vec::new();
        for (name, found) in most {
            let limit = self.value(name)?;
            if found > limit {
                missed.push(format!("{name} is {found}, more than {limit}"));
            }
        }
        missed.extend(self.check_rate(baseline, echo)?);
        ensure(missed.is_empty(), || missed.join("; "))
    }
}
