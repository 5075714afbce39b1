//! The words scenarios are written in: an application, and two that said hello.

use crate::world::{Group, Peer, Setup, World};
use std::fmt::Debug;
use std::time::Duration;
use tofu_core::{
    ChannelNumber, Header, LISTEN_ON, Message, Notice, Opcode, Platform, Received, Status,
};

/// How long a scenario waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// The messages of a world.
pub type MessageOf<W> = Message<<W as World>::Platform>;
/// The groups of a world.
pub type GroupOf<W> = <<W as World>::Peer as Peer>::Group;
/// What a world's groups receive.
pub type ReceivedOf<W> = Received<<W as World>::Platform>;

/// Everything an application sees of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The header; lengths included.
    pub header: Header,
    /// The bytes of the text headers.
    pub text: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

/// Copies what a message holds.
pub fn content<P: Platform>(message: &Message<P>) -> Content {
    let text = message.text().as_bytes().to_vec();
    Content { header: message.header(), text, body: message.body().to_vec() }
}

/// A body that shows where bytes were lost, swapped or doubled.
pub fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let next = |_| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    (0..len).map(next).collect()
}

/// An engine with one group, as an application holds them.
pub struct App<W: World> {
    /// The group.
    pub group: GroupOf<W>,
    /// The engine.
    pub engine: W::Peer,
}

impl<W: World> App<W> {
    /// An application with a roomy pool and full limits.
    pub fn new(world: &W) -> Self {
        App::with(world, &Setup::default())
    }

    /// An application with this setup.
    pub fn with(world: &W, setup: &Setup) -> Self {
        let engine = world.peer(setup);
        App { group: engine.group(), engine }
    }

    /// A fresh message.
    #[track_caller]
    pub fn get(&self) -> MessageOf<W> {
        self.engine.get().expect("the pool has a free message")
    }

    /// A message ready to be posted.
    #[track_caller]
    pub fn message(
        &self,
        opcode: Opcode,
        channel: ChannelNumber,
        id: u64,
        body: impl AsRef<[u8]>,
    ) -> MessageOf<W> {
        let mut message = self.get();
        message.prepare(opcode, channel);
        message.set_id(id);
        message.set_body(body).expect("the body fits");
        message
    }

    /// Posts what must not be refused.
    #[track_caller]
    pub fn post(&self, message: MessageOf<W>) -> Header {
        self.group.post(message).expect("the post is accepted")
    }

    /// Fills a message in and posts it.
    #[track_caller]
    pub fn send(
        &self,
        opcode: Opcode,
        channel: ChannelNumber,
        id: u64,
        body: impl AsRef<[u8]>,
    ) -> Header {
        self.post(self.message(opcode, channel, id, body))
    }

    /// Posts what must be refused with this status, and checks that it comes back as it was.
    #[track_caller]
    pub fn refuse(&self, message: MessageOf<W>, status: Status) -> MessageOf<W> {
        let before = content(&message);
        let refused = self.group.post(message).expect_err("the post is refused");
        assert_eq!(refused.status, status);
        assert_eq!(content(&refused.message), before, "a refused message is as it was");
        refused.message
    }

    /// Posts a WelcomeRequest.
    #[track_caller]
    pub fn welcome(&self, address: &str) -> Header {
        let mut message = self.get();
        message.listen_on(address).expect("the address fits");
        self.post(message)
    }

    /// Listens; the listener's channel, and the address clients connect to.
    #[track_caller]
    pub fn listen(&self, address: &str) -> (ChannelNumber, String) {
        let header = self.welcome(address);
        let answer = self.returned(Status::Success);
        assert_eq!(answer.opcode(), Opcode::WelcomeResponse);
        assert_eq!((answer.channel(), answer.id()), (header.channel, header.id));
        let real = answer.text().get_str(LISTEN_ON).expect("the listener's address");
        (header.channel, real.to_owned())
    }

    /// Posts a HelloRequest.
    #[track_caller]
    pub fn connect(&self, address: &str) -> Header {
        let mut message = self.get();
        message.connect_to(address).expect("the address fits");
        self.post(message)
    }

    /// Answers a message with itself.
    #[track_caller]
    pub fn answer(&self, mut message: MessageOf<W>) -> Header {
        message.reply().expect("it takes an answer");
        self.post(message)
    }

    /// What comes next, which must come.
    #[track_caller]
    pub fn next(&self) -> ReceivedOf<W> {
        self.group.receive(PATIENCE).expect("something is received in time")
    }

    /// The next thing received, which must be a peer's message.
    #[track_caller]
    pub fn peer(&self) -> MessageOf<W> {
        match self.next() {
            Received::Peer(message) => message,
            other => panic!("expected a peer's message, received {other:?}"),
        }
    }

    /// The next thing received, which must be a peer's message of this opcode.
    #[track_caller]
    pub fn peers(&self, opcode: Opcode) -> MessageOf<W> {
        let message = self.peer();
        assert_eq!(message.opcode(), opcode);
        message
    }

    /// The next thing received, which must be an own message handed back with this status.
    #[track_caller]
    pub fn returned(&self, status: Status) -> MessageOf<W> {
        match self.next() {
            Received::Returned(message, why) if why == status => message,
            other => panic!("expected a message handed back with {status}, received {other:?}"),
        }
    }

    /// The next thing received, which must be a notice of this status.
    #[track_caller]
    pub fn notice(&self, status: Status) -> Notice {
        match self.next() {
            Received::Notice(notice) if notice.status == status => notice,
            other => panic!("expected the notice {status}, received {other:?}"),
        }
    }

    /// The last word about a channel: `channel_closed`, and nothing after it.
    #[track_caller]
    pub fn closed(&self, channel: ChannelNumber) -> Notice {
        let notice = self.closed_now(channel);
        self.quiet();
        notice
    }

    /// `channel_closed`, whatever follows about other channels.
    #[track_caller]
    pub fn closed_now(&self, channel: ChannelNumber) -> Notice {
        let notice = self.notice(Status::ChannelClosed);
        assert_eq!(notice.channel, channel);
        notice
    }

    /// Checks that nothing is received.
    #[track_caller]
    pub fn quiet(&self) {
        if let Some(received) = self.group.receive(W::QUIET) {
            panic!("expected nothing, received {received:?}");
        }
    }

    /// Everything up to `channel_closed` of this channel.
    #[track_caller]
    pub fn until_closed(&self, channel: ChannelNumber) -> Vec<ReceivedOf<W>> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                Received::Notice(notice)
                    if notice.status == Status::ChannelClosed && notice.channel == channel =>
                {
                    self.quiet();
                    return all;
                }
                other => all.push(other),
            }
        }
    }
}

/// Lets time pass until something holds.
#[track_caller]
pub fn until<W: World>(world: &W, what: &str, mut holds: impl FnMut() -> bool) {
    let step = Duration::from_millis(2);
    let mut waited = Duration::ZERO;
    while !holds() {
        assert!(waited < PATIENCE, "in time: {what}");
        world.pass(step);
        waited += step;
    }
}

/// Checks that two things are the same in the end.
#[track_caller]
pub fn eventually<W: World, T: PartialEq + Debug>(
    world: &W,
    expected: T,
    mut seen: impl FnMut() -> T,
) {
    let step = Duration::from_millis(2);
    let mut waited = Duration::ZERO;
    while waited < PATIENCE && seen() != expected {
        world.pass(step);
        waited += step;
    }
    assert_eq!(seen(), expected);
}

/// Holds every message of an application's pool: those it is given, and those that `send`
/// makes a peer send it, one Signal each time.
#[track_caller]
pub fn hold_every_message<W: World>(app: &App<W>, mut send: impl FnMut()) -> Vec<MessageOf<W>> {
    let mut held: Vec<_> = std::iter::from_fn(|| app.engine.get()).collect();
    while app.engine.free_messages() > 0 {
        send();
        held.push(app.peers(Opcode::Signal));
    }
    held
}

/// A server and a client after hello.
pub struct Pair<W: World> {
    /// The application that listens.
    pub server: App<W>,
    /// The application that connected.
    pub client: App<W>,
    /// The server's listener.
    pub listener: ChannelNumber,
    /// Its address.
    pub address: String,
    /// The connection, as the server numbers it.
    pub at_server: ChannelNumber,
    /// The connection, as the client numbers it.
    pub at_client: ChannelNumber,
}

impl<W: World> Pair<W> {
    /// Two engines with roomy pools.
    #[track_caller]
    pub fn new(world: &W) -> Self {
        Pair::with(world, &Setup::default(), &Setup::default())
    }

    /// A server and a client with these setups.
    #[track_caller]
    pub fn with(world: &W, server: &Setup, client: &Setup) -> Self {
        let (server, client) = (App::with(world, server), App::with(world, client));
        let (listener, address) = server.listen(&world.address());
        let (at_server, at_client) = join(&server, &client, &address);
        Pair { server, client, listener, address, at_server, at_client }
    }

    /// Holds every message of the server's pool.
    #[track_caller]
    pub fn dry_out_server(&self) -> Vec<MessageOf<W>> {
        hold_every_message(&self.server, || {
            self.client.send(Opcode::Signal, self.at_client, 1, b"hold me");
        })
    }

    /// Checks that the connection works, both ways.
    #[track_caller]
    pub fn works(&self) {
        exchange(&self.client, self.at_client, &self.server);
        exchange(&self.server, self.at_server, &self.client);
    }

    /// Checks that both ends close, and say nothing more.
    #[track_caller]
    pub fn both_closed(&self) {
        self.client.closed(self.at_client);
        self.server.closed(self.at_server);
    }
}

/// Says hello and answers it; the connection's number at the server and at the client.
#[track_caller]
pub fn join<W: World>(
    server: &App<W>,
    client: &App<W>,
    address: &str,
) -> (ChannelNumber, ChannelNumber) {
    let sent = client.connect(address);
    let hello = server.peers(Opcode::HelloRequest);
    assert_eq!(hello.id(), sent.id);
    let at_server = server.answer(hello).channel;
    let greeting = client.peers(Opcode::HelloResponse);
    assert_eq!((greeting.channel(), greeting.id()), (sent.channel, sent.id));
    (at_server, sent.channel)
}

/// One request and its answer.
#[track_caller]
pub fn exchange<W: World>(from: &App<W>, channel: ChannelNumber, to: &App<W>) {
    let sent = from.send(Opcode::Request, channel, 0, b"ping");
    let request = to.peers(Opcode::Request);
    assert_eq!((request.id(), request.body()), (sent.id, &b"ping"[..]));
    to.answer(request);
    let response = from.peers(Opcode::Response);
    assert_eq!((response.channel(), response.id()), (channel, sent.id));
    assert_eq!(response.body(), b"ping");
}
