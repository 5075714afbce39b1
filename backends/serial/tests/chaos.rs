//! Whatever happens to a line and to the boards at its ends, by seed: what arrives is whole and in order, and once the line
//! is well, each reaches the other.
#![allow(missing_docs)]

mod support;

use std::time::Duration;
use support::wire::Fault;
use support::{Node, Pair, Sim};
use tofu_core::{ChannelNumber, Message, Opcode, Received, Status};
use tofu_loopback::Rng;

const SEEDS: u64 = 200;
const STEPS: usize = 80;
/// Messages that are left to the engine.
const KEPT: usize = 20;
const LENGTHS: [usize; 4] = [0, 10, 300, 1_500];
/// In milliseconds.
const PAUSES: [u64; 7] = [0, 0, 10, 500, 1_000, 6_000, 12_000];
/// In which both ends notice all that was, and connect.
const CALM: Duration = Duration::from_secs(15);

/// What a node has to do with the other.
#[derive(Default)]
struct Book {
    /// The channel that it opened, and whether that was answered.
    mine: Option<(ChannelNumber, bool)>,
    /// The last Signal said there.
    said: u64,
    /// The channel that the other opened, and the last Signal heard there.
    heard: Option<(ChannelNumber, u64)>,
}

struct Chaos {
    pair: Pair,
    books: [Book; 2],
    rng: Rng,
    seed: u64,
    /// Of the next line that begins.
    session: u32,
}

impl Chaos {
    fn new(seed: u64) -> Chaos {
        let mut pair = Pair::new(seed);
        for node in &mut pair.nodes {
            node.listen();
        }
        Chaos { pair, books: Default::default(), rng: Rng::new(seed), seed, session: 10_000 }
    }

    /// Time passes, and both receive: in pieces, so that they answer in time.
    fn pass(&mut self, time: Duration) {
        for _ in 0..10 {
            let received = self.pair.run(time / 10);
            for (side, inbox) in received.into_iter().enumerate() {
                for received in inbox {
                    self.receive(side, received);
                }
            }
        }
    }

    fn receive(&mut self, side: usize, received: Received<Sim>) {
        let book = &mut self.books[side];
        match received {
            Received::Peer(message) => self.receive_message(side, message),
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                book.mine = book.mine.filter(|&(channel, _)| channel != notice.channel);
                book.heard = book.heard.filter(|&(channel, _)| channel != notice.channel);
            }
            Received::Returned(..) => {}
            Received::Notice(notice) => panic!("seed {}: {notice:?}", self.seed),
        }
    }

    fn receive_message(&mut self, side: usize, mut message: Message<Sim>) {
        let (seed, book, channel) = (self.seed, &mut self.books[side], message.channel());
        match message.opcode() {
            Opcode::HelloRequest => book.heard = Some((channel, 0)),
            Opcode::HelloResponse => book.mine = Some((channel, true)),
            Opcode::Signal => {
                let heard = book.heard.as_mut().filter(|heard| heard.0 == channel);
                let (_, last) = heard.expect("it is open");
                assert_eq!(message.id(), *last + 1, "seed {seed}: a gap, or twice");
                assert!(message.body().iter().all(|&byte| byte == message.id() as u8));
                *last = message.id();
            }
            Opcode::ByeRequest => {
                let last = book.heard.map(|(_, last)| last.to_be_bytes());
                let said = last.as_ref().map(|last| &last[..]);
                assert_eq!(Some(message.body()), said, "seed {seed}: before what was said");
            }
            _ => {}
        }
        if message.opcode() != Opcode::Signal && message.reply().is_ok() {
            self.try_post(side, message);
        }
    }

    /// Posts a message to a channel that may have ended; whether that is accepted.
    fn try_post(&mut self, side: usize, message: Message<Sim>) -> bool {
        let node = &mut self.pair.nodes[side];
        node.engine.post(node.group, message).is_ok()
    }

    fn connect(&mut self, side: usize) {
        if self.books[side].mine.is_none() {
            self.books[side].mine = Some((self.pair.nodes[side].connect(), false));
            self.books[side].said = 0;
        }
    }

    fn talk(&mut self, side: usize) {
        let Some((channel, true)) = self.books[side].mine else { return };
        for _ in 0..self.rng.below(6) {
            let id = self.books[side].said + 1;
            let body = vec![id as u8; self.rng.pick(&LENGTHS)];
            let mut signal = self.pair.nodes[side].get();
            signal.prepare(Opcode::Signal, channel).set_id(id);
            signal.set_body(body).expect("a body that fits");
            if !self.try_post(side, signal) {
                return;
            }
            self.books[side].said = id;
        }
    }

    fn leave(&mut self, side: usize, how: Opcode) {
        let Some((channel, true)) = self.books[side].mine else { return };
        let mut bye = self.pair.nodes[side].get();
        bye.prepare(how, channel).set_id(1);
        bye.set_body(self.books[side].said.to_be_bytes()).expect("a body that fits");
        if self.try_post(side, bye) {
            self.books[side].mine = Some((channel, false));
        }
    }

    fn restart(&mut self, side: usize) {
        self.session += 1_000;
        self.pair.nodes[side] = Node::new(self.pair.wire.end(side), self.session);
        self.pair.nodes[side].listen();
        self.books[side] = Book::default();
    }

    fn damage(&mut self, side: usize) {
        let at = self.pair.wire.written(side).len() + self.rng.below(600) as usize;
        let bit = 1 << self.rng.below(8);
        let fault = self.rng.pick(&[Fault::Drop, Fault::Flip(bit)]);
        self.pair.wire.damage(side, at, fault);
    }

    fn noise(&mut self, side: usize) {
        let bytes: Vec<u8> = (0..self.rng.below(30)).map(|_| self.rng.below(256) as u8).collect();
        self.pair.wire.inject(side, &bytes);
    }

    fn act(&mut self) {
        let side = self.rng.below(2) as usize;
        if self.pair.nodes[side].engine.pool().free() > KEPT {
            self.connect(side);
            match self.rng.below(30) {
                0..19 => self.talk(side),
                19..21 => self.noise(side),
                21 => self.damage(side),
                22 => self.pair.wire.cut(true),
                23..25 => self.pair.wire.cut(false),
                25 => self.restart(side),
                26 => self.pair.wire.overrun(side),
                27..29 => self.leave(side, Opcode::ByeRequest),
                _ => self.leave(side, Opcode::ByeSignal),
            }
        }
        // In the middle of something, now and then.
        if self.rng.below(3) == 0 {
            self.pair.turn(self.rng.below(8) as u32);
        }
        let pause = self.rng.pick(&PAUSES);
        self.pass(Duration::from_millis(pause));
    }

    fn assert_reaches(&mut self, side: usize) {
        // A channel may have been about to end.
        for _ in 0..2 {
            self.connect(side);
            self.pass(CALM);
            if matches!(self.books[side].mine, Some((_, true))) {
                return;
            }
        }
        panic!("seed {}: {side} reaches nobody", self.seed);
    }
}

#[test]
fn what_arrives_is_whole_and_each_reaches_the_other_in_the_end() {
    for seed in 0..SEEDS {
        let mut chaos = Chaos::new(seed);
        for _ in 0..STEPS {
            chaos.act();
        }
        chaos.pair.wire.cut(false);
        chaos.pass(CALM);
        for side in 0..2 {
            chaos.assert_reaches(side);
        }
    }
}
