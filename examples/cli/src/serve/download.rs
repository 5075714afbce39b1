//! A file on its way to a client.

use crate::failure::{Failure, Result};
use crate::refusal;
use crate::transfer::{BLOCK, CHECKSUM, PROGRESS, PROGRESS_STEP, SIZE, Tally};
use std::fs::File;
use std::io::Read;
use tofu_std::{ChannelNumber, Engine, Message, Opcode, Status};

/// Bytes of text headers beside a block, at most: size and checksum.
const HEADERS: usize = 256;

/// A file on its way to a client: one message after the other, each read when it can be sent.
pub(super) struct Download {
    channel: ChannelNumber,
    id: u64,
    file: File,
    size: u64,
    tally: Tally,
    begun: bool,
    done: bool,
    next_progress: u64,
}

impl Download {
    pub(super) fn new(channel: ChannelNumber, id: u64, file: File, size: u64) -> Download {
        Download {
            channel,
            id,
            file,
            size,
            tally: Tally::default(),
            begun: false,
            done: false,
            next_progress: PROGRESS_STEP,
        }
    }

    /// Whether its last message was given out.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// The next message; `None` while the pool has none.
    pub(super) fn next(&mut self, engine: &Engine) -> Option<Message> {
        let tells = self.tally.bytes() >= self.next_progress;
        // With room for all of it: what is read from the file must go.
        let len = self.next_len();
        let mut message = engine.get_sized(if tells { 0 } else { len + HEADERS })?;
        message.set_channel(self.channel);
        message.set_id(self.id);
        let filled = match tells {
            true => self.fill_progress(&mut message),
            false => self.fill_block(&mut message, len),
        };
        match filled {
            Ok(()) => Some(message),
            Err(Failure::Status(Status::PoolEmpty, _)) => None,
            Err(failure) => {
                self.done = true;
                refusal::refuse(&mut message, &failure).ok()?;
                Some(message)
            }
        }
    }

    fn fill_progress(&mut self, message: &mut Message) -> Result {
        let done = self.tally.bytes();
        message.set_opcode(Opcode::Signal);
        message.add_header_display(PROGRESS, format_args!("{done}:{}", self.size))?;
        self.next_progress = done + PROGRESS_STEP;
        Ok(())
    }

    /// Bytes of the next block.
    fn next_len(&self) -> usize {
        let left = self.size - self.tally.bytes();
        usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)
    }

    fn fill_block(&mut self, message: &mut Message, len: usize) -> Result {
        message.set_opcode(Opcode::Response);
        if !self.begun {
            message.add_header_display(SIZE, self.size)?;
        }
        message.resize_body(len)?;
        self.file
            .read_exact(message.body_mut())
            .map_err(|error| Failure::io("cannot read the file", &error))?;
        self.begun = true;
        self.tally.add(message.body());
        self.done = self.tally.bytes() == self.size;
        message.set_more(!self.done);
        if self.done {
            message.add_header(CHECKSUM, self.tally.checksum())?;
        }
        Ok(())
    }
}
