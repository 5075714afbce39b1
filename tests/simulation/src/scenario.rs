//! What one seed stands for: the engines, the network, and the steps that are taken.
//!
//! A step names things by numbers that are resolved when it is taken, so that any step can be left
//! out and the rest still means something.

use crate::platform::{GROUPS, MESSAGES};
use crate::random::{Purpose, Random};
use crate::weather;
use core::time::Duration;
use tofu_core::{HEADER_LEN, Limits, Options};
use tofu_loopback::{Direction, Faults};

/// Engines of one scenario.
pub const ENGINES: std::ops::RangeInclusive<u64> = 2..=8;
/// Names each engine may listen on.
pub const NAMES: usize = 2;

/// The least text headers an engine takes: an address and its peer's limits.
const LEAST_HEADERS: u64 = 60;
/// The most lines a hello has: an address, its engine's limits, and one more.
const HELLO_LINES: u64 = 3;
/// The least body an engine takes: what a hello has.
const LEAST_BODY: u64 = 16;

/// One engine as it is made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Size and number of its messages.
    pub classes: Vec<(usize, u16)>,
    /// Its timeouts and limits.
    pub options: Options,
    /// Bytes each group reads ahead.
    pub staging: usize,
}

impl Setup {
    /// The most bytes this engine may ever hold: each message of each size, and what its groups
    /// read ahead.
    pub fn memory(&self) -> usize {
        let messages = self.classes.iter().map(|&(size, count)| size * usize::from(count));
        messages.sum::<usize>() + GROUPS * self.staging
    }

    /// The largest frame its pool holds.
    pub fn largest(&self) -> usize {
        self.classes.iter().map(|&(size, _)| size).max().unwrap_or_default()
    }

    fn random(random: &mut Random) -> Setup {
        let mut classes = Vec::new();
        for (least, most) in [(120, 250), (300, 900), (1_200, 5_000)] {
            if classes.is_empty() || random.one_in(2) {
                let size = random.within(least, most) as usize;
                let count = random.scaled(1, (MESSAGES / 3) as u64) as u16;
                classes.push((size, count));
            }
        }
        let millis =
            |random: &mut Random, least, most| Duration::from_millis(random.scaled(least, most));
        let sometimes = |random: &mut Random, least, most| {
            random.one_in(3).then(|| Duration::from_millis(random.scaled(least, most)))
        };
        let largest = classes.iter().map(|&(size, _)| size).max().unwrap_or_default();
        let options = Options {
            connect_timeout: millis(random, 200, 20_000),
            hello_timeout: millis(random, 200, 20_000),
            send_timeout: sometimes(random, 500, 20_000),
            bye_timeout: millis(random, 500, 20_000),
            frame_timeout: millis(random, 500, 40_000),
            idle_timeout: sometimes(random, 1_000, 60_000),
            accept_retry: millis(random, 10, 1_000),
            limits: Setup::limits(random, largest),
            header_lines: match random.one_in(4) {
                true => random.within(HELLO_LINES, 12) as u16,
                false => Options::DEFAULT.header_lines,
            },
            listener_channels: match random.one_in(4) {
                true => random.within(1, 3) as u16,
                false => Options::DEFAULT.listener_channels,
            },
        };
        Setup { classes, options, staging: random.scaled(16, 4_096) as usize }
    }

    /// Limits that have room for a hello.
    fn limits(random: &mut Random, largest: usize) -> Limits {
        let payload = (largest - HEADER_LEN) as u64;
        if payload > 600 && random.one_in(2) {
            return Limits::MAX;
        }
        let headers = random.scaled(LEAST_HEADERS, payload / 2);
        let body = random.scaled(LEAST_BODY, payload - headers);
        Limits { headers: headers as u16, body: body as u16 }
    }
}

/// How an application says goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goodbye {
    /// ByeRequest.
    Ask,
    /// ByeResponse, asked or not.
    Answer,
    /// ByeSignal.
    Signal,
}

/// What two applications do with each other (PROTOCOL, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Pattern {
    Request,
    ManyInFlight,
    StreamUp,
    StreamDown,
    StreamBoth,
    Progress,
    Heartbeat,
}

impl Pattern {
    /// All of them.
    pub const ALL: [Pattern; 7] = [
        Pattern::Request,
        Pattern::ManyInFlight,
        Pattern::StreamUp,
        Pattern::StreamDown,
        Pattern::StreamBoth,
        Pattern::Progress,
        Pattern::Heartbeat,
    ];
}

/// A post that must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Misuse {
    WelcomeResponse,
    ResponseWithoutId,
    MoreOnBye,
    NoChannel,
    UnknownChannel,
    OtherGroup,
    HelloWithoutAddress,
    HelloWithChannel,
    RequestOnListener,
    HelloResponseFromClient,
}

impl Misuse {
    /// All of them.
    pub const ALL: [Misuse; 10] = [
        Misuse::WelcomeResponse,
        Misuse::ResponseWithoutId,
        Misuse::MoreOnBye,
        Misuse::NoChannel,
        Misuse::UnknownChannel,
        Misuse::OtherGroup,
        Misuse::HelloWithoutAddress,
        Misuse::HelloWithChannel,
        Misuse::RequestOnListener,
        Misuse::HelloResponseFromClient,
    ];
}

/// What a peer that is no engine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stranger {
    Silent,
    LeavesAtOnce,
    Noise,
    HalfAHello,
    HelloThenWelcome,
    HelloThenHello,
    HelloThenSignal,
    HelloThenHalfARequest,
    HelloThenOpcode15,
}

impl Stranger {
    /// All of them.
    pub const ALL: [Stranger; 9] = [
        Stranger::Silent,
        Stranger::LeavesAtOnce,
        Stranger::Noise,
        Stranger::HalfAHello,
        Stranger::HelloThenWelcome,
        Stranger::HelloThenHello,
        Stranger::HelloThenSignal,
        Stranger::HelloThenHalfARequest,
        Stranger::HelloThenOpcode15,
    ];
}

/// One step. `engine`, `pick` and their like are taken modulo what there is.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Step {
    /// Engines turn and applications receive, in random order, so many rounds.
    Run {
        rounds: u32,
        choices: u64,
    },
    /// One turn, if the engine is due one.
    Turn {
        engine: usize,
        budget: u32,
    },
    Listen {
        engine: usize,
        group: usize,
        name: usize,
    },
    Connect {
        engine: usize,
        group: usize,
        to: usize,
        name: usize,
    },
    Talk {
        engine: usize,
        pick: u64,
        pattern: Pattern,
        count: u32,
        length: usize,
    },
    Bye {
        engine: usize,
        pick: u64,
        how: Goodbye,
    },
    Misuse {
        engine: usize,
        pick: u64,
        how: Misuse,
    },
    /// A receiver stops, or goes on.
    Mute {
        engine: usize,
        group: usize,
        on: bool,
    },
    /// An application keeps what it receives, or lets go of it.
    Hold {
        engine: usize,
        on: bool,
    },
    Wake {
        engine: usize,
        group: usize,
        with_message: bool,
    },
    DropGroup {
        engine: usize,
        group: usize,
    },
    OpenGroup {
        engine: usize,
        group: usize,
    },
    /// Time passes, for all.
    Pass {
        micros: u64,
    },
    /// One engine's clock jumps, forward or back.
    Jump {
        engine: usize,
        micros: i64,
    },
    Cut {
        pick: u64,
    },
    /// A connection to come is cut at this byte.
    CutAfter {
        ahead: u64,
        direction: Direction,
        bytes: u64,
    },
    Weather {
        faults: Faults,
    },
    Stranger {
        to: usize,
        name: usize,
        what: Stranger,
    },
    Shutdown {
        engine: usize,
    },
    /// The process of this engine ends without a word, and starts anew.
    Crash {
        engine: usize,
    },
}

impl Step {
    /// Whether it is done by, or to, this engine alone.
    pub fn is_of(&self, engine: usize) -> bool {
        use Step::*;
        match *self {
            Turn { engine: of, .. } | Listen { engine: of, .. } | Talk { engine: of, .. } => {
                of == engine
            }
            Bye { engine: of, .. } | Misuse { engine: of, .. } | Mute { engine: of, .. } => {
                of == engine
            }
            Hold { engine: of, .. } | Wake { engine: of, .. } | Jump { engine: of, .. } => {
                of == engine
            }
            DropGroup { engine: of, .. } | OpenGroup { engine: of, .. } => of == engine,
            Shutdown { engine: of } | Crash { engine: of } => of == engine,
            Connect { engine: of, to, .. } => of == engine || to == engine,
            Stranger { to, .. } => to == engine,
            Run { .. } | Pass { .. } | Cut { .. } | CutAfter { .. } | Weather { .. } => false,
        }
    }
}

/// Everything one seed stands for.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// The engines.
    pub engines: Vec<Setup>,
    /// Bytes each direction of a connection holds.
    pub capacity: usize,
    /// Connections that wait to be accepted.
    pub backlog: usize,
    /// What goes wrong from the start.
    pub faults: Faults,
    /// What is done, with the number each step has for good.
    pub steps: Vec<(usize, Step)>,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn new(seed: u64) -> Scenario {
        let mut random = Random::new(seed, Purpose::Scenario, 0);
        let count = random.scaled(*ENGINES.start(), *ENGINES.end()) as usize;
        let mut engines: Vec<Setup> = (0..count).map(|_| Setup::random(&mut random)).collect();
        let capacity = match random.below(6) {
            0 => random.within(1, 64) as usize,
            _ => random.scaled(128, 65_536) as usize,
        };
        // Almost byte by byte: keep the messages short.
        let sizes = match capacity {
            0..8 => 1,
            8..64 => 2,
            _ => 3,
        };
        for engine in &mut engines {
            engine.classes.truncate(sizes);
        }
        let faults = weather::random(&mut random);
        let backlog = random.within(1, 8) as usize;
        let steps = steps(&mut random, count);
        Scenario { seed, engines, capacity, backlog, faults, steps }
    }
}

fn steps(random: &mut Random, engines: usize) -> Vec<(usize, Step)> {
    let mut steps = Vec::new();
    // Somebody listens, somebody connects: else little would happen.
    let crowd = random.one_in(4);
    let servers = if crowd { 1 } else { random.scaled(1, engines as u64) as usize };
    for engine in 0..servers {
        steps.push(Step::Listen { engine, group: 0, name: 0 });
    }
    steps.push(Step::Run { rounds: 2, choices: random.bits() });
    let connections = if crowd { 2 } else { random.within(1, 2) };
    for engine in 0..engines * connections as usize {
        let engine = engine % engines;
        if engine > 0 || random.one_in(2) {
            let to = random.index(servers);
            steps.push(Step::Connect { engine, group: random.index(GROUPS), to, name: 0 });
        }
    }
    if crowd {
        crowd_in(random, engines, &mut steps);
    }
    let rough = random.one_in(2);
    for _ in 0..random.scaled(10, 100) {
        let step = match random.below(100) {
            0..85 => peaceful(random, engines, servers),
            _ if rough => violent(random, engines),
            _ => Step::Run { rounds: 20, choices: random.bits() },
        };
        steps.push(step);
    }
    steps.into_iter().enumerate().collect()
}

/// Everybody talks to one server at once, which stops receiving now and then.
fn crowd_in(random: &mut Random, engines: usize, steps: &mut Vec<Step>) {
    for _ in 0..random.within(1, 4) {
        steps.push(Step::Run { rounds: random.scaled(2, 16) as u32, choices: random.bits() });
        steps.push(Step::Mute { engine: 0, group: 0, on: random.one_in(2) });
        for engine in 1..engines {
            let pattern = random.pick(&[Pattern::ManyInFlight, Pattern::StreamUp]);
            let length = random.scaled(1, 512) as usize;
            steps.push(Step::Talk { engine, pick: random.bits(), pattern, count: 12, length });
        }
    }
}

/// What applications do all the time.
fn peaceful(random: &mut Random, engines: usize, servers: usize) -> Step {
    let engine = random.index(engines);
    let group = random.index(GROUPS);
    match random.below(100) {
        0..38 => Step::Run { rounds: random.scaled(1, 32) as u32, choices: random.bits() },
        38..44 => Step::Turn { engine, budget: random.scaled(1, 64) as u32 },
        44..74 => talk(random, engine),
        74..80 => {
            let (to, name) = match random.below(8) {
                0 => (random.index(engines), random.index(NAMES)),
                _ => (random.index(servers), 0),
            };
            Step::Connect { engine, group, to, name }
        }
        80..82 => Step::Listen { engine, group, name: random.index(NAMES) },
        82..87 => bye(random, engine),
        87..89 => Step::Misuse { engine, pick: random.bits(), how: random.pick(&Misuse::ALL) },
        89..92 => Step::Wake { engine, group, with_message: random.one_in(2) },
        92..94 => Step::OpenGroup { engine, group },
        94..97 => Step::Mute { engine, group, on: !random.one_in(3) },
        97 => Step::Hold { engine, on: !random.one_in(3) },
        _ => Step::Pass { micros: random.scaled(1, 4_000_000) },
    }
}

/// What goes wrong.
fn violent(random: &mut Random, engines: usize) -> Step {
    let engine = random.index(engines);
    let group = random.index(GROUPS);
    match random.below(100) {
        0..36 => Step::Pass { micros: random.scaled(1_000_000, 40_000_000) },
        36..44 => jump(random, engine),
        44..52 => Step::Weather { faults: weather::random(random) },
        52..64 => Step::Cut { pick: random.bits() },
        64..80 => cut_after(random),
        80..90 => {
            Step::Stranger { to: random.index(engines), name: 0, what: random.pick(&Stranger::ALL) }
        }
        90..94 => Step::DropGroup { engine, group },
        94..97 => Step::Shutdown { engine },
        _ => Step::Crash { engine },
    }
}

fn talk(random: &mut Random, engine: usize) -> Step {
    Step::Talk {
        engine,
        pick: random.bits(),
        pattern: random.pick(&Pattern::ALL),
        count: random.scaled(1, 12) as u32,
        length: if random.one_in(6) { 0 } else { random.scaled(1, 4_096) as usize },
    }
}

fn bye(random: &mut Random, engine: usize) -> Step {
    let how = random.pick(&[
        Goodbye::Ask,
        Goodbye::Ask,
        Goodbye::Ask,
        Goodbye::Ask,
        Goodbye::Answer,
        Goodbye::Signal,
    ]);
    Step::Bye { engine, pick: random.bits(), how }
}

fn jump(random: &mut Random, engine: usize) -> Step {
    let micros = random.scaled(1_000, 100_000_000) as i64;
    Step::Jump { engine, micros: if random.one_in(2) { micros } else { -micros } }
}

fn cut_after(random: &mut Random) -> Step {
    let direction = random.pick(&[Direction::ToListener, Direction::ToClient]);
    Step::CutAfter { ahead: random.below(3), direction, bytes: random.scaled(1, 2_048) - 1 }
}
