//! A few seeds with debug assertions, and what makes any seed worth its number: it is always the same.
#![allow(missing_docs)]

use tofu_sim::scenario::Scenario;
use tofu_sim::trace::Trace;
use tofu_sim::world::World;
use tofu_sim::{campaign, exhaustive};

fn trace_of(seed: u64) -> Vec<String> {
    World::run(&Scenario::new(seed), Trace::on()).trace.lines().to_vec()
}

#[test]
fn seeds_keep_every_promise() {
    let report = campaign::run(0..400, 2, |_| {});
    assert_eq!(report.failure, None);
    assert_eq!(report.seeds, 400);
    assert!(report.coverage.delivered > 1_000, "little was said");
}

#[test]
fn two_engines_and_a_message_keep_them_in_every_interleaving() {
    let report = exhaustive::run(1, 0, 2, |_| {});
    let failure = report.failure.map(|(what, failure, _)| (what, failure));
    assert_eq!(failure, None);
    assert!(report.runs > 1_000, "{} runs are not all interleavings", report.runs);
    assert!(report.coverage.delivered > 0);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..30 {
        let (one, two) = (trace_of(seed), trace_of(seed));
        assert!(!one.is_empty());
        assert_eq!(one, two, "seed {seed}");
    }
    assert_ne!(trace_of(1), trace_of(2));
}

#[test]
fn a_seed_does_not_depend_on_who_runs_beside_it() {
    let alone = trace_of(7);
    let beside = std::thread::scope(|scope| {
        let noise = scope.spawn(|| (0..20).map(trace_of).count());
        let traced = scope.spawn(|| trace_of(7)).join();
        assert!(noise.join().is_ok());
        traced.expect("no panic")
    });
    assert_eq!(alone, beside);
}
