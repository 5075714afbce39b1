//! One engine, and the book that is kept of what it owes: each channel one `channel_closed`, the last
//! word about it, and each posted message one fate.

use crate::{SOON, WHILE, eventually};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tofu_std::{
    BOUNDS, ChannelGroup, ChannelNumber, Engine, Header, LISTEN_ON, Message, Notice, Opcode,
    Options, Received, Status,
};

/// One engine and its group.
pub struct Side {
    /// The engine.
    pub engine: Engine,
    /// Its only group.
    pub group: ChannelGroup,
    /// Messages that are free while nothing is under way.
    free: usize,
    channels: BTreeMap<ChannelNumber, Book>,
}

/// What was posted to a channel that is not closed yet, and what came back of it.
#[derive(Debug, Default)]
struct Book {
    posted: Vec<Posted>,
    delivered: Vec<Header>,
}

#[derive(Debug)]
struct Posted {
    opcode: Opcode,
    id: u64,
    body: Box<[u8]>,
    /// Why it came back, if it did.
    returned: Option<Status>,
}

impl Posted {
    /// Whether this is it, and not back yet. A Hello or Welcome comes back as the answer to itself.
    fn is(&self, message: &Message) -> bool {
        let opcodes = [Some(self.opcode), self.opcode.answer()];
        self.returned.is_none()
            && self.id == message.id()
            && opcodes.contains(&Some(message.opcode()))
    }
}

/// How a channel ended.
#[derive(Debug)]
pub struct End {
    /// The reason beside its `channel_closed`.
    pub reason: Status,
    /// What the peer said, in order.
    pub delivered: Vec<Header>,
    /// What was posted and not handed back, in order.
    pub sent: Vec<u64>,
    /// What was handed back.
    pub returned: Vec<u64>,
}

impl End {
    /// Each message arrived or not, in order, at most once, and none that was handed back.
    ///
    /// # Panics
    /// When it isn't so.
    pub fn assert_received_from(&self, sender: &End) {
        let arrived: Vec<_> = self.delivered.iter().map(|header| header.id).collect();
        assert!(sender.sent.starts_with(&arrived), "{arrived:?} of {sender:?}");
    }

    /// What the peer said, in order.
    pub fn opcodes(&self) -> Vec<Opcode> {
        self.delivered.iter().map(|header| header.opcode).collect()
    }
}

impl Side {
    /// An engine with these options.
    ///
    /// # Panics
    /// When it cannot be had.
    pub fn new(options: Options) -> Side {
        let engine = Engine::with_options(options).expect("an engine");
        let group = engine.group().expect("a group");
        let free = engine.free_messages();
        Side { engine, group, free, channels: BTreeMap::new() }
    }

    /// Listens, with these bounds; the listener's channel and the address it really has.
    ///
    /// # Panics
    /// When it cannot.
    pub fn listen(&mut self, address: &str, bounds: Option<&str>) -> (ChannelNumber, String) {
        let listener = self.ask_to_listen(address, bounds).channel;
        match self.receive() {
            Received::Returned(message, Status::Success) => {
                assert_eq!(message.opcode(), Opcode::WelcomeResponse);
                self.channels.insert(listener, Book::default());
                let address = message.text().get_str(LISTEN_ON).expect("it has an address");
                (listener, address.to_owned())
            }
            other => panic!("expected a WelcomeResponse, got {other:?}"),
        }
    }

    /// Posts a WelcomeRequest; its header, with the channel.
    ///
    /// # Panics
    /// When it is refused.
    pub fn ask_to_listen(&mut self, address: &str, bounds: Option<&str>) -> Header {
        let mut welcome = self.message(Opcode::WelcomeRequest, ChannelNumber::default(), b"");
        welcome.listen_on(address).expect("an address");
        if let Some(bounds) = bounds {
            welcome.add_header(BOUNDS, bounds).expect("it fits");
        }
        self.post(welcome).expect("it may listen")
    }

    /// Posts a HelloRequest; its header, with the channel.
    ///
    /// # Panics
    /// When it is refused.
    pub fn connect(&mut self, address: &str) -> Header {
        let mut hello = self.message(Opcode::HelloRequest, ChannelNumber::default(), b"");
        hello.connect_to(address).expect("an address");
        self.post(hello).expect("it may connect")
    }

    /// A message for a channel.
    ///
    /// # Panics
    /// When none comes back to the pool in time.
    pub fn message(&self, opcode: Opcode, channel: ChannelNumber, body: &[u8]) -> Message {
        let mut message = self.engine.get_wait(SOON).expect("a message comes back in time");
        message.prepare(opcode, channel).set_body(body).expect("it fits");
        message
    }

    /// Posts a message and keeps it in mind. A refused one is back already.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn post(&mut self, message: Message) -> Result<Header, Status> {
        self.post_within(message, Duration::ZERO)
    }

    fn post_within(&mut self, message: Message, time: Duration) -> Result<Header, Status> {
        let (opcode, body) = (message.opcode(), message.body().into());
        let posted = self.group.post_wait(message, time);
        let header = posted.map_err(|refused| refused.status)?;
        // A ByeSignal is an act, not something to send.
        if opcode != Opcode::ByeSignal {
            let book = self.channels.entry(header.channel).or_default();
            book.posted.push(Posted { opcode, id: header.id, body, returned: None });
        }
        Ok(header)
    }

    /// Posts a message of this kind, once there is room; its header, or nothing if the channel has ended.
    ///
    /// # Panics
    /// When it is refused for another reason.
    pub fn say(&mut self, opcode: Opcode, channel: ChannelNumber, body: &[u8]) -> Option<Header> {
        let message = self.message(opcode, channel, body);
        self.post_unless_ended(message)
    }

    fn post_unless_ended(&mut self, message: Message) -> Option<Header> {
        match self.post_within(message, SOON) {
            Ok(header) => Some(header),
            Err(status) => {
                assert_eq!(status, Status::ChannelClosed);
                None
            }
        }
    }

    /// The next thing received.
    ///
    /// # Panics
    /// When nothing comes in time, or something that may not come.
    pub fn receive(&mut self) -> Received {
        self.receive_within(SOON).expect("something comes in time")
    }

    /// The next thing received, if it comes in time.
    ///
    /// # Panics
    /// When something comes that may not come.
    pub fn receive_within(&mut self, time: Duration) -> Option<Received> {
        let received = self.group.wait_receive(time).expect("the engine runs")?;
        match &received {
            Received::Peer(message) => self.enter_delivered(message),
            Received::Returned(message, status) => self.enter_returned(message, *status),
            // Whoever receives it decides whether it may come.
            Received::Notice(_) => {}
        }
        Some(received)
    }

    fn enter_delivered(&mut self, message: &Message) {
        let announces = message.opcode() == Opcode::HelloRequest;
        let known = self.channels.contains_key(&message.channel());
        assert!(announces != known, "of a channel unknown, closed or announced twice: {message:?}");
        let book = self.channels.entry(message.channel()).or_default();
        book.delivered.push(message.header());
    }

    fn enter_returned(&mut self, message: &Message, status: Status) {
        let book = self.channels.get_mut(&message.channel());
        let book = book.unwrap_or_else(|| panic!("after the last word: {message:?}"));
        let posted = book.posted.iter_mut().find(|posted| posted.is(message));
        let posted = posted.unwrap_or_else(|| panic!("not posted, or back before: {message:?}"));
        assert_eq!(message.body(), &*posted.body, "what comes back is intact");
        posted.returned = Some(status);
    }

    /// The next thing, which must be a peer's message of this kind.
    ///
    /// # Panics
    /// When it is something else.
    pub fn expect(&mut self, opcode: Opcode) -> Message {
        match self.receive() {
            Received::Peer(message) if message.opcode() == opcode => message,
            other => panic!("expected {opcode}, got {other:?}"),
        }
    }

    /// The end of a channel, before which nothing comes but what is handed back.
    ///
    /// # Panics
    /// When something else comes.
    pub fn expect_end(&mut self, channel: ChannelNumber) -> End {
        loop {
            match self.receive() {
                Received::Notice(notice) if notice.channel == channel => return self.end(notice),
                Received::Returned(message, _) if message.channel() == channel => {}
                other => panic!("expected the end of channel {channel}, got {other:?}"),
            }
        }
    }

    /// The end of a channel, whatever comes on it before.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn receive_until_end(&mut self, channel: ChannelNumber) -> End {
        let start = Instant::now();
        while start.elapsed() < SOON {
            match self.receive() {
                Received::Notice(notice) if notice.channel == channel => return self.end(notice),
                Received::Notice(notice) => panic!("unexpected: {notice:?}"),
                Received::Peer(_) | Received::Returned(..) => {}
            }
        }
        panic!("channel {channel} does not end")
    }

    /// The next thing, which must be this notice.
    ///
    /// # Panics
    /// When it is something else.
    pub fn expect_notice(&mut self, status: Status) -> Notice {
        match self.receive() {
            Received::Notice(notice) if notice.status == status => notice,
            other => panic!("expected the notice {status}, got {other:?}"),
        }
    }

    /// Posts Signals until for a while there has been no room for one, or the channel ends; which of them.
    /// Room comes late on a busy machine, where the system takes more of what is on its way.
    ///
    /// # Panics
    /// When they are refused for another reason.
    pub fn say_all_it_may(&mut self, channel: ChannelNumber, body: &[u8]) -> Status {
        loop {
            let Some(mut signal) = self.engine.get_wait(WHILE) else { return Status::PoolEmpty };
            signal.prepare(Opcode::Signal, channel).set_body(body).expect("it fits");
            match self.post_within(signal, WHILE) {
                Ok(_) => {}
                Err(why @ (Status::PoolEmpty | Status::ChannelClosed)) => return why,
                Err(status) => panic!("refused: {status}"),
            }
        }
    }

    /// Drops a connection, or stops listening, at once.
    ///
    /// # Panics
    /// When it is refused, or does not end.
    pub fn close(&mut self, channel: ChannelNumber) {
        let bye = self.message(Opcode::ByeSignal, channel, b"");
        self.post(bye).expect("it is open");
        assert_eq!(self.receive_until_end(channel).reason, Status::ChannelClosed);
    }

    /// A HelloRequest or WelcomeRequest comes back, and its channel ends; why.
    ///
    /// # Panics
    /// When it does what it asks for.
    pub fn expect_refused(&mut self, posted: Header) -> Status {
        let Received::Returned(message, why) = self.receive() else { panic!("it is done") };
        assert_eq!((Some(message.opcode()), message.id()), (posted.opcode.answer(), posted.id));
        drop(message);
        let end = self.expect_end(posted.channel);
        assert_eq!((end.reason, end.returned), (why, vec![posted.id]));
        why
    }

    /// Answers a message, if it asks for that; the answer's header, or nothing if the channel has ended.
    ///
    /// # Panics
    /// When that is refused for another reason.
    pub fn answer(&mut self, mut message: Message) -> Option<Header> {
        message.reply().ok()?;
        self.post_unless_ended(message)
    }

    /// Closes the book of a channel.
    ///
    /// # Panics
    /// When it does not add up.
    pub fn end(&mut self, notice: Notice) -> End {
        assert_eq!(notice.status, Status::ChannelClosed);
        let book = self.channels.remove(&notice.channel).expect("one last word of a known channel");
        let reason = notice.reason;
        let because = if reason.is_success() { Status::ChannelClosed } else { reason };
        let count = book.posted.iter().take_while(|posted| posted.returned.is_none()).count();
        let (sent, back) = book.posted.split_at(count);
        assert!(
            back.iter().all(|posted| posted.returned == Some(because)),
            "all that is handed back is from some message on, because of {reason}: {book:?}"
        );
        let ids = |posted: &[Posted]| posted.iter().map(|posted| posted.id).collect();
        End { reason, sent: ids(sent), returned: ids(back), delivered: book.delivered }
    }

    /// Nothing is under way: so many channels are left, all messages are back, and nothing comes.
    ///
    /// # Panics
    /// When it isn't so, in time.
    pub fn assert_at_rest(&mut self, channels: usize) {
        assert_eq!(self.channels.len(), channels, "{:?}", self.channels);
        eventually("all channels are free", || self.engine.channels() == channels);
        eventually("all messages are back", || self.engine.free_messages() == self.free);
        let more = self.receive_within(Duration::ZERO);
        assert!(more.is_none(), "unexpected: {more:?}");
    }
}
