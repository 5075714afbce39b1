//! Channel groups: one ordered receive queue each (PROTOCOL, section 2).

use crate::channel::Lane;
use crate::list::{List, NIL};
use crate::platform::Platform;
use crate::pool::{MAX_CLASSES, PerClass};
use crate::queue::{Item, Nodes, Queue};
use crate::storage::Slot;
use core::ops::Range;
use core::task::Waker;

/// Names a group of one engine. A stale one is refused, never taken for another group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct GroupId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// One group. Opaque: its storage is the platform's, its content the engine's.
pub struct Group<P: Platform> {
    pub(crate) live: bool,
    /// Which group of the engine's it is, counted since the start.
    pub(crate) generation: u32,
    pub(crate) queue: Queue,
    /// Peers' messages in the queue or being read.
    pub(crate) unread: PerClass,
    pub(crate) members: List,
    /// Channels whose next frame waits for a message, by size class.
    pub(crate) parked: [List; MAX_CLASSES],
    pub(crate) parked_count: u32,
    /// Channels that wait for the staging buffer, or for the receiver to catch up.
    pub(crate) blocked: List,
    /// `pool_empty` was said in this episode.
    pub(crate) pool_empty_said: bool,
    /// It waits in the queue.
    pub(crate) pool_empty_waits: bool,
    /// Wake-ups that were not received yet.
    pub(crate) updates: u32,
    pub(crate) waker: Option<Waker>,
    /// Bytes read ahead of what was asked for.
    pub(crate) staging: P::Buffer,
    /// Where in `staging` they are.
    pub(crate) ahead: Range<usize>,
    /// The channel they belong to.
    pub(crate) owner: Option<u32>,
    next_free: u32,
}

impl<P: Platform> Default for Group<P> {
    /// No group.
    fn default() -> Self {
        Group { live: false, ..Group::new(0, P::Buffer::default()) }
    }
}

impl<P: Platform> Slot for Group<P> {
    fn is_free(&self) -> bool {
        !self.live
    }
    fn next_free(&self) -> u32 {
        self.next_free
    }
    fn free(&mut self, next_free: u32) {
        self.live = false;
        self.next_free = next_free;
    }
}

impl<P: Platform> Group<P> {
    pub(crate) fn new(generation: u32, staging: P::Buffer) -> Self {
        Group {
            live: true,
            generation,
            queue: Queue::default(),
            unread: PerClass::default(),
            members: List::new(Lane::Member),
            parked: [const { List::new(Lane::Reading) }; MAX_CLASSES],
            parked_count: 0,
            blocked: List::new(Lane::Reading),
            pool_empty_said: false,
            pool_empty_waits: false,
            updates: 0,
            waker: None,
            staging,
            ahead: 0..0,
            owner: None,
            next_free: NIL,
        }
    }

    /// Puts something into the queue and wakes the receiver.
    pub(crate) fn push(&mut self, nodes: &mut Nodes<P>, item: Item<P>) {
        let late = planted!(WakesLate) && self.queue.is_empty();
        let refused = self.queue.push(nodes, item);
        debug_assert!(refused.is_ok(), "fewer queue nodes than the platform's sum asks for");
        if let Some(waker) = self.waker.as_ref().filter(|_| !late) {
            waker.wake_by_ref();
        }
    }

    /// The bytes read ahead.
    pub(crate) fn staged(&self) -> &[u8] {
        self.staging.get(self.ahead.clone()).unwrap_or_default()
    }

    /// Drops the first `count` of the bytes read ahead.
    pub(crate) fn consume(&mut self, count: usize) {
        self.ahead.start = (self.ahead.start + count).min(self.ahead.end);
    }

    /// Forgets what was read ahead.
    pub(crate) fn discard(&mut self) {
        self.ahead = 0..0;
        self.owner = None;
    }
}
