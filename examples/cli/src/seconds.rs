//! Times on the command line.

use clap::Args;
use std::time::{Duration, Instant};

/// The longest there is: a leap year.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// How long nothing may move.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Give up once nothing has moved for so long, in seconds
    #[arg(long = "patience", value_name = "SECONDS", default_value = "30", value_parser = parse)]
    #[arg(allow_negative_numbers = true)]
    pub(crate) time: Duration,
}

impl Patience {
    /// When it is at its end, if nothing moves from now on.
    pub(crate) fn deadline(self) -> Instant {
        Instant::now() + self.time
    }
}

/// A number of seconds that a clock can tell, and that can be added to what it shows.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        _ => Err(format!(
            "must be a number of seconds from 0.000000001 to {}, which is 366 days",
            LONGEST.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_range_says_is_taken_and_nothing_else() {
        assert_eq!(parse("0.000000001"), Ok(Duration::from_nanos(1)));
        assert_eq!(parse("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(parse("31622400"), Ok(LONGEST));
        for outside in ["0", "-1", "1e-300", "31622401", "1e300", "inf", "nan"] {
            let error = parse(outside).unwrap_err();
            assert!(error.contains("from 0.000000001 to 31622400"), "{outside}: {error}");
        }
        assert_eq!(parse("soon"), Err("not a number".into()));
    }
}
