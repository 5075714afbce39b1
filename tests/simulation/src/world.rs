//! A network of engines and what is done to it: one scenario, from its first step to the end of its
//! last channel.

use crate::content;
use crate::coverage::{Coverage, Situation};
use crate::host::Host;
use crate::oracle::{Calm, Failure, Oracle};
use crate::platform::{GROUPS, Memory};
use crate::random::{Purpose, Random};
use crate::scenario::{Scenario, Step, Stranger};
use crate::trace::Trace;
use core::time::Duration;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tofu_core::{ChannelNumber, Header, Opcode};
use tofu_loopback::{Faults, Network, RawPipe};

/// Things one application receives before others get their turn.
const RECEIVES: u32 = 4;
/// Rounds that a world may need to come to rest: far more than any does.
const ROUNDS: u32 = 100_000;
/// How far ahead of the present timeouts are waited for, once the faults have stopped.
const PATIENCE: Duration = Duration::from_secs(600);

/// How one engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Asks for a goodbye on every channel.
    Goodbyes,
    DropGroups,
    Shutdown,
    Crash,
}

/// One run of a scenario.
pub struct World {
    seed: u64,
    network: Network,
    hosts: Vec<Host>,
    /// Who knows what must hold.
    pub oracle: Oracle,
    strangers: Vec<RawPipe>,
    capacity: usize,
    /// Bytes this thread's other engines held before.
    others: usize,
}

/// What came of a run.
pub struct Outcome {
    /// Whether every promise was kept.
    pub verdict: Result<(), Failure>,
    /// What was reached.
    pub coverage: Coverage,
    /// What happened.
    pub trace: Trace,
}

impl World {
    /// Runs a scenario. What it panics with is a broken promise, too.
    pub fn run(scenario: &Scenario, trace: Trace) -> Outcome {
        World::with(scenario, trace, |world| world.live(scenario))
    }

    /// Makes the world of a scenario, runs `live`, and checks that nothing is left of it.
    pub(crate) fn with(
        scenario: &Scenario,
        trace: Trace,
        live: impl FnOnce(&mut World) -> Result<(), Failure>,
    ) -> Outcome {
        let others = Memory::live();
        let mut world = World::new(scenario, trace, others);
        let verdict = catch_unwind(AssertUnwindSafe(|| live(&mut world)));
        let World { hosts, strangers, mut oracle, network, .. } = world;
        oracle.coverage.seconds += network.now().as_micros() / 1_000_000;
        drop((hosts, strangers));
        let verdict = match verdict {
            Ok(Ok(())) => {
                let left = Memory::live().abs_diff(others);
                oracle.check(left == 0, "no memory leaks", || format!("{left} bytes are left"));
                oracle.verdict()
            }
            Ok(broken) => broken,
            Err(panic) => Err(Failure { promise: "nothing panics", what: message_of(&*panic) }),
        };
        let Oracle { coverage, trace, .. } = oracle;
        Outcome { verdict, coverage, trace }
    }

    fn new(scenario: &Scenario, trace: Trace, others: usize) -> World {
        let seed = Random::new(scenario.seed, Purpose::Network, 0).bits();
        let network = Network::new(seed, scenario.faults)
            .with_capacity(scenario.capacity)
            .with_backlog(scenario.backlog);
        let mut oracle = Oracle::new(scenario.seed, network.clone(), trace);
        let engines = scenario.engines.iter().enumerate();
        let hosts: Vec<Host> =
            engines.map(|(index, setup)| Host::new(&network, &mut oracle, index, setup)).collect();
        if scenario.engines.iter().any(|setup| setup.classes.iter().any(|class| class.1 == 1)) {
            oracle.coverage.reach(Situation::OneMessage);
        }
        World {
            seed: scenario.seed,
            network,
            hosts,
            oracle,
            strangers: Vec::new(),
            capacity: scenario.capacity,
            others,
        }
    }

    fn live(&mut self, scenario: &Scenario) -> Result<(), Failure> {
        for (number, step) in &scenario.steps {
            self.oracle.trace.set_now(self.network.now());
            self.oracle.trace.note(|| format!("── {number}: {step:?}"));
            self.take(step);
            self.check()?;
        }
        self.calm_down()?;
        let mut random = Random::new(scenario.seed, Purpose::Ending, 0);
        let endings: Vec<Ending> = self.hosts.iter().map(|_| ending(&mut random)).collect();
        self.end(&endings)
    }

    /// The network.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// An engine, and who judges it.
    pub(crate) fn host(&mut self, engine: usize) -> (&mut Host, &mut Oracle) {
        (&mut self.hosts[engine], &mut self.oracle)
    }

    // Steps.

    /// Takes one step.
    pub(crate) fn take(&mut self, step: &Step) {
        let engines = self.hosts.len();
        match *step {
            Step::Run { rounds, choices } => self.run_rounds(rounds, choices),
            Step::Turn { engine, budget } => {
                if self.hosts[engine].is_due() {
                    self.hosts[engine].turn(&mut self.oracle, budget);
                }
            }
            Step::Listen { engine, group, name } => {
                let address = format!("mem|e{engine}.{name}");
                self.hosts[engine].listen(&mut self.oracle, group, &address);
            }
            Step::Connect { engine, group, to, name } => self.connect(engine, group, to, name),
            Step::Talk { engine, pick, pattern, count, length } => {
                let host = &mut self.hosts[engine];
                host.talk(&self.oracle, pick, pattern, count, length);
                host.flush(&mut self.oracle);
            }
            Step::Bye { engine, pick, how } => {
                let host = &mut self.hosts[engine];
                host.bye(&self.oracle, pick, how);
                host.flush(&mut self.oracle);
            }
            Step::Misuse { engine, pick, how } => {
                self.hosts[engine].misuse(&mut self.oracle, pick, how);
            }
            Step::Mute { engine, group, on } => {
                self.hosts[engine].app.muted[group] = on;
                if on {
                    self.oracle.coverage.reach(Situation::ReceiverStopped);
                }
            }
            Step::Hold { engine, on: true } => self.hosts[engine].app.holds = true,
            Step::Hold { engine, on: false } => self.hosts[engine].app.let_go(),
            Step::Wake { engine, group, with_message } => {
                self.hosts[engine].wake(&mut self.oracle, group, with_message);
            }
            Step::DropGroup { engine, group } => self.drop_group(engine, group),
            Step::OpenGroup { engine, group } => self.hosts[engine].open_group(group),
            Step::Pass { micros } => self.advance(Duration::from_micros(micros)),
            Step::Jump { engine, micros } => {
                let forward = micros > 0;
                let situation =
                    if forward { Situation::ClockForward } else { Situation::ClockBack };
                self.oracle.coverage.reach(situation);
                self.oracle.clock_jumped(engine);
                self.hosts[engine].jump(micros);
            }
            Step::Cut { pick } => {
                let connections = self.network.connections();
                if let Some(number) = pick.checked_rem(connections) {
                    self.network.cut(number);
                }
            }
            Step::CutAfter { ahead, direction, bytes } => {
                let number = self.network.connections() + ahead;
                self.network.cut_after(number, direction, bytes);
            }
            Step::Weather { faults } => self.network.set_faults(faults),
            Step::Stranger { to, name, what } => self.strange(to % engines, name, what),
            Step::Shutdown { engine } => self.shutdown(engine),
            Step::Crash { engine } => self.crash(engine),
        }
    }

    fn connect(&mut self, engine: usize, group: usize, to: usize, name: usize) {
        let id = Random::new(self.seed, Purpose::Step, u64::from(self.oracle.next_conversation()));
        let id = { id }.bits() | 1;
        let address = match id % 128 {
            1 => "tcp|127.0.0.1|7099".to_owned(),
            _ => format!("mem|e{to}.{name}"),
        };
        if engine == to {
            self.oracle.coverage.reach(Situation::ConnectsToItself);
        }
        self.hosts[engine].connect(&mut self.oracle, group, &address, id);
    }

    fn drop_group(&mut self, engine: usize, group: usize) {
        let open = self.oracle.channels(engine).any(|(_, end)| end.group == group);
        if self.hosts[engine].close_group(group) {
            self.oracle.group_dropped(engine, group);
            if open {
                self.oracle.coverage.reach(Situation::GroupDropped);
            }
        }
    }

    fn shutdown(&mut self, engine: usize) {
        if self.oracle.channels(engine).next().is_some() {
            self.oracle.coverage.reach(Situation::EngineStopped);
        }
        self.hosts[engine].engine.shutdown();
        self.hosts[engine].note_post();
        self.oracle.engine_stopped(engine);
    }

    fn crash(&mut self, engine: usize) {
        if self.oracle.channels(engine).next().is_some() {
            self.oracle.coverage.reach(Situation::EngineCrashed);
        }
        self.oracle.engine_crashed(engine);
        let setup = self.hosts[engine].setup.clone();
        // Made before the old one goes, as a new process may be.
        let host = Host::new(&self.network, &mut self.oracle, engine, &setup);
        self.hosts[engine] = host;
    }

    /// Engines turn, and applications receive and post, in random order; where nobody has anything
    /// to do, time goes on to what comes next.
    fn run_rounds(&mut self, rounds: u32, choices: u64) {
        let mut random = Random::new(choices, Purpose::Step, 1);
        for _ in 0..rounds {
            let mut busy = false;
            for _ in 0..self.hosts.len() {
                let engine = random.index(self.hosts.len());
                let host = &mut self.hosts[engine];
                if host.is_due() && !random.one_in(4) {
                    host.turn(&mut self.oracle, random.scaled(1, 64) as u32);
                    busy = true;
                }
                let group = random.index(GROUPS);
                if !host.app.muted[group] && !random.one_in(3) {
                    let count = random.within(1, u64::from(RECEIVES)) as u32;
                    busy |= host.receive_some(&mut self.oracle, group, count) > 0;
                }
                busy |= host.flush(&mut self.oracle);
            }
            if self.oracle.verdict().is_err() {
                return;
            }
            let next = self.network.next_event().filter(|_| !busy || random.one_in(4));
            if let Some(next) = next {
                self.advance(next.since(self.network.now()));
            }
        }
    }

    fn advance(&mut self, duration: Duration) {
        self.network.advance(duration);
        self.oracle.trace.set_now(self.network.now());
    }

    /// Somebody connects who is no engine.
    fn strange(&mut self, to: usize, name: usize, what: Stranger) {
        let Some(mut pipe) = self.network.raw_connect(&format!("e{to}.{name}")) else { return };
        self.oracle.coverage.reach(Situation::Stranger);
        let hello = frame(Opcode::HelloRequest, 4);
        let hello_then = |second: Vec<u8>| [hello.clone(), second].concat();
        let bytes = match what {
            Stranger::Silent | Stranger::LeavesAtOnce => Vec::new(),
            Stranger::Noise => vec![0xa5; 40],
            Stranger::HalfAHello => hello[..18].to_vec(),
            Stranger::HelloThenWelcome => hello_then(frame(Opcode::WelcomeRequest, 0)),
            Stranger::HelloThenHello => hello_then(hello.clone()),
            Stranger::HelloThenSignal => hello_then(frame(Opcode::ByeSignal, 0)),
            Stranger::HelloThenHalfARequest => hello_then(frame(Opcode::Request, 8)[..20].to_vec()),
            Stranger::HelloThenOpcode15 => hello_then([0, 1, 15].repeat(6)),
        };
        // As much as the pipe takes; with less, it is another kind of half a hello.
        pipe.write(&bytes);
        if what != Stranger::LeavesAtOnce {
            self.strangers.push(pipe);
        }
    }

    // Checks after every step.

    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        let budget: usize = self.hosts.iter().map(|host| host.setup.memory()).sum();
        let live = Memory::live() - self.others;
        self.oracle.check(live <= budget, "memory stays within its named sum", || {
            format!("{live} bytes of {budget}")
        });
        for (engine, host) in self.hosts.iter().enumerate() {
            let (used, in_hand) = (host.used(), host.app.in_hand());
            let most = self.oracle.most_held(engine);
            self.oracle.check(used <= in_hand + most, "no message leaks", || {
                format!("e{engine}: {used} in use; {in_hand} in hand, {most} posted or being read")
            });
        }
        self.oracle.verdict()
    }

    // The end.

    /// The faults stop, receivers receive: everything that can arrive has to.
    pub(crate) fn calm_down(&mut self) -> Result<(), Failure> {
        self.oracle.trace.note(|| "── the faults stop".to_owned());
        self.network.set_faults(Faults::default());
        for host in &mut self.hosts {
            host.app.muted = [false; GROUPS];
            host.app.let_go();
        }
        self.come_to_rest()?;
        let calm = self.calm();
        self.oracle.check_patience(&calm, self.capacity);
        self.oracle.verdict()
    }

    /// Runs until nothing is left to do, now or ever.
    fn come_to_rest(&mut self) -> Result<(), Failure> {
        let limit = self.network.now().after(PATIENCE);
        for _ in 0..ROUNDS {
            if self.round() {
                self.oracle.verdict()?;
                continue;
            }
            if let Some(next) = self.network.next_event() {
                self.advance(next.since(self.network.now()));
                continue;
            }
            self.check_rest()?;
            let due = self.hosts.iter().filter_map(|host| host.deadline()).min();
            match due.filter(|due| *due <= limit) {
                Some(due) => self.advance(due.since(self.network.now())),
                None => return self.check(),
            }
        }
        self.oracle.fail("every engine comes to rest", || format!("{ROUNDS} rounds"));
        self.oracle.verdict()
    }

    /// Everybody does what there is to do, once. True if there was something.
    fn round(&mut self) -> bool {
        let mut busy = false;
        for host in &mut self.hosts {
            if host.is_due() {
                host.turn(&mut self.oracle, 64);
                busy = true;
            }
            for group in 0..GROUPS {
                while host.take_arrived(group) {
                    busy |= host.receive_some(&mut self.oracle, group, u32::MAX) > 0;
                }
            }
            busy |= host.flush(&mut self.oracle);
        }
        busy
    }

    fn calm(&self) -> Vec<Calm> {
        let calm = |host: &Host| Calm {
            drained: host.app.in_hand() == 0,
            channels: host.engine.channels(),
        };
        self.hosts.iter().map(calm).collect()
    }

    fn check_rest(&mut self) -> Result<(), Failure> {
        let calm = self.calm();
        for host in &self.hosts {
            let missed = (0..GROUPS).any(|group| host.has_missed(group));
            let index = host.index();
            self.oracle.check(!missed, "no wake-up of a receiver is lost", || {
                format!("something waits at e{index} that nobody was woken for")
            });
        }
        self.oracle.check_rest(&calm);
        self.check()
    }

    /// Every engine ends in its way; then nothing may be left.
    pub(crate) fn end(&mut self, endings: &[Ending]) -> Result<(), Failure> {
        self.strangers.clear();
        self.oracle.trace.note(|| format!("── the end: {endings:?}"));
        for (engine, ending) in endings.iter().enumerate() {
            match ending {
                Ending::Goodbyes => self.hosts[engine].app.polite = true,
                Ending::DropGroups => self.drop_groups(engine),
                Ending::Shutdown => self.shutdown(engine),
                Ending::Crash => self.crash(engine),
            }
        }
        self.say_goodbyes()?;
        self.oracle.check_end();
        for host in &self.hosts {
            let (index, used, channels) = (host.index(), host.used(), host.engine.channels());
            self.oracle.check(used == 0, "no message leaks", || format!("e{index}: {used}"));
            self.oracle
                .check(channels == 0, "no channel leaks", || format!("e{index}: {channels}"));
        }
        self.oracle.verdict()
    }

    fn drop_groups(&mut self, engine: usize) {
        (0..GROUPS).for_each(|group| self.drop_group(engine, group));
        self.hosts[engine].app.forget_plans();
    }

    /// Whoever ends with goodbyes says them until no channel is left. Where there is no message for one
    /// more, dropping the groups needs none.
    fn say_goodbyes(&mut self) -> Result<(), Failure> {
        for _ in 0..3 {
            for host in &mut self.hosts {
                if host.app.polite {
                    host.leave(&self.oracle);
                    host.flush(&mut self.oracle);
                }
            }
            self.come_to_rest()?;
        }
        for engine in 0..self.hosts.len() {
            if self.oracle.channels(engine).next().is_some() {
                self.drop_groups(engine);
            }
            self.hosts[engine].app.forget_plans();
        }
        self.come_to_rest()
    }
}

/// What a panic said.
fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

fn ending(random: &mut Random) -> Ending {
    match random.below(10) {
        0..6 => Ending::Goodbyes,
        6..8 => Ending::Shutdown,
        8 => Ending::DropGroups,
        _ => Ending::Crash,
    }
}

/// A stranger's frame, whose body says that it is one.
fn frame(opcode: Opcode, body: usize) -> Vec<u8> {
    let header = Header {
        opcode,
        channel: ChannelNumber::new(7),
        id: 99,
        body_len: body as u16,
        ..Header::default()
    };
    let body = content::STRANGERS.iter().cycle().take(body);
    header.encode().into_iter().chain(body.copied()).collect()
}
