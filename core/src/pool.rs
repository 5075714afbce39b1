//! The pool: free message buffers, by size class.

use crate::header::HEADER_LEN;
use crate::message::Message;
use crate::platform::{Lock, Platform};
use crate::storage::Table;
use core::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use core::task::Waker;

/// The most size classes a pool can have.
pub const MAX_CLASSES: usize = 4;

/// A count for each size class.
pub(crate) type PerClass = [u16; MAX_CLASSES];

/// The count of one class.
#[inline]
pub(crate) fn count(counts: &PerClass, class: usize) -> u16 {
    counts.get(class).copied().unwrap_or_default()
}

/// The index of a size class: where there is but one, the compiler knows it.
pub(crate) fn known_class<P: Platform>(class: usize) -> usize {
    if P::Classes::CAPACITY == 1 { 0 } else { class }
}

/// Free messages, shared by an engine and its applications.
///
/// A pool is made of size classes. A request is served by the smallest class that is large
/// enough and by no other, so that small messages never use up the large ones.
pub struct Pool<P: Platform> {
    state: P::PoolLock,
    stocks: [Stock; MAX_CLASSES],
}

/// What can be known of a size class without the lock, and may be out of date by then. Written, and
/// the count of free ones kept, under the lock.
#[derive(Default)]
pub(crate) struct Stock {
    /// 0 where there is no such class.
    size: AtomicUsize,
    capacity: AtomicU16,
    free: AtomicU16,
}

impl Stock {
    /// The bytes of its messages.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// How many of its messages are free.
    #[inline]
    pub(crate) fn free(&self) -> u16 {
        self.free.load(Ordering::Relaxed)
    }

    /// How many of its messages there are, free or not.
    #[inline]
    fn capacity(&self) -> u16 {
        self.capacity.load(Ordering::Relaxed)
    }

    /// How many are kept so that each of so many channels can have one: half of them at most.
    #[inline]
    fn kept(&self, channels: u32) -> u16 {
        let half = self.capacity() / 2;
        u16::try_from(channels).map_or(half, |channels| channels.min(half))
    }

    /// How many are free for channels that have one already, of so many channels.
    #[inline]
    pub(crate) fn spare(&self, channels: u32) -> u16 {
        self.free().saturating_sub(self.kept(channels))
    }

    #[inline]
    fn set_free(&self, free: u16) {
        self.free.store(free, Ordering::Relaxed);
    }
}

/// What a [`Pool`]'s lock guards.
pub struct PoolState<P: Platform> {
    /// Ascending by size.
    classes: P::Classes,
    /// Somebody was refused since the last message came back.
    starved: bool,
    /// Something came back since the engine last looked whom it helps.
    came_back: bool,
    /// A message was taken: from now on the classes keep their places.
    in_use: bool,
    waker: Option<Waker>,
}

/// The buffers of one size.
pub struct Class<P: Platform> {
    size: usize,
    capacity: u16,
    /// Buffers that exist; the rest is allocated when first needed.
    created: u16,
    /// The platform had no memory for another when it was asked last. Forgotten when one comes back.
    exhausted: bool,
    free: P::FreeList,
}

impl<P: Platform> Class<P> {
    /// Counts those that are free: with those to be allocated, unless that failed last.
    fn count_free(&self) -> u16 {
        if self.exhausted { self.count_ready() } else { self.count_possible() }
    }

    fn count_ready(&self) -> u16 {
        u16::try_from(self.free.as_slice().len()).unwrap_or(u16::MAX)
    }

    fn count_possible(&self) -> u16 {
        self.count_ready().saturating_add(self.capacity - self.created)
    }

    /// Asks the platform for another, while more than `held` are possible. Also where it had no memory
    /// before: nobody tells when it has.
    #[cold]
    fn allocate(&mut self, held: u16) -> Option<P::Buffer> {
        if self.created == self.capacity || self.count_possible() <= held {
            return None;
        }
        let buffer = P::allocate(self.size);
        self.exhausted = buffer.is_none();
        self.created += u16::from(buffer.is_some());
        buffer
    }
}

impl<P: Platform> PoolState<P> {
    /// A buffer of a class, while more than `held` of its stock are free.
    fn take(&mut self, class: usize, stock: &Stock, held: u16) -> Option<P::Buffer> {
        self.in_use = true;
        let class = self.classes.as_mut_slice().get_mut(class)?;
        let free = stock.free();
        if free > held
            && let Some(buffer) = class.free.pop()
        {
            stock.set_free(free - 1);
            return Some(buffer);
        }
        let buffer = class.allocate(held);
        stock.set_free(class.count_free());
        self.starved |= buffer.is_none();
        buffer
    }

    /// Whom to wake, now that a message came back.
    fn wakes(&mut self) -> Option<Waker> {
        self.came_back = true;
        let starved = core::mem::take(&mut self.starved);
        if starved { self.waker.clone() } else { None }
    }

    /// The buffer again, where there is no place for it.
    fn give_back(
        &mut self,
        class: usize,
        stock: Option<&Stock>,
        buffer: P::Buffer,
    ) -> Option<P::Buffer> {
        let class = self.classes.as_mut_slice().get_mut(class);
        let (Some(class), Some(stock)) = (class, stock) else { return Some(buffer) };
        let unwanted = class.free.push(buffer).err();
        debug_assert!(unwanted.is_none(), "more messages came back than were taken");
        // The platform may have memory again.
        let recovered = core::mem::take(&mut class.exhausted);
        stock.set_free(if recovered { class.count_free() } else { stock.free() + 1 });
        unwanted
    }
}

impl<P: Platform> Default for Pool<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Platform> Pool<P> {
    /// A pool without messages.
    pub fn new() -> Self {
        let state = PoolState {
            classes: P::Classes::default(),
            starved: false,
            came_back: false,
            in_use: false,
            waker: None,
        };
        Pool { state: P::PoolLock::new(state), stocks: Default::default() }
    }

    /// Whether more than `held` messages of a class are free, besides those kept for so many
    /// channels. If not, the waker is called at the next return.
    #[inline(never)] // Once, for a board.
    fn has_room(&self, class: usize, held: u16, channels: u32) -> bool {
        let Some(stock) = self.stocks.get(class) else { return false };
        let held = held.saturating_add(stock.kept(channels));
        if stock.free() <= held {
            self.state.with(|state| {
                // One may have come back by now.
                state.starved |= stock.free() <= held;
            });
        }
        stock.free() > held
    }

    /// Notes the classes, which have changed.
    fn note(&self, state: &PoolState<P>) {
        for (stock, class) in self.stocks.iter().zip(state.classes.as_slice()) {
            stock.size.store(class.size, Ordering::Relaxed);
            stock.capacity.store(class.capacity, Ordering::Relaxed);
            stock.set_free(class.count_free());
        }
    }

    /// The size classes, small to large.
    pub(crate) fn stocks(&self) -> impl Iterator<Item = &Stock> {
        // So many the compiler knows of.
        let possible = self.stocks.iter().take(P::Classes::CAPACITY);
        possible.take_while(|stock| stock.size() > 0)
    }

    /// The size class that serves a frame of this length; one that does not exist for what is too
    /// long.
    pub(crate) fn class_of(&self, len: usize) -> usize {
        self.stocks().take_while(|stock| stock.size() < len).count()
    }

    /// Adds `capacity` messages of `size` bytes, header included, allocated by the platform when
    /// first needed. A second call for the same size adds to it. Ignored: a size below a header's, what is
    /// beyond the platform's number of classes or messages, and a new size after the first message was taken.
    pub fn add_class(&self, size: usize, capacity: u16) {
        let waker = self.state.with(|state| {
            let room = capacity.min(state.unused_capacity());
            let class = if room > 0 { state.find_class(size)? } else { return None };
            class.capacity = class.capacity.saturating_add(room);
            self.note(state);
            state.wakes()
        });
        wake(waker.flatten());
    }

    /// Gives the pool one more buffer, in the size class of its length.
    ///
    /// # Errors
    /// Gives it back when it cannot hold a header, when the pool is full, and when its size is new after
    /// the first message was taken.
    pub fn donate(&self, buffer: P::Buffer) -> Result<(), P::Buffer> {
        let size = buffer.len();
        let mut buffer = Some(buffer);
        let waker = self.state.with(|state| {
            let class = if state.unused_capacity() > 0 { state.find_class(size) } else { None };
            let class = class.filter(|class| class.capacity < u16::MAX)?;
            buffer = class.free.push(buffer.take()?).err();
            class.capacity += u16::from(buffer.is_none());
            class.created += u16::from(buffer.is_none());
            self.note(state);
            state.wakes()
        });
        wake(waker.flatten());
        buffer.map_or(Ok(()), Err)
    }

    /// A message from the smallest size class; it moves to a larger one when it outgrows
    /// this. `None` when that class is empty.
    ///
    /// The last message of a size is kept for receiving, so that who has asked for all he could can
    /// still be answered. A class of one gives it.
    pub fn get(pool: &P::PoolRef) -> Option<Message<P>> {
        Self::get_sized(pool, HEADER_LEN)
    }

    /// A message with room for `frame_len` bytes of header, text headers and body together. `None` when there is no such
    /// size, or of the smallest that fits no other is free than the last.
    pub fn get_sized(pool: &P::PoolRef, frame_len: usize) -> Option<Message<P>> {
        let buffer = pool.take_for_application(frame_len)?;
        Some(Message::pooled(buffer, pool.clone()))
    }

    /// As [`Pool::get`], but where the pool is empty the platform allocates. Such
    /// a message is freed, not pooled, when dropped, and lifts no channel's share.
    /// `None` when the platform has no memory.
    pub fn get_always(pool: &P::PoolRef) -> Option<Message<P>> {
        let size = pool.stocks().next()?.size();
        Self::get(pool).or_else(|| Some(Message::unpooled(P::allocate(size)?, pool.clone())))
    }

    /// For somebody who already holds so many messages of each class: served only while more than
    /// that are free.
    ///
    /// # Errors
    /// The class that has none for him.
    pub(crate) fn get_shared(
        pool: &P::PoolRef,
        frame_len: usize,
        held: &PerClass,
    ) -> Result<Message<P>, usize> {
        let class = pool.class_of(frame_len);
        let held = count(held, class);
        let stock = pool.stocks.get(class);
        let buffer = stock.and_then(|stock| pool.state.with(|it| it.take(class, stock, held))?);
        let mut message = Message::pooled(buffer.ok_or(class)?, pool.clone());
        message.set_class(class);
        Ok(message)
    }

    /// A buffer for somebody's own hand: all but the last of a class.
    pub(crate) fn take_for_application(&self, frame_len: usize) -> Option<P::Buffer> {
        let class = self.class_of(frame_len);
        let stock = self.stocks.get(class)?;
        let kept = stock.capacity().saturating_sub(1).min(1);
        self.state.with(|state| state.take(class, stock, kept))?
    }

    /// Who is called when a message comes back after somebody was refused one. It should see to it
    /// that the engine gets a [`turn`](crate::Engine::turn) and that whoever waits for a message
    /// tries again.
    pub fn set_waker(&self, waker: Waker) {
        let old = self.state.with(|state| state.waker.replace(waker));
        drop(old);
    }

    /// How many messages of all sizes are free.
    pub fn free(&self) -> usize {
        self.stocks().map(|stock| usize::from(stock.free())).sum()
    }

    /// How many messages of all sizes the pool has, free or not.
    pub fn capacity(&self) -> usize {
        self.stocks().map(|stock| usize::from(stock.capacity())).sum()
    }

    /// The largest frame a message of this pool can hold, in bytes.
    pub fn largest(&self) -> usize {
        self.stocks().last().map_or(0, Stock::size)
    }

    /// Whether more than `held` messages of a class are free, for somebody who was refused before: there
    /// should be some more, so that reading does not stop and go with each message. If not, the
    /// waker is called at the next return.
    pub(crate) fn has_room_again(&self, class: usize, held: u16) -> bool {
        let free = self.stocks.get(class).map_or(0, Stock::free);
        self.has_room(class, held.saturating_add(free / 8), 0)
    }

    /// Whether something came back since the engine last looked whom it helps.
    #[inline(never)] // Rarely.
    pub(crate) fn came_back(&self) -> bool {
        self.state.with(|state| state.came_back).unwrap_or(false)
    }

    /// The engine looks.
    pub(crate) fn note_look(&self) {
        self.state.with(|state| state.came_back = false);
    }

    /// Notes in a message, which may be another pool's and may yet grow by so many bytes, in which of this pool's
    /// classes it counts: the largest if it is too long for all. Whether it may join `held` of each class on one of so many
    /// channels: the first always, each further one while more are spare than that. If not, the
    /// waker is called at the next return.
    pub(crate) fn admit(
        &self,
        message: &mut Message<P>,
        growth: usize,
        held: &PerClass,
        channels: u32,
    ) -> bool {
        let last = self.stocks().count().saturating_sub(1);
        let len = message.capacity().max(message.frame_len() + growth);
        let class = self.class_of(len).min(last);
        message.set_class(class);
        match count(held, class).checked_sub(1) {
            Some(others) => self.has_room(class, others, channels),
            None => true,
        }
    }

    pub(crate) fn give_back(&self, buffer: P::Buffer) {
        let class = self.class_of(buffer.len());
        let stock = self.stocks.get(class);
        let given = self.state.with(|state| {
            let unwanted = state.give_back(class, stock, buffer);
            (unwanted, state.wakes())
        });
        let Some((unwanted, waker)) = given else { return };
        // Outside the lock: neither a deallocation nor a waker may run inside.
        drop(unwanted);
        wake(waker);
    }

    /// Takes back what `next` yields, under one lock as far as it can.
    pub(crate) fn give_back_all(&self, mut next: impl FnMut() -> Option<Message<P>>) {
        loop {
            let given = self.state.with(|state| {
                let mut came_back = false;
                let odd = loop {
                    match next().map(|message| message.surrender(self)) {
                        None => break None,
                        Some(Err(message)) => break Some(message),
                        Some(Ok(buffer)) => {
                            let class = self.class_of(buffer.len());
                            let unwanted = state.give_back(class, self.stocks.get(class), buffer);
                            debug_assert!(unwanted.is_none());
                            came_back = true;
                        }
                    }
                };
                (odd, if came_back { state.wakes() } else { None })
            });
            let Some((odd, waker)) = given else { return };
            wake(waker);
            // Another pool's, or the platform's: it goes there outside the lock.
            if odd.is_none() {
                return;
            }
        }
    }
}

/// Without the lock: a waker may run anything.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<P: Platform> PoolState<P> {
    /// How many messages more the platform's free list, and so its queues, have room for.
    fn unused_capacity(&self) -> u16 {
        let classes = self.classes.as_slice().iter();
        let used: usize = classes.map(|class| usize::from(class.capacity)).sum();
        u16::try_from(P::FreeList::CAPACITY.saturating_sub(used)).unwrap_or(u16::MAX)
    }

    /// The class of exactly this size, made if need be.
    fn find_class(&mut self, size: usize) -> Option<&mut Class<P>> {
        if size < HEADER_LEN {
            return None;
        }
        let known = self.classes.as_slice().iter().any(|class| class.size == size);
        if !known && !self.in_use && self.classes.as_slice().len() < MAX_CLASSES {
            self.insert(size);
        }
        self.classes.as_mut_slice().iter_mut().find(|class| class.size == size)
    }

    /// Adds a class, if there is a place for it, behind those that are smaller.
    fn insert(&mut self, size: usize) {
        let free = P::FreeList::default();
        let class = Class { size, capacity: 0, created: 0, exhausted: false, free };
        if self.classes.push(class).is_err() {
            return;
        }
        if let Some((last, sorted)) = self.classes.as_mut_slice().split_last_mut() {
            for class in sorted.iter_mut().filter(|class| class.size > size) {
                core::mem::swap(class, last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_platform::{Test, pool};
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[test]
    fn a_dropped_message_comes_back() {
        let pool = pool(&[(64, 3)]);
        let first = Pool::<Test>::get(&pool).unwrap();
        let second = Pool::<Test>::get(&pool).unwrap();
        assert!(Pool::<Test>::get(&pool).is_none(), "the last is kept for receiving");
        assert!(Pool::<Test>::get_shared(&pool, 64, &[0; 4]).is_ok());
        drop(first);
        assert_eq!(pool.free(), 2);
        drop(second);
        assert_eq!(pool.free(), pool.capacity());
    }

    #[test]
    fn sizes_do_not_use_each_other_up() {
        let pool = pool(&[(1_000, 1), (64, 1)]);
        let _small = Pool::<Test>::get(&pool).unwrap();
        assert!(Pool::<Test>::get(&pool).is_none());
        assert!(Pool::<Test>::get_sized(&pool, 65).is_some());
        assert!(Pool::<Test>::get_sized(&pool, 1_001).is_none());
    }

    #[test]
    fn where_the_pool_is_empty_always_allocates_and_frees() {
        let pool = pool(&[(64, 1)]);
        let _pooled = Pool::<Test>::get(&pool).unwrap();
        let mut message = Pool::<Test>::get_always(&pool).unwrap();
        message.set_body([1; 48]).unwrap();
        assert_eq!(message.set_body([1; 49]), Err(crate::MessageError::BodyTooLong));
        drop(message);
        assert_eq!((pool.free(), pool.capacity()), (0, 1));
    }

    #[test]
    fn a_share_is_what_stays_free() {
        let pool = pool(&[(64, 5)]);
        let mut held = vec![];
        while let Ok(message) = Pool::<Test>::get_shared(&pool, 64, &[held.len() as u16; 4]) {
            held.push(message);
        }
        assert_eq!((held.len(), pool.free()), (3, 2));
    }

    #[test]
    fn who_was_refused_is_woken_once_by_the_next_return() {
        #[derive(Default)]
        struct Count(AtomicU32);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count::default());
        let pool = pool(&[(64, 3)]);
        pool.set_waker(Waker::from(count.clone()));
        let (first, second) =
            (Pool::<Test>::get(&pool).unwrap(), Pool::<Test>::get(&pool).unwrap());
        assert!(Pool::<Test>::get(&pool).is_none());
        drop(first);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        drop(second);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    thread_local!(static MEMORY: Cell<bool> = const { Cell::new(false) });
    crate::platform! {
        struct Poor {
            buffer: Box<[u8]>,
            pool: Rc<Pool<Poor>>,
            lock: crate::LocalLock,
            classes: 1,
            messages: 8,
            channels: 2,
            groups: 1,
        }
        allocate: |len: usize| MEMORY.get().then(|| vec![0; len].into_boxed_slice()),
    }

    /// A pool of messages that could not be allocated.
    fn exhausted_pool() -> Rc<Pool<Poor>> {
        let pool = Rc::new(Pool::<Poor>::new());
        pool.add_class(64, 4);
        assert_eq!(pool.free(), 4);
        assert!(Pool::<Poor>::get(&pool).is_none());
        assert_eq!(pool.free(), 0);
        pool
    }

    #[test]
    fn platform_that_had_no_memory_is_asked_again() {
        let pool = exhausted_pool();
        MEMORY.set(true);
        let message = Pool::<Poor>::get(&pool);
        assert!(message.is_some());
        assert_eq!(pool.free(), 3);
    }

    #[test]
    fn what_is_donated_while_there_is_no_memory_is_given_out() {
        let pool = exhausted_pool();
        assert!(pool.donate(vec![0; 64].into_boxed_slice()).is_ok());
        assert_eq!(pool.free(), 1);
        assert!(Pool::<Poor>::get_shared(&pool, 64, &[1; 4]).is_err());
        assert_eq!(pool.free(), 1);
        assert!(Pool::<Poor>::get_shared(&pool, 64, &[0; 4]).is_ok());
    }

    #[test]
    fn what_there_is_no_place_for_makes_no_size() {
        let pool = Pool::<Poor>::new();
        for _ in 0..8 {
            assert!(pool.donate(vec![0; 128].into_boxed_slice()).is_ok());
        }
        assert!(pool.donate(vec![0; 4096].into_boxed_slice()).is_err(), "it is full");
        pool.add_class(4096, 1);
        pool.add_class(128, 1);
        assert_eq!((pool.largest(), pool.capacity()), (128, 8));
    }

    #[test]
    fn what_is_donated_must_hold_a_header() {
        let pool = pool(&[]);
        let buffer = |len| vec![0; len].into_boxed_slice();
        assert!(pool.donate(buffer(15)).is_err());
        assert!(pool.donate(buffer(16)).is_ok());
        assert!(pool.donate(buffer(99)).is_ok());
        assert_eq!((pool.free(), pool.largest()), (2, 99));
    }
}
