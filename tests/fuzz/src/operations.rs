//! One engine, and operations in any order: what an application may do, what a driver may do, and a
//! transport whose every answer comes from the input, among them some that no transport should give.

use crate::board::{self, Board, Message, Received};
use arbitrary::Unstructured;
use core::fmt;
use core::task::Poll;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use tofu_core::{
    Address, ChannelNumber, Close, Engine, GroupId, Instant, Limits, Link, Opcode, Options, Pool,
    Ready, Received as Of, Status, Transport, Turn,
};

/// Operations of one input.
const STEPS: usize = 500;
/// Messages of busy channels that a turn reads beyond its budget.
const BESIDE_QUIET: u32 = 4;
/// Turns until everything has ended, and far more than it takes.
const TURNS: u32 = 10_000;
/// What bytes come in where frames do: each with its number of arbitrary bytes behind it.
const FRAMES: [[u8; 16]; 8] = [
    [0, 7, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    [0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 40],
    [0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 4, 0, 9],
    [0, 7, 0x22, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 1, 0],
    [0, 7, 4, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0],
    [0, 7, 5, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0],
    [0, 7, 6, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0],
    [0, 7, 2, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff],
];

/// The input, which both the operations and the transport take from.
#[derive(Clone)]
struct Source<'a>(Rc<RefCell<Unstructured<'a>>>);

impl Source<'_> {
    /// The next byte; 0 once there is none.
    fn byte(&self) -> u8 {
        self.0.borrow_mut().arbitrary().unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    fn below(&self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }
}

/// A transport that answers as the input says, until it is told to be calm.
struct Chaos<'a> {
    source: Source<'a>,
    calm: bool,
    /// What is yet to come in of a frame.
    inbox: Vec<u8>,
    /// Events that one turn is told.
    events: u8,
    /// Links the engine has.
    open: BTreeSet<Link>,
    /// Whether the engine has sent in this turn.
    sent: bool,
}

impl Chaos<'_> {
    fn status(&self) -> Status {
        [Status::PeerDisconnected, Status::RecvFailed, Status::SendFailed, Status::UnknownError]
            [self.source.below(4)]
    }

    fn open(&mut self, link: Link) -> Result<(), Status> {
        match self.calm || self.source.below(8) == 0 {
            true => Err(Status::ConnectFailed),
            false => {
                assert!(self.open.insert(link), "{link:?} is opened twice");
                Ok(())
            }
        }
    }
}

impl Transport for Chaos<'_> {
    fn listen(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        self.open(link)
    }

    fn connect(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        self.open(link)
    }

    fn local_address(&self, _: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("mem|somewhere")
    }

    fn accept(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        assert!(self.open.contains(&listener), "{listener:?} is not open");
        if self.calm {
            return Poll::Pending;
        }
        match self.source.below(4) {
            0 => Poll::Pending,
            1 => Poll::Ready(Err(Status::AcceptFailed)),
            _ => {
                assert!(self.open.insert(link), "{link:?} is accepted twice");
                Poll::Ready(Ok(()))
            }
        }
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        assert!(self.open.contains(&link), "{link:?} is not open");
        let what = if self.calm { 1 } else { self.source.byte() };
        match what {
            0..48 => return Poll::Pending,
            48..52 => return Poll::Ready(Err(self.status())),
            52..56 => return Poll::Ready(Ok(0)),
            // More than there was room for: no transport does that.
            56..58 => return Poll::Ready(Ok(usize::MAX)),
            58..200 if self.inbox.is_empty() => {
                self.inbox.extend(FRAMES[self.source.below(FRAMES.len())]);
                self.inbox.extend(std::iter::repeat_n(b'x', self.source.below(64)));
            }
            _ => {}
        }
        let most = self.source.below(96) + 1;
        let mut count = 0;
        for to in bufs.iter_mut().flat_map(|buf| buf.iter_mut()).take(most) {
            *to = if self.inbox.is_empty() { self.source.byte() } else { self.inbox.remove(0) };
            count += 1;
        }
        Poll::Ready(Ok(count))
    }

    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        assert!(self.open.contains(&link), "{link:?} is not open");
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        assert!(len > 0, "nothing to send");
        self.sent = true;
        let what = if self.calm { 255 } else { self.source.byte() };
        match what {
            0..60 => Poll::Pending,
            60..68 => Poll::Ready(Err(self.status())),
            68..70 => Poll::Ready(Ok(usize::MAX)),
            70..160 => Poll::Ready(Ok(len.min(self.source.below(64)))),
            _ => Poll::Ready(Ok(len)),
        }
    }

    fn want_write(&mut self, link: Link, _: bool) {
        assert!(self.open.contains(&link), "{link:?} is not open");
    }

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        self.events = self.events.checked_sub(1)?;
        // Of links that are open and of others.
        let link = Link(self.source.below(8) as u16);
        let ready = match self.source.below(6) {
            0 | 1 => Ready::Opened,
            2 => Ready::Failed(self.status()),
            3 => Ready::Writable,
            _ => Ready::Readable,
        };
        Some((link, ready))
    }

    fn close(&mut self, link: Link, _: Close) {
        assert!(self.open.remove(&link), "{link:?} is closed twice");
    }
}

/// The application: what it holds, and what it was told.
struct App {
    engine: Engine<Board>,
    groups: Vec<GroupId>,
    held: Vec<Message>,
    /// Posted and not handed back, by channel; and those whose last word has come.
    channels: BTreeMap<ChannelNumber, bool>,
    /// Bodies that were posted and have not come back, by channel and id.
    posted: BTreeMap<(ChannelNumber, u64), Vec<Vec<u8>>>,
}

/// Operations, until the input is used up.
pub fn run(data: &[u8]) {
    let source = Source(Rc::new(RefCell::new(Unstructured::new(data))));
    let options = Options {
        limits: Limits { headers: 64, body: 150 },
        send_timeout: Some(Duration::from_secs(2)),
        idle_timeout: (source.byte() & 1 == 1).then_some(Duration::from_secs(9)),
        listener_channels: u16::from(source.byte() % 4) + 1,
        header_lines: 3,
        ..Options::DEFAULT
    };
    let classes = [(64, u16::from(source.byte() % 8) + 1), (256, u16::from(source.byte() % 4))];
    let (engine, group) = board::engine(&classes, &options, 16 + source.below(200));
    let mut app = App {
        engine,
        groups: vec![group],
        held: Vec::new(),
        channels: BTreeMap::new(),
        posted: BTreeMap::new(),
    };
    let mut io = Chaos {
        source: source.clone(),
        calm: false,
        inbox: Vec::new(),
        events: 0,
        open: BTreeSet::new(),
        sent: false,
    };
    let mut now = Instant::ZERO;
    for _ in 0..STEPS {
        if source.is_empty() {
            break;
        }
        app.step(&source, &mut io, &mut now);
    }
    app.end(&mut io, now);
}

impl App {
    fn step(&mut self, source: &Source<'_>, io: &mut Chaos<'_>, now: &mut Instant) {
        match source.byte() {
            0..90 => {
                io.events = source.byte() % 8;
                self.turn(*now, io, u32::from(source.byte() % 8));
            }
            90..130 => self.post(source),
            130..170 => self.receive(source),
            170..180 => {
                let message = Pool::get_sized(self.engine.pool(), source.below(300));
                self.held.extend(message);
            }
            180..190 => drop(self.held.pop()),
            190..200 => *now = now.after(Duration::from_millis(u64::from(source.byte()) * 100)),
            200..203 => _ = self.engine.close_group(self.group(source)),
            203..208 => {
                self.groups.extend(self.engine.open_group(board::buffer(16 + source.below(99))))
            }
            208..212 => {
                let message = if source.byte() & 1 == 1 { self.held.pop() } else { None };
                _ = self.engine.update_receiver(self.group(source), message);
            }
            212 => self.engine.shutdown(),
            213..230 => self.open(source),
            _ => self.reply(source),
        }
        assert!(self.engine.channels() <= 6);
    }

    /// A turn. While nothing is sent, all that it moves is received, and that keeps to the budget, but for
    /// the few that busy channels get beside quiet ones.
    fn turn(&mut self, now: Instant, io: &mut Chaos<'_>, budget: u32) -> Turn {
        io.sent = false;
        let turn = self.engine.turn(now, io, budget);
        let most = budget.max(1) + BESIDE_QUIET;
        assert!(io.sent || turn.moved <= most, "{} messages of {budget}", turn.moved);
        turn
    }

    fn group(&self, source: &Source<'_>) -> GroupId {
        self.groups[source.below(self.groups.len())]
    }

    /// Listens or connects.
    fn open(&mut self, source: &Source<'_>) {
        let Some(mut message) = self.engine.get() else { return };
        let fits = match source.byte() & 1 {
            0 => message.listen_on("mem|a"),
            _ => message.connect_to("mem|b"),
        };
        fits.expect("it fits");
        self.send(message, source);
    }

    /// Any message, to any channel.
    fn post(&mut self, source: &Source<'_>) {
        let Some(mut message) = self.held.pop().or_else(|| self.engine.get()) else { return };
        let opcode = Opcode::from_code(source.byte() % 10).unwrap_or_default();
        let known: Vec<_> = self.channels.keys().copied().collect();
        let channel = match known.get(source.below(known.len() + 1)) {
            Some(channel) => *channel,
            None => ChannelNumber::new(source.byte().into()),
        };
        message.prepare(opcode, channel).set_id(source.byte().into());
        message.set_more(source.below(4) == 0);
        let _ = message.resize_body(source.below(240));
        if source.below(4) == 0 {
            let _ = message.add_header("k", [b'v'; 9]);
        }
        self.send(message, source);
    }

    /// The answer to what was received last.
    fn reply(&mut self, source: &Source<'_>) {
        let Some(mut message) = self.held.pop() else { return };
        let _ = message.reply();
        self.send(message, source);
    }

    fn send(&mut self, message: Message, source: &Source<'_>) {
        let before = (message.header(), message.body().to_vec());
        match self.engine.post(self.group(source), message) {
            Ok(header) => {
                assert!(!header.channel.is_none());
                self.channels.entry(header.channel).or_default();
                self.posted.entry((header.channel, header.id)).or_default().push(before.1);
            }
            Err(refused) => {
                let after = (refused.message.header(), refused.message.body().to_vec());
                assert_eq!(after, before, "refused, and changed");
                self.held.push(refused.message);
            }
        }
    }

    fn receive(&mut self, source: &Source<'_>) {
        let Some(received) = self.engine.receive(self.group(source)) else { return };
        let keep = source.byte() & 1 == 1;
        self.take(received, keep);
    }

    fn take(&mut self, received: Received, keep: bool) {
        let (message, status) = match received {
            Of::Peer(message) => {
                let header = message.header();
                assert_eq!((header.origin, header.status), Default::default());
                if header.opcode == Opcode::HelloRequest {
                    self.channels.insert(header.channel, false);
                }
                (message, None)
            }
            Of::Returned(message, status) => {
                if status != Status::ReceiverUpdate {
                    self.came_back(&message);
                }
                (message, Some(status))
            }
            Of::Notice(notice) => {
                if notice.status == Status::ChannelClosed {
                    let open = self.channels.remove(&notice.channel);
                    assert!(open.is_some(), "the last word about a stranger, or a second");
                }
                return;
            }
        };
        if status != Some(Status::ReceiverUpdate) {
            let known = self.channels.contains_key(&message.channel());
            assert!(known, "{} after its last word", message.opcode());
        }
        if keep {
            self.held.push(message);
        }
    }

    /// One fate: what comes back was posted, has not come back before, and is what it was.
    fn came_back(&mut self, message: &Message) {
        let posted = self.posted.entry((message.channel(), message.id())).or_default();
        let same = posted.iter().position(|body| body == message.body());
        posted.swap_remove(same.expect("what comes back was posted, once, and is unchanged"));
    }

    /// The engine stops: every channel ends, and every message comes back.
    fn end(&mut self, io: &mut Chaos<'_>, now: Instant) {
        io.calm = true;
        io.events = 0;
        self.held.clear();
        self.engine.shutdown();
        for _ in 0..TURNS {
            let turn = self.turn(now, io, 8);
            for group in self.groups.clone() {
                while let Some(received) = self.engine.receive(group) {
                    self.take(received, false);
                }
            }
            if !turn.more && self.engine.channels() == 0 {
                break;
            }
        }
        assert_eq!(self.engine.channels(), 0, "channels never end");
        assert!(io.open.is_empty(), "links stay open: {:?}", io.open);
        board::assert_no_leak(&self.engine);
    }
}
