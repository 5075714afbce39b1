//! Doubly linked lists through a slice of elements, by index.
//!
//! An element can be in several lists at once, one per [`Linked`] tag, and is
//! taken out of the middle without a search.

use core::marker::PhantomData;

/// "No element".
pub(crate) const NIL: u32 = u32::MAX;

/// An element's place in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    prev: u32,
    next: u32,
    member: bool,
}

impl Default for Links {
    fn default() -> Self {
        Links { prev: NIL, next: NIL, member: false }
    }
}

impl Links {
    pub(crate) fn is_member(&self) -> bool {
        self.member
    }
}

/// Where an element keeps its links for the lists of `Tag`.
pub(crate) trait Linked<Tag> {
    fn links(&self) -> &Links;
    fn links_mut(&mut self) -> &mut Links;
}

/// A list; the elements live elsewhere and are passed to each call.
pub(crate) struct List<Tag> {
    head: u32,
    tail: u32,
    tag: PhantomData<Tag>,
}

impl<Tag> Default for List<Tag> {
    fn default() -> Self {
        List { head: NIL, tail: NIL, tag: PhantomData }
    }
}

impl<Tag> List<Tag> {
    pub(crate) fn is_empty(&self) -> bool {
        self.head == NIL
    }

    pub(crate) fn front(&self) -> Option<u32> {
        (self.head != NIL).then_some(self.head)
    }

    /// Appends an element that is in no list of this tag; does nothing if it is in one.
    pub(crate) fn push_back<T: Linked<Tag>>(&mut self, items: &mut [T], index: u32) {
        let tail = self.tail;
        let Some(item) = items.get_mut(index as usize) else {
            return;
        };
        if item.links().member {
            return;
        }
        *item.links_mut() = Links { prev: tail, next: NIL, member: true };
        self.set_next(items, tail, index);
        self.tail = index;
    }

    /// Takes an element out of this list; does nothing if it is in none.
    pub(crate) fn remove<T: Linked<Tag>>(&mut self, items: &mut [T], index: u32) {
        let Some(item) = items.get_mut(index as usize) else {
            return;
        };
        let links = core::mem::take(item.links_mut());
        if !links.member {
            return;
        }
        self.set_next(items, links.prev, links.next);
        self.set_prev(items, links.next, links.prev);
    }

    pub(crate) fn pop_front<T: Linked<Tag>>(&mut self, items: &mut [T]) -> Option<u32> {
        let index = self.front()?;
        self.remove(items, index);
        Some(index)
    }

    fn set_next<T: Linked<Tag>>(&mut self, items: &mut [T], index: u32, next: u32) {
        match items.get_mut(index as usize) {
            Some(item) => item.links_mut().next = next,
            None => self.head = next,
        }
    }

    fn set_prev<T: Linked<Tag>>(&mut self, items: &mut [T], index: u32, prev: u32) {
        match items.get_mut(index as usize) {
            Some(item) => item.links_mut().prev = prev,
            None => self.tail = prev,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[derive(Default)]
    struct Item(Links);
    struct Tag;

    impl Linked<Tag> for Item {
        fn links(&self) -> &Links {
            &self.0
        }
        fn links_mut(&mut self) -> &mut Links {
            &mut self.0
        }
    }

    fn drain(list: &mut List<Tag>, items: &mut [Item]) -> Vec<u32> {
        core::iter::from_fn(|| list.pop_front(items)).collect()
    }

    #[test]
    fn behaves_as_a_deque() {
        let mut items: Vec<Item> = (0..16).map(|_| Item::default()).collect();
        let (mut list, mut model) = (List::default(), VecDeque::new());
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
