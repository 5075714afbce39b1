//! Answers there is no room for yet.

use crate::memory::{MESSAGES, Message, Tofu};
use heapless::Deque;
use tofu_core::{Engine, GroupId, Status};

/// Posts answers, and keeps those whose channel holds its share of unsent messages.
pub struct Answers {
    group: GroupId,
    /// In order. They are messages of the pool, so there is a place for each.
    waiting: Deque<Message, MESSAGES>,
}

impl Answers {
    /// None so far.
    pub fn new(group: GroupId) -> Answers {
        Answers { group, waiting: Deque::new() }
    }

    /// Turns a message into its own answer and posts it, after those of its channel that wait.
    pub fn answer(&mut self, engine: &mut Engine<Tofu>, mut message: Message) {
        if message.reply().is_err() {
            return;
        }
        let channel = message.channel();
        if self.waiting.iter().any(|earlier| earlier.channel() == channel) {
            self.keep(message);
        } else {
            self.post(engine, message);
        }
    }

    /// Gives every answer that waits another try. True if one went.
    pub fn retry(&mut self, engine: &mut Engine<Tofu>) -> bool {
        let mut posted = false;
        for _ in 0..self.waiting.len() {
            let Some(message) = self.waiting.pop_front() else { break };
            posted |= self.post(engine, message);
        }
        posted
    }

    /// True if it was posted.
    fn post(&mut self, engine: &mut Engine<Tofu>, message: Message) -> bool {
        let Err(refused) = engine.post(self.group, message) else { return true };
        if refused.status == Status::PoolEmpty {
            self.keep(refused.message);
        }
        // Else the channel is closing; channel_closed follows.
        false
    }

    fn keep(&mut self, message: Message) {
        let _ = self.waiting.push_back(message);
    }
}
