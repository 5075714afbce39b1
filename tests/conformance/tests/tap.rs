//! Every promise over TAP devices: smoltcp against the kernel.
//!
//! Needs Linux, `/dev/net/tun`, and the right to have a network of one's own: root's, or any
//! user's where namespaces of users are allowed. Without, the tests are skipped, which `TOFU_TAP=require` in
//! the environment makes a failure.

use libtest_mimic::Trial;
use std::process::ExitCode;
use tofu_conformance::skip::Needy;

fn main() -> ExitCode {
    // Scenarios mostly wait.
    let tests = Needy { name: "the tests over TAP devices", variable: "TOFU_TAP", threads: 8 };
    tests.run(linux::prepare, linux::trials())
}

#[cfg(target_os = "linux")]
mod linux {
    use super::Trial;
    pub(super) use tofu_conformance::namespace::prepare_devices as prepare;
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
