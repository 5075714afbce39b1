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

/// What a [`Slab`] holds: while it is free it links to the next free one.
pub(crate) trait Slot {
    fn is_free(&self) -> bool;
    /// Only asked while it is free.
    fn next_free(&self) -> u32;
    /// Makes it free. What it held must be gone.
    fn free(&mut self, next_free: u32);
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

    /// Index of an element. Gives it back when there is no place.
    #[inline(never)] // The compiler would put the item together twice.
    pub(crate) fn insert(&mut self, item: T) -> Result<u32, T> {
        debug_assert!(!item.is_free());
        let index = match self.slots.as_mut_slice().get_mut(self.free as usize) {
            Some(slot) => {
                debug_assert!(slot.is_free());
                let next_free = slot.next_free();
                // A free one holds nothing that would have to be dropped.
                core::mem::forget(core::mem::replace(slot, item));
                core::mem::replace(&mut self.free, next_free)
            }
            None => {
                let index = self.slots.as_slice().len() as u32;
                self.slots.push(item)?;
                index
            }
        };
        self.used += 1;
        Ok(index)
    }

    /// Frees an element.
    pub(crate) fn remove(&mut self, index: u32) {
        let next_free = self.free;
        if let Some(slot) = self.get_mut(index) {
            slot.free(next_free);
            self.free = index;
            self.used = self.used.saturating_sub(1);
        }
    }

    /// The index the next element will have, if there is a place for one.
    pub(crate) fn vacancy(&self) -> Option<u32> {
        match self.get(self.free) {
            Some(_) => Some(self.free),
            None if self.available() > 0 => u32::try_from(self.slots.as_slice().len()).ok(),
            None => None,
        }
    }

    /// How many more there is a place for.
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
