//! Every promise over TAP devices: smoltcp against the kernel.
//!
//! Needs Linux, `/dev/net/tun`, and the right to have a network of one's own: root's, or any
//! user's where namespaces of users are allowed. Without, the tests are skipped, which `TOFU_TAP=require` in
//! the environment makes a failure.

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// Scenarios mostly wait.
const THREADS: usize = 8;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let mut trials = linux::trials();
    // Before there is a second thread.
    let prepared = if arguments.list { Ok(()) } else { linux::prepare() };
    if let Err(missing) = prepared {
        if std::env::var_os("TOFU_TAP").is_some_and(|value| value == "require") {
            eprintln!("the tests over TAP devices are required, but {missing}");
            return ExitCode::FAILURE;
        }
        eprintln!("the tests over TAP devices are skipped: {missing}");
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[cfg(target_os = "linux")]
mod linux {
    use super::Trial;
    pub(super) use tofu_conformance::namespace::prepare;
    use tofu_conformance::scenarios;
    use tofu_conformance::tap::{Side, TapWorld};

    /// A board reaches itself only where the network sends its packets back, and the kernel does not.
    const ALONE: &str = "board_first::channels::engine_connects_to_itself";

    macro_rules! stamp {
        (
            { $trials:ident, $world:literal, $first:expr, $ignore_bare_bytes:literal }
            $($section:ident { $($scenario:ident)* } { $($with_bare_bytes:ident)* })*
        ) => { $(
            $(
                let trial = trial!($world, $first, $section, $scenario);
                let alone = trial.name() == ALONE;
                $trials.push(trial.with_ignored_flag(alone));
            )*
            $(
                let trial = trial!($world, $first, $section, $with_bare_bytes);
                $trials.push(trial.with_ignored_flag($ignore_bare_bytes));
            )*
        )* };
    }

    macro_rules! trial {
        ($world:literal, $first:expr, $section:ident, $scenario:ident) => {{
            let name = concat!($world, "::", stringify!($section), "::", stringify!($scenario));
            Trial::test(name, || {
                tofu_conformance::scenarios::$section::$scenario(&TapWorld::new($first));
                Ok(())
            })
        }};
    }

    pub(super) fn trials() -> Vec<Trial> {
        let mut trials = Vec::new();
        scenarios!(stamp, { trials, "board_first", Side::Board, false });
        // Bare bytes come from the kernel, and here they would go to it.
        scenarios!(stamp, { trials, "kernel_first", Side::Kernel, true });
        trials
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    pub(super) fn trials() -> Vec<super::Trial> {
        Vec::new()
    }

    pub(super) fn prepare() -> std::io::Result<()> {
        Err(std::io::Error::other("this is not Linux"))
    }
}
