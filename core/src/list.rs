//! Doubly linked lists through a slice of elements, by index.
//!
//! An element can be in several lists at once, one per [`Lane`], and is taken out of the
//! middle without a search. Not generic over the lane, so that a board has the code once.

use crate::channel::Lane;

/// "No element", where elements have 32-bit indices.
pub(crate) const NIL: u32 = u32::MAX;

/// "No element" at an end of a list.
const END: u16 = u16::MAX;
/// As the next element: in no list.
const OUT: u16 = u16::MAX - 1;

/// An element's place in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    prev: u16,
    next: u16,
}

impl Links {
    pub(crate) const NONE: Links = Links { prev: END, next: OUT };

    pub(crate) fn is_member(&self) -> bool {
        self.next != OUT
    }
}

/// An element keeps its links for each lane.
pub(crate) trait Linked {
    fn links_mut(&mut self, lane: Lane) -> Option<&mut Links>;
}

/// A list; the elements live elsewhere and are passed to each call.
pub(crate) struct List {
    head: u16,
    tail: u16,
    lane: Lane,
}

impl List {
    pub(crate) const fn new(lane: Lane) -> Self {
        List { head: END, tail: END, lane }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == END
    }

    pub(crate) fn front(&self) -> Option<u32> {
        (self.head != END).then_some(self.head.into())
    }

    /// Appends an element that is in no list of this lane; does nothing if it is in one.
    #[inline(never)] // Once, for a board.
    pub(crate) fn push_back<T: Linked>(&mut self, items: &mut [T], index: u32) {
        let tail = self.tail;
        let (Some(links), Ok(index)) = (self.links(items, index), u16::try_from(index)) else {
            return;
        };
        debug_assert!(index < OUT);
        if links.is_member() {
            return;
        }
        *links = Links { prev: tail, next: END };
        self.set_next(items, tail, index);
        self.tail = index;
    }

    /// Takes an element out of this list; false if it is in none.
    pub(crate) fn remove<T: Linked>(&mut self, items: &mut [T], index: u32) -> bool {
        let Some(links) = self.links(items, index) else { return false };
        let Links { prev, next } = core::mem::replace(links, Links::NONE);
        if next == OUT {
            return false;
        }
        self.set_next(items, prev, next);
        match self.links(items, next.into()) {
            Some(links) => links.prev = prev,
            None => self.tail = prev,
        }
        true
    }

    pub(crate) fn pop_front<T: Linked>(&mut self, items: &mut [T]) -> Option<u32> {
        let index = self.front()?;
        self.remove(items, index);
        Some(index)
    }

    fn links<'a, T: Linked>(&self, items: &'a mut [T], index: u32) -> Option<&'a mut Links> {
        items.get_mut(index as usize)?.links_mut(self.lane)
    }

    fn set_next<T: Linked>(&mut self, items: &mut [T], index: u16, next: u16) {
        match self.links(items, index.into()) {
            Some(links) => links.next = next,
            None => self.head = next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    struct Item(Links);

    impl Linked for Item {
        fn links_mut(&mut self, lane: Lane) -> Option<&mut Links> {
            (lane == Lane::Reading).then_some(&mut self.0)
        }
    }

    fn drain(list: &mut List, items: &mut [Item]) -> Vec<u32> {
        core::iter::from_fn(|| list.pop_front(items)).collect()
    }

    #[test]
    fn behaves_as_a_deque() {
        let mut items: Vec<Item> = (0..16).map(|_| Item(Links::NONE)).collect();
        let (mut list, mut model) = (List::new(Lane::Reading), VecDeque::new());
        for step in 0u32..1_000 {
            let index = (step * 7 + step / 3) % 16;
            if step % 3 == 0 {
                list.remove(&mut items, index);
                model.retain(|&member| member != index);
            } else {
                list.push_back(&mut items, index);
                if !model.contains(&index) {
                    model.push_back(index);
                }
            }
            assert_eq!(list.front(), model.front().copied());
        }
        assert_eq!(drain(&mut list, &mut items), Vec::from(model));
        assert!(list.is_empty());
    }
}
