//! Random faults of the network.

use crate::random::Random;
use core::time::Duration;
use tofu_loopback::{Chance, Faults};

/// The kinds of fault, as the command line names them.
pub const KINDS: [&str; 9] = [
    "partial-read",
    "partial-write",
    "pending",
    "ready",
    "delay",
    "connect",
    "listen",
    "accept",
    "loss",
];

/// Faults of random kinds, each more or less often; in one of four cases none at all.
pub fn random(random: &mut Random) -> Faults {
    if random.one_in(4) {
        return Faults::default();
    }
    let mut sometimes = |least, most| match random.below(2) {
        0 => Chance::NEVER,
        _ => Chance::one_in(random.scaled(least, most) as u32),
    };
    let faults = Faults {
        partial_read: sometimes(1, 16),
        partial_write: sometimes(1, 16),
        spurious_pending: sometimes(1, 16),
        spurious_ready: sometimes(1, 16),
        refuse_connect: sometimes(2, 16),
        ignore_connect: sometimes(4, 32),
        fail_listen: sometimes(2, 16),
        fail_accept: sometimes(1, 16),
        lose_link: sometimes(64, 2_048),
        ..Faults::default()
    };
    let (min_delay, max_delay) = delay(random);
    Faults { min_delay, max_delay, ..faults }
}

fn delay(random: &mut Random) -> (Duration, Duration) {
    let most = match random.below(8) {
        0..3 => return (Duration::ZERO, Duration::ZERO),
        3 => random.scaled(100_000, 30_000_000),
        _ => random.scaled(10, 100_000),
    };
    let least = if random.one_in(2) { 0 } else { random.below(most) };
    (Duration::from_micros(least), Duration::from_micros(most))
}

/// The same without the kinds named.
pub fn without(faults: Faults, kinds: &[String]) -> Faults {
    let calm = |kind: &str| kinds.iter().any(|name| name == kind);
    let unless = |kind: &str, chance| if calm(kind) { Chance::NEVER } else { chance };
    let delay = |delay| if calm("delay") { Duration::ZERO } else { delay };
    Faults {
        partial_read: unless("partial-read", faults.partial_read),
        partial_write: unless("partial-write", faults.partial_write),
        spurious_pending: unless("pending", faults.spurious_pending),
        spurious_ready: unless("ready", faults.spurious_ready),
        min_delay: delay(faults.min_delay),
        max_delay: delay(faults.max_delay),
        refuse_connect: unless("connect", faults.refuse_connect),
        ignore_connect: unless("connect", faults.ignore_connect),
        fail_listen: unless("listen", faults.fail_listen),
        fail_accept: unless("accept", faults.fail_accept),
        lose_link: unless("loss", faults.lose_link),
    }
}
