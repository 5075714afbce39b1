//! An echoing server and its clients over a faulty network, for hundreds of seeds: every posted
//! message has one fate, in order; one `channel_closed` per channel, last; no message leaks;
//! and the same seed gives the same run.
#![allow(missing_docs)]

mod support;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use support::{Classes, Node, ROOMY, Sim, TIGHT, is_closed, wait};
use tofu_core::{ChannelNumber, Instant, Message, Opcode, Received, Status};
use tofu_loopback::{Chance, Faults, Network, Rng};

const CLIENTS: u64 = 3;
const REQUESTS: u64 = 15;
/// Ids of one client's messages begin at its number times this.
const BLOCK: u64 = 1_000;
/// More than any run takes.
const ROUNDS: u32 = 200_000;
const LONG: Instant = Instant::from_millis(600_000);

/// What became of what one side posted in one conversation, in order.
#[derive(Default)]
struct Ledger {
    posted: Vec<u64>,
    delivered: Vec<u64>,
    returned: Vec<u64>,
}

impl Ledger {
    /// Each message has one fate, in order: what arrived is the beginning, what came back the
    /// end; what is between was handed to the transport and lost with the link.
    fn check(&self) {
        let Ledger { posted, delivered, returned } = self;
        assert!(posted.starts_with(delivered), "posted {posted:?}, arrived {delivered:?}");
        assert!(posted.ends_with(returned), "posted {posted:?}, came back {returned:?}");
        assert!(delivered.len() + returned.len() <= posted.len(), "a message with two fates");
    }

    fn all_arrived(&self) -> bool {
        self.posted == self.delivered
    }
}

/// By client: its requests, and the answers to them.
#[derive(Default)]
struct Books {
    requests: BTreeMap<u64, Ledger>,
    answers: BTreeMap<u64, Ledger>,
}

fn body_of(id: u64) -> Vec<u8> {
    let len = if id.is_multiple_of(5) { 2_000 } else { (id * 37) % 200 };
    (0..len).map(|index| (index * 31 + id) as u8).collect()
}

/// A client's side of one conversation.
struct Client {
    number: u64,
    channel: ChannelNumber,
    next: u64,
    answered: u64,
    closed: bool,
}

struct World {
    network: Network,
    /// Choices of the driver and the applications.
    rng: Rng,
    server: Node,
    clients: Node,
    talks: Vec<Client>,
    /// Answers that were refused for the channel's share.
    refused: VecDeque<Message<Sim>>,
    listener: Option<ChannelNumber>,
    books: Books,
}

impl World {
    fn new(seed: u64, faults: Faults, classes: Classes) -> World {
        let mut rng = Rng::new(!seed);
        // Where bytes take their time, a byte at a time would run into the frame timeout.
        let least = if faults.max_delay.is_zero() { 1 } else { 64 };
        let network = Network::new(seed, faults)
            .with_capacity(least + rng.below(600) as usize)
            .with_backlog(1 + rng.below(3) as usize);
        let server = Node::new(&network, "server", classes);
        let clients = Node::new(&network, "clients", classes);
        World {
            network,
            rng,
            server,
            clients,
            talks: Vec::new(),
            refused: VecDeque::new(),
            listener: None,
            books: Books::default(),
        }
    }

    /// Runs until `done`.
    fn run(&mut self, what: &str, done: impl Fn(&World) -> bool) {
        for _ in 0..ROUNDS {
            if done(self) {
                return;
            }
            let mut busy = false;
            for node in [&mut self.server, &mut self.clients] {
                // A budget of 1 and turns left out are both allowed.
                if self.rng.below(4) > 0 {
                    busy |= node.turn(1 + self.rng.below(8) as u32);
                } else {
                    busy = true;
                }
            }
            busy |= self.serve() | self.ask();
            if !busy && !done(self) {
                assert!(wait(&self.network, &[&self.server, &self.clients]), "stuck: {what}");
            }
            assert!(self.network.now() < LONG, "no end: {what}");
        }
        panic!("no end: {what}");
    }

    /// The server answers what it receives; true if it did something.
    fn serve(&mut self) -> bool {
        let mut busy = false;
        while let Some(answer) = self.refused.pop_front() {
            if !self.answer(answer) {
                break;
            }
            busy = true;
        }
        // Now and then it is too slow to receive.
        if !self.refused.is_empty() {
            return busy;
        }
        if self.rng.below(3) == 0 {
            return busy || self.server.engine.has_received(self.server.group);
        }
        let Some(received) = self.server.receive() else {
            return busy;
        };
        match received {
            Received::Peer(mut message) => {
                if message.opcode() == Opcode::Request {
                    assert_eq!(message.body(), body_of(message.id()), "a body changed");
                    let client = message.id() / BLOCK;
                    self.books.requests.entry(client).or_default().delivered.push(message.id());
                }
                message.reply().expect("all that a client sends takes an answer");
                self.answer(message);
            }
            Received::Returned(message, Status::Success) => match message.opcode() {
                Opcode::WelcomeResponse => self.listener = Some(message.channel()),
                _ => assert_eq!(message.opcode(), Opcode::ByeResponse),
            },
            Received::Returned(message, _) => {
                if message.opcode() == Opcode::Response {
                    let client = message.id() / BLOCK;
                    self.books.answers.entry(client).or_default().returned.push(message.id());
                }
            }
            Received::Notice(notice) => {
                assert!(matches!(
                    notice.status,
                    Status::ChannelClosed | Status::PoolEmpty | Status::AcceptFailed
                ));
            }
        }
        true
    }

    /// False when the answer has to wait.
    fn answer(&mut self, answer: Message<Sim>) -> bool {
        let (opcode, id) = (answer.opcode(), answer.id());
        match self.server.engine.post(self.server.group, answer) {
            Ok(_) if opcode == Opcode::Response => {
                self.books.answers.entry(id / BLOCK).or_default().posted.push(id);
            }
            Ok(_) => {}
            Err(refused) if refused.status == Status::PoolEmpty => {
                self.refused.push_front(refused.message);
                return false;
            }
            // The link was lost meanwhile.
            Err(refused) => assert!(matches!(
                refused.status,
                Status::ChannelClosed | Status::InvalidChannelNumber
            )),
        }
        true
    }

    /// The clients ask and take answers; true if they did something.
    fn ask(&mut self) -> bool {
        let mut busy = false;
        if let Some(received) = self.clients.receive() {
            self.take(received);
            busy = true;
        }
        for index in 0..self.talks.len() {
            busy |= self.ask_next(index);
        }
        busy
    }

    fn take(&mut self, received: Received<Sim>) {
        let channel = received.channel();
        if is_closed(&received) {
            let talk = self.talks.iter_mut().find(|talk| talk.channel == channel);
            talk.expect("a channel the clients made").closed = true;
        }
        match received {
            Received::Peer(message) if message.opcode() == Opcode::Response => {
                assert_eq!(message.body(), body_of(message.id()), "a body changed");
                let client = message.id() / BLOCK;
                self.books.answers.entry(client).or_default().delivered.push(message.id());
                let talk = self.talks.iter_mut().find(|talk| talk.number == client);
                talk.expect("a known client").answered += 1;
            }
            Received::Returned(message, status) => {
                assert!(!status.is_success());
                if message.opcode() == Opcode::Request {
                    let client = message.id() / BLOCK;
                    self.books.requests.entry(client).or_default().returned.push(message.id());
                }
            }
            _ => {}
        }
    }

    /// One client posts its next request; after the last answer, its goodbye.
    fn ask_next(&mut self, index: usize) -> bool {
        let talk = &mut self.talks[index];
        let opcode = match talk.next {
            next if next < REQUESTS => Opcode::Request,
            // Half of them do not wait for their answers before they say goodbye.
            REQUESTS if talk.answered == REQUESTS || talk.number.is_multiple_of(2) => {
                Opcode::ByeRequest
            }
            _ => return false,
        };
        if talk.closed {
            return false;
        }
        // Not yet, but there is something to do.
        if self.rng.below(4) == 0 {
            return true;
        }
        let Some(mut message) = self.clients.get() else {
            return false;
        };
        let id = talk.number * BLOCK + talk.next + 1;
        message.prepare(opcode, talk.channel).set_id(id);
        if opcode == Opcode::Request && message.set_body(body_of(id)).is_err() {
            return false;
        }
        match self.clients.engine.post(self.clients.group, message) {
            Ok(_) => {
                if opcode == Opcode::Request {
                    self.books.requests.entry(talk.number).or_default().posted.push(id);
                }
                talk.next += 1;
                true
            }
            Err(refused) => {
                assert!(matches!(refused.status, Status::PoolEmpty | Status::ChannelClosed));
                false
            }
        }
    }

    /// The whole life: listen, connect, ask, say goodbye, stop listening.
    fn live(seed: u64, faults: Faults, classes: Classes) -> World {
        let mut world = World::new(seed, faults, classes);
        world.server.listen("server");
        world.run("listen", |world| world.listener.is_some());
        for number in 1..=CLIENTS {
            let channel = world.clients.connect("server", number * BLOCK);
            world.talks.push(Client { number, channel, next: 0, answered: 0, closed: false });
        }
        world.run("talk", |world| world.talks.iter().all(|talk| talk.closed));
        let listener = world.listener.expect("it listens");
        world.run("room", |world| world.refused.is_empty() && world.server.get().is_some());
        world.server.send(Opcode::ByeRequest, listener, 9, b"");
        world.run("stop", |world| world.server.engine.channels() == 0);
        world.check();
        world
    }

    fn check(&self) {
        self.books.requests.values().chain(self.books.answers.values()).for_each(Ledger::check);
        assert_eq!(self.clients.engine.channels(), 0);
        assert_eq!(self.clients.closed(), CLIENTS as usize, "one channel_closed each");
        self.server.assert_no_leak();
        self.clients.assert_no_leak();
    }

    /// Nothing was lost, wherever it was waited for.
    fn check_lossless(&self) {
        for (client, requests) in &self.books.requests {
            assert!(requests.all_arrived(), "client {client} lost a request");
            assert_eq!(requests.posted.len(), REQUESTS as usize);
            let answers = &self.books.answers[client];
            assert!(answers.all_arrived(), "client {client} lost an answer");
            assert_eq!(answers.posted.len(), REQUESTS as usize);
        }
        assert_eq!(self.books.requests.len(), CLIENTS as usize);
    }

    fn trace(&self) -> Vec<&String> {
        self.server.log.iter().chain(&self.clients.log).collect()
    }
}

fn lossy() -> Faults {
    Faults {
        lose_link: Chance::one_in(150),
        refuse_connect: Chance::one_in(5),
        fail_accept: Chance::one_in(3),
        max_delay: Duration::from_millis(150),
        ..Faults::rough()
    }
}

/// Runs every seed and names the one that fails.
fn for_seeds(seeds: std::ops::Range<u64>, run: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for seed in seeds {
        if let Err(cause) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("failed with seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}

#[test]
fn a_clean_network_loses_nothing() {
    for_seeds(0..100, |seed| World::live(seed, Faults::default(), ROOMY).check_lossless());
}

#[test]
fn partial_delayed_and_spurious_io_loses_nothing() {
    for_seeds(0..200, |seed| World::live(seed, Faults::rough(), ROOMY).check_lossless());
}

#[test]
fn a_tight_pool_loses_nothing() {
    for_seeds(0..200, |seed| World::live(seed, Faults::rough(), TIGHT).check_lossless());
}

#[test]
fn lost_links_give_every_message_one_fate() {
    for_seeds(0..300, |seed| drop(World::live(seed, lossy(), ROOMY)));
    for_seeds(0..300, |seed| drop(World::live(seed, lossy(), TIGHT)));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for_seeds(0..20, |seed| {
        let (one, two) = (World::live(seed, lossy(), TIGHT), World::live(seed, lossy(), TIGHT));
        assert!(!one.trace().is_empty());
        assert_eq!(one.trace(), two.trace());
    });
    let (one, two) = (World::live(1, lossy(), TIGHT), World::live(2, lossy(), TIGHT));
    assert_ne!(one.trace(), two.trace());
}
