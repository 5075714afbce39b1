//! What the models share: how they are explored, and what they begin with.

use crate::mistakes::make_mistake;
use loom::future::block_on;
use loom::model::Builder;
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tofu_std::model::Wire;
use tofu_std::testing::unique_mem_address;
use tofu_std::{
    ChannelGroup, ChannelNumber, Engine, HEADER_LEN, Header, Message, Opcode, Options, Received,
    Status,
};

/// How often the scheduler takes the processor from a thread that could go on. Nearly all mistakes
/// of this kind show with two.
const PREEMPTIONS: usize = 2;
/// Steps of one interleaving; they are some hundred.
const STEPS: usize = 20_000;

/// Runs `model` in every interleaving from its [`go`] on.
pub(crate) fn check(model: impl Fn() + Send + Sync + 'static) {
    check_with(PREEMPTIONS, model);
}

/// As [`check`], with so many preemptions.
pub(crate) fn check_with(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    make_mistake();
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = STEPS;
    builder.expect_explicit_explore = true;
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let start = Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let (count, time) = (count.load(Ordering::Relaxed), start.elapsed());
    eprintln!("{}: {count} interleavings, {time:.1?}", thread_name());
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// What comes before is done in one order only.
pub(crate) fn go() {
    loom::explore();
}

/// What comes after is done in one order only.
pub(crate) fn done() {
    loom::stop_exploring();
}

/// Lets the other threads go on until they wait. Before [`go`].
pub(crate) fn let_others_fall_asleep() {
    // Each time, one of them goes on; they are at most four, and the background thread pauses once or
    // twice.
    for _ in 0..16 {
        thread::yield_now();
    }
}

pub(crate) fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    thread::spawn(f)
}

/// An engine with so many messages.
pub(crate) fn engine(messages: u16) -> Engine {
    let options = Options { staging: 256, ..Options::with_pool(256, messages) };
    Engine::with_options(options).unwrap()
}

/// A connection: a group's channel, and who is at its other end.
pub(crate) struct Link {
    pub(crate) group: ChannelGroup,
    pub(crate) channel: ChannelNumber,
    pub(crate) wire: Peer,
}

impl Link {
    pub(crate) fn new(engine: &Engine) -> Link {
        let group = engine.group().unwrap();
        let address = listen(&group);
        let wire = Wire::connect(&address);
        wire.send(&frame(Opcode::HelloRequest));
        let channel = hello(&group);
        Link { group, channel, wire: Peer(wire) }
    }

    /// A message for the other end.
    pub(crate) fn signal(&self) -> Message {
        signal(self.group.engine(), self.channel)
    }

    pub(crate) fn post_signals(&self, count: usize) {
        for _ in 0..count {
            self.group.post(self.signal()).unwrap();
        }
    }

    /// Takes both messages of the pool; then one comes from the other end that has none.
    pub(crate) fn dry_out(&self) -> [Message; 2] {
        let held = self.signal();
        self.wire.send(&frame(Opcode::Signal));
        let Received::Peer(kept) = receive(&self.group) else { panic!("no Signal") };
        self.wire.send(&frame(Opcode::Signal));
        let Received::Notice(notice) = receive(&self.group) else { panic!("no notice") };
        assert_eq!(notice.status, Status::PoolEmpty);
        [held, kept]
    }

    /// Posts until there is no room; what was refused.
    pub(crate) fn fill(&self) -> Message {
        loop {
            let mut message = self.group.engine().get_always();
            message.prepare(Opcode::Signal, self.channel).set_body(BODY).unwrap();
            if let Err(refused) = self.group.post(message) {
                assert_eq!(refused.status, Status::PoolEmpty);
                return refused.message;
            }
        }
    }

    /// The group is dropped.
    pub(crate) fn release(self) -> Peer {
        self.wire
    }
}

/// What fills a connection: a pipe of a model holds two such messages and a bit.
const BODY: [u8; 200] = [7; 200];

/// The other end of a connection.
pub(crate) struct Peer(Wire);

impl Peer {
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.0.send(bytes);
    }

    pub(crate) fn receive(&mut self, bytes: &mut [u8]) -> usize {
        self.0.receive(bytes)
    }

    /// Receives so many messages without a body.
    pub(crate) fn frames(&mut self, count: usize) {
        self.receive_all(count * HEADER_LEN);
    }

    /// Receives so many of those that fill a connection.
    pub(crate) fn full_frames(&mut self, count: usize) {
        self.receive_all(count * (HEADER_LEN + BODY.len()));
    }

    fn receive_all(&mut self, count: usize) {
        assert_eq!(self.0.receive(&mut vec![0; count]), count);
    }
}

/// Listens in memory; the address.
fn listen(group: &ChannelGroup) -> String {
    let address = unique_mem_address();
    let mut welcome = group.engine().get().unwrap();
    welcome.listen_on(&address).unwrap();
    group.post(welcome).unwrap();
    let answer = receive(group);
    assert!(matches!(answer, Received::Returned(_, Status::Success)), "{answer:?}");
    address
}

/// The channel of the HelloRequest that comes next.
fn hello(group: &ChannelGroup) -> ChannelNumber {
    let Received::Peer(hello) = receive(group) else { panic!("no HelloRequest") };
    hello.channel()
}

/// Connects two groups; the channel of the first.
pub(crate) fn connect(from: &ChannelGroup, to: &ChannelGroup) -> ChannelNumber {
    let address = listen(to);
    let mut message = from.engine().get().unwrap();
    message.connect_to(&address).unwrap();
    let channel = from.post(message).unwrap().channel;
    hello(to);
    channel
}

pub(crate) fn signal(engine: &Engine, channel: ChannelNumber) -> Message {
    let mut signal = engine.get().unwrap();
    signal.prepare(Opcode::Signal, channel);
    signal
}

/// A message without text headers or body, on the wire.
pub(crate) fn frame(opcode: Opcode) -> [u8; HEADER_LEN] {
    Header { opcode, id: 1, ..Header::default() }.encode()
}

/// The next thing a group receives.
pub(crate) fn receive(group: &ChannelGroup) -> Received {
    group.wait_receive(None).expect("the engine runs").expect("it waits for ever")
}

/// A thread that waits for the next thing a group receives.
pub(crate) fn spawn_receiver(group: &ChannelGroup) -> JoinHandle<Received> {
    let group = group.clone();
    spawn(move || receive(&group))
}

/// A task that waits for the next thing a group receives, on a thread of its own.
pub(crate) fn spawn_task(group: &ChannelGroup) -> JoinHandle<Received> {
    let group = group.clone();
    spawn(move || block_on(group.receive_async()).expect("the engine runs"))
}

/// A thread that waits for a message from the pool; whether it got one.
pub(crate) fn spawn_getter(engine: &Engine) -> JoinHandle<bool> {
    let engine = engine.clone();
    spawn(move || engine.get_wait(None).is_some())
}
