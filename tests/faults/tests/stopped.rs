//! A peer is stopped while streams run, in both directions on each, and goes on after a while, or never.

use rustix::process::Signal;
use std::time::{Duration, Instant};
use tofu_faults::SOON;
use tofu_faults::process::Process;
use tofu_faults::side::{End, Side};
use tofu_faults::stage::Stage;
use tofu_faults::timeout::{NONE, SEND, TIMEOUT, only};
use tofu_std::{ChannelNumber, Opcode, Options, Received, Status};

const STREAMS: usize = 4;
/// How long nothing moves before it goes on.
const WHILE: Duration = Duration::from_millis(300);
/// How long something to receive is waited for in between.
const PAUSE: Duration = Duration::from_millis(10);
const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// The body of what goes to it; more than one packet.
static LONG: [u8; 6_000] = [7; 6_000];

/// Which side it is that is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    Server,
    Client,
}

impl Stopped {
    /// Starts it, and its streams to this process.
    fn start(self, stage: &mut Stage) -> (Process, Vec<ChannelNumber>) {
        let (peer, channels): (_, Vec<_>) = match self {
            Stopped::Server => {
                let mut peer = Process::start(PEER, &["listen", "tcp|127.0.0.1|0"]);
                let address = peer.line();
                let connected = (0..STREAMS).map(|_| {
                    let channel = stage.client.connect(&address).channel;
                    stage.client.expect(Opcode::HelloResponse);
                    channel
                });
                (peer, connected.collect())
            }
            Stopped::Client => {
                let count = STREAMS.to_string();
                let peer = Process::start(PEER, &["connect", &stage.address, &count]);
                let hellos =
                    (0..STREAMS).map(|_| stage.server.expect(Opcode::HelloRequest).channel());
                (peer, hellos.collect())
            }
        };
        for &channel in &channels {
            self.other(stage).say(Opcode::Request, channel, b"stream");
        }
        (peer, channels)
    }

    fn other(self, stage: &mut Stage) -> &mut Side {
        match self {
            Stopped::Server => &mut stage.client,
            Stopped::Client => &mut stage.server,
        }
    }
}

/// Sends Signals, with the ids that the peer counts by, until the channel has its share of unsent ones.
fn fill(side: &mut Side, channel: ChannelNumber, sent: &mut u64) -> Status {
    loop {
        let Some(mut signal) = side.engine.get() else { return Status::PoolEmpty };
        signal.prepare(Opcode::Signal, channel).set_id(*sent + 1);
        signal.set_body(LONG).expect("it fits");
        match side.post(signal) {
            Ok(_) => *sent += 1,
            Err(why) => return why,
        }
    }
}

/// Sends while room comes about, until for a [`WHILE`] none has; how many went to each channel.
fn fill_up(side: &mut Side, channels: &[ChannelNumber]) -> [u64; STREAMS] {
    let mut sent = [0; STREAMS];
    let start = Instant::now();
    let mut full = start;
    while full.elapsed() < WHILE {
        assert!(start.elapsed() < SOON, "there is no end to what it takes: {sent:?}");
        let before = sent;
        for (&channel, sent) in channels.iter().zip(&mut sent) {
            assert_eq!(fill(side, channel, sent), Status::PoolEmpty);
        }
        if sent != before {
            full = Instant::now();
        }
        match side.receive_within(PAUSE) {
            Some(Received::Peer(_)) | None => {}
            other => panic!("expected nothing but messages, got {other:?}"),
        }
    }
    sent
}

/// The Signals of the stream, which are all there are up to some point, in order.
fn assert_in_order(end: &End) {
    let signals = end.delivered.iter().filter(|it| it.opcode == Opcode::Signal);
    let ids: Vec<_> = signals.map(|it| it.id).collect();
    assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    assert!(!ids.is_empty());
}

/// What the peer has counted of what was sent to it, and what it sent meanwhile is read.
fn counted(side: &mut Side, channel: ChannelNumber) -> u64 {
    // Both ends may be full, so that this end must read before it can say more.
    let mut asked = false;
    loop {
        if !asked {
            let question = side.message(Opcode::Request, channel, b"count");
            asked = side.post(question).is_ok();
        }
        match side.receive() {
            Received::Peer(message) if message.opcode() == Opcode::Response => {
                assert_eq!(message.channel(), channel);
                let body = std::str::from_utf8(message.body()).expect("it is text");
                return body.parse().expect("it is a number");
            }
            Received::Peer(_) => {}
            other => panic!("expected a message, got {other:?}"),
        }
    }
}

#[test]
fn what_is_sent_meanwhile_waits_and_arrives_in_order() {
    for stopped in [Stopped::Server, Stopped::Client] {
        let mut stage = Stage::new(Options::default(), Options::default(), "tcp|127.0.0.1|0");
        let (peer, channels) = stopped.start(&mut stage);
        let side = stopped.other(&mut stage);
        peer.signal(Signal::STOP);
        let sent = fill_up(side, &channels);
        peer.signal(Signal::CONT);
        for (&channel, &sent) in channels.iter().zip(&sent) {
            assert_eq!(counted(side, channel), sent, "all of it, in order");
        }
        for &channel in &channels {
            side.say(Opcode::ByeRequest, channel, b"");
        }
        let mut left = channels.len();
        while left > 0 {
            if let Received::Notice(notice) = side.receive() {
                let end = side.end(notice);
                assert_eq!((end.reason, end.returned.len()), (Status::Success, 0));
                assert_in_order(&end);
                left -= 1;
            }
        }
        drop(peer);
        stage.end();
    }
}

#[test]
fn one_that_never_goes_on_is_given_up_and_what_it_did_not_take_comes_back() {
    for stopped in [Stopped::Server, Stopped::Client] {
        let mut stage = Stage::new(only(SEND), only(SEND), "tcp|127.0.0.1|0");
        let (peer, channels) = stopped.start(&mut stage);
        let side = stopped.other(&mut stage);
        peer.signal(Signal::STOP);
        let start = Instant::now();
        for &channel in &channels {
            assert_eq!(fill(side, channel, &mut 0), Status::PoolEmpty);
        }
        let mut left = channels.len();
        while left > 0 {
            if let Received::Notice(notice) = side.receive() {
                let end = side.end(notice);
                assert_eq!(end.reason, Status::CommunicationFailed);
                assert!(!end.returned.is_empty());
                left -= 1;
            }
        }
        assert!(start.elapsed() >= TIMEOUT);
        drop(peer);
        stage.end();
    }
}

#[test]
fn without_a_timeout_it_is_waited_for() {
    let mut stage = Stage::new(only(NONE), only(NONE), "tcp|127.0.0.1|0");
    let (peer, channels) = Stopped::Server.start(&mut stage);
    peer.signal(Signal::STOP);
    let start = Instant::now();
    while start.elapsed() < 2 * TIMEOUT {
        match stage.client.receive_within(PAUSE) {
            Some(Received::Peer(_)) | None => {}
            other => panic!("expected nothing but messages, got {other:?}"),
        }
    }
    peer.signal(Signal::CONT);
    for channel in channels {
        assert_eq!(counted(&mut stage.client, channel), 0);
        stage.client.close(channel);
    }
    drop(peer);
    stage.end();
}
