//! One client: its outbox and its transfers.

use super::download::Download;
use super::root::Root;
use super::uploads::Uploads;
use crate::failure::{Failure, Result};
use crate::refusal;
use crate::transfer::{GET, PUT};
use std::collections::VecDeque;
use tofu_std::{ChannelGroup, ChannelNumber, Message, Opcode, Status};

/// Messages posted in a row before others get their turn.
const QUANTUM: usize = 16;
/// Files one client may fetch at once.
const MAX_DOWNLOADS: usize = 64;

/// What a client still has to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Nothing.
    Idle,
    /// More, at once.
    More,
    /// More, as soon as there is room.
    Refused {
        /// There was some.
        posted: bool,
    },
}

/// One client.
pub(super) struct Peer {
    channel: ChannelNumber,
    /// Answers in order. More than a refused one gather here only while what was received before is
    /// handled: the engine reads nothing for a channel that is over its share.
    outbox: VecDeque<Message>,
    uploads: Uploads,
    /// Each in its turn.
    downloads: VecDeque<Download>,
    dismissed: bool,
}

impl Peer {
    pub(super) fn new(channel: ChannelNumber) -> Peer {
        Peer {
            channel,
            outbox: VecDeque::new(),
            uploads: Uploads::default(),
            downloads: VecDeque::new(),
            dismissed: false,
        }
    }

    /// Whether nothing waits for room.
    pub(super) fn is_quiet(&self) -> bool {
        self.outbox.is_empty() && self.downloads.is_empty()
    }

    /// The channel, if it is time for our goodbye; once.
    pub(super) fn dismiss(&mut self) -> Option<ChannelNumber> {
        if self.dismissed || !self.is_quiet() || !self.uploads.is_empty() {
            return None;
        }
        self.dismissed = true;
        Some(self.channel)
    }

    /// Takes a message in. False when this client asks for more than anybody may.
    pub(super) fn take(&mut self, message: Message, root: Option<&Root>) -> bool {
        match message.opcode() {
            Opcode::Request => match root {
                Some(root) => return self.take_request(message, root),
                None => self.echo(message),
            },
            Opcode::Signal if message.more() => {}
            Opcode::Signal => {
                let mut message = message;
                message.clear();
                self.echo(message);
            }
            Opcode::HelloRequest => self.echo(message),
            Opcode::ByeRequest => {
                self.uploads = Uploads::default();
                self.downloads.clear();
                self.echo(message);
            }
            _ => {}
        }
        true
    }

    fn echo(&mut self, mut message: Message) {
        if message.reply().is_ok() {
            self.outbox.push_back(message);
        }
    }

    /// A Request where files are kept.
    fn take_request(&mut self, message: Message, root: &Root) -> bool {
        if message.text().get(PUT).is_some() || self.uploads.has(message.id()) {
            self.outbox.extend(self.uploads.take(message, root));
            return !self.uploads.is_excessive();
        }
        let Some(name) = message.text().get(GET) else {
            self.echo(message);
            return true;
        };
        match self.open_download(name, message.id(), root) {
            Ok(download) => self.downloads.push_back(download),
            Err(failure) => self.refuse(message, &failure),
        }
        true
    }

    fn open_download(&self, name: &[u8], id: u64, root: &Root) -> Result<Download> {
        if self.downloads.len() >= MAX_DOWNLOADS {
            return Err(Failure::new(Status::NotAllowed, "too many files at once"));
        }
        let (file, size) = root.fetch(name)?;
        Ok(Download::new(self.channel, id, file, size))
    }

    fn refuse(&mut self, mut message: Message, failure: &Failure) {
        if refusal::refuse(&mut message, failure).is_ok() {
            self.outbox.push_back(message);
        }
    }

    /// Posts what there is room for.
    pub(super) fn pump(&mut self, group: &ChannelGroup) -> Flow {
        let mut posted = false;
        for _ in 0..QUANTUM {
            let message = match self.outbox.pop_front() {
                Some(message) => message,
                None if self.downloads.is_empty() => return Flow::Idle,
                None => match self.next_block(group) {
                    Some(message) => message,
                    None => return Flow::Refused { posted },
                },
            };
            match group.post(message) {
                Ok(_) => posted = true,
                Err(error) if error.status == Status::PoolEmpty => {
                    self.outbox.push_front(error.message);
                    return Flow::Refused { posted };
                }
                // It is closing; channel_closed follows.
                Err(_) => self.downloads.clear(),
            }
        }
        if self.is_quiet() { Flow::Idle } else { Flow::More }
    }

    /// The next message of the download whose turn it is; `None` while the pool is empty.
    fn next_block(&mut self, group: &ChannelGroup) -> Option<Message> {
        let mut download = self.downloads.pop_front()?;
        let message = download.next(group.engine());
        if message.is_none() {
            self.downloads.push_front(download);
        } else if !download.is_done() {
            self.downloads.push_back(download);
        }
        message
    }
}
