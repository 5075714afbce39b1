//! Tests that need what not every system has.

use libtest_mimic::{Arguments, Trial};
use std::io;
use std::process::ExitCode;

/// Tests that need something of the system.
pub struct Needy {
    /// What they are, as in "the tests over TAP devices".
    pub name: &'static str,
    /// With `require` in this variable of the environment it is a failure when they cannot be run.
    pub variable: &'static str,
    /// How many run at once, unless the command line says otherwise.
    pub threads: usize,
}

impl Needy {
    /// Sees to what they need while there is one thread, then runs them. Where it cannot be had, it says
    /// so and skips them.
    pub fn run(
        &self,
        prepare: impl FnOnce() -> io::Result<()>,
        mut trials: Vec<Trial>,
    ) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert(self.threads);
        let prepared = if arguments.list { Ok(()) } else { prepare() };
        if let Err(missing) = prepared {
            let name = self.name;
            if std::env::var_os(self.variable).is_some_and(|value| value == "require") {
                eprintln!("{name} are required, but {missing}");
                return ExitCode::FAILURE;
            }
            eprintln!("{name} are skipped: {missing}");
            trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
        }
        libtest_mimic::run(&arguments, trials).exit_code()
    }
}
