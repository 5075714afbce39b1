//! Framing in: from bytes to messages in a group's queue (PROTOCOL, sections 1 and 4).

use crate::channel::{Bye, Phase, Place, Side};
use crate::engine::Engine;
use crate::header::{HEADER_LEN, Header, Kind, Opcode, Role};
use crate::limits::LIMITS;
use crate::message::Message;
use crate::platform::Platform;
use crate::pool::Pool;
use crate::queue::{Item, Notice};
use crate::transport::{Close, Link, Transport};
use crate::{Limits, Status};
use core::task::Poll;

/// The most bytes one channel is read before the next gets its turn: four times the usual
/// staging buffer.
const QUOTA: usize = 256 * 1024;

/// How much of a frame is here.
pub(crate) enum Frame<P: Platform> {
    /// `have` bytes of the header. All 16 when the frame waits for a message.
    Header { have: usize, bytes: [u8; HEADER_LEN] },
    /// The header, and the message up to `filled`.
    Payload { message: Message<P>, filled: usize },
    /// A frame that is too long: `left` bytes are still to be thrown away.
    Skip { header: Header, left: usize, status: Status },
}

impl<P: Platform> Default for Frame<P> {
    fn default() -> Self {
        Frame::Header { have: 0, bytes: [0; HEADER_LEN] }
    }
}

impl<P: Platform> Frame<P> {
    /// Whether a frame has begun.
    pub(crate) fn begun(&self) -> bool {
        !matches!(self, Frame::Header { have: 0, .. })
    }
}

/// What to do with a frame, judged by its header.
enum Verdict {
    Take,
    Skip(Status),
    /// The channel ends, for this reason.
    End(Status),
}

/// What became of the bytes read ahead.
#[derive(PartialEq, Eq)]
enum Staged {
    /// All are used.
    Drained,
    /// The group cannot take the next frame now.
    Paused,
    /// The budget is used up.
    Budget,
    /// The channel ended.
    Ended,
}

/// What one call of the transport's `recv` brought.
enum Fetched {
    /// Some bytes; whether as many as there was room for.
    Bytes {
        count: usize,
        full: bool,
    },
    Pending,
    Lost(Status),
}

/// What a channel may be read now.
enum Allowance {
    /// The message at hand, and so many bytes ahead.
    Ahead(usize),
    /// The message at hand.
    Rest,
    /// Nothing until its group may be read again.
    Park,
    /// Nothing until some of its answers are sent.
    Hold,
}

impl<P: Platform> Engine<P> {
    /// Reads one channel until there is no more, it had its turn, or something holds it up.
    pub(crate) fn read_channel(&mut self, slot: u32, io: &mut impl Transport, left: &mut u32) {
        let Some(group) = self.group_index_of(slot) else { return };
        // What was read ahead for a channel of this group goes first.
        if let Some(owner) = self.drainable(group)
            && self.drain_staging(owner, group, io, left) == Staged::Budget
        {
            return self.enqueue_read(slot);
        }
        let mut read = 0;
        while self.is_readable(slot) {
            if *left == 0 || read >= QUOTA {
                self.enqueue_read(slot);
                break;
            }
            let window = match self.allowance(slot, group) {
                Allowance::Ahead(window) => window,
                Allowance::Rest => 0,
                Allowance::Park => return self.park(slot, group),
                Allowance::Hold => return self.hold(slot),
            };
            let (count, full) = match self.fetch(slot, group, window, io) {
                Fetched::Bytes { count, full } => (count, full),
                Fetched::Pending => break,
                Fetched::Lost(status) => return self.finish_lost(slot, status, io),
            };
            read += count;
            self.touch(slot);
            let staged = match window {
                0 => self.complete_rest(slot, io, left),
                _ => self.drain_staging(slot, group, io, left),
            };
            match staged {
                Staged::Drained if !full => break,
                Staged::Drained | Staged::Paused => {}
                Staged::Budget => return self.enqueue_read(slot),
                Staged::Ended => return,
            }
        }
        self.watch_frame(slot);
    }

    /// The channel whose bytes were read ahead, if its group may go on with them.
    fn drainable(&self, group: u32) -> Option<u32> {
        let group = self.groups.get(group)?;
        if group.is_paused { None } else { group.owner }
    }

    fn is_readable(&self, slot: u32) -> bool {
        let channel = self.channels.get(slot);
        channel.is_some_and(|channel| matches!(channel.phase, Phase::AwaitHello | Phase::Open))
    }

    /// Puts a channel aside until its group may be read again. Its frame's time stands still.
    fn park(&mut self, slot: u32, group: u32) {
        self.frame_timer.disarm(self.channels.as_mut_slice(), slot);
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        if channel.place != Place::None {
            return;
        }
        channel.place = Place::Paused;
        if let Some(group) = self.groups.get_mut(group) {
            group.paused.push_back(self.channels.as_mut_slice(), slot);
        }
    }

    /// Puts a channel aside until it has sent some of what it holds.
    fn hold(&mut self, slot: u32) {
        self.frame_timer.disarm(self.channels.as_mut_slice(), slot);
        if let Some(channel) = self.channels.get_mut(slot) {
            channel.held = true;
        }
    }

    /// Starts the frame timer where a frame has begun and it does not run.
    fn watch_frame(&mut self, slot: u32) {
        let Some(channel) = self.channels.get(slot) else {
            return;
        };
        if channel.frame.begun() && !channel.frame_timer_runs() {
            self.frame_timer.arm(self.channels.as_mut_slice(), slot, self.now);
        }
    }

    /// What may be read now. Bytes are read ahead only for as few messages as they may hold
    /// that the shares have room for all of them.
    ///
    /// A message that was begun is always read on: where it is such messages that use up a
    /// share, nothing else would end the wait.
    fn allowance(&self, slot: u32, group: u32) -> Allowance {
        let (Some(channel), Some(group)) = (self.channels.get(slot), self.groups.get(group)) else {
            return Allowance::Park;
        };
        let begun = matches!(channel.frame, Frame::Payload { .. });
        if group.is_paused {
            return if begun { Allowance::Rest } else { Allowance::Park };
        }
        let free = self.pool.free_by_class();
        let ([free_small, ..], [group_small, ..]) = (free, group.unread);
        let mut small = free_small.saturating_sub(group_small);
        for (class, (&free, &answers)) in free.iter().zip(&channel.answers).enumerate() {
            if answers == 0 || channel.send_failed.is_some() {
                continue;
            }
            let unread = channel.unread.get(class).copied().unwrap_or_default();
            let room = free.saturating_sub(answers.saturating_add(unread));
            if room == 0 {
                return if begun { Allowance::Rest } else { Allowance::Hold };
            }
            if class == 0 {
                small = small.min(room);
            }
        }
        // Each message that is taken makes one fewer free and one more held.
        let messages = usize::from(small.div_ceil(2));
        let most = group.staging.len();
        Allowance::Ahead((messages * HEADER_LEN).clamp(HEADER_LEN.min(most), most))
    }

    /// Reads once: the rest of the message at hand, then `window` bytes ahead.
    fn fetch(&mut self, slot: u32, group: u32, window: usize, io: &mut impl Transport) -> Fetched {
        let (Some(channel), Some(group)) =
            (self.channels.get_mut(slot), self.groups.get_mut(group))
        else {
            return Fetched::Pending;
        };
        let rest: &mut [u8] = match &mut channel.frame {
            Frame::Payload { message, filled } => message.unfilled(*filled),
            _ => Default::default(),
        };
        let rest_len = rest.len();
        let ahead = group.staging.get_mut(..window).unwrap_or_default();
        let room = rest_len + ahead.len();
        let link = link_of(slot);
        let received = match (rest.is_empty(), ahead.is_empty()) {
            (true, _) => io.recv(link, &mut [ahead]),
            (false, true) => io.recv(link, &mut [rest]),
            (false, false) => io.recv(link, &mut [rest, ahead]),
        };
        let count = match received {
            Poll::Pending => return Fetched::Pending,
            Poll::Ready(Ok(0)) => return Fetched::Lost(Status::PeerDisconnected),
            Poll::Ready(Ok(count)) => count.min(room),
            Poll::Ready(Err(status)) => return Fetched::Lost(status),
        };
        if let Frame::Payload { filled, .. } = &mut channel.frame {
            *filled += count.min(rest_len);
        }
        if window > 0 {
            group.ahead = 0..count.saturating_sub(rest_len);
            group.owner = Some(slot);
        }
        Fetched::Bytes { count, full: count == room }
    }

    /// Delivers the message at hand if it is whole now.
    fn complete_rest(&mut self, slot: u32, io: &mut impl Transport, left: &mut u32) -> Staged {
        let Some(channel) = self.channels.get_mut(slot) else { return Staged::Ended };
        match core::mem::take(&mut channel.frame) {
            Frame::Payload { message, filled } if filled >= message.raw_header().frame_len() => {
                *left = left.saturating_sub(1);
                self.moved += 1;
                self.deliver_peer(slot, message, io)
            }
            frame => {
                channel.frame = frame;
                Staged::Drained
            }
        }
    }

    /// Turns what was read ahead into messages.
    fn drain_staging(
        &mut self,
        slot: u32,
        group: u32,
        io: &mut impl Transport,
        left: &mut u32,
    ) -> Staged {
        loop {
            let Some(owner) = self.groups.get(group).and_then(|group| group.owner) else {
                return Staged::Ended;
            };
            debug_assert_eq!(owner, slot, "bytes read ahead belong to another channel");
            if *left == 0 {
                return Staged::Budget;
            }
            let Some(complete) = self.advance(slot, group) else {
                return self.release_staging(group);
            };
            let outcome = match complete {
                Complete::Header(bytes) => self.begin_frame(slot, group, &bytes, io),
                Complete::Message(message) => {
                    *left -= 1;
                    self.moved += 1;
                    self.deliver_peer(slot, message, io)
                }
                Complete::Skipped(header, status) => {
                    *left -= 1;
                    self.finish_skipped(slot, &header, status, io)
                }
            };
            if outcome != Staged::Drained {
                return outcome;
            }
        }
    }

    fn release_staging(&mut self, group: u32) -> Staged {
        if let Some(group) = self.groups.get_mut(group) {
            group.discard();
        }
        Staged::Drained
    }

    /// Moves staged bytes into the frame at hand until one part of it is complete; `None`
    /// when the bytes are used up before.
    fn advance(&mut self, slot: u32, group: u32) -> Option<Complete<P>> {
        let channel = self.channels.get_mut(slot)?;
        let group = self.groups.get_mut(group)?;
        match &mut channel.frame {
            Frame::Header { have, bytes } => {
                let room = bytes.get_mut(*have..).unwrap_or_default();
                let count = copy_to(room, group.staged());
                group.consume(count);
                *have += count;
                if *have < HEADER_LEN {
                    return None;
                }
                Some(Complete::Header(*bytes))
            }
            Frame::Payload { message, filled } => {
                let count = copy_to(message.unfilled(*filled), group.staged());
                group.consume(count);
                *filled += count;
                if !message.unfilled(*filled).is_empty() {
                    return None;
                }
                match core::mem::take(&mut channel.frame) {
                    Frame::Payload { message, .. } => Some(Complete::Message(message)),
                    _ => None,
                }
            }
            Frame::Skip { header, left, status } => {
                let count = (*left).min(group.staged().len());
                group.consume(count);
                *left -= count;
                if *left > 0 {
                    return None;
                }
                let complete = Complete::Skipped(*header, *status);
                channel.frame = Frame::default();
                Some(complete)
            }
        }
    }

    /// Decides what happens with a frame whose header is here.
    fn begin_frame(
        &mut self,
        slot: u32,
        group: u32,
        bytes: &[u8; HEADER_LEN],
        io: &mut impl Transport,
    ) -> Staged {
        let Ok(header) = Header::decode(bytes) else {
            return self.end(slot, Status::InvalidMessage, io);
        };
        match self.judge(slot, &header) {
            Verdict::End(status) => self.end(slot, status, io),
            Verdict::Skip(status) => self.begin_skip(slot, group, header, status),
            Verdict::Take => self.begin_message(slot, group, header),
        }
    }

    fn begin_message(&mut self, slot: u32, group_index: u32, header: Header) -> Staged {
        let class = self.pool.class_of(header.frame_len());
        let Some(group) = self.groups.get_mut(group_index) else {
            return Staged::Ended;
        };
        let held = group.unread.get(class).copied().unwrap_or_default();
        let Some(mut message) = Pool::get_shared(&self.pool, header.frame_len(), held) else {
            self.pause_group(group_index, class);
            return Staged::Paused;
        };
        let Some(channel) = self.channels.get_mut(slot) else {
            return Staged::Ended;
        };
        *message.header_mut() = Header {
            channel: channel.number,
            origin: Default::default(),
            status: Status::Success,
            ..header
        };
        count_up(&mut group.unread, class);
        count_up(&mut channel.unread, class);
        channel.frame = Frame::Payload { message, filled: HEADER_LEN };
        Staged::Drained
    }

    fn begin_skip(&mut self, slot: u32, group: u32, header: Header, status: Status) -> Staged {
        let Some(channel) = self.channels.get_mut(slot) else {
            return Staged::Ended;
        };
        if channel.notice_waits {
            // One at a time, so that a peer cannot fill the queue with them.
            if let Some(group) = self.groups.get_mut(group) {
                group.is_paused = true;
                self.paused_groups += 1;
            }
            return Staged::Paused;
        }
        channel.frame = Frame::Skip { header, left: header.payload_len(), status };
        Staged::Drained
    }

    /// PROTOCOL, section 4: protocol violations and limits.
    fn judge(&self, slot: u32, header: &Header) -> Verdict {
        let Some(channel) = self.channels.get(slot) else {
            return Verdict::End(Status::InvalidMessage);
        };
        let opcode = header.opcode;
        if opcode == Opcode::ByeSignal {
            return Verdict::End(Status::PeerDisconnected);
        }
        let first = channel.phase == Phase::AwaitHello;
        let violates = opcode.kind() == Kind::Welcome
            || first != (opcode == Opcode::HelloRequest)
            || (opcode == Opcode::HelloResponse && channel.side != Side::Client)
            || (header.more && !opcode.may_carry_more())
            || (opcode.role() == Role::Response && header.id == 0);
        if violates {
            return Verdict::End(Status::InvalidMessage);
        }
        match self.limits.check(header) {
            Ok(()) => Verdict::Take,
            // An unannounced channel has nobody to tell.
            Err(_) if first => Verdict::End(Status::InvalidMessage),
            Err(status) => Verdict::Skip(status),
        }
    }

    /// Stops reading a group until it has room again.
    fn pause_group(&mut self, index: u32, class: usize) {
        let dry = self.pool.free_by_class().get(class) == Some(&0);
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        group.is_paused = true;
        self.paused_groups += 1;
        if dry && !group.pool_empty_said && !group.pool_empty_waits {
            group.pool_empty_said = true;
            group.pool_empty_waits = true;
            debug!("pool is empty, reading stops");
            self.deliver(index, Item::Notice(Notice::of_group(Status::PoolEmpty)));
        }
    }

    /// A peer's message is whole: what it means for the channel, then into the queue.
    fn deliver_peer(&mut self, slot: u32, message: Message<P>, io: &mut impl Transport) -> Staged {
        self.frame_timer.disarm(self.channels.as_mut_slice(), slot);
        let opcode = message.opcode();
        let id = message.id();
        if matches!(opcode, Opcode::HelloRequest | Opcode::HelloResponse) {
            let limits = message.text().get(LIMITS).map_or(Limits::MAX, Limits::parse);
            if let Some(channel) = self.channels.get_mut(slot) {
                channel.peer_limits = limits;
            }
        }
        if opcode == Opcode::HelloRequest {
            self.stop_phase_timer(slot);
            if let Some(channel) = self.channels.get_mut(slot) {
                channel.phase = Phase::Open;
                channel.id = id;
            }
        }
        if let Some(group) = self.group_index_of(slot) {
            self.deliver(group, Item::Message(message));
        }
        self.after_bye_from_peer(slot, opcode, io)
    }

    fn after_bye_from_peer(
        &mut self,
        slot: u32,
        opcode: Opcode,
        io: &mut impl Transport,
    ) -> Staged {
        let Some(channel) = self.channels.get_mut(slot) else {
            return Staged::Ended;
        };
        match opcode {
            Opcode::ByeRequest => {
                channel.peer_bye = true;
                if channel.bye != Bye::Sent {
                    return Staged::Drained;
                }
                // Both asked at once: neither will be answered, and all is said.
                self.finish(slot, Close::Graceful, Status::Success, io);
                Staged::Ended
            }
            Opcode::ByeResponse => {
                let asked = channel.bye == Bye::Sent;
                let status = if asked { Status::Success } else { Status::PeerDisconnected };
                self.finish(slot, Close::Graceful, status, io);
                Staged::Ended
            }
            _ => Staged::Drained,
        }
    }

    fn finish_skipped(
        &mut self,
        slot: u32,
        header: &Header,
        status: Status,
        io: &mut impl Transport,
    ) -> Staged {
        self.frame_timer.disarm(self.channels.as_mut_slice(), slot);
        let Some(channel) = self.channels.get_mut(slot) else {
            return Staged::Ended;
        };
        channel.notice_waits = true;
        let notice = Notice { channel: channel.number, id: header.id, status, reason: status };
        if let Some(group) = self.group_index_of(slot) {
            self.deliver(group, Item::Notice(notice));
        }
        self.after_bye_from_peer(slot, header.opcode, io)
    }

    fn end(&mut self, slot: u32, status: Status, io: &mut impl Transport) -> Staged {
        debug!("peer ends channel: {}", status.code());
        self.finish(slot, Close::Graceful, status, io);
        Staged::Ended
    }
}

/// A part of a frame that is whole.
enum Complete<P: Platform> {
    Header([u8; HEADER_LEN]),
    Message(Message<P>),
    Skipped(Header, Status),
}

/// The transport's name for a channel.
pub(crate) fn link_of(slot: u32) -> Link {
    Link(u16::try_from(slot).unwrap_or(u16::MAX))
}

/// Copies as much as fits and says how much that was.
fn copy_to(room: &mut [u8], bytes: &[u8]) -> usize {
    let count = room.len().min(bytes.len());
    if let (Some(to), Some(from)) = (room.get_mut(..count), bytes.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

pub(crate) fn count_up(counts: &mut [u16], class: usize) {
    if let Some(count) = counts.get_mut(class) {
        *count = count.saturating_add(1);
    }
}

pub(crate) fn count_down(counts: &mut [u16], class: usize) {
    if let Some(count) = counts.get_mut(class) {
        debug_assert!(*count > 0, "more counted down than up");
        *count = count.saturating_sub(1);
    }
}
