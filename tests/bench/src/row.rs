//! One line of the results: what was measured, beside what, and what it had to reach.

use crate::contenders::Contender;
use crate::setting::Setting;
use std::fmt;
use tofu_test_support::median;

/// The values of some rounds.
pub(crate) type Samples = Vec<(Contender, Vec<f64>)>;

/// What values are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanoseconds,
    PerSecond,
    BytesPerSecond,
    Bytes,
    Count,
}

impl Unit {
    /// A value as people read it.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Unit::Nanoseconds if value < 1_000.0 => format!("{value:.0} ns"),
            Unit::Nanoseconds if value < 1e6 => format!("{:.1} µs", value / 1e3),
            Unit::Nanoseconds => format!("{:.2} ms", value / 1e6),
            Unit::PerSecond if value < 1e6 => format!("{:.1} k/s", value / 1e3),
            Unit::PerSecond => format!("{:.2} M/s", value / 1e6),
            Unit::BytesPerSecond => format!("{:.0} MB/s", value / 1e6),
            Unit::Bytes => format!("{value:.0} B"),
            Unit::Count if value > 0.0 && value < 0.01 => format!("{value:.0e}"),
            Unit::Count => format!("{value:.2}"),
        }
    }

    /// As the JSON names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::PerSecond => "1/s",
            Unit::BytesPerSecond => "bytes/s",
            Unit::Bytes => "bytes",
            Unit::Count => "count",
        }
    }
}

/// What tofu's value is divided by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Baseline {
    /// Nothing: the value itself counts.
    None,
    Contender(Contender),
    /// Values of tofu itself, under easier circumstances.
    Own(&'static str, Vec<f64>),
}

/// What has to be reached, and what should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtMost { bound: f64, aim: f64 },
    AtLeast { bound: f64, aim: f64 },
}

impl Goal {
    fn verdict(self, value: f64) -> Verdict {
        let reaches = |goal: f64| match self {
            Goal::AtMost { .. } => value <= goal,
            Goal::AtLeast { .. } => value >= goal,
        };
        let (Goal::AtMost { bound, aim } | Goal::AtLeast { bound, aim }) = self;
        match (reaches(bound), reaches(aim)) {
            (true, true) if aim != bound => Verdict::Reached,
            (true, _) => Verdict::Kept,
            (false, _) => Verdict::Missed,
        }
    }
}

/// Whether a goal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// And what was aimed at, too.
    Reached,
    Kept,
    Missed,
    /// There is nothing to compare with.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Reached => "aim reached",
            Verdict::Kept => "kept",
            Verdict::Missed => "MISSED",
            Verdict::Unknown => "no baseline",
        })
    }
}

/// One line of the results.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    /// `None` in memory.
    pub(crate) setting: Option<Setting>,
    /// The number that varies between the rows of one mode, such as a size, and in what it is.
    pub(crate) parameter: (u64, &'static str),
    pub(crate) unit: Unit,
    pub(crate) samples: Samples,
    pub(crate) baseline: Baseline,
    pub(crate) goal: Option<Goal>,
}

impl Row {
    /// Beside raw sockets, without a goal.
    pub(crate) fn new(
        what: &'static str,
        setting: impl Into<Option<Setting>>,
        parameter: (u64, &'static str),
        unit: Unit,
        samples: Samples,
    ) -> Row {
        Row {
            what,
            setting: setting.into(),
            parameter,
            unit,
            samples,
            baseline: Baseline::Contender(Contender::Raw),
            goal: None,
        }
    }

    pub(crate) fn beside(mut self, baseline: Baseline) -> Row {
        self.baseline = baseline;
        self
    }

    pub(crate) fn at_most(mut self, bound: f64, aim: f64) -> Row {
        self.goal = Some(Goal::AtMost { bound, aim });
        self
    }

    pub(crate) fn at_least(mut self, bound: f64, aim: f64) -> Row {
        self.goal = Some(Goal::AtLeast { bound, aim });
        self
    }

    /// A contender's values.
    pub(crate) fn of(&self, contender: Contender) -> Option<&[f64]> {
        let (_, values) = self.samples.iter().find(|(who, _)| *who == contender)?;
        Some(values)
    }

    /// Their median.
    pub(crate) fn value(&self, contender: Contender) -> Option<f64> {
        self.of(contender).map(median)
    }

    /// tofu's value divided by the baseline's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let base = match &self.baseline {
            Baseline::None => return None,
            Baseline::Contender(contender) => self.value(*contender)?,
            Baseline::Own(_, values) => median(values),
        };
        Some(self.value(Contender::Tofu)? / base)
    }

    /// Whether the goal is kept, if there is one.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let value = match self.baseline {
            Baseline::None => self.value(Contender::Tofu),
            _ => self.ratio(),
        };
        let goal = self.goal?;
        Some(value.map_or(Verdict::Unknown, |value| goal.verdict(value)))
    }

    /// Whether there is a goal, and it is not known to be kept.
    pub(crate) fn is_short(&self) -> bool {
        matches!(self.verdict(), Some(Verdict::Missed | Verdict::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(raw: &[f64], tofu: &[f64]) -> Row {
        let samples = vec![(Contender::Raw, raw.to_vec()), (Contender::Tofu, tofu.to_vec())];
        Row::new("", None, (0, ""), Unit::Nanoseconds, samples)
    }

    #[test]
    fn a_ratio_is_of_medians() {
        assert_eq!(row(&[1.0, 2.0, 9.0], &[3.0, 1.0, 90.0]).ratio(), Some(1.5));
        assert_eq!(row(&[], &[]).beside(Baseline::Contender(Contender::Nng)).ratio(), None);
        assert_eq!(row(&[], &[6.0]).beside(Baseline::Own("", vec![3.0])).ratio(), Some(2.0));
    }

    #[test]
    fn verdicts() {
        let slower = |ratio| row(&[1.0], &[ratio]).at_most(1.2, 1.1).verdict();
        assert_eq!(slower(1.1), Some(Verdict::Reached));
        assert_eq!(slower(1.2), Some(Verdict::Kept));
        assert_eq!(slower(1.3), Some(Verdict::Missed));
        let faster = |ratio| row(&[1.0], &[ratio]).at_least(0.5, 0.8).verdict();
        assert_eq!(faster(0.8), Some(Verdict::Reached));
        assert_eq!(faster(0.4), Some(Verdict::Missed));
        let own = row(&[], &[0.0]).beside(Baseline::None).at_most(0.0, 0.0);
        assert_eq!((own.verdict(), own.is_short()), (Some(Verdict::Kept), false));
        let alone =
            row(&[1.0], &[1.0]).beside(Baseline::Contender(Contender::Zmq)).at_least(1.0, 2.0);
        assert_eq!((alone.verdict(), alone.is_short()), (Some(Verdict::Unknown), true));
        assert_eq!(row(&[1.0], &[9.0]).verdict(), None);
    }
}
