//! What is known of one end of a conversation.

use crate::scenario::Goodbye;
use tofu_core::{HEADER_LEN, Header, Instant, Opcode, Role, Status};

/// How an end came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A WelcomeRequest made it.
    Listener,
    /// A HelloRequest made it.
    Client,
    /// A HelloRequest was received on it.
    Accepted,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Listener, Kind::Client, Kind::Accepted];
}

/// A message that was posted.
pub struct Post {
    /// Its bytes, as they must appear on the wire.
    pub wire: Vec<u8>,
    /// Where in the stream its first byte is.
    pub start: u64,
}

impl Post {
    /// Where in the stream the next message begins.
    pub fn end(&self) -> u64 {
        self.start + self.wire.len() as u64
    }

    /// Its header.
    pub fn header(&self) -> Header {
        header_of(&self.wire)
    }

    /// The lines of its text headers.
    pub fn text_lines(&self) -> usize {
        let text = self.wire.iter().skip(HEADER_LEN).take(self.header().text_len.into());
        text.filter(|&&byte| byte == b'\n').count()
    }
}

/// The header of a frame an application has posted.
pub(crate) fn header_of(wire: &[u8]) -> Header {
    let bytes = wire.first_chunk::<HEADER_LEN>();
    bytes.and_then(|bytes| Header::decode(bytes).ok()).unwrap_or_default()
}

/// What one end posts, and what becomes of it: the first are sent, the last handed back.
#[derive(Default)]
pub struct Flow {
    /// In order.
    pub posts: Vec<Post>,
    /// Bytes handed to the transport.
    pub bytes: u64,
    /// Messages whose last byte was.
    pub sent: usize,
    /// Messages that were received, or thrown away for their length with a notice.
    pub delivered: usize,
    /// Messages that came back.
    pub returned: usize,
}

impl Flow {
    /// Queues a message.
    pub fn push(&mut self, wire: Vec<u8>) {
        let start = self.posts.last().map_or(0, Post::end);
        self.posts.push(Post { wire, start });
    }

    /// Those without a fate.
    pub fn unresolved(&self) -> &[Post] {
        self.posts.get(self.sent + self.returned..).unwrap_or_default()
    }

    /// Answers without a fate.
    pub fn has_unsent_answers(&self) -> bool {
        self.unresolved().iter().any(|post| post.header().opcode.role() == Role::Response)
    }

    /// How many messages are whole within the first `bytes`.
    pub fn whole_within(&self, bytes: u64) -> usize {
        self.posts.partition_point(|post| post.end() <= bytes)
    }

    /// How many messages have their header within the first `bytes`.
    pub fn begun_within(&self, bytes: u64) -> usize {
        self.posts.partition_point(|post| post.start + HEADER_LEN as u64 <= bytes)
    }

    /// Whether this opcode was posted.
    pub fn has(&self, opcode: Opcode) -> bool {
        self.posts.iter().rev().any(|post| post.header().opcode == opcode)
    }
}

/// One end of a conversation, or a listener.
pub struct End {
    /// How it came to be.
    pub kind: Kind,
    /// The engine it is at.
    pub engine: usize,
    /// The group it belongs to.
    pub group: usize,
    /// The id of its Hello or Welcome.
    pub id: u64,
    /// The other end. A client has none before its hello arrived; who is accepted without one
    /// talks to a stranger.
    pub peer: Option<usize>,
    /// Its connection, once a byte was sent.
    pub connection: Option<u64>,
    /// When it was posted or received, by its engine's clock.
    pub born: Instant,
    /// What it posts.
    pub out: Flow,
    /// Its application said goodbye.
    pub bye: Option<Goodbye>,
    /// Its application received the peer's ByeRequest.
    pub asked: bool,
    /// It answered a ByeRequest nobody had sent.
    pub answered_unasked: bool,
    /// A ByeSignal was posted.
    pub signalled: bool,
    /// A post was refused because the channel is closing.
    pub doomed: bool,
    /// It was opened with an address nobody can use.
    pub bad_address: bool,
    /// The listener said that it listens.
    pub listens: bool,
    /// Its application received the peer's limits.
    pub knows_limits: bool,
    /// Its group was dropped.
    pub orphaned: bool,
    /// Its engine ended without a word.
    pub crashed: bool,
    /// What its messages came back with.
    pub returned_with: Option<Status>,
    /// Why it closed, once the last word was received.
    pub closed: Option<Status>,
}

impl End {
    /// An end of this kind, about which nothing happened yet.
    pub fn new(kind: Kind, engine: usize, group: usize, id: u64, born: Instant) -> End {
        End {
            kind,
            engine,
            group,
            id,
            peer: None,
            connection: None,
            born,
            out: Flow::default(),
            bye: None,
            asked: false,
            answered_unasked: false,
            signalled: false,
            doomed: false,
            bad_address: false,
            listens: false,
            knows_limits: false,
            orphaned: false,
            crashed: false,
            returned_with: None,
            closed: None,
        }
    }

    /// Whether its application may still post to it.
    pub fn takes_posts(&self) -> bool {
        self.kind != Kind::Listener && self.bye.is_none() && !self.signalled && !self.doomed
    }

    /// 0 for who connected, 1 for who was connected to.
    pub fn side(&self) -> usize {
        usize::from(self.kind == Kind::Accepted)
    }
}
