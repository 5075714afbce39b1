//! One whole conversation, and what became of each message of it.

use super::{Inbox, Pair, Sim};
use std::time::Duration;
use tofu_core::{ChannelNumber, Message, Opcode, Received, Status};

/// A message as it was posted or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub opcode: Opcode,
    pub id: u64,
    pub more: bool,
    pub body: Vec<u8>,
}

impl Word {
    pub fn new(opcode: Opcode, id: u64, body: &[u8]) -> Self {
        Word { opcode, id, more: false, body: body.to_vec() }
    }

    fn of(message: &Message<Sim>) -> Self {
        let body = message.body().to_vec();
        Word { opcode: message.opcode(), id: message.id(), more: message.more(), body }
    }
}

/// What one side said and heard.
#[derive(Debug, Default)]
pub struct Story {
    pub channel: Option<ChannelNumber>,
    pub posted: Vec<Word>,
    pub heard: Vec<Word>,
    pub returned: Vec<Word>,
    /// The reason of each `channel_closed`.
    pub closed: Vec<Status>,
}

impl Story {
    /// Hello, a stream of requests, a large one, and a signal from the client.
    fn begin(&mut self, pair: &mut Pair) {
        let channel = pair.nodes[0].connect();
        self.channel = Some(channel);
        self.posted.push(Word::new(Opcode::HelloRequest, 0, b""));
        for (id, more, len) in [(10, true, 3), (10, true, 40), (10, false, 0), (11, false, 700)] {
            let body = (0..len).map(|i| (i * 31) as u8).collect();
            self.say(pair, 0, Word { opcode: Opcode::Request, id, more, body });
        }
        self.say(pair, 0, Word::new(Opcode::Signal, 12, b"\0\0\0"));
    }

    fn say(&mut self, pair: &mut Pair, side: usize, word: Word) {
        let Some(channel) = self.channel else { return };
        let node = &mut pair.nodes[side];
        let mut message = node.get();
        message.prepare(word.opcode, channel).set_id(word.id);
        message.set_more(word.more);
        message.set_body(&word.body).expect("a body that fits");
        // Refused once the channel is closing: then it was never posted.
        if node.engine.post(node.group, message).is_ok() {
            self.posted.push(word);
        }
    }

    fn listen_to(&mut self, pair: &mut Pair, side: usize, inbox: Inbox) {
        for received in inbox {
            match received {
                Received::Peer(message) => {
                    assert!(self.closed.is_empty(), "a message after channel_closed");
                    let channel = *self.channel.get_or_insert(message.channel());
                    assert_eq!(message.channel(), channel);
                    let word = Word::of(&message);
                    drop(message);
                    self.heard.push(word.clone());
                    self.answer(pair, side, &word);
                }
                Received::Returned(message, status) => {
                    assert!(!status.is_success() && self.closed.is_empty());
                    self.returned.push(Word::of(&message));
                }
                Received::Notice(notice) => {
                    assert_eq!(notice.status, Status::ChannelClosed);
                    self.closed.push(notice.reason);
                }
            }
        }
    }

    fn answer(&mut self, pair: &mut Pair, side: usize, word: &Word) {
        if word.opcode == Opcode::HelloRequest {
            self.say(pair, side, Word::new(Opcode::HelloResponse, word.id, b"welcome"));
            // After hello, the two are equal.
            self.say(pair, side, Word::new(Opcode::Request, 20, &[0xa5; 300]));
        } else if word.opcode == Opcode::Response && word.id == 11 {
            self.say(pair, side, Word::new(Opcode::ByeRequest, 30, b"bye"));
        } else if let Some(opcode) = word.opcode.answer().filter(|_| !word.more) {
            self.say(pair, side, Word { opcode, ..word.clone() });
        }
    }
}

/// Has the client connect, talk and leave; what both sides said and heard. Ends when both sides
/// are closed, at the latest after a minute.
pub fn talk(pair: &mut Pair) -> [Story; 2] {
    let mut stories = [Story::default(), Story::default()];
    stories[0].begin(pair);
    let end = pair.now.after(Duration::from_secs(60));
    loop {
        let received = pair.run(Duration::ZERO);
        let quiet = received.iter().all(Vec::is_empty);
        for (side, inbox) in received.into_iter().enumerate() {
            stories[side].listen_to(pair, side, inbox);
        }
        let over = stories.iter().all(|story| story.channel.is_none() || !story.closed.is_empty());
        if quiet && (over || !pair.jump(end)) {
            return stories;
        }
    }
}

/// Checks what is true of every conversation, whatever happened to the line.
pub fn check(stories: &[Story; 2]) {
    let [client, server] = stories;
    assert_eq!(client.closed.len(), 1, "{client:?}");
    assert_eq!(server.closed.len(), usize::from(!server.heard.is_empty()), "{server:?}");
    for (from, to) in [(client, server), (server, client)] {
        check_fates(from, to);
    }
}

/// Each message was heard, lost with the channel, or came back, in this order; nothing else was
/// heard, and nothing was changed.
fn check_fates(from: &Story, to: &Story) {
    let heard = to.heard.len();
    assert!(heard + from.returned.len() <= from.posted.len(), "{from:?} {to:?}");
    let pairs = from.posted.iter().zip(&to.heard).enumerate();
    for (index, (posted, heard)) in pairs {
        let is_hello = index == 0 && posted.opcode == Opcode::HelloRequest;
        assert!(posted == heard || (is_hello && heard.opcode == Opcode::HelloRequest));
    }
    let unsent = &from.posted[from.posted.len() - from.returned.len()..];
    for (posted, returned) in unsent.iter().zip(&from.returned) {
        assert!(posted == returned || posted.opcode == Opcode::HelloRequest);
    }
    if to.closed == [Status::Success] && from.closed == [Status::Success] {
        assert_eq!((heard, from.returned.len()), (from.posted.len(), 0), "{from:?} {to:?}");
    }
}

/// How the channel ended at the client and at the server, if there was one.
pub fn reasons(stories: &[Story; 2]) -> (Status, Option<Status>) {
    (stories[0].closed[0], stories[1].closed.first().copied())
}

/// A conversation on a line that works.
pub fn talk_well(pair: &mut Pair) -> [Story; 2] {
    let stories = talk(pair);
    check(&stories);
    assert_eq!(reasons(&stories), (Status::Success, Some(Status::Success)), "{stories:#?}");
    assert_eq!(stories[0].heard.len(), 6, "{stories:#?}");
    stories
}
