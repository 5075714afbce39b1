//! One turn: what the transport reports, what is due, what is to be sent and read.

use super::Engine;
use crate::address::{Address, CONNECT_TO, LISTEN_ON};
use crate::channel::{Bye, Phase, Place, Side};
use crate::header::Opcode;
use crate::message::Message;
use crate::platform::Platform;
use crate::pool::PerClass;
use crate::queue::{Item, Notice};
use crate::rx::link_of;
use crate::storage::Table;
use crate::timer::Timer;
use crate::transport::{Close, Link, Ready, Transport};
use crate::{Instant, Status};
use core::fmt;
use core::task::Poll;

/// The most events of the transport one turn looks at.
const EVENTS_PER_TURN: u32 = 1024;
/// The most news of one link that wait at a time: that it is open, readable and writable.
const NEWS: u32 = 3;
/// The most connections one listener accepts before others get their turn.
const ACCEPTS: u32 = 16;

/// The messages that a turn reads from channels which others come before, if these brought something.
const LATER: u32 = 4;

/// The most timeouts of a kind that one turn acts on. Thousands may be due at once, where as many
/// connections came at once and said nothing.
const EXPIRIES: u32 = 8;

/// Making a connection, or finding it at its end, keeps the transport about as long as so many messages.
const CONNECTION: u32 = 4;

/// Takes a connection's cost from what a turn may still do.
pub(crate) fn spend_on_connection(left: &mut u32) {
    *left = left.saturating_sub(CONNECTION);
}

/// What a turn did, and when the next is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Messages sent or received whole.
    pub moved: u32,
    /// There is more to do now: call again without waiting.
    pub more: bool,
    /// When the next timeout is due, if nothing happens before.
    pub deadline: Option<Instant>,
}

impl<P: Platform> Engine<P> {
    /// Moves what can be moved: looks at what `io` says is ready, at timeouts that are due by `now`,
    /// and at what was posted; never at a channel without a reason. Sends at most `budget` messages (0 counts as 1)
    /// or a few more, and receives as many or up to four more: those come from channels which send all
    /// the time, beside others that have been quiet. A connection that is accepted or ends counts as several.
    ///
    /// For the driver. Call it when the transport has news, when [`Turn::deadline`] passes,
    /// after a post, and at once while [`Turn::more`] or [`has_work`](Engine::has_work) says so: what
    /// is received makes room for more.
    pub fn turn(&mut self, now: Instant, io: &mut impl Transport, budget: u32) -> Turn {
        self.begin_turn(now);
        let more_events = self.take_events(io);
        // Each has its own budget, so that neither starves the other.
        self.write_all(io, &mut budget.max(1));
        self.resume_parked();
        self.read_all(io, &mut budget.max(1));
        self.resume_parked();
        // After reading: what has arrived is not late, however late we are.
        let mut first_due = self.first_due();
        if self.now >= first_due && !self.is_behind(more_events) {
            self.expire(io);
            // What was promised to who ended is another's.
            self.resume_parked();
            first_due = self.first_due();
        }
        self.end_turn(more_events, first_due)
    }

    /// Sends what was posted, as [`turn`](Engine::turn) does, and no more than that. For a driver
    /// whose application has enough to receive for now: what is read beyond that only grows older.
    pub fn flush(&mut self, now: Instant, io: &mut impl Transport, budget: u32) -> Turn {
        self.begin_turn(now);
        self.write_all(io, &mut budget.max(1));
        let first_due = self.first_due();
        self.end_turn(false, first_due)
    }

    fn begin_turn(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.moved = 0;
    }

    fn end_turn(&mut self, more_events: bool, first_due: Instant) -> Turn {
        self.stats.moved += u64::from(self.moved);
        let deadline = (first_due < Instant::FAR).then_some(first_due);
        Turn { moved: self.moved, more: more_events || self.has_work(), deadline }
    }

    /// Takes the transport's news. True if there may be more.
    fn take_events(&mut self, io: &mut impl Transport) -> bool {
        for _ in 0..EVENTS_PER_TURN {
            let Some((link, ready)) = io.next_ready() else {
                return false;
            };
            self.take_event(link, ready, io);
        }
        true
    }

    /// Whether news may be left that were there when something became due. A transport that has always more keeps no
    /// timeout from its end: after so many turns all of those have been seen.
    fn is_behind(&mut self, more_events: bool) -> bool {
        // The compiler knows of small tables.
        let may_be = P::Channels::CAPACITY > (EVENTS_PER_TURN / NEWS) as usize;
        let all = self.channels.used().saturating_mul(NEWS) / EVENTS_PER_TURN;
        let is_behind = may_be && more_events && self.behind < all;
        self.behind = if is_behind { self.behind + 1 } else { 0 };
        is_behind
    }

    // Else a turn without news takes longer on a host.
    #[cfg_attr(target_pointer_width = "64", inline(never))]
    fn take_event(&mut self, link: Link, ready: Ready, io: &mut impl Transport) {
        let slot = u32::from(link.0);
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        match ready {
            Ready::Readable => {
                if matches!(channel.phase, Phase::Listening | Phase::AwaitHello | Phase::Open) {
                    self.enqueue_read(slot);
                }
            }
            Ready::Writable => {
                if channel.phase == Phase::Open && core::mem::take(&mut channel.write_blocked) {
                    self.enqueue_write(slot);
                }
            }
            Ready::Opened if channel.phase == Phase::Opening => self.opened(slot, io),
            Ready::Failed(status) if channel.phase == Phase::Opening => {
                self.finish_unopened(slot, status, io);
            }
            Ready::Opened | Ready::Failed(_) => {}
        }
    }

    fn opened(&mut self, slot: u32, io: &mut impl Transport) {
        self.stop_phase_timer(slot);
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        if channel.side == Side::Listener {
            channel.phase = Phase::Listening;
            if let Some(welcome) = self.pop_unsent(slot) {
                self.answer_welcome(slot, welcome, io);
            }
            self.enqueue_read(slot);
        } else {
            // Read once the transport says that something is there: nobody speaks before our hello.
            channel.phase = Phase::Open;
            self.touch(slot);
        }
        self.enqueue_write(slot);
    }

    /// The listener listens: its WelcomeRequest comes back with the address it really has.
    fn answer_welcome(&mut self, slot: u32, mut welcome: Message<P>, io: &mut impl Transport) {
        let local = LocalAddress { io, link: link_of(slot) };
        // Without room for it, the address that was asked for stays.
        let _ = welcome.set_header_display(LISTEN_ON, local);
        self.hand_back(slot, welcome, Status::Success);
    }

    /// Ends what is overdue, or as much of it as one turn does.
    fn expire(&mut self, io: &mut impl Transport) {
        for timer in Timer::ALL {
            // A timer that is started again waits for the next turn, however short it is.
            for _ in 0..self.channels.used().min(EXPIRIES) {
                let Some(slot) = self.timers.pop_due(timer, self.channels.as_mut_slice(), self.now)
                else {
                    break;
                };
                self.expired(slot, timer, io);
            }
        }
    }

    #[inline(never)] // Rarely.
    fn expired(&mut self, slot: u32, timer: Timer, io: &mut impl Transport) {
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        let of_phase = !matches!(timer, Timer::Frame | Timer::Idle);
        if of_phase {
            channel.phase_timer = None;
        }
        let send_failed = channel.send_failed;
        // It may well have said something, which we are not ready to read; or would take something, if we came to it.
        let in_time = match timer {
            Timer::Hello | Timer::Frame => channel.waits(),
            Timer::Idle => channel.waits() || channel.may_send(),
            Timer::Send => channel.may_send(),
            Timer::Bye => channel.may_send() || self.is_kept_waiting(slot),
            Timer::Connect | Timer::Retry => false,
        };
        let reason = match timer {
            _ if in_time && of_phase => return self.start_phase_timer(slot, timer),
            _ if in_time => {
                self.start_timer(slot, timer);
                return;
            }
            Timer::Retry => return self.enqueue_read(slot),
            Timer::Connect => Status::ConnectFailed,
            Timer::Bye => send_failed.unwrap_or(Status::CommunicationFailed),
            Timer::Hello | Timer::Send | Timer::Frame | Timer::Idle => Status::CommunicationFailed,
        };
        self.finish(slot, Close::Graceful, reason, io);
    }

    /// Lets channels read again that waited for messages which have come back.
    fn resume_parked(&mut self) {
        if self.parked > 0 {
            self.resume_all();
        }
    }

    /// As far as what is free suffices: what one is let read for is not another's. Each time that begins with
    /// another group.
    #[inline(never)] // Rarely.
    fn resume_all(&mut self) {
        self.pool.note_look();
        let (first, mut promised) = (self.next_resumed, PerClass::default());
        let mut index = first;
        while self.parked > 0 {
            let next = if self.groups.get(index + 1).is_some() { index + 1 } else { 0 };
            if self.try_resume(index, &mut promised) {
                self.next_resumed = next;
            }
            if next == first {
                return;
            }
            index = next;
        }
    }

    fn write_all(&mut self, io: &mut impl Transport, left: &mut u32) {
        // About one visit each: what a visit puts back at the end may wait for the next turn.
        let mut visits = self.channels.used();
        while *left > 0 && visits > 0 {
            visits -= 1;
            let Some(slot) = self.writing.pop_front(self.channels.as_mut_slice()) else {
                return;
            };
            self.write_one(slot, io, left);
        }
    }

    fn write_one(&mut self, slot: u32, io: &mut impl Transport, left: &mut u32) {
        let Some(channel) = self.channels.get(slot) else {
            return;
        };
        if let Some(status) = channel.abort {
            return self.finish_aborted(slot, status, io);
        }
        match channel.phase {
            Phase::Posted => self.open_link(slot, io),
            Phase::Listening => self.close_listener(slot, io),
            Phase::Open => {
                if channel.bye != Bye::None && channel.phase_timer != Some(Timer::Bye) {
                    self.start_phase_timer(slot, Timer::Bye);
                }
                self.write_channel(slot, io, left);
            }
            _ => {}
        }
    }

    /// A ByeRequest on a listener is answered by the engine.
    fn close_listener(&mut self, slot: u32, io: &mut impl Transport) {
        let Some(mut message) = self.pop_unsent(slot) else {
            return;
        };
        message.set_opcode(Opcode::ByeResponse);
        self.hand_back(slot, message, Status::Success);
        self.finish(slot, Close::Graceful, Status::Success, io);
    }

    /// Does what the Hello or Welcome at the head of a channel's queue asks for.
    fn open_link(&mut self, slot: u32, io: &mut impl Transport) {
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        let listens = channel.side == Side::Listener;
        let name = if listens { LISTEN_ON } else { CONNECT_TO };
        let first = channel.tx.first(&self.nodes);
        let value = first.and_then(|message| message.text().get(name)).unwrap_or_default();
        let opening = match Address::from_bytes(value) {
            Ok(address) if listens => io.listen(link_of(slot), &address),
            Ok(address) => io.connect(link_of(slot), &address),
            Err(_) => Err(Status::InvalidAddress),
        };
        match opening {
            Ok(()) => {
                channel.phase = Phase::Opening;
                if !listens {
                    self.start_phase_timer(slot, Timer::Connect);
                }
            }
            Err(status) => self.finish_unopened(slot, status, io),
        }
    }

    /// First those that have been quiet: who asks and waits is not to wait for those that send all
    /// the time. These get a little in any case, and all of it where nobody else brings anything.
    fn read_all(&mut self, io: &mut impl Transport, left: &mut u32) {
        if !self.resumed.is_empty() {
            self.read_resumed(io, left);
        }
        let (budget, mut later, mut visits) = (*left, false, self.channels.used());
        loop {
            let list = if later { &self.reading_later } else { &self.reading };
            match list.front() {
                Some(slot) if *left > 0 && visits > 0 => {
                    let before = *left;
                    self.read_one(slot, io, left);
                    // It takes its time even where it brings nothing.
                    *left = (*left).min(before - 1);
                    visits -= 1;
                }
                _ if later => return,
                _ => {
                    (later, visits) = (true, self.channels.used());
                    if *left < budget {
                        *left = LATER;
                    }
                }
            }
        }
    }

    /// Reads those for whom messages came back, with half of the turn where others have something, too. One is left to
    /// these in any case.
    #[inline(never)] // Rarely.
    fn read_resumed(&mut self, io: &mut impl Transport, left: &mut u32) {
        let kept = if self.reading.is_empty() { 0 } else { *left / 2 };
        let (mut mine, mut visits) = (*left - kept, self.channels.used());
        while mine > 0
            && visits > 0
            && let Some(slot) = self.resumed.front()
        {
            let before = mine;
            self.read_one(slot, io, &mut mine);
            mine = mine.min(before - 1);
            visits -= 1;
        }
        *left = (kept + mine).max(1);
    }

    fn read_one(&mut self, slot: u32, io: &mut impl Transport, left: &mut u32) {
        self.dequeue_read(slot);
        match self.channels.get(slot).map(|channel| channel.phase) {
            Some(Phase::Listening) => self.accept(slot, io, left),
            _ => self.read_channel(slot, io, left),
        }
    }

    fn accept(&mut self, listener: u32, io: &mut impl Transport, left: &mut u32) {
        for _ in 0..ACCEPTS {
            if *left == 0 {
                break;
            }
            if self.is_full(listener) {
                self.tell_accept_fails(listener, Status::AcceptFailed, Status::NotAllowed);
                return self.await_channel(listener);
            }
            let Some(slot) = self.channels.vacancy() else {
                return self.await_channel(listener);
            };
            match io.accept(link_of(listener), link_of(slot)) {
                Poll::Ready(Ok(())) => {
                    spend_on_connection(left);
                    self.accepted(listener, slot, io);
                }
                Poll::Pending => return,
                Poll::Ready(Err(status)) => return self.accept_failed(listener, status),
            }
        }
        self.enqueue_read(listener);
    }

    fn accepted(&mut self, listener: u32, slot: u32, io: &mut impl Transport) {
        let opened = self.open_accepted(listener);
        if opened.is_none() {
            return io.close(link_of(slot), Close::Graceful);
        }
        debug_assert_eq!(opened, Some(slot));
        self.start_phase_timer(slot, Timer::Hello);
        self.touch(slot);
        self.enqueue_read(slot);
    }

    fn await_channel(&mut self, listener: u32) {
        let Some(channel) = self.channels.get_mut(listener) else {
            return;
        };
        if channel.place == Place::None {
            channel.place = Place::Waiting;
            self.waiting.push_back(self.channels.as_mut_slice(), listener);
        }
    }

    fn open_accepted(&mut self, listener: u32) -> Option<u32> {
        let channel = self.channels.get(listener)?;
        let (group, number, bounds) = (channel.group?, channel.number, channel.bounds);
        let slot = self.open_channel(group, Side::Accepted, Phase::AwaitHello, bounds)?;
        self.channels.get_mut(slot)?.listener = number;
        let channel = self.channels.get_mut(listener)?;
        channel.accepted += 1;
        // One that is full again at once, as its channels come and go, has said so.
        channel.accept_failing &= channel.accepted >= bounds.channels;
        Some(slot)
    }

    /// Whether a listener has as many channels as it may have.
    fn is_full(&self, listener: u32) -> bool {
        let channel = self.channels.get(listener);
        channel.is_none_or(|channel| channel.accepted >= channel.bounds.channels)
    }

    /// Says so, and tries again after a while.
    fn accept_failed(&mut self, listener: u32, status: Status) {
        self.start_phase_timer(listener, Timer::Retry);
        self.tell_accept_fails(listener, status, status);
    }

    /// Says so once until accepting works again.
    fn tell_accept_fails(&mut self, listener: u32, status: Status, reason: Status) {
        let group = self.group_index_of(listener);
        let Some(channel) = self.channels.get_mut(listener) else {
            return;
        };
        if core::mem::replace(&mut channel.accept_failing, true) || channel.notice_waits {
            return;
        }
        channel.notice_waits = true;
        let notice = Notice { channel: channel.number, id: channel.id, status, reason };
        if let Some(group) = group {
            self.deliver(group, Item::Notice(notice));
        }
    }

    /// When the first timeout is due; [`Instant::FAR`] when none runs.
    fn first_due(&mut self) -> Instant {
        self.timers.first_due(self.channels.as_mut_slice())
    }
}

/// Displays the address a listener really has.
struct LocalAddress<'a, T> {
    io: &'a T,
    link: Link,
}

impl<T: Transport> fmt::Display for LocalAddress<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.local_address(self.link, f)
    }
}
