//! Framing in: from bytes to messages in a group's queue (PROTOCOL, sections 1 and 4).

use crate::Status;
use crate::bytes;
use crate::channel::{Bye, Channel, Phase, Place, Side};
use crate::engine::{Engine, spend_on_connection};
use crate::group::Group;
use crate::header::{HEADER_LEN, Kind, Opcode, Role, wire};
use crate::list::List;
use crate::message::Message;
use crate::platform::Platform;
use crate::pool::{PerClass, Pool, count, known_class};
use crate::queue::{Item, Notice};
use crate::storage::Table;
use crate::timer::Timer;
use crate::transport::{Close, Link, Transport};
use core::task::Poll;

/// The bytes after which the next channel gets its turn: a usual staging buffer.
const QUOTA: usize = 16 * 1024;

/// Bytes that take about as long as a message more.
const MESSAGE: usize = 4096;

/// The bytes that a visit is worth though they make no frame whole.
const LITTLE: usize = 512;

/// The frame a channel is being read.
pub(crate) struct Frame<P: Platform> {
    header: [u8; HEADER_LEN],
    /// How many of the frame's bytes are here. Those of the header only, while neither of the two
    /// below is there: then the frame waits for a message.
    have: usize,
    /// What it is read into.
    pub(crate) message: Option<Message<P>>,
    /// It is too long, or has too many lines, for this reason, and is thrown away.
    skipped: Option<Status>,
}

impl<P: Platform> Default for Frame<P> {
    fn default() -> Self {
        Frame { header: [0; HEADER_LEN], have: 0, message: None, skipped: None }
    }
}

impl<P: Platform> Frame<P> {
    /// Whether a frame has begun.
    pub(crate) fn begun(&self) -> bool {
        self.have > 0
    }

    /// Whether it is thrown away.
    pub(crate) fn is_skipped(&self) -> bool {
        self.skipped.is_some()
    }

    /// How many bytes are missing; of the header until that is here.
    fn missing(&self) -> usize {
        let whole = match self.have < HEADER_LEN {
            true => HEADER_LEN,
            false => wire::frame_len(&self.header),
        };
        whole.saturating_sub(self.have)
    }

    /// Whether the frame, which is whole, has more lines of text headers than this.
    fn text_lines_exceed(&self, most: u16) -> bool {
        // Each but the last ends with two bytes.
        let may = wire::text_len(&self.header).div_ceil(2) > most;
        let lines = |message: &Message<P>| message.text().line_count();
        may && self.message.as_ref().is_some_and(|message| lines(message) > most.into())
    }
}

/// What the bytes at hand come to.
enum Step {
    /// They are used up.
    Starved,
    /// A frame needs a message of this size class, and may not have one now.
    Park(usize),
    /// A frame that is too long begins, and the notice about the last one was not received yet.
    AwaitNotice,
    /// The channel ends, for this reason.
    End(Status),
    /// A message went into the group's queue.
    Received(Opcode),
    /// A frame was thrown away.
    Skipped { id: u64, opcode: Opcode, status: Status },
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
    /// Nothing before the staging buffer is free.
    Block,
    /// Nothing before some of its messages are received, or its answers sent.
    Hold,
}

impl<P: Platform> Engine<P> {
    /// Reads one channel until there is no more, it had its turn, or something holds it up.
    pub(crate) fn read_channel(&mut self, slot: u32, io: &mut impl Transport, left: &mut u32) {
        let Some(group) = self.group_index_of(slot) else { return };
        if self.waiting_in(group) >= P::READ_AHEAD {
            return self.block(slot, group);
        }
        if self.channels.get(slot).is_some_and(|channel| channel.later)
            && let Staging::Of(owner) = self.staging_for(slot, group)
            && self.drain(owner, group, io, left) == Drained::Budget
        {
            return self.enqueue_read(slot);
        }
        let before = self.moved;
        let (mut read, mut more, mut again) = (0, true, false);
        while self.is_readable(slot) {
            let drained = match self.has_bytes(slot, group) {
                true => self.drain(slot, group, io, left),
                false => Drained::Empty,
            };
            match drained {
                Drained::Empty if !more => break,
                Drained::Empty if read < QUOTA => {}
                Drained::Empty | Drained::Budget => {
                    again = true;
                    break;
                }
                Drained::Parked => return,
                Drained::Ended => return spend_on_connection(left),
            }
            match self.fetch(slot, group, io, *left) {
                Fetched::Bytes { count, full } => {
                    read += count;
                    more = full;
                    self.touch(slot);
                    if self.channels.get(slot).is_some_and(Channel::asked_to_close) {
                        self.extend_goodbye(slot);
                    }
                }
                Fetched::Pending => break,
                Fetched::Lost(status) => {
                    spend_on_connection(left);
                    return self.finish_lost(slot, status, io);
                }
                Fetched::Block => return self.block(slot, group),
                Fetched::Hold => return self.hold(slot),
            }
        }
        *left = left.saturating_sub((read / MESSAGE) as u32);
        if let Some(channel) = self.channels.get_mut(slot).filter(|_| read > 0) {
            channel.later = again || (read < LITTLE && self.moved == before);
        }
        if again {
            self.enqueue_read(slot);
        }
        self.watch_frame(slot);
    }

    fn staging_for(&self, slot: u32, group: u32) -> Staging {
        let owner = self.groups.get(group).and_then(|group| group.owner);
        let Some(owner) = owner.filter(|&owner| owner != slot) else { return Staging::Free };
        match self.channels.get(owner).map(|channel| channel.place) {
            Some(Place::Parked(_) | Place::AwaitNotice | Place::Blocked) => Staging::Held,
            _ => Staging::Of(owner),
        }
    }

    /// Whether bytes of a channel are at hand: else there is nothing to drain.
    fn has_bytes(&self, slot: u32, group: u32) -> bool {
        self.groups.get(group).is_some_and(|group| group.owner == Some(slot))
            || self.channels.get(slot).is_some_and(|channel| channel.frame.begun())
    }

    fn is_readable(&self, slot: u32) -> bool {
        let channel = self.channels.get(slot);
        channel.is_some_and(|channel| matches!(channel.phase, Phase::AwaitHello | Phase::Open))
    }

    /// Puts a channel aside until its group may have another message of this class. Its frame's time
    /// stands still.
    fn park(&mut self, slot: u32, index: u32, class: usize) -> Drained {
        self.stop_frame_timer(slot);
        let class = known_class::<P>(class);
        // Its bytes may be used up on another channel's visit, while it waits for its own.
        self.dequeue_read(slot);
        let dry = self.pool.stocks().nth(class).is_some_and(|stock| stock.free() == 0);
        let (Some(channel), Some(group)) =
            (self.channels.get_mut(slot), self.groups.get_mut(index))
        else {
            return Drained::Ended;
        };
        debug_assert_eq!(channel.place, Place::None);
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
        self.return_unsendable(slot);
        self.release_staging(slot, index);
        Drained::Parked
    }

    /// Puts a channel aside until its group's staging buffer is free, or its receiver catches up.
    fn block(&mut self, slot: u32, group: u32) {
        self.stop_frame_timer(slot);
        let Some(channel) = self.channels.get_mut(slot) else { return };
        debug_assert_eq!(channel.place, Place::None);
        channel.place = Place::Blocked;
        if let Some(group) = self.groups.get_mut(group) {
            group.blocked.push_back(self.channels.as_mut_slice(), slot);
        }
    }

    /// Goes on reading where the receiver of a group has caught up.
    pub(crate) fn catch_up(&mut self, index: u32) {
        if self.waiting_in(index) == P::READ_AHEAD / 2 {
            self.unblock(index);
        }
    }

    /// Whether a channel may have something to read that only we keep it from: it is about to be read, or would be if
    /// the application received what is there.
    pub(crate) fn is_kept_waiting(&self, slot: u32) -> bool {
        let (Some(channel), Some(index)) = (self.channels.get(slot), self.group_index_of(slot))
        else {
            return false;
        };
        let unread = |class| self.groups.get(index).map_or(0, |group| count(&group.unread, class));
        match channel.place {
            Place::Reading | Place::ReadingLater | Place::Resumed | Place::AwaitNotice => true,
            Place::Parked(class) => unread(class) > 0,
            Place::Blocked => {
                let owner = self.groups.get(index).and_then(|group| group.owner);
                self.waiting_in(index) > P::READ_AHEAD / 2
                    || owner.is_some_and(|owner| owner != slot && self.is_kept_waiting(owner))
            }
            Place::None | Place::Waiting => channel.waits(),
        }
    }

    /// How much waits to be received; where so few messages can wait that reading never stops for
    /// it, the compiler knows that it is not asked.
    fn waiting_in(&self, index: u32) -> u32 {
        match self.groups.get(index) {
            Some(group) if P::FreeList::CAPACITY >= P::READ_AHEAD as usize / 2 => group.queue.len(),
            _ => 0,
        }
    }

    /// Puts a channel aside until it holds less.
    fn hold(&mut self, slot: u32) {
        self.stop_frame_timer(slot);
        if let Some(channel) = self.channels.get_mut(slot) {
            channel.held = true;
        }
    }

    /// Reads a channel that is held again once it holds a quarter of what stopped it, so that reading does not
    /// stop and go with each message.
    pub(crate) fn release_hold(&mut self, slot: u32) {
        let Some(channel) = self.channels.get_mut(slot) else { return };
        debug_assert!(channel.held);
        for (class, stock) in self.pool.stocks().enumerate() {
            if channel.holds(class) > stock.free() / 8 {
                return;
            }
        }
        channel.held = false;
        self.enqueue_read(slot);
    }

    /// Most frames arrive at once, and it never ran.
    fn stop_frame_timer(&mut self, slot: u32) {
        if self.channels.get(slot).is_some_and(Channel::frame_timer_runs) {
            self.stop_timer(slot, Timer::Frame);
        }
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

    /// Reads once: the rest of the message at hand, then what may be read ahead.
    ///
    /// A message that was begun is always read on: where it is such messages that use up a
    /// share, nothing else would end the wait. Who has been quiet does not wait for what was read ahead
    /// for others to be used, but reads a header and a message without.
    fn fetch(
        &mut self,
        slot: u32,
        group_index: u32,
        io: &mut impl Transport,
        left: u32,
    ) -> Fetched {
        let staging = self.staging_for(slot, group_index);
        let channels = self.channels.used();
        let (Some(channel), Some(group)) =
            (self.channels.get_mut(slot), self.groups.get_mut(group_index))
        else {
            return Fetched::Pending;
        };
        let taken = !matches!(staging, Staging::Free);
        let bare = taken && channel.may_read_bare();
        let held = taken && !bare;
        let mut window = if held { None } else { window(channel, group, &self.pool, channels) };
        let frame = &mut channel.frame;
        let rest: &mut [u8] = match &mut frame.message {
            Some(message) => message.unfilled(frame.have),
            None if window.is_none() => return if held { Fetched::Block } else { Fetched::Hold },
            None if bare => frame.header.get_mut(frame.have..).unwrap_or_default(),
            None => Default::default(),
        };
        // No more of it at once than the turn has time for.
        let most = rest.len().min((left as usize).saturating_mul(MESSAGE));
        window = window.filter(|_| !bare && most == rest.len());
        let rest = rest.get_mut(..most).unwrap_or_default();
        let ahead = group.staging.get_mut(..window.unwrap_or(0)).unwrap_or_default();
        let (rest_len, room) = (rest.len(), rest.len() + ahead.len());
        debug_assert!(room > 0, "nothing read would be taken for the end of the stream");
        let received = match rest_len {
            0 => io.recv(link_of(slot), &mut [ahead]),
            _ => io.recv(link_of(slot), &mut [rest, ahead]),
        };
        let count = match received {
            Poll::Pending => return Fetched::Pending,
            Poll::Ready(Ok(0)) => return Fetched::Lost(Status::PeerDisconnected),
            Poll::Ready(Ok(count)) => count.min(room),
            Poll::Ready(Err(status)) => return Fetched::Lost(status),
        };
        frame.have += count.min(rest_len);
        if window.is_some() {
            group.ahead = 0..count.saturating_sub(rest_len);
            group.owner = Some(slot);
        }
        Fetched::Bytes { count, full: count == room }
    }

    /// Turns what was read into messages.
    fn drain(&mut self, slot: u32, group: u32, io: &mut impl Transport, left: &mut u32) -> Drained {
        while *left > 0 {
            match self.step(slot, group) {
                Step::Starved => {
                    self.release_staging(slot, group);
                    return Drained::Empty;
                }
                Step::Park(class) => return self.park(slot, group, class),
                Step::AwaitNotice => return self.await_notice(slot, group),
                Step::End(status) => return self.end(slot, status, io),
                Step::Received(opcode) => {
                    self.moved += 1;
                    if opcode.kind() != Kind::Regular && self.follow_up(slot, opcode, io) {
                        return Drained::Ended;
                    }
                }
                Step::Skipped { id, opcode, status } => {
                    self.tell_skipped(slot, group, id, status);
                    if opcode.kind() == Kind::Bye && self.follow_up(slot, opcode, io) {
                        return Drained::Ended;
                    }
                }
            }
            *left -= 1;
            self.stop_frame_timer(slot);
        }
        Drained::Budget
    }

    /// Moves staged bytes into the frame at hand, up to its end or to where something else
    /// has to happen.
    fn step(&mut self, slot: u32, group_index: u32) -> Step {
        let (Some(channel), Some(group)) =
            (self.channels.get_mut(slot), self.groups.get_mut(group_index))
        else {
            return Step::Starved;
        };
        let ahead = if group.owner == Some(slot) { group.ahead.clone() } else { 0..0 };
        let staged = group.staging.get(ahead).unwrap_or_default();
        let (mut used, frame) = (0, &mut channel.frame);
        if staged.is_empty() && !frame.begun() {
            return Step::Starved;
        }
        if frame.have < HEADER_LEN {
            used = bytes::copy(frame.header.get_mut(frame.have..).unwrap_or_default(), staged);
            frame.have += used;
        }
        let waits = frame.have == HEADER_LEN && frame.message.is_none() && frame.skipped.is_none();
        let parked = if group.parked_count > 0 { &group.parked[..] } else { &[] };
        if waits && let Err(step) = begin(channel, parked, &mut group.unread, &self.pool) {
            group.consume(used);
            return step;
        }
        let (frame, staged) = (&mut channel.frame, staged.get(used..).unwrap_or_default());
        let count = match &mut frame.message {
            Some(message) => bytes::copy(message.unfilled(frame.have), staged),
            None => frame.missing().min(staged.len()),
        };
        frame.have += count;
        group.consume(used + count);
        if frame.have < HEADER_LEN || frame.missing() > 0 {
            return Step::Starved;
        }
        if frame.text_lines_exceed(channel.bounds.header_lines) {
            if channel.phase == Phase::AwaitHello {
                return Step::End(Status::InvalidMessage);
            }
            if channel.notice_waits {
                return Step::AwaitNotice;
            }
            if let Some(message) = frame.message.take() {
                count_down(&mut group.unread, message.class());
                count_down(&mut channel.unread, message.class());
            }
            frame.skipped = Some(Status::InvalidHeadersLen);
        }
        frame.have = 0;
        let opcode = wire::opcode(&frame.header).unwrap_or_default();
        if let Some(status) = frame.skipped.take() {
            return Step::Skipped { id: wire::id(&frame.header), opcode, status };
        }
        if let Some(message) = frame.message.take() {
            if opcode.kind() == Kind::Hello {
                channel.greeted(&message);
            }
            group.push(&mut self.nodes, Item::Message(message));
        }
        Step::Received(opcode)
    }

    /// Lets others have the staging buffer, once this channel's bytes in it are used.
    fn release_staging(&mut self, slot: u32, index: u32) {
        let Some(group) = self.groups.get_mut(index) else { return };
        if group.owner == Some(slot) && group.staged().is_empty() {
            group.discard();
            if !group.blocked.is_empty() {
                self.unblock(index);
            }
        }
    }

    /// A frame that is too long begins while the notice of the last one waits: one at a time, so
    /// that a peer cannot fill the queue with them.
    fn await_notice(&mut self, slot: u32, group: u32) -> Drained {
        self.dequeue_read(slot);
        if let Some(channel) = self.channels.get_mut(slot) {
            debug_assert_eq!(channel.place, Place::None);
            channel.place = Place::AwaitNotice;
        }
        self.stop_frame_timer(slot);
        self.release_staging(slot, group);
        Drained::Parked
    }

    fn tell_skipped(&mut self, slot: u32, group: u32, id: u64, status: Status) {
        let Some(channel) = self.channels.get_mut(slot) else { return };
        channel.notice_waits = true;
        let notice = Notice { channel: channel.number, id, status, reason: status };
        self.deliver(group, Item::Notice(notice));
    }

    /// The peer may have much to say before it takes our goodbye, and before it answers: that it does is progress.
    #[inline(never)] // Once, for a board.
    fn extend_goodbye(&mut self, slot: u32) {
        let Some(channel) = self.channels.get(slot) else { return };
        // One that is not taken is for the send timeout, if there is one.
        let may_wait = channel.bye == Bye::Sent || !self.timers.has(Timer::Send);
        if channel.send_failed.is_none() && may_wait {
            self.start_phase_timer(slot, Timer::Bye);
        }
    }

    /// What a peer's hello or goodbye means for the channel. True if it ended.
    fn follow_up(&mut self, slot: u32, opcode: Opcode, io: &mut impl Transport) -> bool {
        let Some(channel) = self.channels.get_mut(slot) else { return true };
        let (how, reason) = match (opcode, channel.bye) {
            (Opcode::HelloRequest, _) => {
                self.stop_phase_timer(slot);
                return false;
            }
            // An answer to ours is the peer's last word, and it has read all of ours.
            (Opcode::ByeResponse, Bye::Sent) => (Close::Done, Status::Success),
            // Both asked at once: neither will be answered, and all is said.
            (Opcode::ByeRequest, Bye::Sent) => (Close::Graceful, Status::Success),
            (Opcode::ByeRequest, _) => {
                channel.peer_bye = true;
                return false;
            }
            (Opcode::ByeResponse, _) => (Close::Graceful, Status::PeerDisconnected),
            _ => return false,
        };
        self.finish(slot, how, reason, io);
        true
    }

    fn end(&mut self, slot: u32, status: Status, io: &mut impl Transport) -> Drained {
        debug!("peer ends channel: {}", status.name());
        self.finish(slot, Close::Graceful, status, io);
        Drained::Ended
    }
}

/// How many bytes may be read ahead on a channel; `None` while it holds its share. Of each size class no
/// more frames can begin in them than the shares have room for, so that a frame which has to
/// wait leaves nothing behind that would hold up the group's other channels.
fn window<P: Platform>(
    channel: &Channel<P>,
    group: &Group<P>,
    pool: &Pool<P>,
    channels: u32,
) -> Option<usize> {
    let staging = group.staging.len();
    let mut window = staging;
    let mut smaller = 0;
    for (class, stock) in pool.stocks().enumerate() {
        let mut room = stock.free().saturating_sub(count(&group.unread, class));
        let (spare, held) = (stock.spare(channels), channel.holds(class));
        if channel.send_failed.is_none() {
            room = room.min(match held {
                0 => spare.max(1),
                // Half of a channel's share, so that what others take meanwhile costs no refusal to
                // an application that answers each.
                _ => (spare / 2).checked_sub(held).filter(|rest| *rest > 0)?,
            });
        }
        // Each message that is taken makes one fewer free and one more held.
        let frames = usize::from(room.div_ceil(2));
        let most = match smaller {
            0 => frames * HEADER_LEN,
            _ => frames.saturating_sub(1).saturating_mul(smaller),
        };
        window = window.min(most);
        smaller = stock.size();
    }
    // What is not the beginning of another frame does not count.
    let frame = &channel.frame;
    let (begun, skipped) = match frame.have < HEADER_LEN {
        true => (frame.have, 0),
        false if frame.skipped.is_some() => (0, frame.missing()),
        false => (0, 0),
    };
    let window = window.max(HEADER_LEN) - begun;
    Some(window.saturating_add(skipped).min(staging))
}

/// Decides what happens with the frame whose header is here (PROTOCOL, section 4: violations
/// and limits).
fn begin<P: Platform>(
    channel: &mut Channel<P>,
    parked: &[List],
    group_unread: &mut PerClass,
    pool: &P::PoolRef,
) -> Result<(), Step> {
    let violation = Step::End(Status::InvalidMessage);
    let header = &channel.frame.header;
    let Some(opcode) = wire::opcode(header) else { return Err(violation) };
    if opcode == Opcode::ByeSignal {
        return Err(Step::End(Status::PeerDisconnected));
    }
    let first = channel.phase == Phase::AwaitHello;
    let violates = opcode.kind() == Kind::Welcome
        || first != (opcode == Opcode::HelloRequest)
        || (opcode == Opcode::HelloResponse && channel.side != Side::Client)
        || (wire::more(header) && !opcode.may_carry_more())
        || (opcode.role() == Role::Response && wire::id(header) == 0);
    if violates {
        return Err(violation);
    }
    let limits = channel.bounds.limits;
    if let Err(status) = limits.check(wire::text_len(header), wire::body_len(header)) {
        if first {
            // An unannounced channel has nobody to tell.
            return Err(violation);
        }
        if channel.notice_waits {
            return Err(Step::AwaitNotice);
        }
        channel.frame.skipped = Some(status);
        return Ok(());
    }
    let frame_len = wire::frame_len(header);
    // Whoever waits comes before who comes now.
    if !core::mem::take(&mut channel.resumed) && !parked.is_empty() {
        let class = pool.class_of(frame_len);
        if parked.get(class).is_some_and(|list| !list.is_empty()) {
            return Err(Step::Park(class));
        }
    }
    let mut message = Pool::get_shared(pool, frame_len, group_unread).map_err(Step::Park)?;
    message.receive_header(header, channel.number);
    count_up(group_unread, message.class());
    count_up(&mut channel.unread, message.class());
    channel.frame.message = Some(message);
    Ok(())
}

/// The transport's name for a channel.
pub(crate) fn link_of(slot: u32) -> Link {
    Link(u16::try_from(slot).unwrap_or(u16::MAX))
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
