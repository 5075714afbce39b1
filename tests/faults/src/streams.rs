//! Streams of Signals in both directions, between this process and a peer in another one.

use crate::process::Process;
use crate::side::{End, Side};
use crate::stage::Stage;
use crate::{SOON, WHILE};
use std::time::{Duration, Instant};
use tofu_std::{ChannelNumber, Opcode, Received, Status};

/// How many in the tests that fill them.
pub const STREAMS: usize = 4;
/// How long something to receive is waited for in between.
pub const PAUSE: Duration = Duration::from_millis(10);
/// The body of what goes to the peer; more than one packet.
static LONG: [u8; 6_000] = [7; 6_000];

/// What the peer in the other process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It listens.
    Server,
    /// It connects.
    Client,
}

/// The peer in the other process, and the channels to it.
pub struct Peer {
    /// What it runs in.
    pub process: Process,
    /// Where it listens, if it does.
    pub address: Option<String>,
    /// The channels to it.
    pub channels: Vec<ChannelNumber>,
}

impl Role {
    /// Both.
    pub const BOTH: [Role; 2] = [Role::Server, Role::Client];

    /// Starts the peer by its arguments, a server to listen at this address, and as many channels to it
    /// with a stream from it on each.
    ///
    /// # Panics
    /// When it does not connect.
    pub fn start(
        self,
        stage: &mut Stage,
        at: &str,
        count: usize,
        start: impl FnOnce(&[&str]) -> Process,
    ) -> Peer {
        let peer = match self {
            Role::Server => {
                let mut process = start(&["listen", at]);
                let address = process.line();
                let channels = (0..count).map(|_| stage.client.connect(&address).channel);
                let channels = channels.collect();
                for _ in 0..count {
                    stage.client.expect(Opcode::HelloResponse);
                }
                Peer { process, address: Some(address), channels }
            }
            Role::Client => {
                let process = start(&["connect", &stage.address, &count.to_string()]);
                let hellos = (0..count).map(|_| stage.server.expect(Opcode::HelloRequest));
                let channels = hellos.map(|hello| hello.channel()).collect();
                Peer { process, address: None, channels }
            }
        };
        for &channel in &peer.channels {
            self.other(stage).say(Opcode::Request, channel, b"stream");
        }
        peer
    }

    /// The side of this process that has to do with it.
    pub fn other(self, stage: &mut Stage) -> &mut Side {
        match self {
            Role::Server => &mut stage.client,
            Role::Client => &mut stage.server,
        }
    }
}

/// Sends Signals, with the ids that the peer counts by, until the channel has its share of unsent ones.
fn fill_one(side: &mut Side, channel: ChannelNumber, sent: &mut u64) -> Status {
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

/// Sends until for a while there has been no room. With ids of the engine's: what comes back is told apart by them.
///
/// # Panics
/// When it is refused for another reason, but that the channel has ended.
pub fn fill(side: &mut Side, channels: &[ChannelNumber]) {
    for &channel in channels {
        side.say_all_it_may(channel, &LONG);
    }
}

/// Sends while room comes about, until for a while none has; how many went to each channel.
///
/// # Panics
/// When there is no end to what is taken, or something comes but messages.
pub fn fill_up(side: &mut Side, channels: &[ChannelNumber]) -> [u64; STREAMS] {
    let mut sent = [0; STREAMS];
    let start = Instant::now();
    let mut full = start;
    while full.elapsed() < WHILE {
        assert!(start.elapsed() < SOON, "there is no end to what it takes: {sent:?}");
        let before = sent;
        for (&channel, sent) in channels.iter().zip(&mut sent) {
            assert_eq!(fill_one(side, channel, sent), Status::PoolEmpty);
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

/// Says goodbye on all channels: everything has arrived, both ways, in order.
///
/// # Panics
/// When it hasn't.
pub fn assert_whole(side: &mut Side, channels: &[ChannelNumber], sent: [u64; STREAMS]) {
    for (&channel, sent) in channels.iter().zip(sent) {
        assert_eq!(counted(side, channel), sent, "all of it, in order");
    }
    for &channel in channels {
        side.say(Opcode::ByeRequest, channel, b"");
    }
    for end in ends(side, channels.len()) {
        assert_eq!((end.reason, end.returned.len()), (Status::Success, 0));
        assert_in_order(&end);
    }
}

/// How so many channels end, whatever comes before.
///
/// # Panics
/// When they don't, in time.
pub fn ends(side: &mut Side, channels: usize) -> Vec<End> {
    let start = Instant::now();
    let mut ends = Vec::new();
    while ends.len() < channels {
        assert!(start.elapsed() < SOON, "{} of {channels} have ended", ends.len());
        if let Received::Notice(notice) = side.receive() {
            ends.push(side.end(notice));
        }
    }
    ends
}
