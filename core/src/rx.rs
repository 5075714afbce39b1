//! Framing in: from bytes to messages in a group's queue (PROTOCOL, sections 1 and 4).

use crate::channel::{Bye, Phase, Place, Side};
use crate::engine::Engine;
use crate::header::{HEADER_LEN, Header, Kind, Opcode, Role};
use crate::limits::LIMITS;
use crate::message::Message;
use crate::platform::Platform;
use crate::pool::Pool;
use crate::queue::{Item, Notice};
use crate::timer::Timer;
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

/// What became of what was read.
#[derive(PartialEq, Eq)]
enum Drained {
    /// All of it is used.
    Empty,
    /// The next frame cannot be taken now; the channel was put aside.
    Parked,
    /// The budget is used up.
    Budget,
    /// The channel ended.
    Ended,
}

/// Who else's bytes are in a group's staging buffer.
enum Staging {
    /// Nobody's.
    Free,
    /// Those of this channel, which may go on.
    Of(u32),
    /// Those of a channel that waits.
    Held,
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
    /// Nothing until the staging buffer is free.
    Block,
    /// Nothing until some of its messages are received, or its answers sent.
    Hold,
}

impl<P: Platform> Engine<P> {
    /// Reads one channel until there is no more, it had its turn, or something holds it up.
    pub(crate) fn read_channel(&mut self, slot: u32, io: &mut impl Transport, left: &mut u32) {
        let Some(group) = self.group_index_of(slot) else { return };
        if let Staging::Of(owner) = self.staging_for(slot, group)
            && self.drain(owner, group, io, left) == Drained::Budget
        {
            return self.enqueue_read(slot);
        }
        let (mut read, mut more) = (0, true);
        while self.is_readable(slot) {
            match self.drain(slot, group, io, left) {
                Drained::Empty if !more => break,
                Drained::Empty if read < QUOTA => {}
                Drained::Empty | Drained::Budget => {
                    self.enqueue_read(slot);
                    break;
                }
                Drained::Parked | Drained::Ended => return,
            }
            let window = match self.allowance(slot, group) {
                Allowance::Ahead(window) => window,
                Allowance::Rest => 0,
                Allowance::Block => return self.block(slot, group),
                Allowance::Hold => return self.hold(slot),
            };
            match self.fetch(slot, group, window, io) {
                Fetched::Bytes { count, full } => {
                    read += count;
                    more = full;
                    self.touch(slot);
                }
                Fetched::Pending => break,
                Fetched::Lost(status) => return self.finish_lost(slot, status, io),
            }
        }
        self.watch_frame(slot);
    }

    fn staging_for(&self, slot: u32, group: u32) -> Staging {
        let owner = self.groups.get(group).and_then(|group| group.owner);
        let Some(owner) = owner.filter(|&owner| owner != slot) else { return Staging::Free };
        match self.channels.get(owner).map(|channel| channel.place) {
            Some(Place::Parked(_) | Place::AwaitNotice) => Staging::Held,
            _ => Staging::Of(owner),
        }
    }

    fn is_readable(&self, slot: u32) -> bool {
        let channel = self.channels.get(slot);
        channel.is_some_and(|channel| matches!(channel.phase, Phase::AwaitHello | Phase::Open))
    }

    /// Puts a channel aside until its group may have another message of this class. Its frame's time
    /// stands still.
    fn park(&mut self, slot: u32, index: u32, class: usize) -> Drained {
        self.stop_timer(slot, Timer::Frame);
        // Its bytes may be used up on another channel's visit, while it waits for its own.
        self.dequeue_read(slot);
        let dry = self.pool.free_by_class().get(class) == Some(&0);
        let (Some(channel), Some(group)) =
            (self.channels.get_mut(slot), self.groups.get_mut(index))
        else {
            return Drained::Ended;
        };
        channel.place = Place::Parked(class);
        if let Some(list) = group.parked.get_mut(class) {
            list.push_back(self.channels.as_mut_slice(), slot);
        }
        group.parked_count += 1;
        self.parked += 1;
        if dry && !group.pool_empty_said && !group.pool_empty_waits {
            group.pool_empty_said = true;
            group.pool_empty_waits = true;
            debug!("pool is empty, reading stops");
            self.deliver(index, Item::Notice(Notice::of_group(Status::PoolEmpty)));
        }
        self.release_staging(slot, index);
        Drained::Parked
    }

    /// Puts a channel aside until the staging buffer of its group is free.
    fn block(&mut self, slot: u32, group: u32) {
        self.stop_timer(slot, Timer::Frame);
        let Some(channel) = self.channels.get_mut(slot) else { return };
        channel.place = Place::Blocked;
        if let Some(group) = self.groups.get_mut(group) {
            group.blocked.push_back(self.channels.as_mut_slice(), slot);
        }
    }

    /// Puts a channel aside until it holds less.
    fn hold(&mut self, slot: u32) {
        self.stop_timer(slot, Timer::Frame);
        if let Some(channel) = self.channels.get_mut(slot) {
            channel.held = true;
        }
    }

    /// Reads a channel again once it holds a quarter of what stopped it, so that reading does not
    /// stop and go with each message.
    pub(crate) fn release_hold(&mut self, slot: u32) {
        let Some(channel) = self.channels.get(slot).filter(|channel| channel.held) else { return };
        let free = self.pool.free_by_class();
        if free.iter().enumerate().any(|(class, free)| channel.holds(class) > free / 8) {
            return;
        }
        if let Some(channel) = self.channels.get_mut(slot) {
            channel.held = false;
        }
        self.enqueue_read(slot);
    }

    /// Starts the frame timer where a frame has begun and it does not run.
    fn watch_frame(&mut self, slot: u32) {
        let Some(channel) = self.channels.get(slot) else {
            return;
        };
        if channel.frame.begun() && !channel.frame_timer_runs() {
            self.start_timer(slot, Timer::Frame);
        }
    }

    /// What may be read now. Of each size class no more frames can begin in the bytes read ahead than
    /// the shares have room for, so that a frame which has to wait leaves nothing behind that would
    /// hold up the group's other channels.
    ///
    /// A message that was begun is always read on: where it is such messages that use up a
    /// share, nothing else would end the wait.
    fn allowance(&self, slot: u32, group_index: u32) -> Allowance {
        let (Some(channel), Some(group)) = (self.channels.get(slot), self.groups.get(group_index))
        else {
            return Allowance::Hold;
        };
        let begun = matches!(channel.frame, Frame::Payload { .. });
        if matches!(self.staging_for(slot, group_index), Staging::Held) {
            return if begun { Allowance::Rest } else { Allowance::Block };
        }
        let staging = group.staging.len();
        // What is not the beginning of another frame does not count.
        let (begun_header, skipped) = match channel.frame {
            Frame::Header { have, .. } => (have, 0),
            Frame::Payload { .. } => (0, 0),
            Frame::Skip { left, .. } => (0, left),
        };
        let mut window = staging;
        let mut smaller = 0;
        let classes = self.pool.classes().into_iter().zip(&group.unread);
        for (index, (class, &group_unread)) in classes.enumerate() {
            let mut room = class.free.saturating_sub(group_unread);
            // Half of a channel's share, so that what others take meanwhile costs no refusal to an
            // application that answers each.
            let held = channel.holds(index);
            if held > 0 && channel.send_failed.is_none() {
                let rest = (class.free / 2).saturating_sub(held);
                if rest == 0 {
                    return if begun { Allowance::Rest } else { Allowance::Hold };
                }
                room = room.min(rest);
            }
            // Each message that is taken makes one fewer free and one more held.
            let frames = usize::from(room.div_ceil(2));
            let most = match smaller {
                0 => frames * HEADER_LEN,
                _ => frames.saturating_sub(1).saturating_mul(smaller),
            };
            window = window.min(most);
            smaller = class.size;
        }
        let window = window.max(HEADER_LEN) - begun_header;
        Allowance::Ahead(window.saturating_add(skipped).min(staging))
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

    /// Turns what was read into messages.
    fn drain(&mut self, slot: u32, group: u32, io: &mut impl Transport, left: &mut u32) -> Drained {
        loop {
            if *left == 0 {
                return Drained::Budget;
            }
            let Some(complete) = self.advance(slot, group) else {
                self.release_staging(slot, group);
                return Drained::Empty;
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
            if outcome != Drained::Empty {
                return outcome;
            }
        }
    }

    /// Lets others have the staging buffer, once this channel's bytes in it are used.
    fn release_staging(&mut self, slot: u32, index: u32) {
        let Some(group) = self.groups.get_mut(index) else { return };
        if group.owner == Some(slot) && group.staged().is_empty() {
            group.discard();
            self.unblock(index);
        }
    }

    /// Moves staged bytes into the frame at hand until one part of it is complete; `None`
    /// when the bytes are used up before.
    fn advance(&mut self, slot: u32, group: u32) -> Option<Complete<P>> {
        let channel = self.channels.get_mut(slot)?;
        let group = self.groups.get_mut(group)?;
        let owns = group.owner == Some(slot);
        let staged = if owns { group.staged() } else { Default::default() };
        match &mut channel.frame {
            Frame::Header { have, bytes } => {
                let room = bytes.get_mut(*have..).unwrap_or_default();
                let count = copy_to(room, staged);
                group.consume(count);
                *have += count;
                if *have < HEADER_LEN {
                    return None;
                }
                Some(Complete::Header(*bytes))
            }
            Frame::Payload { message, filled } => {
                let count = copy_to(message.unfilled(*filled), staged);
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
                let count = (*left).min(staged.len());
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
    ) -> Drained {
        let Ok(header) = Header::decode(bytes) else {
            return self.end(slot, Status::InvalidMessage, io);
        };
        match self.judge(slot, &header) {
            Verdict::End(status) => self.end(slot, status, io),
            Verdict::Skip(status) => self.begin_skip(slot, group, header, status),
            Verdict::Take => self.begin_message(slot, group, bytes, header.frame_len()),
        }
    }

    fn begin_message(
        &mut self,
        slot: u32,
        group_index: u32,
        header: &[u8; HEADER_LEN],
        frame_len: usize,
    ) -> Drained {
        let Some(group) = self.groups.get_mut(group_index) else { return Drained::Ended };
        let mut message = match Pool::get_shared(&self.pool, frame_len, &group.unread) {
            Ok(message) => message,
            Err(class) => return self.park(slot, group_index, class),
        };
        let class = message.class();
        let Some(channel) = self.channels.get_mut(slot) else { return Drained::Ended };
        message.receive_header(header, channel.number);
        count_up(&mut group.unread, class);
        count_up(&mut channel.unread, class);
        channel.frame = Frame::Payload { message, filled: HEADER_LEN };
        Drained::Empty
    }

    fn begin_skip(&mut self, slot: u32, group: u32, header: Header, status: Status) -> Drained {
        let Some(channel) = self.channels.get_mut(slot) else { return Drained::Ended };
        if channel.notice_waits {
            // One at a time, so that a peer cannot fill the queue with them.
            self.dequeue_read(slot);
            if let Some(channel) = self.channels.get_mut(slot) {
                channel.place = Place::AwaitNotice;
            }
            self.stop_timer(slot, Timer::Frame);
            self.release_staging(slot, group);
            return Drained::Parked;
        }
        channel.frame = Frame::Skip { header, left: header.payload_len(), status };
        Drained::Empty
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
        match self.limits.check(header.text_len.into(), header.body_len.into()) {
            Ok(()) => Verdict::Take,
            // An unannounced channel has nobody to tell.
            Err(_) if first => Verdict::End(Status::InvalidMessage),
            Err(status) => Verdict::Skip(status),
        }
    }

    /// A peer's message is whole: what it means for the channel, then into the queue.
    fn deliver_peer(&mut self, slot: u32, message: Message<P>, io: &mut impl Transport) -> Drained {
        self.stop_timer(slot, Timer::Frame);
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
    ) -> Drained {
        let Some(channel) = self.channels.get_mut(slot) else {
            return Drained::Ended;
        };
        match opcode {
            Opcode::ByeRequest => {
                channel.peer_bye = true;
                if channel.bye != Bye::Sent {
                    return Drained::Empty;
                }
                // Both asked at once: neither will be answered, and all is said.
                self.finish(slot, Close::Graceful, Status::Success, io);
                Drained::Ended
            }
            Opcode::ByeResponse => {
                let asked = channel.bye == Bye::Sent;
                let status = if asked { Status::Success } else { Status::PeerDisconnected };
                self.finish(slot, Close::Graceful, status, io);
                Drained::Ended
            }
            _ => Drained::Empty,
        }
    }

    fn finish_skipped(
        &mut self,
        slot: u32,
        header: &Header,
        status: Status,
        io: &mut impl Transport,
    ) -> Drained {
        self.stop_timer(slot, Timer::Frame);
        let Some(channel) = self.channels.get_mut(slot) else {
            return Drained::Ended;
        };
        channel.notice_waits = true;
        let notice = Notice { channel: channel.number, id: header.id, status, reason: status };
        if let Some(group) = self.group_index_of(slot) {
            self.deliver(group, Item::Notice(notice));
        }
        self.after_bye_from_peer(slot, header.opcode, io)
    }

    fn end(&mut self, slot: u32, status: Status, io: &mut impl Transport) -> Drained {
        debug!("peer ends channel: {}", status.code());
        self.finish(slot, Close::Graceful, status, io);
        Drained::Ended
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
