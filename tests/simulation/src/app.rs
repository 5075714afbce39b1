//! The applications: they talk in every pattern, answer what they receive, hold on to it, and
//! say goodbye when nobody expects it.

use crate::content;
use crate::coverage::Situation;
use crate::host::Host;
use crate::oracle::{Kind, Oracle, wire_of};
use crate::platform::{GROUPS, Message, Received};
use crate::random::{Purpose, Random};
use crate::scenario::{Goodbye, Misuse, Pattern};
use std::collections::VecDeque;
use tofu_core::{ChannelNumber, HEADER_LEN, Opcode, Status};

/// The most messages an application keeps in its hands.
const HELD: usize = 8;
/// The most posts an application plans ahead.
const PLANS: usize = 48;
/// Room for an engine's limits beside a hello's own text.
const ANNOUNCEMENT: usize = 40;
/// Length of `k:` and the line's end.
const LINE: usize = 4;

/// A post to come.
struct Plan {
    channel: u16,
    /// The end it is for: numbers are given out again.
    end: usize,
    what: What,
}

enum What {
    /// A message the application has in its hands.
    Ready(Message),
    /// One that is made when it is its turn.
    Fresh { opcode: Opcode, id: u64, more: bool, text: usize, body: usize },
}

/// An application's state.
#[derive(Default)]
pub struct App {
    /// Receivers that stopped.
    pub muted: [bool; GROUPS],
    /// It keeps what it receives.
    pub holds: bool,
    /// It says no more than is polite: answers, and goodbye.
    pub polite: bool,
    /// Something happened since it last tried to post. Trying again without a reason would be a busy
    /// loop of its own.
    pub stirred: bool,
    held: Vec<Message>,
    plans: VecDeque<Plan>,
}

impl App {
    /// Messages in its hands.
    pub fn in_hand(&self) -> usize {
        let ready = self.plans.iter().filter(|plan| matches!(plan.what, What::Ready(_)));
        self.held.len() + ready.count()
    }

    /// Lets go of what it holds.
    pub fn let_go(&mut self) {
        self.holds = false;
        self.stirred = true;
        self.held.clear();
    }

    /// Forgets what it wanted to post.
    pub fn forget_plans(&mut self) {
        self.plans.clear();
    }
}

impl Host {
    /// Posts a message and tells the oracle. What was refused comes back.
    fn post(
        &mut self,
        oracle: &mut Oracle,
        group: usize,
        message: Message,
        deserved: &[Status],
    ) -> Result<(), (Message, Status)> {
        let Some(id) = self.groups[group] else {
            return Err((message, Status::InvalidGroup));
        };
        let wire = wire_of(&message);
        match self.engine.post(id, message) {
            Ok(header) => {
                oracle.coverage.posted += 1;
                self.note_post();
                oracle.check(deserved.is_empty(), "refusals", || {
                    format!("e{} accepts {header:?}", self.index())
                });
                oracle.posted(self.index(), group, &wire, header);
                Ok(())
            }
            Err(refused) => {
                oracle.refused(self.index(), &wire, &refused, deserved);
                Err((refused.message, refused.status))
            }
        }
    }

    /// Listens on one of this engine's names, or on one that belongs to no transport.
    pub fn listen(&mut self, oracle: &mut Oracle, group: usize, address: &str) {
        let len = HEADER_LEN + "~listen_on:".len() + address.len() + 2;
        self.open(oracle, group, address, len, |message| message.listen_on(address));
    }

    /// Says hello to somebody.
    pub fn connect(&mut self, oracle: &mut Oracle, group: usize, address: &str, id: u64) {
        let number = oracle.next_conversation();
        let body = content::body(oracle.seed(), number, 0, 0, content::MARK_LEN);
        let text = "~connect_to:".len() + address.len() + 2 + ANNOUNCEMENT;
        let len = HEADER_LEN + text + body.len();
        self.open(oracle, group, address, len, |message| {
            message.connect_to(address)?;
            message.set_id(id);
            message.set_body(&body)
        });
    }

    fn open(
        &mut self,
        oracle: &mut Oracle,
        group: usize,
        address: &str,
        len: usize,
        fill: impl FnOnce(&mut Message) -> Result<(), tofu_core::MessageError>,
    ) {
        let Some(mut message) = self.get(len) else {
            return oracle.coverage.reach(Situation::PoolDry);
        };
        if fill(&mut message).is_err() {
            return;
        }
        match self.post(oracle, group, message, &[]) {
            Ok(()) if !address.starts_with("mem|") => oracle.opened_in_vain(),
            Err((_, Status::PoolEmpty)) => oracle.coverage.reach(Situation::ChannelsTaken),
            _ => {}
        }
    }

    /// Plans one side of a pattern on one of the channels that are open.
    pub fn talk(
        &mut self,
        oracle: &Oracle,
        pick: u64,
        pattern: Pattern,
        count: u32,
        length: usize,
    ) {
        let mut random = Random::new(pick, Purpose::Step, 0);
        let open: Vec<u16> = oracle
            .channels(self.index())
            .filter(|(_, end)| end.takes_posts())
            .map(|(number, _)| number)
            .collect();
        if open.is_empty() {
            return;
        }
        let channel = random.pick(&open);
        let id = random.bits() | 1;
        let many = count.max(1);
        let last = |index| index + 1 == many;
        for index in 0..many {
            let text = if random.one_in(4) { LINE + random.index(60) } else { 0 };
            let mut plan = |opcode, id, more, body| {
                self.plan(oracle, channel, opcode, id, more, text, body);
            };
            match pattern {
                Pattern::Request | Pattern::StreamDown | Pattern::Progress => {
                    return plan(Opcode::Request, id, false, length);
                }
                Pattern::ManyInFlight => {
                    plan(Opcode::Request, id.wrapping_add(u64::from(index) << 1), false, length);
                }
                Pattern::StreamUp | Pattern::StreamBoth => {
                    plan(Opcode::Request, id, !last(index), length);
                }
                Pattern::Heartbeat => plan(Opcode::Signal, 0, false, 0),
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn plan(
        &mut self,
        oracle: &Oracle,
        channel: u16,
        opcode: Opcode,
        id: u64,
        more: bool,
        text: usize,
        body: usize,
    ) {
        let Some(end) = oracle.index_of(self.index(), channel) else { return };
        if self.app.plans.len() >= PLANS {
            return;
        }
        // As much as a message of its own can hold.
        let payload = self.setup.largest().saturating_sub(HEADER_LEN);
        let text = if text <= payload { text } else { 0 };
        let body = body.min(payload - text);
        let what = What::Fresh { opcode, id, more, text, body };
        self.app.plans.push_back(Plan { channel, end, what });
        self.app.stirred = true;
    }

    /// Says goodbye on one of the channels, whatever is going on there.
    pub fn bye(&mut self, oracle: &Oracle, pick: u64, how: Goodbye) {
        let channels: Vec<u16> = oracle.channels(self.index()).map(|(number, _)| number).collect();
        if channels.is_empty() {
            return;
        }
        let channel = channels[(pick % channels.len() as u64) as usize];
        self.plan_bye(oracle, channel, how, pick | 1);
    }

    fn plan_bye(&mut self, oracle: &Oracle, channel: u16, how: Goodbye, id: u64) {
        let Some(end) = oracle.end_of(self.index(), channel) else { return };
        let opcode = match how {
            _ if end.bye.is_some() => Opcode::ByeSignal,
            Goodbye::Answer if end.kind != Kind::Listener => Opcode::ByeResponse,
            Goodbye::Signal => Opcode::ByeSignal,
            _ => Opcode::ByeRequest,
        };
        if !end.signalled {
            self.plan(oracle, channel, opcode, id, false, 0, 0);
        }
    }

    /// Says one thing on the connection it has.
    pub fn say(&mut self, oracle: &mut Oracle, opcode: Opcode, nth: u64) {
        let open = oracle.channels(self.index()).find(|(_, end)| end.kind != Kind::Listener);
        let Some((channel, _)) = open else { return };
        self.plan(oracle, channel, opcode, 0x5a10 + nth, false, 0, 8);
        self.flush(oracle);
    }

    /// Plans a goodbye on every channel that has none.
    pub fn leave(&mut self, oracle: &Oracle) {
        self.app.polite = true;
        let open: Vec<u16> = oracle
            .channels(self.index())
            .filter(|(_, end)| end.bye.is_none() && !end.signalled && !end.doomed)
            .map(|(number, _)| number)
            .filter(|number| {
                let bye = |plan: &Plan| plan.channel == *number && plan.is_bye();
                !self.app.plans.iter().any(bye)
            })
            .collect();
        for channel in open {
            let number = u64::from(channel);
            self.plan_bye(oracle, channel, Goodbye::Ask, 0xb1e0_0000 | number);
        }
    }

    /// Posts what is planned and can be posted now. True if something was.
    pub fn flush(&mut self, oracle: &mut Oracle) -> bool {
        if !std::mem::take(&mut self.app.stirred) {
            return false;
        }
        let mut blocked = Vec::new();
        let mut posted = false;
        for _ in 0..self.app.plans.len() {
            let Some(plan) = self.app.plans.pop_front() else { break };
            if blocked.contains(&plan.channel) {
                self.app.plans.push_back(plan);
                continue;
            }
            let channel = plan.channel;
            match self.carry_out(oracle, plan) {
                Ok(done) => posted |= done,
                Err(plan) => {
                    blocked.push(channel);
                    self.app.plans.push_back(plan);
                }
            }
        }
        posted
    }

    /// Posts what was planned; whether it was. It comes back where it has to wait.
    fn carry_out(&mut self, oracle: &mut Oracle, plan: Plan) -> Result<bool, Plan> {
        let Plan { channel, end, what } = plan;
        if oracle.index_of(self.index(), channel) != Some(end) {
            return Ok(false);
        }
        let group = oracle.end_of(self.index(), channel).map_or(0, |end| end.group);
        let (message, again) = match what {
            What::Ready(message) => (message, None),
            What::Fresh { opcode, id, more, text, body } => {
                let what = What::Fresh { opcode, id, more, text, body };
                let Some(mut message) = self.get(HEADER_LEN + text + body) else {
                    oracle.coverage.reach(Situation::PoolDry);
                    return Err(Plan { channel, end, what });
                };
                message.prepare(opcode, ChannelNumber::new(channel)).set_id(id);
                message.set_more(more);
                fill(&mut message, oracle, end, text, body);
                (message, Some(what))
            }
        };
        match self.post(oracle, group, message, &[]) {
            Ok(()) => Ok(true),
            Err((message, Status::PoolEmpty)) => {
                oracle.coverage.reach(Situation::ShareUsedUp);
                Err(Plan { channel, end, what: again.unwrap_or(What::Ready(message)) })
            }
            Err(_) => Ok(false),
        }
    }

    /// Receives up to `count` things of a group and does something about each; how many there were.
    pub fn receive_some(&mut self, oracle: &mut Oracle, group: usize, count: u32) -> u32 {
        for done in 0..count {
            let Some(received) = self.receive(oracle, group) else { return done };
            self.app.stirred = true;
            if let Received::Peer(message) = received {
                oracle.coverage.delivered += 1;
                self.react(oracle, message);
            }
        }
        count
    }

    fn react(&mut self, oracle: &mut Oracle, message: Message) {
        let who = (self.index() as u64) << 56;
        let seed = oracle.seed();
        let mut random = Random::new(seed, Purpose::Reaction, message.id() ^ who);
        if self.app.holds && self.app.held.len() < HELD {
            return self.app.held.push(message);
        }
        match message.opcode() {
            Opcode::HelloRequest => self.greet(oracle, message, &mut random),
            Opcode::Request if !message.more() => self.answer(oracle, message, &mut random),
            Opcode::Signal if random.one_in(16) => self.reply(oracle, message),
            Opcode::ByeRequest => self.part(oracle, message, &mut random),
            _ => {}
        }
    }

    /// Answers a message with itself.
    fn reply(&mut self, oracle: &Oracle, mut message: Message) {
        let channel = message.channel().get();
        let Some(end) = oracle.index_of(self.index(), channel) else { return };
        if message.id() != 0 && message.reply().is_ok() {
            self.app.plans.push_back(Plan { channel, end, what: What::Ready(message) });
            self.app.stirred = true;
        }
    }

    fn greet(&mut self, oracle: &Oracle, message: Message, random: &mut Random) {
        let (channel, id) = (message.channel().get(), message.id());
        match random.below(10) {
            _ if self.app.polite => {}
            0 => self.plan_bye(oracle, channel, Goodbye::Signal, id),
            1 => self.plan_bye(oracle, channel, Goodbye::Ask, id),
            2..4 => {}
            _ => self.reply(oracle, message),
        }
    }

    fn answer(&mut self, oracle: &Oracle, message: Message, random: &mut Random) {
        let (channel, id, len) = (message.channel().get(), message.id(), message.body().len());
        if self.app.polite {
            return self.reply(oracle, message);
        }
        let mut plan = |opcode, more, body| self.plan(oracle, channel, opcode, id, more, 0, body);
        match random.below(8) {
            0 => {}
            // Progress.
            1 => {
                (0..random.within(1, 4)).for_each(|_| plan(Opcode::Signal, false, 8));
                plan(Opcode::Response, false, len);
            }
            // A stream down.
            2 => {
                (0..random.within(1, 4)).for_each(|_| plan(Opcode::Response, true, len));
                plan(Opcode::Response, false, len);
            }
            3 => plan(Opcode::Response, false, random.scaled(1, 2_048) as usize),
            _ => self.reply(oracle, message),
        }
    }

    fn part(&mut self, oracle: &Oracle, message: Message, random: &mut Random) {
        let (channel, id) = (message.channel().get(), message.id());
        match random.below(12) {
            _ if self.app.polite => self.reply(oracle, message),
            0 => self.plan_bye(oracle, channel, Goodbye::Signal, id),
            1 => self.plan_bye(oracle, channel, Goodbye::Ask, id),
            2 => {}
            _ => self.reply(oracle, message),
        }
    }

    /// Wakes the receiver of a group.
    pub fn wake(&mut self, oracle: &mut Oracle, group: usize, with_message: bool) {
        let Some(id) = self.groups[group] else { return };
        let message = match with_message {
            true => self.get(HEADER_LEN + 4),
            false => None,
        };
        let message = message.map(|mut message| {
            // It fits: it was asked for with this length.
            let _ = message.set_body([1, 2, 3, 4]);
            message
        });
        let wire = message.as_ref().map(wire_of);
        if self.engine.update_receiver(id, message).is_ok() {
            oracle.woken(self.index(), group, wire);
        }
    }

    /// Posts what must be refused.
    pub fn misuse(&mut self, oracle: &mut Oracle, pick: u64, how: Misuse) {
        let Some(mut message) = self.get(HEADER_LEN) else { return };
        let index = self.index();
        let known: Vec<(u16, Kind, usize)> =
            oracle.channels(index).map(|(number, end)| (number, end.kind, end.group)).collect();
        let wanted = match how {
            Misuse::RequestOnListener => Some(Kind::Listener),
            Misuse::HelloResponseFromClient => Some(Kind::Client),
            _ => None,
        };
        let fitting: Vec<_> = known
            .iter()
            .filter(|(_, kind, _)| wanted.is_none_or(|wanted| wanted == *kind))
            .collect();
        let chosen = fitting.get((pick % fitting.len().max(1) as u64) as usize);
        let needs_channel = wanted.is_some() || how == Misuse::OtherGroup;
        if needs_channel && (chosen.is_none() || oracle.is_stopping(index)) {
            return;
        }
        let (channel, _, owner) = chosen.map_or((0, Kind::Client, 0), |chosen| **chosen);
        let mut group = owner;
        let channel = ChannelNumber::new(channel);
        message.set_id(pick | 1);
        let deserved: &[Status] = match how {
            Misuse::WelcomeResponse => {
                message.prepare(Opcode::WelcomeResponse, channel);
                &[Status::InvalidOpCode]
            }
            Misuse::ResponseWithoutId => {
                message.prepare(Opcode::Response, channel).set_id(0);
                &[Status::InvalidMessageId]
            }
            Misuse::MoreOnBye => {
                message.prepare(Opcode::ByeRequest, channel).set_more(true);
                &[Status::InvalidMoreUsage]
            }
            Misuse::NoChannel => &[Status::InvalidChannelNumber],
            Misuse::UnknownChannel => {
                // Numbers are given out from below.
                message.set_channel(ChannelNumber::new(65_000));
                &[Status::InvalidChannelNumber]
            }
            Misuse::OtherGroup => {
                message.set_channel(channel);
                group = 1 - owner;
                &[Status::InvalidGroup]
            }
            Misuse::HelloWithoutAddress => {
                message.set_opcode(Opcode::HelloRequest);
                &[Status::WrongAddress]
            }
            Misuse::HelloWithChannel => {
                message.prepare(Opcode::HelloRequest, ChannelNumber::new(1));
                &[Status::InvalidChannelNumber]
            }
            Misuse::RequestOnListener => {
                message.set_channel(channel);
                &[Status::NotAllowed, Status::ChannelClosed]
            }
            Misuse::HelloResponseFromClient => {
                message.prepare(Opcode::HelloResponse, channel);
                &[Status::NotAllowed, Status::ChannelClosed]
            }
        };
        // Refused, as it must be: there is nothing to do about it.
        let _ = self.post(oracle, group, message, deserved);
    }
}

impl Plan {
    fn is_bye(&self) -> bool {
        let opcode = match &self.what {
            What::Ready(message) => message.opcode(),
            What::Fresh { opcode, .. } => *opcode,
        };
        matches!(opcode, Opcode::ByeRequest | Opcode::ByeResponse | Opcode::ByeSignal)
    }
}

/// Fills a message with what it must hold; it was asked for with that length.
fn fill(message: &mut Message, oracle: &Oracle, end: usize, text: usize, body: usize) {
    let (side, sequence) = oracle.place(end);
    // Some have as many lines as there is room for, which may be more than their receiver takes.
    let many = if sequence % 4 == 3 { (text / LINE).saturating_sub(1) } else { 0 };
    for _ in 0..many {
        let _ = message.add_header("k", "");
    }
    if let Some(len) = text.checked_sub((many + 1) * LINE) {
        let value = vec![b'v'; len];
        let _ = message.add_header("k", value);
    }
    let bytes = content::body(oracle.seed(), end as u32, side, sequence, body);
    let _ = message.set_body(bytes);
}
