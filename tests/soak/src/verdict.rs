//! Which promises were kept.
//!
//! "Flat" is judged from the end of the warm-up (five minutes, or a sixth of a shorter run) to the end of the load. What remains is cut into
//! thirds, and the median of the last is set against the median of the first; a median of some hundred values does
//! not mind what others do on the machine now and then.

use crate::ledger::{Counts, Kind};
use crate::samples::{Run, Sample};
use crate::stats::slope;
use tofu_test_support::median;

/// No longer than this belongs to the warm-up.
const LONGEST_WARM_UP: f64 = 300.0;
/// How much more memory the last third may take, as a part of the first third's and in bytes: the
/// larger of the two. The pool takes memory when its messages are first needed, so that a rare
/// crowd may still take some late.
const RSS_SHARE: f64 = 0.05;
const RSS_BYTES: f64 = (1 << 20) as f64;
/// How many times slower the last third may be: the machine is shared. Where plain sockets became
/// slower as well, so many times more.
const P99_FACTOR: f64 = 3.0;
/// The same where a third is less than so many looks: one burst of others' work fills it.
const FEW: usize = 200;
const P99_FACTOR_OF_FEW: f64 = 10.0;
/// Below this, in microseconds, a round trip's p99 says more about the machine's time slices than
/// about us.
const P99_FLOOR: f64 = 1_000.0;

/// One promise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    pub(crate) promise: &'static str,
    pub(crate) found: String,
    pub(crate) is_kept: bool,
}

/// All promises.
pub(crate) fn judge(run: &Run) -> Vec<Check> {
    let warm = warm(&run.samples);
    vec![
        accounted(&run.counts),
        nothing_broken(&run.broken),
        quiet(run),
        rss_level(warm),
        rss_slope(warm),
        p99(warm),
        threads(run),
        ends(&run.ends),
    ]
}

/// What was seen after the warm-up.
fn warm(samples: &[Sample]) -> &[Sample] {
    let end = samples.last().map_or(0.0, |sample| sample.at);
    let warm_up = LONGEST_WARM_UP.min(end / 6.0);
    &samples[samples.partition_point(|sample| sample.at < warm_up)..]
}

fn accounted(counts: &Counts) -> Check {
    let Counts { begun, finished, aborted, .. } = counts;
    let is_accounted = |&kind: &Kind| {
        let kind = kind as usize;
        begun[kind] == finished[kind] + aborted[kind]
    };
    let said = Kind::ALL.map(|kind| {
        let (name, kind) = (kind.name(), kind as usize);
        format!("{} {name} = {} finished + {} aborted", begun[kind], finished[kind], aborted[kind])
    });
    Check {
        promise: "what was begun was finished with the right checksum, or aborted on purpose",
        found: said.join("; "),
        is_kept: Kind::ALL.iter().all(is_accounted) && finished.iter().all(|&count| count > 0),
    }
}

fn nothing_broken(broken: &[String]) -> Check {
    Check {
        promise: "no worker, no server and no file had anything to complain about",
        found: match broken {
            [] => "nothing".into(),
            [first, ..] => format!("{} complaints, the first: {first}", broken.len()),
        },
        is_kept: broken.is_empty(),
    }
}

fn quiet(run: &Run) -> Check {
    let clean = run.quiets.iter().filter(|quiet| quiet.is_clean()).count();
    let odd = run.quiets.iter().find(|quiet| !quiet.is_clean());
    Check {
        promise: "at quiet points: a file descriptor for each connection and no more, no part of a file, no message missing",
        found: match odd {
            None => format!("so at all {clean}"),
            Some(odd) => format!(
                "not so at {} of {}, first {odd:?}",
                run.quiets.len() - clean,
                run.quiets.len()
            ),
        },
        is_kept: odd.is_none() && clean > 0,
    }
}

fn rss_level(warm: &[Sample]) -> Check {
    let (first, last) = thirds(warm, |sample| Some(sample.server.rss as f64));
    let bound = rss_bound(first);
    Check {
        promise: "memory: the last third's median at most 5 % or 1 MiB above the first third's",
        found: format!("{} → {}, at most {}", mib(first), mib(last), mib(first + bound)),
        is_kept: last <= first + bound,
    }
}

fn rss_slope(warm: &[Sample]) -> Check {
    let points: Vec<_> = warm.iter().map(|sample| (sample.at, sample.server.rss as f64)).collect();
    let levels: Vec<_> = points.iter().map(|(_, rss)| *rss).collect();
    let span = match points.as_slice() {
        [(first, _), .., (last, _)] => last - first,
        _ => 0.0,
    };
    let (growth, bound) = (slope(&points) * span, rss_bound(median(&levels)));
    Check {
        promise: "memory: the slope (Theil–Sen) comes to no more than 5 % or 1 MiB from warm-up to end",
        found: format!("{} in {span:.0} s, at most {}", mib(growth), mib(bound)),
        is_kept: growth <= bound,
    }
}

fn rss_bound(level: f64) -> f64 {
    (level * RSS_SHARE).max(RSS_BYTES)
}

fn p99(warm: &[Sample]) -> Check {
    let (first, last) = thirds(warm, |sample| sample.calls.map(|calls| calls.p99));
    let (plain_first, plain_last) =
        thirds(warm, |sample| sample.control.map(|control| control.p99));
    let others = (plain_last / plain_first).max(1.0);
    let factor = if warm.len() / 3 < FEW { P99_FACTOR_OF_FEW } else { P99_FACTOR };
    let bound = factor * others * first.max(P99_FLOOR);
    Check {
        promise: "round trips: the last third's median p99 at most 3 times the first third's (10 in a short run), or as much more as plain sockets",
        found: format!(
            "{first:.0} → {last:.0} µs, plain sockets {plain_first:.0} → {plain_last:.0} µs, at most {bound:.0} µs"
        ),
        is_kept: last <= bound,
    }
}

fn threads(run: &Run) -> Check {
    let mut seen: Vec<_> = run.samples.iter().map(|sample| sample.server.threads).collect();
    seen.sort_unstable();
    seen.dedup();
    Check {
        promise: "the server's threads are always as many",
        found: format!("{seen:?}"),
        is_kept: seen.len() == 1,
    }
}

fn ends(ends: &[f64]) -> Check {
    let said = ends.iter().map(|seconds| format!("{seconds:.3} s"));
    Check {
        promise: "SIGTERM and SIGINT end the server with 0, clients or not",
        found: said.collect::<Vec<_>>().join(", "),
        is_kept: ends.len() == 2,
    }
}

/// The medians of the first third and of the last.
fn thirds(warm: &[Sample], value: impl Fn(&Sample) -> Option<f64>) -> (f64, f64) {
    let third = warm.len() / 3;
    let median_of = |part: &[Sample]| median(&part.iter().filter_map(&value).collect::<Vec<_>>());
    (median_of(&warm[..third]), median_of(&warm[warm.len() - third..]))
}

fn mib(bytes: f64) -> String {
    format!("{:.2} MiB", bytes / RSS_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Percentiles;
    use crate::samples::Quiet;
    use crate::server::Facts;

    const MIB: u64 = 1 << 20;
    const FULL: usize = 1_800;

    /// Half an hour in which all went well.
    fn good_run() -> Run {
        let sample = |second: usize| Sample {
            at: second as f64,
            server: Facts { rss: 10 * MIB, threads: 3, fds: 100, cpu: 0.0 },
            own: Facts::default(),
            counts: Counts::default(),
            calls: Some(Percentiles { p50: 80.0, p99: 2_000.0 }),
            control: Some(Percentiles { p50: 20.0, p99: 100.0 }),
        };
        let quiet = Quiet {
            at: 60.0,
            fds: 100,
            expected_fds: 100,
            threads: 3,
            rss: 0,
            leftovers: 0,
            missing: 0,
        };
        let counts =
            Counts { begun: [9; 4], finished: [6; 4], aborted: [3; 4], ..Counts::default() };
        Run {
            samples: (1..=FULL).map(sample).collect(),
            quiets: vec![quiet; 30],
            counts,
            broken: Vec::new(),
            ends: vec![0.1, 0.1],
        }
    }

    /// The promises that are broken once something is changed in a good run.
    fn broken(change: impl FnOnce(&mut Run)) -> Vec<String> {
        let mut run = good_run();
        change(&mut run);
        let checks = judge(&run).into_iter().filter(|check| !check.is_kept);
        checks
            .map(|check| check.promise.split([':', ' ']).next().unwrap_or_default().into())
            .collect()
    }

    /// Changes every sample, by how far the run has come: from 0 to 1.
    fn each(run: &mut Run, change: impl Fn(&mut Sample, f64)) {
        for sample in &mut run.samples {
            let progress = sample.at / FULL as f64;
            change(sample, progress);
        }
    }

    #[test]
    fn a_good_run_keeps_all() {
        assert!(broken(|_| ()).is_empty());
    }

    #[test]
    fn a_leak_is_growth() {
        let leak = |sample: &mut Sample, progress| {
            sample.server.rss += (progress * 2.5 * MIB as f64) as u64
        };
        assert_eq!(broken(|run| each(run, leak)), ["memory", "memory"]);
    }

    #[test]
    fn a_jump_is_growth() {
        let jump = |sample: &mut Sample, progress| {
            if progress > 0.7 {
                sample.server.rss += 2 * MIB;
            }
        };
        assert!(broken(|run| each(run, jump)).contains(&"memory".to_owned()));
    }

    #[test]
    fn what_warms_up_or_passes_is_no_growth() {
        let warm_up = |sample: &mut Sample, progress| {
            if progress < 0.15 || (0.9..0.95).contains(&progress) {
                sample.server.rss = if progress < 0.15 { MIB } else { 30 * MIB };
            }
        };
        assert!(broken(|run| each(run, warm_up)).is_empty());
    }

    #[test]
    fn slower_and_slower_is_told_from_a_busy_machine() {
        let slower = |sample: &mut Sample, progress| {
            sample.calls =
                Some(Percentiles { p50: 80.0, p99: 1_000.0 + 20_000.0 * progress * progress });
        };
        assert_eq!(broken(|run| each(run, slower)), ["round"]);
        let all_slower = |sample: &mut Sample, progress| {
            slower(sample, progress);
            sample.control =
                Some(Percentiles { p50: 20.0, p99: 100.0 + 2_000.0 * progress * progress });
        };
        assert!(broken(|run| each(run, all_slower)).is_empty());
    }

    #[test]
    fn what_is_lost_left_or_missing_is_seen() {
        assert_eq!(broken(|run| run.counts.begun[1] += 1), ["what"]);
        assert_eq!(broken(|run| run.counts = Counts::default()), ["what"]);
        assert_eq!(broken(|run| run.broken.push("a checksum".into())), ["no"]);
        assert_eq!(broken(|run| run.quiets[7].fds += 1), ["at"]);
        assert_eq!(broken(|run| run.quiets[7].leftovers += 1), ["at"]);
        assert_eq!(broken(|run| run.quiets[7].missing += 1), ["at"]);
        assert_eq!(broken(|run| run.quiets.clear()), ["at"]);
        assert_eq!(broken(|run| run.samples[9].server.threads += 1), ["the"]);
        assert_eq!(broken(|run| run.ends.truncate(1)), ["SIGTERM"]);
    }

    #[test]
    fn nothing_seen_is_nothing_kept() {
        assert!(judge(&Run::default()).iter().filter(|check| check.is_kept).count() == 1);
    }
}
