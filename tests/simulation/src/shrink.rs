//! What is left of a scenario when everything that does not matter for its failure is left out.

use crate::oracle::Failure;
use crate::scenario::Scenario;
use crate::trace::Trace;
use crate::weather;
use crate::world::World;
use std::fmt;

/// The most runs shrinking takes.
const RUNS: u32 = 3_000;

/// What is left out of a seed's scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reduction {
    /// The numbers of the steps that are left; all of them where there is nothing.
    pub keep: Option<Vec<usize>>,
    /// Kinds of fault that do not happen, of [`weather::KINDS`].
    pub calm: Vec<String>,
}

impl Reduction {
    /// What is left of a scenario.
    pub fn apply(&self, scenario: &Scenario) -> Scenario {
        use crate::scenario::Step;
        let mut left = scenario.clone();
        left.faults = weather::without(left.faults, &self.calm);
        if let Some(keep) = &self.keep {
            left.steps.retain(|(number, _)| keep.contains(number));
        }
        for (_, step) in &mut left.steps {
            if let Step::Weather { faults } = step {
                *faults = weather::without(*faults, &self.calm);
            }
        }
        left
    }
}

impl fmt::Display for Reduction {
    /// As the command line takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(keep) = &self.keep {
            write!(f, " --keep {}", Numbers(keep.clone()))?;
        }
        if !self.calm.is_empty() {
            write!(f, " --calm {}", self.calm.join(","))?;
        }
        Ok(())
    }
}

/// Ascending numbers, written as `0-3,7`; `none` is no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers(pub Vec<usize>);

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let runs = self.0.chunk_by(|one, next| one + 1 == *next);
        for (nth, run) in runs.enumerate() {
            let (first, last) = (run[0], run[run.len() - 1]);
            let comma = if nth > 0 { "," } else { "" };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Numbers(Vec::new()));
        }
        let number =
            |text: &str| text.parse::<usize>().map_err(|_| format!("{text:?} is no number"));
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            numbers.extend(number(first)?..=number(last)?);
        }
        Ok(Numbers(numbers))
    }
}

/// Leaves out what can be left out of a seed's scenario while the same promise stays broken.
pub fn shrink(seed: u64, failure: &Failure) -> Reduction {
    let scenario = Scenario::new(seed);
    let mut shrinker = Shrinker { scenario, promise: failure.promise, runs: 0 };
    let mut best = Reduction { keep: Some(shrinker.numbers()), calm: Vec::new() };
    shrinker.without_faults(&mut best);
    shrinker.without_engines(&mut best);
    shrinker.without_steps(&mut best);
    shrinker.without_faults(&mut best);
    best
}

struct Shrinker {
    scenario: Scenario,
    promise: &'static str,
    runs: u32,
}

impl Shrinker {
    fn numbers(&self) -> Vec<usize> {
        self.scenario.steps.iter().map(|(number, _)| *number).collect()
    }

    /// Takes a smaller one in place of the best, if it fails like it.
    fn try_this(&mut self, best: &mut Reduction, smaller: Reduction) -> bool {
        if self.runs >= RUNS {
            return false;
        }
        self.runs += 1;
        let outcome = World::run(&smaller.apply(&self.scenario), Trace::default());
        let same = outcome.verdict.is_err_and(|failure| failure.promise == self.promise);
        if same {
            *best = smaller;
        }
        same
    }

    fn without_faults(&mut self, best: &mut Reduction) {
        for kind in weather::KINDS.map(str::to_owned) {
            if !best.calm.contains(&kind) {
                let calm = [&best.calm[..], &[kind]].concat();
                let smaller = Reduction { calm, ..best.clone() };
                self.try_this(best, smaller);
            }
        }
    }

    fn without_engines(&mut self, best: &mut Reduction) {
        for engine in 0..self.scenario.engines.len() {
            let steps = &self.scenario.steps;
            let of_engine = |number: &usize| steps[*number].1.is_of(engine);
            let mut keep = best.keep.clone().unwrap_or_default();
            keep.retain(|number| !of_engine(number));
            let smaller = Reduction { keep: Some(keep), ..best.clone() };
            self.try_this(best, smaller);
        }
    }

    /// Halves first, then smaller parts, down to single steps.
    fn without_steps(&mut self, best: &mut Reduction) {
        let mut part = best.keep.as_ref().map_or(0, Vec::len).div_ceil(2);
        while part > 0 && self.runs < RUNS {
            let mut at = 0;
            let mut fewer = false;
            while let Some(keep) = best.keep.clone().filter(|keep| at < keep.len()) {
                let mut keep = keep;
                keep.drain(at..(at + part).min(keep.len()));
                let smaller = Reduction { keep: Some(keep), ..best.clone() };
                match self.try_this(best, smaller) {
                    true => fewer = true,
                    false => at += part,
                }
            }
            // Single steps are tried until none can go.
            part = if part == 1 { usize::from(fewer) } else { part.div_ceil(2) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for numbers in [vec![], vec![7], vec![0, 1, 2, 5, 7, 8]] {
            let numbers = Numbers(numbers);
            assert_eq!(numbers.to_string().parse(), Ok(numbers.clone()));
        }
        assert_eq!(Numbers(vec![0, 1, 2, 5, 7, 8]).to_string(), "0-2,5,7-8");
        assert!("1,x".parse::<Numbers>().is_err());
    }
}
