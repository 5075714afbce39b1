//! Two engines and up to three messages, every interleaving of turns and posts, and every single fault.
//!
//! A run is a list of choices: whose turn it is, or that the next message is posted. Runs are made
//! again from the beginning, each with the next list, until all lists are through. Where a run comes
//! to a state that an earlier one was in, it ends: what can follow was tried. With faults, that is
//! done for each time a fault can happen, and for each byte after which the connection can be cut.

use crate::coverage::Coverage;
use crate::oracle::{Failure, Kind};
use crate::scenario::{Scenario, Setup};
use crate::trace::Trace;
use crate::world::{Ending, World};
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use tofu_core::{Limits, Opcode, Options};
use tofu_loopback::{Chance, Direction, Faults};

/// The most choices in a row of one run: more than any takes.
const CHOICES: usize = 200;
/// Lengths of partial reads and writes that are tried: within a header, up to it, behind it, within
/// the body, and one byte short of two frames.
const LENGTHS: [usize; 6] = [1, 15, 16, 17, 20, 47];

/// A message of a script: who posts it, and what it is. 0 listens, 1 connects.
type Word = (usize, Opcode);

/// What both sides may say.
const WORDS: [Word; 8] = [
    (0, Opcode::Signal),
    (1, Opcode::Signal),
    (1, Opcode::Request),
    (0, Opcode::ByeRequest),
    (1, Opcode::ByeRequest),
    (0, Opcode::ByeSignal),
    (1, Opcode::ByeSignal),
    (1, Opcode::ByeResponse),
];

/// How engines and network are made.
#[derive(Clone, Copy)]
struct Shape {
    messages: u16,
    capacity: usize,
}

/// Roomy, and as tight as can be.
const SHAPES: [Shape; 3] = [
    Shape { messages: 8, capacity: 4_096 },
    Shape { messages: 2, capacity: 24 },
    Shape { messages: 1, capacity: 4_096 },
];

/// One fault, and where it happens.
#[derive(Clone, Copy)]
enum Fault {
    None,
    /// The `nth` time it could.
    Once {
        kind: usize,
        nth: u64,
        length: usize,
    },
    /// The connection is cut once so many bytes have arrived.
    Cut {
        direction: Direction,
        bytes: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::None => f.write_str("no fault"),
            Fault::Once { kind, nth, length } => {
                write!(f, "{} the {nth}th time, {length} bytes", KINDS[*kind].0)
            }
            Fault::Cut { direction, bytes } => write!(f, "cut {direction:?} after {bytes} bytes"),
        }
    }
}

/// Faults of one kind only.
type OfOneKind = fn() -> Faults;

/// The kinds of fault that happen once.
const KINDS: [(&str, OfOneKind); 7] = {
    const ALWAYS: Chance = Chance::one_in(1);
    [
        ("partial read", || Faults { partial_read: ALWAYS, ..Faults::default() }),
        ("partial write", || Faults { partial_write: ALWAYS, ..Faults::default() }),
        ("would block", || Faults { spurious_pending: ALWAYS, ..Faults::default() }),
        ("event for nothing", || Faults { spurious_ready: ALWAYS, ..Faults::default() }),
        ("accept fails", || Faults { fail_accept: ALWAYS, ..Faults::default() }),
        ("connect refused", || Faults { refuse_connect: ALWAYS, ..Faults::default() }),
        ("link lost", || Faults { lose_link: ALWAYS, ..Faults::default() }),
    ]
};

/// What came of it.
#[derive(Default)]
pub struct Report {
    /// Runs.
    pub runs: u64,
    /// Scripts of messages.
    pub scripts: u64,
    /// Single faults tried, over all scripts.
    pub faults: u64,
    /// What was reached.
    pub coverage: Coverage,
    /// The first broken promise, what broke it, and how it went.
    pub failure: Option<(String, Failure, Trace)>,
}

/// Goes through everything, with scripts of up to `longest` messages without faults and of up to
/// `with_faults` messages with them; `progress` is told how many more runs are done.
pub fn run(
    longest: usize,
    with_faults: usize,
    jobs: usize,
    progress: impl Fn(u64) + Sync,
) -> Report {
    let all: Vec<Vec<Word>> = (0..=longest).flat_map(scripts).collect();
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let work = || {
        let mut mine = Report::default();
        while let Some(script) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let before = mine.runs;
            for shape in SHAPES {
                explore_all(script, shape, script.len() <= with_faults, &mut mine);
            }
            mine.scripts += 1;
            progress(mine.runs - before);
            if mine.failure.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        mine
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let reports = threads.into_iter().map(|thread| thread.join());
        // What panics in a run is caught there: this is the simulation's own.
        let reports = reports.map(|report| report.expect("no thread panics"));
        reports.reduce(Report::and).unwrap_or_default()
    })
}

impl Report {
    fn and(mut self, other: Report) -> Report {
        self.runs += other.runs;
        self.scripts += other.scripts;
        self.faults += other.faults;
        self.coverage.add(&other.coverage);
        self.failure = self.failure.or(other.failure);
        self
    }
}

/// All scripts of this length in which nobody speaks after a goodbye of his own.
fn scripts(length: usize) -> Vec<Vec<Word>> {
    let mut scripts = vec![Vec::new()];
    for _ in 0..length {
        let longer = scripts.iter().flat_map(|script: &Vec<Word>| {
            let may_follow = |word: &&Word| !script.iter().any(|said| is_goodbye(said, word.0));
            WORDS.iter().filter(may_follow).map(|word| [&script[..], &[*word]].concat())
        });
        scripts = longer.collect();
    }
    scripts
}

fn is_goodbye(word: &Word, who: usize) -> bool {
    let bye = matches!(word.1, Opcode::ByeRequest | Opcode::ByeResponse | Opcode::ByeSignal);
    bye && word.0 == who
}

fn explore_all(script: &[Word], shape: Shape, with_faults: bool, report: &mut Report) {
    let clean = explore(script, shape, Fault::None, report);
    if !with_faults {
        return;
    }
    for kind in 0..KINDS.len() {
        let partial = kind < 2;
        let lengths = if partial { &LENGTHS[..] } else { &LENGTHS[..1] };
        for &length in lengths {
            // Until it can happen in no interleaving any more.
            for nth in 0.. {
                let reach = explore(script, shape, Fault::Once { kind, nth, length }, report);
                if nth >= reach.decisions || report.failure.is_some() {
                    break;
                }
            }
        }
    }
    for (side, direction) in [Direction::ToListener, Direction::ToClient].into_iter().enumerate() {
        for bytes in 0..clean.bytes[side] {
            explore(script, shape, Fault::Cut { direction, bytes }, report);
        }
    }
}

/// How far the interleavings of a script go.
#[derive(Default)]
struct Reach {
    /// The most times that a fault could have happened.
    decisions: u64,
    /// The most bytes that were sent, by who connected and by who listened.
    bytes: [u64; 2],
}

/// Every interleaving of one script with one fault.
fn explore(script: &[Word], shape: Shape, fault: Fault, report: &mut Report) -> Reach {
    let mut reach = Reach::default();
    if report.failure.is_some() {
        return reach;
    }
    report.faults += u64::from(!matches!(fault, Fault::None));
    let scenario = scenario(shape);
    let mut choices = Choices::default();
    let mut seen = Seen::default();
    loop {
        choices.rewind();
        let mut run = |trace, choices: &mut Choices, seen: &mut Seen| {
            World::with(&scenario, trace, |world| {
                let outcome = interleave(world, script, fault, choices, seen);
                reach.decisions = world.network().decisions().max(reach.decisions);
                for (most, sent) in reach.bytes.iter_mut().zip(world.oracle.bytes_sent()) {
                    *most = sent.max(*most);
                }
                outcome
            })
        };
        let outcome = run(Trace::default(), &mut choices, &mut seen);
        report.runs += 1;
        report.coverage.add(&outcome.coverage);
        if let Err(failure) = outcome.verdict {
            choices.rewind();
            let again = run(Trace::on(), &mut choices, &mut Seen::default());
            let Shape { messages, capacity } = shape;
            let what = format!("{script:?}, {messages} messages, pipes of {capacity}, {fault}");
            report.failure = Some((what, failure, again.trace));
            return reach;
        }
        if !choices.advance() {
            return reach;
        }
    }
}

fn scenario(shape: Shape) -> Scenario {
    let setup = Setup {
        classes: vec![(96, shape.messages)],
        // A pool of one message may wait for itself: somebody has to give up.
        options: Options {
            send_timeout: Some(Options::DEFAULT.bye_timeout),
            limits: Limits { headers: 60, body: 20 },
            ..Options::DEFAULT
        },
        staging: 64,
    };
    Scenario {
        seed: 1,
        engines: vec![setup.clone(), setup],
        capacity: shape.capacity,
        backlog: 1,
        faults: Faults::default(),
        steps: Vec::new(),
    }
}

/// One run: whatever can be done next is a choice.
fn interleave(
    world: &mut World,
    script: &[Word],
    fault: Fault,
    choices: &mut Choices,
    seen: &mut Seen,
) -> Result<(), Failure> {
    match fault {
        Fault::None => {}
        Fault::Once { kind, nth, length } => {
            world.network().set_faults(KINDS[kind].1());
            world.network().fault_once(nth, length);
        }
        Fault::Cut { direction, bytes } => world.network().cut_after(0, direction, bytes),
    }
    for engine in 0..2 {
        world.host(engine).0.app.polite = true;
    }
    let (server, oracle) = world.host(0);
    server.listen(oracle, 0, "mem|e0.0");
    server.turn(oracle, 8);
    server.receive_some(oracle, 0, 8);
    let (client, oracle) = world.host(1);
    client.connect(oracle, 0, "mem|e0.0", 1);
    let mut said = 0;
    // Who posted since the last turn.
    let mut posted = [false; 2];
    for _ in 0..CHOICES {
        // A post touches its own engine alone. So it need only be tried right before that engine's turn:
        // put off across the other's turn, it comes to the same.
        let mine = |engine: &usize| posted == [false; 2] || posted[*engine];
        let due: Vec<usize> =
            (0..2).filter(mine).filter(|engine| world.host(*engine).0.is_due()).collect();
        let next = script.get(said).filter(|word| may_say(world, word));
        let options = due.len() + usize::from(next.is_some());
        if choices.is_new() && !seen.insert(State::of(world, said, posted)) {
            return Ok(());
        }
        if options == 0 {
            break;
        }
        let choice = choices.next(options);
        match due.get(choice) {
            Some(&engine) => {
                posted = [false; 2];
                let (host, oracle) = world.host(engine);
                host.turn(oracle, 8);
                host.receive_some(oracle, 0, 8);
                host.flush(oracle);
            }
            None => {
                let (who, opcode) = script[said];
                let (host, oracle) = world.host(who);
                host.say(oracle, opcode, said as u64);
                said += 1;
                posted[who] = world.host(who).0.is_due();
            }
        }
        world.check()?;
    }
    world.calm_down()?;
    world.end(&[Ending::Goodbyes, Ending::Goodbyes])
}

/// All that decides what can follow: what the engines were told and are yet to be told, and what is still
/// to be said.
#[derive(PartialEq, Eq, Hash)]
struct State {
    engines: [u64; 2],
    network: u64,
    said: usize,
    posted: [bool; 2],
}

/// The states that were reached with one script and one fault.
type Seen = HashSet<State>;

impl State {
    fn of(world: &mut World, said: usize, posted: [bool; 2]) -> State {
        let engines = [0, 1].map(|engine| world.host(engine).0.history());
        State { engines, network: world.network().digest(), said, posted }
    }
}

/// Whether a word's speaker has a connection to say it on.
fn may_say(world: &mut World, word: &Word) -> bool {
    let (_, oracle) = world.host(word.0);
    oracle.channels(word.0).any(|(_, end)| end.kind != Kind::Listener)
}

/// The choices of one run, and how many there were each time.
#[derive(Default)]
struct Choices {
    made: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn rewind(&mut self) {
        self.at = 0;
    }

    /// Whether the next choice was not made in an earlier run.
    fn is_new(&self) -> bool {
        self.at == self.made.len()
    }

    fn next(&mut self, options: usize) -> usize {
        if self.is_new() {
            self.made.push((0, options));
        }
        let (choice, _) = self.made[self.at];
        self.at += 1;
        choice
    }

    /// Goes on to the next list of choices; false after the last.
    fn advance(&mut self) -> bool {
        self.made.truncate(self.at);
        while let Some((choice, options)) = self.made.pop() {
            if choice + 1 < options {
                self.made.push((choice + 1, options));
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_choices_comes_once() {
        let mut choices = Choices::default();
        let mut lists = Vec::new();
        loop {
            choices.rewind();
            let first = choices.next(2);
            // The second choice depends on the first, as it does in a run.
            let second = choices.next(if first == 0 { 3 } else { 1 });
            lists.push((first, second));
            if !choices.advance() {
                break;
            }
        }
        assert_eq!(lists, [(0, 0), (0, 1), (0, 2), (1, 0)]);
    }

    #[test]
    fn nobody_speaks_after_his_goodbye() {
        assert_eq!(scripts(1).len(), WORDS.len());
        let after = |script: &Vec<Word>| is_goodbye(&script[0], script[1].0);
        assert!(!scripts(2).iter().any(after));
        assert!(scripts(2).contains(&vec![(0, Opcode::ByeRequest), (1, Opcode::ByeRequest)]));
    }
}
