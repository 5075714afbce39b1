//! Whatever happens to a cable and to the boards at its ends, by seed: what arrives is whole and in order, and once all is
//! well, both ends agree on what is left, and reach each other.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;
use support::{Rig, SOCKETS, body};
use tofu_core::{ChannelNumber, Message, Opcode, Received, Status};
use tofu_loopback::Rng;
use tofu_smoltcp::smoltcp::phy::Medium;

const SEEDS: u64 = 150;
/// The first of them with everything that can happen, the others on a cable that is there.
const WILD: usize = 100;
const STEPS: usize = 150;
const LISTEN_ON: &str = "tcp||7099";
/// Where each reaches the other.
const PEER: [&str; 2] = ["tcp|10.0.0.2|7099", "tcp|10.0.0.1|7099"];
/// Messages that are left to the engine.
const KEPT: usize = 12;
/// Percent of the frames that are lost.
const LOSSES: [u8; 4] = [0, 0, 5, 20];
const LENGTHS: [usize; 4] = [0, 10, 300, 1_000];
const PAUSES: [u64; 8] = [0, 0, 1, 3, 20, 500, 3_000, 15_000];

/// What a node has to do with the other.
#[derive(Default)]
struct Book {
    /// Channels the other opened, and the last Signal heard on each.
    heard: BTreeMap<ChannelNumber, u64>,
    /// Channels that this one opened, and the last Signal said on each; `None` before it was answered.
    said: BTreeMap<ChannelNumber, Option<u64>>,
    /// Hellos that it heard.
    hellos: usize,
}

struct Chaos {
    rig: Rig,
    books: [Book; 2],
    rng: Rng,
    seed: u64,
}

impl Chaos {
    fn new(seed: u64) -> Chaos {
        let mut rng = Rng::new(seed);
        let mut rig = Rig::new(Medium::Ethernet, rng.pick(&LOSSES));
        for node in 0..2 {
            rig.listen(node, LISTEN_ON);
        }
        Chaos { rig, books: Default::default(), rng, seed }
    }

    /// Time passes, and both receive.
    fn pass(&mut self, time: Duration) {
        self.rig.pass(time);
        for node in 0..2 {
            while let Some(received) = self.rig.nodes[node].receive() {
                self.receive(node, received);
            }
        }
    }

    fn receive(&mut self, node: usize, received: Received<support::Board>) {
        let (seed, book) = (self.seed, &mut self.books[node]);
        match received {
            Received::Peer(message) => self.receive_message(node, message),
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                book.heard.remove(&notice.channel);
                book.said.remove(&notice.channel);
            }
            Received::Returned(..) => {}
            Received::Notice(notice) => panic!("seed {seed}: {notice:?}"),
        }
    }

    fn receive_message(&mut self, node: usize, mut message: Message<support::Board>) {
        let (seed, book, channel) = (self.seed, &mut self.books[node], message.channel());
        match message.opcode() {
            Opcode::HelloRequest => {
                book.heard.insert(channel, 0);
                book.hellos += 1;
            }
            Opcode::HelloResponse => {
                book.said.insert(channel, Some(0));
            }
            Opcode::Signal => {
                let last = book.heard.get_mut(&channel).expect("it is open");
                assert_eq!(message.id(), *last + 1, "seed {seed}: a gap, or twice");
                assert_eq!(message.body(), body(message.id(), message.body().len()));
                *last = message.id();
            }
            Opcode::ByeRequest => {
                let said = book.heard[&channel].to_be_bytes();
                assert_eq!(message.body(), said, "seed {seed}: a goodbye before what was said");
            }
            _ => {}
        }
        if message.reply().is_ok() && message.opcode() != Opcode::Response {
            // Its channel may have ended meanwhile.
            let _ = self.rig.nodes[node].try_post(message);
        }
    }

    /// An open channel of this node's, and what it last said there.
    fn open_channel(&mut self, node: usize) -> Option<(ChannelNumber, u64)> {
        let said = self.books[node].said.iter();
        let open: Vec<_> = said.filter_map(|(&channel, &last)| Some((channel, last?))).collect();
        (!open.is_empty()).then(|| self.rng.pick(&open))
    }

    fn connect(&mut self, node: usize) {
        let mut hello = self.rig.nodes[node].message(Opcode::HelloRequest, ChannelNumber::NONE, 0);
        hello.connect_to(PEER[node]).expect("the address fits");
        if let Some(channel) = self.rig.nodes[node].try_post(hello) {
            self.books[node].said.insert(channel, None);
        }
    }

    fn talk(&mut self, node: usize) {
        let Some((channel, last)) = self.open_channel(node) else { return };
        for id in last + 1..=last + self.rng.below(6) {
            let len = self.rng.pick(&LENGTHS);
            let free = self.rig.nodes[node].engine.pool().free();
            if free <= KEPT || !self.rig.nodes[node].try_send(Opcode::Signal, channel, id, len) {
                return;
            }
            self.books[node].said.insert(channel, Some(id));
        }
    }

    fn leave(&mut self, node: usize, how: Opcode) {
        let Some((channel, last)) = self.open_channel(node) else { return };
        let mut bye = self.rig.nodes[node].message(how, channel, 1);
        bye.set_body(last.to_be_bytes()).expect("the body fits");
        if self.rig.nodes[node].try_post(bye).is_some() {
            self.books[node].said.remove(&channel);
        }
    }

    fn restart(&mut self, node: usize) {
        self.rig.reboot(node);
        self.books[node] = Book::default();
        self.rig.listen(node, LISTEN_ON);
    }

    fn act(&mut self, wild: bool) {
        let node = self.rng.below(2) as usize;
        if self.rig.nodes[node].engine.pool().free() <= KEPT {
            return;
        }
        match self.rng.below(if wild { 28 } else { 20 }) {
            0..4 if self.books[node].said.len() < SOCKETS / 2 => self.connect(node),
            4..17 => self.talk(node),
            17..19 => self.leave(node, Opcode::ByeRequest),
            19 => self.leave(node, Opcode::ByeSignal),
            20 => self.rig.cut(),
            21..25 => self.rig.mend(),
            25 => self.restart(node),
            _ => {}
        }
        // In pieces, so that both receive now and then; of which there are not too many.
        let pause = Duration::from_millis(self.rng.pick(&PAUSES));
        for _ in 0..10 {
            self.pass(pause / 10);
        }
    }

    /// A node says hello to the other, which has or gets a place for it.
    fn assert_reaches(&mut self, node: usize) {
        let before = self.books[1 - node].hellos;
        let taken = self.books[0].said.len() + self.books[0].heard.len();
        self.connect(node);
        self.pass(Duration::from_secs(30));
        let reached = self.books[1 - node].hellos > before;
        assert!(reached || taken >= SOCKETS - 1, "seed {}: {node} reaches nobody", self.seed);
    }
}

#[test]
fn what_arrives_is_whole_and_both_ends_agree_in_the_end() {
    for seed in 0..SEEDS {
        let mut chaos = Chaos::new(seed);
        for step in 0..STEPS {
            if step == WILD {
                chaos.rig.mend();
            }
            chaos.act(step < WILD);
        }
        for _ in 0..500 {
            chaos.pass(Duration::from_secs(1));
        }
        for node in 0..2 {
            chaos.assert_reaches(node);
        }
        let [first, second] = &chaos.books;
        let channels = [first.said.len(), first.heard.len()];
        assert_eq!(channels, [second.heard.len(), second.said.len()], "seed {seed}");
    }
}
