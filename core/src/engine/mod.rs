//! The state machine: what is posted goes in, what is received comes out, and
//! [`Engine::turn`] does the work between (PROTOCOL, sections 2 to 4).

mod close;
mod post;
mod turn;

pub use post::PostError;
pub use turn::Turn;
pub(crate) use turn::spend_on_connection;

use crate::channel::{Channel, Lane, Numbers, Phase, Place, Side};
use crate::group::{Group, GroupId};
use crate::header::HEADER_LEN;
use crate::list::{List, NIL};
use crate::message::Message;
use crate::options::Options;
use crate::platform::Platform;
use crate::pool::{PerClass, Pool, count};
use crate::queue::{Item, Node, Nodes, Notice};
use crate::rx::count_down;
use crate::storage::{Slab, Table};
use crate::timer::{Timer, Timers};
use crate::{Bounds, ChannelNumber, Instant, Limits, Status};
use core::fmt;
use core::task::Waker;

/// What comes out of a receive ([PROTOCOL, section 4](crate::protocol#4-what-is-received)).
pub enum Received<P: Platform> {
    /// From the other end.
    Peer(Message<P>),
    /// The application's own: the engine's answer to it, or why it could not be sent.
    ///
    /// A listener that listens is a WelcomeResponse with [`Status::Success`], one that was asked to stop by a ByeRequest a
    /// ByeResponse with it.
    Returned(Message<P>, Status),
    /// A word from the engine.
    Notice(Notice),
}

impl<P: Platform> fmt::Debug for Received<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Received::Peer(message) => f.debug_tuple("Peer").field(message).finish(),
            Received::Returned(message, status) => {
                f.debug_tuple("Returned").field(message).field(status).finish()
            }
            Received::Notice(notice) => f.debug_tuple("Notice").field(notice).finish(),
        }
    }
}

impl<P: Platform> Received<P> {
    /// The channel it is about.
    pub fn channel(&self) -> ChannelNumber {
        match self {
            Received::Peer(message) | Received::Returned(message, _) => message.channel(),
            Received::Notice(notice) => notice.channel,
        }
    }
}

/// What an engine counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stats {
    /// Accepted connections that were closed before a valid HelloRequest.
    pub closed_unannounced: u64,
    /// Messages sent and received.
    pub moved: u64,
}

/// The engine. Who drives it owns it; nothing here blocks, and each call does a
/// bounded amount of work.
///
/// An application calls [`post`](Engine::post) and [`receive`](Engine::receive), the driver
/// [`turn`](Engine::turn).
pub struct Engine<P: Platform> {
    pub(crate) pool: P::PoolRef,
    /// Of channels and listeners that have none of their own.
    bounds: Bounds,
    pub(crate) channels: Slab<Channel<P>, P::Channels>,
    numbers: Numbers<P::Numbers>,
    pub(crate) nodes: Nodes<P>,
    pub(crate) groups: Slab<Group<P>, P::Groups>,
    /// Channels whose next frame waits for a message, in all groups.
    pub(crate) parked: u32,
    reading: List,
    /// Those that waited for a message which came back.
    resumed: List,
    /// Those that keep us busy, or bring little: what the others leave of a turn is theirs.
    reading_later: List,
    writing: List,
    /// Listeners that wait for a channel to end.
    waiting: List,
    /// The group that is the first to read again when messages came back.
    next_resumed: u32,
    pub(crate) timers: Timers,
    /// Turns in a row that left news of the transport, while something was due.
    behind: u32,
    pub(crate) now: Instant,
    /// Messages moved in this turn.
    pub(crate) moved: u32,
    ids: u64,
    /// Of the next group.
    next_generation: u32,
    stopping: bool,
    stats: Stats,
}

impl<P: Platform> Engine<P> {
    /// An engine that takes its messages from `pool`, which must have its size classes by now: they
    /// decide what the engine can take. A pool is one engine's: it tells one that messages came back.
    pub fn new(pool: P::PoolRef, options: &Options) -> Self {
        const { assert!(P::READ_AHEAD > 0, "nothing would be read") };
        let bounds = options.bounds(pool.largest());
        Engine {
            pool,
            bounds,
            channels: Slab::new(),
            numbers: Numbers::new(),
            nodes: Slab::new(),
            groups: Slab::new(),
            parked: 0,
            reading: List::new(Lane::Reading),
            resumed: List::new(Lane::Reading),
            reading_later: List::new(Lane::Reading),
            writing: List::new(Lane::Writing),
            waiting: List::new(Lane::Reading),
            next_resumed: 0,
            timers: Timers::new(options),
            behind: 0,
            now: Instant::ZERO,
            moved: 0,
            ids: 0,
            next_generation: 0,
            stopping: false,
            stats: Stats::default(),
        }
    }

    /// The pool messages come from.
    pub fn pool(&self) -> &P::PoolRef {
        &self.pool
    }

    /// A message from the pool's smallest size class; `None` while that is empty.
    pub fn get(&self) -> Option<Message<P>> {
        Pool::<P>::get(&self.pool)
    }

    /// What this engine can take: the options' limits, as far as the pool's largest message
    /// holds them.
    pub fn limits(&self) -> Limits {
        self.bounds.limits
    }

    /// The channels that exist: listeners, connections, and those whose `channel_closed` was not
    /// received yet.
    pub fn channels(&self) -> usize {
        self.channels.used() as usize
    }

    /// What has been counted so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether a [`turn`](Engine::turn) would find something to do without
    /// anything happening on the transport.
    pub fn has_work(&self) -> bool {
        !self.reading.is_empty()
            || !self.resumed.is_empty()
            || !self.reading_later.is_empty()
            || !self.writing.is_empty()
            || (self.parked > 0 && self.pool.came_back())
    }

    /// Makes a channel group. `staging` is what bytes are read ahead into: 16 KiB make many small
    /// messages cheap; 16 bytes are enough.
    ///
    /// # Errors
    /// Gives `staging` back when there is no place for another group, when it holds fewer
    /// than 16 bytes, or when the engine is stopping.
    pub fn open_group(&mut self, staging: P::Buffer) -> Result<GroupId, P::Buffer> {
        if staging.len() < HEADER_LEN || self.stopping {
            return Err(staging);
        }
        let generation = self.next_generation;
        let index = self.groups.insert(Group::new(generation, staging)).map_err(|it| it.staging)?;
        self.next_generation = generation.wrapping_add(1);
        Ok(GroupId { index, generation })
    }

    /// Ends a group: its listeners close, its connections send what was posted and close without a goodbye, so that their
    /// peers are told `peer_disconnected`, and what it had not received is dropped. Who waits for it is woken. Gives its
    /// staging buffer back.
    ///
    /// # Errors
    /// [`Status::InvalidGroup`] when it is gone already.
    pub fn close_group(&mut self, id: GroupId) -> Result<P::Buffer, Status> {
        let index = self.group_index(id).ok_or(Status::InvalidGroup)?;
        if let Some(group) = self.groups.get_mut(index) {
            group.updates = 0;
            if let Some(waker) = group.waker.take() {
                waker.wake();
            }
        }
        while let Some(item) = self.pop_item(index) {
            self.account_received(index, item);
        }
        while let Some(slot) = self.pop_member(index) {
            self.orphan(slot);
        }
        let Some(group) = self.groups.get_mut(index) else {
            return Err(Status::InvalidGroup);
        };
        let staging = core::mem::take(&mut group.staging);
        self.groups.remove(index);
        Ok(staging)
    }

    /// Who is woken when something arrives for a group. It is called within the engine's own calls.
    ///
    /// # Errors
    /// [`Status::InvalidGroup`] when it is gone.
    pub fn set_waker(&mut self, id: GroupId, waker: Waker) -> Result<(), Status> {
        let index = self.group_index(id).ok_or(Status::InvalidGroup)?;
        let group = self.groups.get_mut(index).ok_or(Status::InvalidGroup)?;
        group.waker = Some(waker);
        Ok(())
    }

    /// Whether something waits to be received.
    pub fn has_received(&self, id: GroupId) -> bool {
        let group = self.group_index(id).and_then(|index| self.groups.get(index));
        group.is_some_and(|group| !group.queue.is_empty())
    }

    /// The next thing a group received, in order. `None` when there is nothing, or no such group.
    pub fn receive(&mut self, id: GroupId) -> Option<Received<P>> {
        let index = self.group_index(id)?;
        let item = self.pop_item(index)?;
        Some(self.account_received(index, item))
    }

    /// Wakes the receiver of a group: with a message, which it receives as
    /// [`Received::Returned`], or without, as a notice; both `receiver_update`. Of several without a message the next comes
    /// once the last was received, behind what came meanwhile.
    ///
    /// # Errors
    /// [`Status::InvalidGroup`] when it is gone, [`Status::ShutdownStarted`] when the engine is
    /// stopping, [`Status::PoolEmpty`] when more messages wait than the platform has room for; the
    /// message comes back.
    pub fn update_receiver(
        &mut self,
        id: GroupId,
        message: Option<Message<P>>,
    ) -> Result<(), (Option<Message<P>>, Status)> {
        let index = match self.group_index(id) {
            Some(_) if self.stopping => return Err((message, Status::ShutdownStarted)),
            Some(index) => index,
            None => return Err((message, Status::InvalidGroup)),
        };
        if let Some(mut message) = message {
            if let Err(status) = self.check_nodes(&message) {
                return Err((Some(message), status));
            }
            message.mark_returned(Status::ReceiverUpdate);
            self.deliver(index, Item::Message(message));
            return Ok(());
        }
        let Some(group) = self.groups.get_mut(index) else {
            return Ok(());
        };
        group.updates = group.updates.saturating_add(1);
        if group.updates == 1 {
            self.deliver(index, Item::Notice(Notice::of_group(Status::ReceiverUpdate)));
        }
        Ok(())
    }

    fn pop_item(&mut self, index: u32) -> Option<Item<P>> {
        let group = self.groups.get_mut(index).filter(|group| !group.queue.is_empty())?;
        let item = group.queue.pop(&mut self.nodes);
        self.catch_up(index);
        item
    }

    /// Gives an item to the application: what it held is free for others.
    fn account_received(&mut self, index: u32, item: Item<P>) -> Received<P> {
        let received = match item {
            Item::Message(mut message) => match message.take_mark() {
                Some(status) => return Received::Returned(message, status),
                None => {
                    self.account_read(index, &message);
                    Received::Peer(message)
                }
            },
            Item::Notice(notice) => {
                self.account_notice(index, &notice);
                Received::Notice(notice)
            }
        };
        if self.parked > 0 {
            self.try_resume(index, &mut PerClass::default());
        }
        received
    }

    fn account_read(&mut self, index: u32, message: &Message<P>) {
        let class = message.class();
        if let Some(group) = self.groups.get_mut(index) {
            count_down(&mut group.unread, class);
        }
        let Some(slot) = self.numbers.find(message.channel()) else {
            return;
        };
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        count_down(&mut channel.unread, class);
        if channel.held {
            self.release_hold(slot);
        }
    }

    fn account_notice(&mut self, index: u32, notice: &Notice) {
        match notice.status {
            Status::ChannelClosed => self.free_closed(notice.channel),
            Status::PoolEmpty => {
                if let Some(group) = self.groups.get_mut(index) {
                    group.pool_empty_waits = false;
                }
            }
            Status::ReceiverUpdate => {
                let Some(group) = self.groups.get_mut(index) else {
                    return;
                };
                group.updates = group.updates.saturating_sub(1);
                if group.updates > 0 {
                    self.deliver(index, Item::Notice(Notice::of_group(Status::ReceiverUpdate)));
                }
            }
            _ => {
                let slot = self.numbers.find(notice.channel);
                let Some(slot) = slot else { return };
                let Some(channel) = self.channels.get_mut(slot) else { return };
                channel.notice_waits = false;
                if channel.place == Place::AwaitNotice {
                    channel.place = Place::None;
                    self.enqueue_read(slot);
                }
            }
        }
    }

    // Shared by the parts of the engine.

    /// Whether the application may queue this message. The platform's sum has a node for each of the engine's own
    /// pool, however many that holds by now, and for the notices. Those from the heap or another pool get what is there
    /// beyond that.
    fn check_nodes(&self, message: &Message<P>) -> Result<(), Status> {
        if message.is_of(&self.pool) {
            return Ok(());
        }
        let notices = 2 * P::Channels::CAPACITY + 2 * P::Groups::CAPACITY;
        let kept = notices + P::FreeList::CAPACITY;
        let available = self.nodes.available();
        // A platform without places for them is known to the compiler. What is used may be the others' part.
        let places = P::Nodes::CAPACITY.saturating_sub(kept);
        if places > 0 && (available > kept || self.count_foreign() < places) {
            Ok(())
        } else {
            Err(Status::PoolEmpty)
        }
    }

    /// How many messages that are not the pool's own wait in queues.
    #[cold]
    fn count_foreign(&self) -> usize {
        let messages = self.nodes.iter().filter_map(Node::message);
        messages.filter(|message| !message.is_of(&self.pool)).count()
    }

    /// Puts something into a group's queue and wakes its receiver.
    pub(crate) fn deliver(&mut self, index: u32, item: Item<P>) {
        if let Some(group) = self.groups.get_mut(index) {
            group.push(&mut self.nodes, item);
        }
    }

    pub(crate) fn group_index(&self, id: GroupId) -> Option<u32> {
        let group = self.groups.get(id.index)?;
        (group.live && group.generation == id.generation).then_some(id.index)
    }

    /// The group of a channel, unless it is gone.
    #[inline(never)] // Once, for a board.
    pub(crate) fn group_index_of(&self, slot: u32) -> Option<u32> {
        self.group_index(self.channels.get(slot)?.group?)
    }

    pub(crate) fn enqueue_read(&mut self, slot: u32) {
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        let reads = matches!(channel.phase, Phase::Listening | Phase::AwaitHello | Phase::Open);
        if reads && channel.place == Place::None && !channel.held {
            let (place, list) = match channel.later {
                false => (Place::Reading, &mut self.reading),
                true => (Place::ReadingLater, &mut self.reading_later),
            };
            channel.place = place;
            list.push_back(self.channels.as_mut_slice(), slot);
        }
    }

    pub(crate) fn dequeue_read(&mut self, slot: u32) {
        let Some(channel) = self.channels.get_mut(slot) else { return };
        let list = match channel.place {
            Place::Reading => &mut self.reading,
            Place::Resumed => &mut self.resumed,
            Place::ReadingLater => &mut self.reading_later,
            _ => return,
        };
        channel.place = Place::None;
        list.remove(self.channels.as_mut_slice(), slot);
    }

    #[inline(never)] // Once, for a board.
    pub(crate) fn enqueue_write(&mut self, slot: u32) {
        self.writing.push_back(self.channels.as_mut_slice(), slot);
    }

    /// Lets channels of a group read again for whose frames there is room now, beside what is promised: one of each
    /// size class at a time. Whether there was any.
    fn try_resume(&mut self, index: u32, promised: &mut PerClass) -> bool {
        let mut any = false;
        for (class, promised) in promised.iter_mut().enumerate().take(P::Classes::CAPACITY) {
            let Some(group) = self.groups.get(index) else { break };
            if group.parked_count == 0 || (planted!(ResumesSmallestOnly) && class > 0) {
                break;
            }
            let waits = group.parked.get(class).is_some_and(|list| !list.is_empty());
            let held = count(&group.unread, class).saturating_add(*promised);
            if waits && self.pool.has_room_again(class, held) {
                self.resume(index, class);
                *promised += 1;
                any = true;
            }
        }
        any
    }

    fn resume(&mut self, index: u32, class: usize) {
        let Some(list) = self.groups.get_mut(index).and_then(|group| group.parked.get_mut(class))
        else {
            return;
        };
        let Some(slot) = list.pop_front(self.channels.as_mut_slice()) else { return };
        self.count_unparked(index);
        if let Some(channel) = self.channels.get_mut(slot) {
            channel.place = Place::Resumed;
            channel.resumed = true;
        }
        // Before others, in turn: else what came back for it would be taken by those whose own messages were just
        // received, each time.
        self.resumed.push_back(self.channels.as_mut_slice(), slot);
    }

    /// With the last that waits, the episode of an empty pool ends.
    #[inline(never)] // Once, for a board.
    fn count_unparked(&mut self, index: u32) {
        self.parked = self.parked.saturating_sub(1);
        let Some(group) = self.groups.get_mut(index) else { return };
        group.parked_count = group.parked_count.saturating_sub(1);
        group.pool_empty_said &= group.parked_count > 0;
    }

    /// The staging buffer is free, or the receiver catches up: whoever waited for it goes on.
    pub(crate) fn unblock(&mut self, index: u32) {
        loop {
            let Some(group) = self.groups.get_mut(index) else { return };
            let Some(slot) = group.blocked.pop_front(self.channels.as_mut_slice()) else { return };
            if let Some(channel) = self.channels.get_mut(slot) {
                channel.place = Place::None;
            }
            self.enqueue_read(slot);
            if planted!(UnblocksOne) {
                return;
            }
        }
    }

    fn pop_member(&mut self, index: u32) -> Option<u32> {
        self.groups.get_mut(index)?.members.pop_front(self.channels.as_mut_slice())
    }

    // Timers.

    /// Starts a timer for a channel's phase, if there is such a timeout. No other of the phase runs on.
    pub(crate) fn start_phase_timer(&mut self, slot: u32, timer: Timer) {
        self.stop_phase_timer(slot);
        let started = self.start_timer(slot, timer);
        if let Some(channel) = self.channels.get_mut(slot) {
            channel.phase_timer = started.then_some(timer);
        }
    }

    pub(crate) fn stop_phase_timer(&mut self, slot: u32) {
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        if let Some(timer) = channel.phase_timer.take() {
            self.stop_timer(slot, timer);
        }
    }

    pub(crate) fn start_timer(&mut self, slot: u32, timer: Timer) -> bool {
        self.timers.arm(timer, self.channels.as_mut_slice(), slot, self.now)
    }

    pub(crate) fn stop_timer(&mut self, slot: u32, timer: Timer) {
        self.timers.disarm(timer, self.channels.as_mut_slice(), slot);
    }

    /// Notes that bytes passed.
    pub(crate) fn touch(&mut self, slot: u32) {
        if self.timers.has(Timer::Idle) {
            self.start_timer(slot, Timer::Idle);
        }
    }

    /// Makes a channel at the table's [`vacancy`](Slab::vacancy), with a number and a group.
    fn open_channel(
        &mut self,
        id: GroupId,
        side: Side,
        phase: Phase,
        bounds: Bounds,
    ) -> Option<u32> {
        let group = self.groups.get_mut(self.group_index(id)?)?;
        let number = self.numbers.take(self.channels.vacancy()?)?;
        match self.channels.insert(Channel::new(number, id, side, phase, bounds)) {
            Ok(slot) => {
                group.members.push_back(self.channels.as_mut_slice(), slot);
                Some(slot)
            }
            Err(_) => {
                self.numbers.give_back(number);
                None
            }
        }
    }

    /// Gives a channel and its number back; listeners that waited for one go on.
    fn free_channel(&mut self, slot: u32) {
        self.leave_group(slot);
        let Some(channel) = self.channels.get(slot) else {
            return;
        };
        debug_assert!(channel.place == Place::None && channel.phase_timer.is_none());
        let (number, listener) = (channel.number, self.numbers.find(channel.listener));
        // Should the listener be gone and its number have come round, another one counts too few.
        if let Some(listener) = listener.and_then(|slot| self.channels.get_mut(slot)) {
            listener.accepted = listener.accepted.saturating_sub(1);
        }
        self.numbers.give_back(number);
        self.channels.remove(slot);
        while let Some(listener) = self.waiting.pop_front(self.channels.as_mut_slice()) {
            if let Some(channel) = self.channels.get_mut(listener) {
                channel.place = Place::None;
            }
            self.enqueue_read(listener);
        }
    }

    /// The last word about a channel was received.
    fn free_closed(&mut self, number: ChannelNumber) {
        let Some(slot) = self.numbers.find(number) else {
            return;
        };
        if self.channels.get(slot).is_some_and(|channel| channel.phase == Phase::Closed) {
            self.free_channel(slot);
        }
    }
}

const _: () = assert!(NIL as usize > ChannelNumber::MAX.get() as usize);
