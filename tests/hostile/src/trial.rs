//! One attack on one server: what has to hold before, during and after.

use crate::Outcome;
use crate::attacks::{Attack, Ground};
use crate::neighbour::Neighbour;
use crate::server::{Report, Setting};
use crate::target::Target;
use std::thread;
use std::time::{Duration, Instant};
use tofu_test_support::percentile;

/// How long the neighbour talks alone before.
const ALONE: Duration = Duration::from_secs(1);
/// How many times longer its 99th percentile may take than alone, or than a server's that nobody attacks.
const SLOWER: u32 = 10;
/// Heap that a channel may take: 1 KiB, which `tests/bench` holds it to, and as much again for tables that
/// grow by doubling while the old one still exists.
const CHANNEL: u64 = 2 * 1_024;
/// Code that is paged in, stacks, and what the allocator keeps.
const SLACK: u64 = 8 << 20;
/// Time on the processor that an idle second may take: a tick or two for the watching itself.
const IDLE: Duration = Duration::from_millis(50);
/// How long an attack takes at least: it is made again until then, or few answers would fall into it.
const LEAST: Duration = Duration::from_millis(500);
/// How long an attack may take.
const LIMIT: Duration = Duration::from_secs(180);

/// How it went.
pub(crate) struct Trial {
    pub(crate) attack: &'static str,
    /// What the attackers did, in numbers.
    pub(crate) done: u64,
    pub(crate) took: Duration,
    pub(crate) memory: [u64; 3],
    /// Alone, beside the attack on a server that nobody attacks, and on the one that is attacked.
    pub(crate) p99: [Duration; 3],
    /// Of the last to the longest of the others.
    pub(crate) ratio: f64,
    pub(crate) idle: Duration,
    /// The promises that were broken.
    pub(crate) broken: Vec<String>,
}

/// Attacks a server of its own, which runs on this processor. `floor` is what the neighbour's 99th
/// percentile alone is taken to be at least: below, it shows the machine and not the server.
pub(crate) fn run(
    attack: &Attack,
    size: usize,
    floor: Duration,
    processor: Option<usize>,
) -> Outcome<Trial> {
    let mut target = Target::start(attack.setting, processor)?;
    let alone = p99(Neighbour::for_a_while(target.address(0), ALONE)?)?;
    target.until("the neighbour leaves", LIMIT, |report| report.channels == 1)?;
    let (before, descriptors) = (target.memory()?.0, target.descriptors()?);

    // What the machine does to everybody meanwhile is not the attack's doing.
    let calm = Target::start(attack.setting, None)?;
    let (begun, beside) = (Instant::now(), Neighbour::start(calm.address(0))?);
    let neighbour = Neighbour::start(target.address(0))?;
    let done = attacked(&target, attack, size, &neighbour);
    let took = begun.elapsed();
    let during = p99(neighbour.stop()?)?;
    let beside = p99(beside.stop()?)?;
    let done = done?;

    let mut broken = Vec::new();
    let settled = settle(&mut target, descriptors);
    let idle = idle_second(&target)?;
    let works = Neighbour::for_a_while(target.address(0), Duration::from_millis(100));
    broken.extend(works.err().map(|error| format!("a client afterwards: {error}")));
    let report = match settled {
        Ok(report) => report,
        Err(error) => {
            broken.push(error.to_string());
            target.report()?
        }
    };
    let peak = target.memory()?.1;
    let bound = before + bound(&attack.setting);
    let ratio = during.as_secs_f64() / alone.max(beside).max(floor).as_secs_f64();
    let mut must = |holds: bool, what: String| {
        if !holds {
            broken.push(what);
        }
    };
    must(peak <= bound, format!("memory grew to {peak} bytes, {bound} are allowed"));
    must(ratio <= SLOWER.into(), format!("the neighbour waits {ratio:.1} times as long"));
    must(idle <= IDLE, format!("{idle:?} of an idle second on the processor"));
    must(report.forged.is_empty(), format!("forged: {:?}", report.forged));
    must((attack.shows)(&report), format!("the attack did not show: {report:?}"));
    let said = target.end()?;
    must(said.is_empty(), format!("the server said {said:?}"));
    let memory = [before, peak, bound];
    let p99 = [alone, beside, during];
    Ok(Trial { attack: attack.name, done, took, memory, p99, ratio, idle, broken })
}

/// Lets the attackers at it, while the neighbour is served.
fn attacked(target: &Target, attack: &Attack, size: usize, neighbour: &Neighbour) -> Outcome<u64> {
    let ground = Ground::new(target, size);
    let run = attack.run;
    let attackers = thread::spawn(move || {
        // They are to cost the server its time, and the neighbour not the processor's.
        rustix::process::nice(19).map_err(|error| error.to_string())?;
        let (begun, mut done) = (Instant::now(), 0);
        while done == 0 || begun.elapsed() < LEAST {
            done += run(&ground).map_err(|error| error.to_string())?;
        }
        Ok(done)
    });
    let end = Instant::now() + LIMIT;
    while !attackers.is_finished() {
        if neighbour.has_failed() || Instant::now() > end {
            // What it has to say comes when it is stopped.
            return Ok(0);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let done: Result<u64, String> = attackers.join().map_err(|_| "the attackers panicked")?;
    Ok(done.map_err(|error| format!("the attackers: {error}"))?)
}

/// Nothing of the attackers is left: no channel, no message, no descriptor.
fn settle(target: &mut Target, descriptors: usize) -> Outcome<Report> {
    let Setting { patience, idle, .. } = target.setting;
    let within = patience + idle + Duration::from_secs(20);
    let is_calm = |report: &Report| report.channels == 1 && report.held == 0;
    let report = target.until("all channels end", within, is_calm)?;
    let end = Instant::now() + within;
    while target.descriptors()? != descriptors {
        if Instant::now() > end {
            let left = target.descriptors()?;
            return Err(format!("{left} descriptors, and {descriptors} before").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(report)
}

fn idle_second(target: &Target) -> Outcome<Duration> {
    let before = target.processor_time()?;
    thread::sleep(Duration::from_secs(1));
    Ok(target.processor_time()? - before)
}

/// What the server may need beyond what it had: each message of the pool, and each channel.
fn bound(setting: &Setting) -> u64 {
    Setting::pool_bytes() + u64::from(setting.channels) * CHANNEL + SLACK
}

fn p99(mut times: Vec<Duration>) -> Outcome<Duration> {
    percentile(&mut times, 99).ok_or_else(|| "the neighbour got no answer".into())
}
