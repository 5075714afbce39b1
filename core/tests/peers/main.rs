//! An engine among peers that do what a test tells them, without a network: a transport that is told what
//! each peer has sent, and what becomes of what is sent to it.
#![allow(missing_docs)]

mod crowds;
mod foreign;
mod limits;
mod lines;
mod link_failures;
mod shares;
mod staging;
mod timeouts;
mod wakes;

use core::fmt;
use core::task::Poll;
use std::collections::VecDeque;
use std::rc::Rc;
use tofu_core::{
    Address, ChannelNumber, Close, Engine, GroupId, Header, Instant, Link, LocalLock, Message,
    Opcode, Options, Pool, Ready, Received, Status, Transport,
};

const CHANNELS: usize = 128;
/// Messages that one turn moves.
const BUDGET: u32 = 16;
/// So many turns suffice for anything here.
const TURNS: u32 = 100_000;
/// What is read ahead: more messages than a turn moves, so that many are left behind for the next.
const STAGING: usize = 4096;

tofu_core::platform! {
    pub struct Host {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Host>>,
        lock: LocalLock,
        classes: 1,
        // More than reading ever runs ahead.
        messages: 1024,
        channels: CHANNELS,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

/// A peer, and what it does.
#[derive(Default)]
struct Peer {
    /// What it sent and we did not read.
    bytes: VecDeque<u8>,
    /// It sends the same again when that is read.
    floods: bool,
    /// It takes nothing.
    deaf: bool,
    /// Nothing can be sent to it, for this reason.
    broken: Option<Status>,
    /// Nothing comes after what it sent.
    ended: bool,
    reads: usize,
}

/// Peers that wait to be accepted or connected to, in order.
#[derive(Default)]
struct Peers {
    ready: VecDeque<(Link, Ready)>,
    peers: Vec<Peer>,
    /// Those that are connected.
    links: Vec<Link>,
    closed: usize,
}

impl Peers {
    fn new(count: usize) -> Peers {
        Peers { peers: (0..count).map(|_| Peer::default()).collect(), ..Peers::default() }
    }

    fn of(&mut self, link: Link) -> &mut Peer {
        let index = self.links.iter().position(|&other| other == link).expect("it is connected");
        &mut self.peers[index]
    }

    /// A peer sends this.
    fn send(&mut self, peer: usize, bytes: &[u8]) {
        self.peers[peer].bytes.extend(bytes);
        self.ready.push_back((self.links[peer], Ready::Readable));
    }

    /// A peer is gone, as reading and writing will tell.
    fn leave(&mut self, peer: usize) {
        let peer_state = &mut self.peers[peer];
        (peer_state.ended, peer_state.broken) = (true, Some(Status::PeerDisconnected));
        let link = self.links[peer];
        self.ready.extend([(link, Ready::Readable), (link, Ready::Writable)]);
    }

    fn take(&mut self, link: Link) -> bool {
        let one_waits = self.links.len() < self.peers.len();
        if one_waits {
            self.links.push(link);
        }
        one_waits
    }
}

impl Transport for Peers {
    fn listen(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        self.ready.extend([(link, Ready::Opened), (link, Ready::Readable)]);
        Ok(())
    }

    fn connect(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        if !self.take(link) {
            return Err(Status::ConnectFailed);
        }
        self.ready.push_back((link, Ready::Opened));
        Ok(())
    }

    fn local_address(&self, _: Link, _: &mut dyn fmt::Write) -> fmt::Result {
        Err(fmt::Error)
    }

    fn accept(&mut self, _: Link, link: Link) -> Poll<Result<(), Status>> {
        if self.take(link) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        let peer = self.of(link);
        peer.reads += 1;
        let mut count = 0;
        for byte in bufs.iter_mut().flat_map(|buf| buf.iter_mut()) {
            let Some(sent) = peer.bytes.pop_front() else { break };
            if peer.floods {
                peer.bytes.push_back(sent);
            }
            *byte = sent;
            count += 1;
        }
        if count == 0 && !peer.ended { Poll::Pending } else { Poll::Ready(Ok(count)) }
    }

    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        let peer = self.of(link);
        match (peer.broken, peer.deaf) {
            (Some(status), _) => Poll::Ready(Err(status)),
            (_, true) => Poll::Pending,
            _ => Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum())),
        }
    }

    fn want_write(&mut self, _: Link, _: bool) {}

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        self.ready.pop_front()
    }

    fn close(&mut self, _: Link, _: Close) {
        self.closed += 1;
    }
}

/// An engine with one group, and a pool of so many messages of 512 bytes.
fn engine(messages: u16) -> (Engine<Host>, GroupId) {
    engine_with(messages, &Options::DEFAULT)
}

fn engine_with(messages: u16, options: &Options) -> (Engine<Host>, GroupId) {
    let pool = Pool::new();
    pool.add_class(512, messages);
    let mut engine = Engine::<Host>::new(Rc::new(pool), options);
    let group = engine.open_group(vec![0; STAGING].into_boxed_slice()).unwrap();
    (engine, group)
}

/// Posts a HelloRequest; its channel.
fn say_hello(engine: &mut Engine<Host>, group: GroupId) -> ChannelNumber {
    let mut hello = engine.get().unwrap();
    hello.connect_to("mem|peer").unwrap();
    engine.post(group, hello).unwrap().channel
}

/// An engine that has connected to a peer.
fn connected_engine(messages: u16) -> (Engine<Host>, GroupId, Peers, ChannelNumber) {
    let (mut engine, group) = engine(messages);
    let mut io = Peers::new(1);
    let channel = say_hello(&mut engine, group);
    settle(&mut engine, &mut io, BUDGET);
    (engine, group, io, channel)
}

/// As `engine`, and a WelcomeRequest is posted.
fn listening_engine(messages: u16) -> (Engine<Host>, GroupId) {
    listening_engine_with(messages, &Options::DEFAULT)
}

fn listening_engine_with(messages: u16, options: &Options) -> (Engine<Host>, GroupId) {
    let (mut engine, group) = engine_with(messages, options);
    let mut welcome = engine.get().unwrap();
    welcome.listen_on("mem|here").unwrap();
    engine.post(group, welcome).unwrap();
    (engine, group)
}

/// Turns until there is nothing more to do.
fn settle(engine: &mut Engine<Host>, io: &mut Peers, budget: u32) {
    settle_at(Instant::ZERO, engine, io, budget);
}

/// Turns at that time, until there is nothing more to do.
fn settle_at(now: Instant, engine: &mut Engine<Host>, io: &mut Peers, budget: u32) {
    for _ in 0..TURNS {
        if !engine.turn(now, io, budget).more && io.ready.is_empty() {
            return;
        }
    }
    panic!("there is more to do after {TURNS} turns");
}

/// A frame without text headers, as it is sent.
fn frame(opcode: Opcode, id: u64, body: &[u8]) -> Vec<u8> {
    frame_with_text(opcode, id, b"", body)
}

/// A frame, as it is sent.
fn frame_with_text(opcode: Opcode, id: u64, text: &[u8], body: &[u8]) -> Vec<u8> {
    let [text_len, body_len] = [text, body].map(|part| u16::try_from(part.len()).unwrap());
    let header = Header { opcode, id, text_len, body_len, ..Header::default() };
    [&header.encode(), text, body].concat()
}

/// An engine, its group, and peers that said hello.
struct Rig {
    engine: Engine<Host>,
    group: GroupId,
    io: Peers,
    channels: Vec<ChannelNumber>,
}

impl Rig {
    fn new(messages: u16, peers: usize) -> Rig {
        Rig::with_strangers(messages, peers, 0)
    }

    /// Besides, so many are accepted and have said nothing.
    fn with_strangers(messages: u16, peers: usize, strangers: usize) -> Rig {
        let (engine, group) = listening_engine(messages);
        let io = Peers::new(peers + strangers);
        let mut rig = Rig { engine, group, io, channels: Vec::new() };
        rig.settle();
        assert!(matches!(rig.receive(), Some(Received::Returned(_, Status::Success))));
        for peer in 0..peers {
            rig.io.send(peer, &frame(Opcode::HelloRequest, 1, b""));
            rig.settle();
            let channel = rig.peers_message().channel();
            rig.channels.push(channel);
        }
        rig
    }

    fn turn(&mut self) -> bool {
        self.engine.turn(Instant::ZERO, &mut self.io, BUDGET).more || !self.io.ready.is_empty()
    }

    fn settle(&mut self) {
        settle(&mut self.engine, &mut self.io, BUDGET);
    }

    fn receive(&mut self) -> Option<Received<Host>> {
        self.engine.receive(self.group)
    }

    fn peers_message(&mut self) -> Message<Host> {
        match self.receive() {
            Some(Received::Peer(message)) => message,
            other => panic!("instead of a peer's message came {other:?}"),
        }
    }

    fn answer(&mut self, mut request: Message<Host>) {
        request.reply().unwrap();
        self.engine.post(self.group, request).unwrap();
    }
}
