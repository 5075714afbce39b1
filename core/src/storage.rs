//! Growing or fixed tables behind one face, so that capacities end here.

use crate::list::NIL;

/// A sequence of `T` that grows at its end, up to [`Table::CAPACITY`].
///
/// heapless' `Vec` is one; a host's platform brings one that grows on the heap. A [`Fixed`] one is full
/// from the start.
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

/// A table that has all its elements from the start.
///
/// A board finds an element faster, and with less code, where their number is known. Not for a
/// [`FreeList`](crate::Platform::FreeList) or [`Classes`](crate::Platform::Classes), where what is not there yet must not
/// be found.
pub struct Fixed<T, const N: usize>([T; N]);

impl<T: Default, const N: usize> Default for Fixed<T, N> {
    fn default() -> Self {
        Fixed(core::array::from_fn(|_| T::default()))
    }
}

impl<T: Default, const N: usize> Table<T> for Fixed<T, N> {
    const CAPACITY: usize = N;

    fn as_slice(&self) -> &[T] {
        &self.0
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    /// It is full.
    fn push(&mut self, value: T) -> Result<(), T> {
        Err(value)
    }

    /// None leaves it.
    fn pop(&mut self) -> Option<T> {
        None
    }
}

/// What a [`Slab`] holds: while it is free it links to the next free one, and to none before it was used.
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
    /// The one freed last.
    free: u32,
    /// The first that was never used, and may have to be made.
    fresh: u32,
    used: u32,
    item: core::marker::PhantomData<T>,
}

impl<T: Slot, S: Table<T>> Slab<T, S> {
    pub(crate) fn new() -> Self {
        Slab { slots: S::default(), free: NIL, fresh: 0, used: 0, item: core::marker::PhantomData }
    }

    /// Index of an element. Gives it back when there is no place.
    #[inline(never)] // The compiler would put the item together twice.
    pub(crate) fn insert(&mut self, item: T) -> Result<u32, T> {
        debug_assert!(!item.is_free());
        let Some(index) = self.vacancy() else { return Err(item) };
        match self.slots.as_mut_slice().get_mut(index as usize) {
            Some(slot) => {
                debug_assert!(slot.is_free());
                self.free = slot.next_free();
                // A free one holds nothing that would have to be dropped.
                core::mem::forget(core::mem::replace(slot, item));
            }
            None => self.slots.push(item)?,
        }
        self.fresh = self.fresh.max(index + 1);
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
            None if self.available() > 0 => Some(self.fresh),
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.as_slice().iter()
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        self.slots.as_mut_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number, or the next free one.
    #[derive(Debug, PartialEq)]
    enum Item {
        Taken(u32),
        Free(u32),
    }

    impl Default for Item {
        fn default() -> Self {
            Item::Free(NIL)
        }
    }

    impl Slot for Item {
        fn is_free(&self) -> bool {
            matches!(self, Item::Free(_))
        }
        fn next_free(&self) -> u32 {
            match self {
                Item::Free(next) => *next,
                Item::Taken(_) => NIL,
            }
        }
        fn free(&mut self, next_free: u32) {
            *self = Item::Free(next_free);
        }
    }

    #[test]
    fn growing_and_fixed_slabs_are_alike() {
        check_slab(Slab::<Item, heapless::Vec<Item, 3>>::new());
        check_slab(Slab::<Item, Fixed<Item, 3>>::new());
    }

    fn check_slab(mut slab: Slab<Item, impl Table<Item>>) {
        for index in 0..3 {
            assert_eq!((slab.vacancy(), slab.available()), (Some(index), 3 - index as usize));
            assert_eq!(slab.insert(Item::Taken(index)), Ok(index));
        }
        assert_eq!(slab.insert(Item::Taken(9)), Err(Item::Taken(9)));
        assert_eq!((slab.vacancy(), slab.available(), slab.used()), (None, 0, 3));
        slab.remove(0);
        slab.remove(2);
        assert_eq!(slab.insert(Item::Taken(7)), Ok(2), "the one freed last is used first");
        assert_eq!(slab.insert(Item::Taken(8)), Ok(0));
        assert_eq!(slab.as_mut_slice(), [8, 1, 7].map(Item::Taken));
    }
}
