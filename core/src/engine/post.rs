//! Posting: the checks, then the queue (PROTOCOL, section 3).

use super::Engine;
use crate::Status;
use crate::address::{CONNECT_TO, LISTEN_ON};
use crate::bounds::{BOUNDS, Bounds};
use crate::channel::{Bye, Phase, Side};
use crate::group::GroupId;
use crate::header::{ChannelNumber, Header, Opcode, Role};
use crate::limits::LIMITS_LINE;
use crate::message::Message;
use crate::platform::Platform;
use crate::pool::PerClass;
use crate::queue::Item;
use core::fmt;

/// A refused post: the message as it was, and why.
pub struct PostError<P: Platform> {
    /// The message.
    pub message: Message<P>,
    /// Why it was refused.
    pub status: Status,
    /// For `channel_closed`: why the channel ends, as far as is known by now, or `channel_closed` again where that is
    /// the application's own doing. Else the same as `status`.
    pub reason: Status,
}

impl<P: Platform> PostError<P> {
    /// A message that was refused for a reason that needs no other.
    pub fn new(message: Message<P>, status: Status) -> Self {
        PostError { message, status, reason: status }
    }
}

/// What a `main` that returns it prints: as displayed.
impl<P: Platform> fmt::Debug for PostError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostError({self})")
    }
}

impl<P: Platform> fmt::Display for PostError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was refused: {}", self.message.opcode(), self.status)?;
        if self.reason != self.status {
            write!(f, ", for {}", self.reason)?;
        }
        Ok(())
    }
}

impl<P: Platform> core::error::Error for PostError<P> {}

impl<P: Platform> Engine<P> {
    /// Hands a message to the engine. The next [`turn`](Engine::turn) acts on it.
    ///
    /// Returns the completed header: with the channel a Hello or Welcome was given, and
    /// a fresh id where it was 0. Success does not mean "sent": a message that can't be sent is
    /// received again as [`Received::Returned`](super::Received::Returned). What is longer than the peer takes is
    /// refused once that is known; before its hello, or its answer to ours, it is sent and thrown away at the other end.
    ///
    /// # Errors
    /// Every refusal of [PROTOCOL, section 3](crate::protocol#3-operations), with the message unchanged:
    ///
    /// | status | refused |
    /// |---|---|
    /// | `invalid_op_code` | a WelcomeResponse, which only the engine sends |
    /// | `invalid_message_id` | a response with id 0 |
    /// | `invalid_more_usage` | `more` on a message that is not regular |
    /// | `invalid_channel_number` | channel 0 or an unknown one; any but 0 on a Hello or Welcome |
    /// | `invalid_group` | another group's channel, or the group is gone |
    /// | `invalid_headers_len`, `invalid_body_len` | longer than the peer takes; a hello without room for the engine's own limits |
    /// | `wrong_address` | a Hello or Welcome without its address header |
    /// | `invalid_message` | a Welcome whose [`BOUNDS`] cannot be read |
    /// | `channel_closed` | the channel is closing |
    /// | `not_allowed` | anything but a ByeRequest or ByeSignal on a listener; a HelloResponse from the side that said hello |
    /// | `pool_empty` | more than the channel's share; no free channel; no place for one of another pool; no larger one for a hello that outgrows its own |
    /// | `shutdown_started` | the engine is stopping |
    pub fn post(
        &mut self,
        group: GroupId,
        mut message: Message<P>,
    ) -> Result<Header, PostError<P>> {
        match self.admit(group, &mut message) {
            Ok(slot) => self.queue_posted(slot, message),
            Err(status) => {
                let reason = self.why_refused(status, message.channel());
                Err(PostError { message, status, reason })
            }
        }
    }

    /// What is behind the refusal of a message to this channel.
    fn why_refused(&self, status: Status, number: ChannelNumber) -> Status {
        let slot = self.numbers.find(number).filter(|_| status == Status::ChannelClosed);
        let Some(channel) = slot.and_then(|slot| self.channels.get(slot)) else { return status };
        let ends = channel.reason.or(channel.abort).or(channel.send_failed);
        ends.filter(|reason| !reason.is_success()).unwrap_or(status)
    }

    /// The checks. The channel the message goes to, which a Hello or Welcome makes.
    fn admit(&mut self, group: GroupId, message: &mut Message<P>) -> Result<u32, Status> {
        let opcode = message.opcode();
        check_form(opcode, message)?;
        match opcode {
            Opcode::HelloRequest | Opcode::WelcomeRequest => {
                self.admit_opening(group, opcode, message)
            }
            _ => self.admit_to_channel(group, opcode, message),
        }
    }

    fn queue_posted(&mut self, slot: u32, message: Message<P>) -> Result<Header, PostError<P>> {
        let (header, class) = (message.header(), message.class());
        let Some(channel) = self.channels.get_mut(slot) else {
            return Err(PostError::new(message, Status::InvalidChannelNumber));
        };
        if header.opcode == Opcode::ByeSignal {
            channel.abort = Some(Status::ChannelClosed);
            self.enqueue_write(slot);
            return Ok(header);
        }
        if let Err(item) = channel.tx.push(&mut self.nodes, Item::Message(message)) {
            debug_assert!(false, "fewer queue nodes than the platform's sum asks for");
            return match item {
                Item::Message(message) => Err(PostError::new(message, Status::PoolEmpty)),
                Item::Notice(_) => Ok(header),
            };
        }
        channel.count_queued(header.opcode, class);
        match header.opcode {
            Opcode::ByeRequest => channel.bye = Bye::Requested,
            Opcode::ByeResponse => channel.bye = Bye::Answered,
            _ => {}
        }
        // A blocked channel goes on by itself; but a goodbye's time starts with the next turn, which
        // knows what time it is.
        if !channel.write_blocked || channel.bye != Bye::None {
            self.enqueue_write(slot);
        }
        Ok(header)
    }

    /// A Hello or Welcome: makes its channel.
    fn admit_opening(
        &mut self,
        group: GroupId,
        opcode: Opcode,
        message: &mut Message<P>,
    ) -> Result<u32, Status> {
        if !message.channel().is_none() {
            return Err(Status::InvalidChannelNumber);
        }
        self.group_index(group).ok_or(Status::InvalidGroup)?;
        let hello = opcode == Opcode::HelloRequest;
        let address = if hello { CONNECT_TO } else { LISTEN_ON };
        message.text().get(address).ok_or(Status::WrongAddress)?;
        let bounds = match message.text().get(BOUNDS) {
            Some(value) if !hello => Bounds::parse(value, self.bounds)?,
            _ => self.bounds,
        };
        if self.stopping {
            return Err(Status::ShutdownStarted);
        }
        self.check_nodes(message)?;
        self.channels.vacancy().ok_or(Status::PoolEmpty)?;
        if hello {
            message.announce(bounds.limits, u16::MAX).map_err(|error| error.status())?;
        }
        let side = if hello { Side::Client } else { Side::Listener };
        let slot =
            self.open_channel(group, side, Phase::Posted, bounds).ok_or(Status::PoolEmpty)?;
        self.complete_id(message);
        self.pool.admit(message, 0, &PerClass::default(), 0);
        if let Some(channel) = self.channels.get_mut(slot) {
            channel.id = message.id();
            message.set_channel(channel.number);
        }
        Ok(slot)
    }

    fn complete_id(&mut self, message: &mut Message<P>) {
        if message.id() == 0 {
            message.set_id(P::unique_id(&mut self.ids));
        }
    }

    /// Everything else: goes to a channel that exists.
    fn admit_to_channel(
        &mut self,
        group: GroupId,
        opcode: Opcode,
        message: &mut Message<P>,
    ) -> Result<u32, Status> {
        let slot = self.numbers.find(message.channel()).ok_or(Status::InvalidChannelNumber)?;
        let channel = self.channels.get(slot).ok_or(Status::InvalidChannelNumber)?;
        if !channel.announced() {
            // The application cannot know it.
            return Err(Status::InvalidChannelNumber);
        }
        self.group_index(group).ok_or(Status::InvalidGroup)?;
        if channel.group != Some(group) {
            return Err(Status::InvalidGroup);
        }
        if opcode != Opcode::ByeSignal {
            message.check(channel.peer_limits)?;
        }
        if self.stopping {
            return Err(Status::ShutdownStarted);
        }
        if channel.phase == Phase::Closed || channel.abort.is_some() {
            return Err(Status::ChannelClosed);
        }
        if opcode != Opcode::ByeSignal {
            if channel.bye != Bye::None || channel.send_failed.is_some() {
                return Err(Status::ChannelClosed);
            }
            let allowed = match channel.side {
                Side::Listener => opcode == Opcode::ByeRequest,
                Side::Client => opcode != Opcode::HelloResponse,
                Side::Accepted => true,
            };
            if !allowed {
                return Err(Status::NotAllowed);
            }
            self.check_nodes(message)?;
            let greets = opcode == Opcode::HelloResponse;
            let growth = if greets { LIMITS_LINE } else { 0 };
            if !self.pool.admit(message, growth, &channel.unsent, self.channels.used()) {
                return Err(Status::PoolEmpty);
            }
            if greets {
                // With our own limits in it, it still has to fit the peer's.
                let most = channel.peer_limits.headers;
                message.announce(channel.bounds.limits, most).map_err(|error| error.status())?;
            }
        }
        self.complete_id(message);
        Ok(slot)
    }

    /// Takes a message off a channel's queue to hand it back.
    pub(super) fn pop_unsent(&mut self, slot: u32) -> Option<Message<P>> {
        let channel = self.channels.get_mut(slot)?;
        loop {
            match channel.tx.pop(&mut self.nodes)? {
                Item::Message(message) => {
                    channel.count_unqueued(message.opcode(), message.class());
                    return Some(message);
                }
                Item::Notice(_) => {}
            }
        }
    }
}

/// What every message has to pass, in the order of PROTOCOL.
fn check_form<P: Platform>(opcode: Opcode, message: &Message<P>) -> Result<(), Status> {
    if opcode == Opcode::WelcomeResponse {
        return Err(Status::InvalidOpCode);
    }
    if opcode.role() == Role::Response && message.id() == 0 {
        return Err(Status::InvalidMessageId);
    }
    if message.more() && !opcode.may_carry_more() {
        return Err(Status::InvalidMoreUsage);
    }
    Ok(())
}
