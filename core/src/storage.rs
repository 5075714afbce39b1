//! Growing or fixed tables behind one face, so that capacities end here.

use crate::list::NIL;

/// A sequence of `T` that grows at its end, up to [`Table::CAPACITY`].
///
/// heapless' `Vec` is one; a host's platform brings one that grows on the heap.
pub trait Table<T>: Default {
    /// The most elements it can hold.
    const CAPACITY: usize;

    /// All elements.
    fn as_slice(&self) -> &[T];

    /// All elements, to change.
    fn as_mut_slice(&mut self) -> &mut [T];

    /// Adds one at the end.
    ///
    /// # Errors
    /// Gives it back when the table is full.
    fn push(&mut self, value: T) -> Result<(), T>;

    /// Takes the one at the end.
    fn pop(&mut self) -> Option<T>;
}

impl<T, const N: usize> Table<T> for heapless::Vec<T, N> {
    const CAPACITY: usize = N;

    fn as_slice(&self) -> &[T] {
        self.as_slice()
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }

    fn push(&mut self, value: T) -> Result<(), T> {
        self.push(value)
    }

    fn pop(&mut self) -> Option<T> {
        self.pop()
    }
}

/// What a [`Slab`] holds: knows whether it is in use, and links to the next free one.
pub(crate) trait Slot: Default {
    fn is_free(&self) -> bool;
    fn next_free(&self) -> u32;
    fn set_next_free(&mut self, next: u32);
}

/// Elements at stable indices; the one freed last is used first, while it is
/// still in the cache.
pub(crate) struct Slab<T, S> {
    slots: S,
    free: u32,
    used: u32,
    item: core::marker::PhantomData<T>,
}

impl<T: Slot, S: Table<T>> Slab<T, S> {
    pub(crate) fn new() -> Self {
        Slab { slots: S::default(), free: NIL, used: 0, item: core::marker::PhantomData }
    }

    /// Index of a fresh element; `None` when all are in use. The caller
    /// marks it as used.
    pub(crate) fn take(&mut self) -> Option<u32> {
        if let Some(slot) = self.get(self.free) {
            debug_assert!(slot.is_free());
            let index = self.free;
            self.free = slot.next_free();
            self.used += 1;
            return Some(index);
        }
        let index = u32::try_from(self.slots.as_slice().len()).ok()?;
        self.slots.push(T::default()).ok()?;
        self.used += 1;
        Some(index)
    }

    /// Returns an element; its content goes back to the default.
    pub(crate) fn give_back(&mut self, index: u32) {
        let free = self.free;
        if let Some(slot) = self.get_mut(index) {
            *slot = T::default();
            slot.set_next_free(free);
            self.free = index;
            self.used = self.used.saturating_sub(1);
        }
    }

    /// How many more can be taken.
    pub(crate) fn available(&self) -> usize {
        S::CAPACITY.saturating_sub(self.used as usize)
    }

    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.slots.as_slice().get(index as usize)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.as_mut_slice().get_mut(index as usize)
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        self.slots.as_mut_slice()
    }
}
