//! The files a client is sending.

use super::root::Root;
use crate::failure::{Failure, Result};
use crate::refusal;
use crate::transfer::{
    self, CHECKSUM, Incoming, PROGRESS, PROGRESS_STEP, PROGRESS_TIME, PUT, SIZE,
};
use std::collections::HashMap;
use std::time::Instant;
use tofu_std::{Message, Opcode, Status};

/// Files one client may send at once.
const MAX_FILES: usize = 64;
/// Refused ones whose rest may still be on its way.
const MAX_REFUSED: usize = 1024;

/// The files a client is sending, by message id.
#[derive(Default)]
pub(super) struct Uploads {
    files: HashMap<u64, Upload>,
    open: usize,
}

enum Upload {
    Open {
        file: Incoming,
        next_progress: Progress,
    },
    /// It was answered with an error; the rest of it is thrown away.
    Refused,
}

/// When a client is told how far its file is: after so many bytes, or at that time.
#[derive(Clone, Copy)]
struct Progress {
    bytes: u64,
    time: Instant,
}

impl Progress {
    /// The next after so many bytes.
    fn after(bytes: u64) -> Progress {
        Progress { bytes: bytes + PROGRESS_STEP, time: Instant::now() + PROGRESS_TIME }
    }

    fn is_due(self, bytes: u64) -> bool {
        bytes >= self.bytes || Instant::now() >= self.time
    }
}

impl Uploads {
    pub(super) fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Whether a message of this id belongs to a file.
    pub(super) fn has(&self, id: u64) -> bool {
        self.files.contains_key(&id)
    }

    /// Whether a client begins more than it ends.
    pub(super) fn is_excessive(&self) -> bool {
        self.files.len() - self.open > MAX_REFUSED
    }

    /// Takes the next message of a file, and makes it the answer if there is one.
    pub(super) fn take(&mut self, mut message: Message, root: &Root) -> Option<Message> {
        let id = message.id();
        let last = !message.more();
        let upload = match self.files.remove(&id) {
            Some(Upload::Refused) => {
                if !last {
                    self.files.insert(id, Upload::Refused);
                }
                return None;
            }
            Some(Upload::Open { file, next_progress }) => {
                self.open -= 1;
                Ok((file, next_progress))
            }
            None => self.create(&message, root).map(|file| (file, Progress::after(0))),
        };
        let taken = upload.and_then(|(file, next)| self.advance(&mut message, file, next));
        match taken {
            Ok(answers) => answers.then_some(message),
            Err(failure) => {
                if !last {
                    self.files.insert(id, Upload::Refused);
                }
                refusal::refuse(&mut message, &failure).ok()?;
                Some(message)
            }
        }
    }

    fn create(&self, message: &Message, root: &Root) -> Result<Incoming> {
        if self.open >= MAX_FILES {
            return Err(Failure::new(Status::NotAllowed, "too many files at once"));
        }
        let target = root.store(message.text().get(PUT).unwrap_or_default())?;
        Incoming::create(target).map_err(|error| Failure::io("cannot create the file", &error))
    }

    /// Stores the bytes of a message. True if the message has become an answer.
    fn advance(
        &mut self,
        message: &mut Message,
        mut file: Incoming,
        next_progress: Progress,
    ) -> Result<bool> {
        file.take(message)?;
        if !message.more() {
            return finish(message, file).map(|()| true);
        }
        let (done, id) = (file.bytes(), message.id());
        let is_due = next_progress.is_due(done);
        let next_progress = if is_due { Progress::after(done) } else { next_progress };
        let size = file.size.map(|size| size.to_string()).unwrap_or_default();
        self.files.insert(id, Upload::Open { file, next_progress });
        self.open += 1;
        if is_due {
            message.clear();
            message.set_opcode(Opcode::Signal);
            message.set_more(false);
            message.add_header_display(PROGRESS, format_args!("{done}:{size}"))?;
        }
        Ok(is_due)
    }
}

/// All is here: makes the last message the answer.
fn finish(message: &mut Message, file: Incoming) -> Result {
    let size = file.bytes();
    let checksum = file.finish(transfer::checksum(message.text()).as_deref())?;
    message.clear();
    message.reply()?;
    message.add_header_display(SIZE, size)?;
    message.add_header(CHECKSUM, checksum)?;
    Ok(())
}
