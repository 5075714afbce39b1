//! Channels: what the engine knows of each, and how they are numbered (PROTOCOL, section 2).

use crate::group::GroupId;
use crate::header::{ChannelNumber, Opcode, Role};
use crate::limits::{LIMITS, Limits};
use crate::list::{Linked, Links, NIL};
use crate::message::Message;
use crate::platform::Platform;
use crate::pool::PerClass;
use crate::queue::Queue;
use crate::rx::{Frame, count_down, count_up};
use crate::storage::{Slot, Table};
use crate::timer::Timer;
use crate::{Bounds, Instant, Status};

/// Where in its life a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No channel.
    Free,
    /// Its Hello or Welcome was posted and waits for a turn.
    Posted,
    /// The transport is opening it.
    Opening,
    /// A listener at work.
    Listening,
    /// Accepted, and not announced before its HelloRequest.
    AwaitHello,
    /// Messages flow.
    Open,
    /// Gone, but `channel_closed` has not been received yet. Keeps its number, so that
    /// the last word about it is never about a stranger.
    Closed,
}

/// How a channel came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// A WelcomeRequest made it.
    Listener,
    /// A HelloRequest made it.
    Client,
    /// A listener accepted it.
    Accepted,
}

/// How far this side is with its goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bye {
    /// Not begun.
    None,
    /// A ByeRequest was posted.
    Requested,
    /// A ByeRequest was sent.
    Sent,
    /// A ByeResponse was posted: close once it is sent.
    Answered,
    /// Its group is gone: close once everything is sent.
    Flush,
}

/// What lists a channel can be in, one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// By when its phase times out.
    Phase,
    /// By when its frame times out.
    Frame,
    /// By when it has been idle for too long.
    Idle,
    /// To be read, or why not: see [`Place`].
    Reading,
    /// With something to send, to open or to close.
    Writing,
    /// Of a group.
    Member,
}

impl Lane {
    const COUNT: usize = Lane::Member as usize + 1;
    /// The first few are timers'.
    const TIMERS: usize = Lane::Idle as usize + 1;
}

/// Which of the lists of [`Lane::Reading`] a channel is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    #[default]
    None,
    /// The engine's: to be read.
    Reading,
    /// The engine's: to be read when the others have had their turn.
    ReadingLater,
    /// The engine's: to be read into a message that came back for it.
    Resumed,
    /// Its group's: its next frame waits for a message of this class.
    Parked(usize),
    /// Its group's: waits for the staging buffer, or for the receiver to catch up.
    Blocked,
    /// None: the notice of its last frame that was too long has to be received first.
    AwaitNotice,
    /// The engine's: a listener that waits for a free channel.
    Waiting,
}

/// One channel. Opaque: its storage is the platform's, its content the engine's.
pub struct Channel<P: Platform> {
    pub(crate) phase: Phase,
    pub(crate) side: Side,
    pub(crate) bye: Bye,
    /// The peer said goodbye.
    pub(crate) peer_bye: bool,
    /// Ends at the next turn, its messages handed back with this status.
    pub(crate) abort: Option<Status>,
    /// Sending failed; what came before is still read.
    pub(crate) send_failed: Option<Status>,
    /// Why it ends, once that is decided: at its end, or when what was unsent came back before.
    pub(crate) reason: Option<Status>,
    /// Waits for the transport to become writable.
    pub(crate) write_blocked: bool,
    /// What [`Transport::want_write`](crate::Transport::want_write) was told last.
    pub(crate) wants_write: bool,
    /// Had more than its turn when it was read last, or brought little, or nothing yet: others come first.
    pub(crate) later: bool,
    /// Not read while it holds its share in unread messages and unsent answers.
    pub(crate) held: bool,
    /// It waited for a message, which came back, and has not taken it yet.
    pub(crate) resumed: bool,
    /// A notice other than `channel_closed` waits in the group's queue.
    pub(crate) notice_waits: bool,
    /// The listener failed to accept and has said so.
    pub(crate) accept_failing: bool,
    pub(crate) number: ChannelNumber,
    /// The id of its Hello or Welcome.
    pub(crate) id: u64,
    /// Its group, until that is dropped.
    pub(crate) group: Option<GroupId>,
    /// What the peer can take.
    pub(crate) peer_limits: Limits,
    /// What we take; of a listener, what its channels may be and take.
    pub(crate) bounds: Bounds,
    /// Of a listener: the channels that count against its bound.
    pub(crate) accepted: u16,
    /// Of an accepted channel: its listener, which may be gone.
    pub(crate) listener: ChannelNumber,
    /// The frame being read.
    pub(crate) frame: Frame<P>,
    /// Messages to send.
    pub(crate) tx: Queue,
    /// Bytes of the first of them that are sent.
    pub(crate) sent: usize,
    pub(crate) unsent: PerClass,
    /// The answers among the unsent; see [`Channel::holds`].
    pub(crate) answers: PerClass,
    pub(crate) unread: PerClass,
    pub(crate) place: Place,
    pub(crate) phase_timer: Option<Timer>,
    /// When its timers expire, by lane.
    pub(crate) due: [Instant; Lane::TIMERS],
    links: [Links; Lane::COUNT],
    next_free: u32,
}

impl<P: Platform> Default for Channel<P> {
    /// No channel.
    fn default() -> Self {
        Channel {
            phase: Phase::Free,
            side: Side::Client,
            bye: Bye::None,
            peer_bye: false,
            abort: None,
            send_failed: None,
            reason: None,
            write_blocked: false,
            wants_write: false,
            later: false,
            held: false,
            resumed: false,
            notice_waits: false,
            accept_failing: false,
            number: ChannelNumber::NONE,
            id: 0,
            group: None,
            peer_limits: Limits::MAX,
            bounds: Bounds { channels: 0, header_lines: 0, limits: Limits::MAX },
            accepted: 0,
            listener: ChannelNumber::NONE,
            frame: Frame::default(),
            tx: Queue::default(),
            sent: 0,
            unsent: PerClass::default(),
            answers: PerClass::default(),
            unread: PerClass::default(),
            place: Place::None,
            phase_timer: None,
            due: [Instant::ZERO; Lane::TIMERS],
            links: [Links::NONE; Lane::COUNT],
            next_free: NIL,
        }
    }
}

impl<P: Platform> Channel<P> {
    pub(crate) fn new(
        number: ChannelNumber,
        group: GroupId,
        side: Side,
        phase: Phase,
        bounds: Bounds,
    ) -> Self {
        Channel {
            phase,
            side,
            later: phase == Phase::AwaitHello,
            number,
            group: Some(group),
            bounds,
            ..Channel::default()
        }
    }

    /// Whether the application knows of it.
    pub(crate) fn announced(&self) -> bool {
        self.phase != Phase::AwaitHello
    }

    /// Whether it may have something to read that is not read yet for our own sake, and not because its peer takes no
    /// answers.
    pub(crate) fn waits(&self) -> bool {
        self.place != Place::None || (self.held && self.unread != PerClass::default())
    }

    /// Whether it has something to send that the transport would take, as far as we know.
    pub(crate) fn may_send(&self) -> bool {
        !self.write_blocked && !self.tx.is_empty() && self.send_failed.is_none()
    }

    /// Whether a ByeRequest was posted, and its answer is awaited.
    pub(crate) fn asked_to_close(&self) -> bool {
        matches!(self.bye, Bye::Requested | Bye::Sent)
    }

    /// Whether it is read, where others have the staging buffer, without that.
    pub(crate) fn may_read_bare(&self) -> bool {
        !self.later && !self.frame.is_skipped()
    }

    /// Whether the timer of the frame at hand runs.
    pub(crate) fn frame_timer_runs(&self) -> bool {
        self.links.get(Lane::Frame as usize).is_some_and(Links::is_member)
    }

    /// Whether the transport holds its link.
    pub(crate) fn has_link(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Listening | Phase::AwaitHello | Phase::Open)
    }
}

impl<P: Platform> Channel<P> {
    /// The peer said hello: what it can take, and, to the accepting side, the channel's id.
    pub(crate) fn greeted(&mut self, hello: &Message<P>) {
        self.peer_limits = hello.text().get(LIMITS).map_or(Limits::MAX, Limits::parse);
        if hello.opcode() == Opcode::HelloRequest {
            self.phase = Phase::Open;
            self.id = hello.id();
        }
    }

    /// Messages of a class that hold up reading: the unread, and on the accepting side the unsent
    /// answers, so that an echoing server goes at the pace of its slowest reader. Requests do
    /// not count, nor a client's answers: else two ends that wait for each other's would wait for ever.
    pub(crate) fn holds(&self, class: usize) -> u16 {
        let unread = self.unread.get(class).copied().unwrap_or_default();
        let answers = self.answers.get(class).copied().unwrap_or_default();
        match self.side {
            Side::Accepted => unread.saturating_add(answers),
            _ => unread,
        }
    }

    /// A message of this class was queued to be sent.
    pub(crate) fn count_queued(&mut self, opcode: Opcode, class: usize) {
        count_up(&mut self.unsent, class);
        if opcode.role() == Role::Response {
            count_up(&mut self.answers, class);
        }
    }

    /// A message of this class left the queue, whichever way.
    pub(crate) fn count_unqueued(&mut self, opcode: Opcode, class: usize) {
        count_down(&mut self.unsent, class);
        if opcode.role() == Role::Response {
            count_down(&mut self.answers, class);
        }
    }
}

impl<P: Platform> Slot for Channel<P> {
    fn is_free(&self) -> bool {
        self.phase == Phase::Free
    }
    fn next_free(&self) -> u32 {
        self.next_free
    }
    fn free(&mut self, next_free: u32) {
        debug_assert!(self.frame.message.is_none() && self.tx.is_empty());
        self.phase = Phase::Free;
        self.next_free = next_free;
    }
}

impl<P: Platform> Linked for Channel<P> {
    fn links_mut(&mut self, lane: Lane) -> Option<&mut Links> {
        self.links.get_mut(lane as usize)
    }
}

/// A channel number and, while it is taken, the channel it names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberEntry {
    generation: u16,
    taken: bool,
    /// The channel while taken, else the entry to be reused after this one.
    link: u32,
}

/// Gives out channel numbers: those never used first, then the least recently freed.
///
/// Entry `i` of `N` stands for the numbers `generation · N + i + 1`, so that a
/// small table still goes through 65,534 numbers, rounded down to a multiple of `N`, before
/// one comes back.
pub(crate) struct Numbers<S> {
    entries: S,
    oldest: u32,
    newest: u32,
    /// The first that was never taken, and may have to be made.
    fresh: u32,
}

impl<S: Table<NumberEntry>> Numbers<S> {
    const COUNT: u32 =
        if S::CAPACITY < ChannelNumber::MAX.get() as usize { S::CAPACITY as u32 } else { 65_534 };

    pub(crate) fn new() -> Self {
        Numbers { entries: S::default(), oldest: NIL, newest: NIL, fresh: 0 }
    }

    pub(crate) fn take(&mut self, channel: u32) -> Option<ChannelNumber> {
        let index = self.fresh().or_else(|| self.oldest_freed())?;
        let entry = self.get_mut(index)?;
        entry.taken = true;
        entry.link = channel;
        let number = u32::from(entry.generation) * Self::COUNT + index + 1;
        Some(ChannelNumber::new(u16::try_from(number).ok()?))
    }

    fn fresh(&mut self) -> Option<u32> {
        let index = self.fresh;
        if index >= Self::COUNT {
            return None;
        }
        if self.get_mut(index).is_none() {
            self.entries.push(NumberEntry::default()).ok()?;
        }
        self.fresh += 1;
        Some(index)
    }

    fn oldest_freed(&mut self) -> Option<u32> {
        let index = self.oldest;
        let next = self.get_mut(index)?.link;
        self.oldest = next;
        if next == NIL {
            self.newest = NIL;
        }
        Some(index)
    }

    /// The channel a number names now.
    #[inline(never)] // Once, for a board.
    pub(crate) fn find(&self, number: ChannelNumber) -> Option<u32> {
        let (index, generation) = Self::split(number)?;
        let entry = self.entries.as_slice().get(index as usize)?;
        (entry.taken && u32::from(entry.generation) == generation).then_some(entry.link)
    }

    pub(crate) fn give_back(&mut self, number: ChannelNumber) {
        let Some((index, generation)) = Self::split(number) else {
            return;
        };
        let Some(entry) = self.get_mut(index) else {
            return;
        };
        if !entry.taken || u32::from(entry.generation) != generation {
            return;
        }
        entry.taken = false;
        entry.link = NIL;
        let generations = u32::from(ChannelNumber::MAX.get()) / Self::COUNT.max(1);
        let next = if generation + 1 < generations { generation + 1 } else { 0 };
        entry.generation = u16::try_from(next).unwrap_or_default();
        match self.get_mut(self.newest) {
            Some(newest) => newest.link = index,
            None => self.oldest = index,
        }
        self.newest = index;
    }

    fn split(number: ChannelNumber) -> Option<(u32, u32)> {
        let number = u32::from(number.get()).checked_sub(1)?;
        Some((number.checked_rem(Self::COUNT)?, number.checked_div(Self::COUNT)?))
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut NumberEntry> {
        self.entries.as_mut_slice().get_mut(index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Fixed;

    type Few = Numbers<heapless::Vec<NumberEntry, 3>>;

    #[test]
    fn least_recently_freed_is_reused_last() {
        reuse_least_recently_freed(Few::new());
        reuse_least_recently_freed(Numbers::<Fixed<NumberEntry, 3>>::new());
    }

    fn reuse_least_recently_freed(mut numbers: Numbers<impl Table<NumberEntry>>) {
        let taken: Vec<_> = (0..3).map(|slot| numbers.take(slot).unwrap()).collect();
        assert_eq!(taken.iter().map(|number| number.get()).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(numbers.take(3), None);
        for number in [taken[1], taken[0], taken[2]] {
            numbers.give_back(number);
        }
        let again: Vec<_> = (0..3).map(|slot| numbers.take(slot).unwrap().get()).collect();
        assert_eq!(again, [5, 4, 6]);
    }

    #[test]
    fn stale_numbers_name_nothing() {
        let mut numbers = Few::new();
        let first = numbers.take(7).unwrap();
        assert_eq!(numbers.find(first), Some(7));
        numbers.give_back(first);
        numbers.give_back(first);
        assert_eq!(numbers.find(first), None);
        let all: Vec<_> = (0..3).map(|slot| numbers.take(slot).unwrap()).collect();
        assert_eq!(numbers.take(9), None, "a number freed twice must not be given out twice");
        assert!(!all.contains(&first));
    }

    #[test]
    fn every_number_comes_before_one_comes_back() {
        let mut numbers = Few::new();
        let mut seen = vec![false; 65_536];
        for _ in 0..65_534 / 3 * 3 {
            let number = numbers.take(0).unwrap();
            assert!(!core::mem::replace(&mut seen[usize::from(number.get())], true));
            numbers.give_back(number);
        }
        assert!(!seen[0] && !seen[65_535]);
        assert_eq!(numbers.take(0).unwrap().get(), 1);
    }
}
