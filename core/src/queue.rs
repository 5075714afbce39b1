//! What waits: one slab of nodes for the receive queues of all groups and the send queues
//! of all channels.

use crate::list::NIL;
use crate::message::Message;
use crate::platform::Platform;
use crate::storage::{Slab, Slot, Table};
use crate::{ChannelNumber, Status};

/// A word from the engine that carries no payload ([PROTOCOL, section 4](crate::protocol#4-what-is-received)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Notice {
    /// The channel it is about; none for the whole group.
    pub channel: ChannelNumber,
    /// The id of the message it is about: for `channel_closed` that of the Hello or Welcome
    /// which made the channel.
    pub id: u64,
    /// What happened.
    pub status: Status,
    /// For `channel_closed`: why. [`Status::Success`] after a goodbye, `channel_closed` after one's own ByeSignal, else
    /// what ended the channel. For `accept_failed`: `not_allowed` where the listener has all the channels it may have. For
    /// other notices the same as `status`.
    pub reason: Status,
}

impl Notice {
    pub(crate) fn of_group(status: Status) -> Self {
        Notice { channel: ChannelNumber::NONE, id: 0, status, reason: status }
    }
}

pub(crate) enum Item<P: Platform> {
    Message(Message<P>),
    Notice(Notice),
}

/// A place in a queue.
///
/// An engine needs, at most at once: one per message; per channel one for `channel_closed`
/// and one for a frame that was too long (or a failed accept); per group one for `pool_empty` and
/// one for `receiver_update`.
pub struct Node<P: Platform> {
    item: Option<Item<P>>,
    next: u32,
}

impl<P: Platform> Default for Node<P> {
    /// A free one.
    fn default() -> Self {
        Node { item: None, next: NIL }
    }
}

impl<P: Platform> Node<P> {
    /// The message that waits here.
    pub(crate) fn message(&self) -> Option<&Message<P>> {
        match self.item.as_ref()? {
            Item::Message(message) => Some(message),
            Item::Notice(_) => None,
        }
    }
}

impl<P: Platform> Slot for Node<P> {
    fn is_free(&self) -> bool {
        self.item.is_none()
    }
    fn next_free(&self) -> u32 {
        self.next
    }
    fn free(&mut self, next_free: u32) {
        debug_assert!(self.item.is_none());
        self.next = next_free;
    }
}

pub(crate) type Nodes<P> = Slab<Node<P>, <P as Platform>::Nodes>;

/// A first-in first-out queue through the slab of nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    head: u32,
    tail: u32,
    len: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Queue { head: NIL, tail: NIL, len: 0 }
    }
}

impl Queue {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends. Gives the item back when all nodes are taken.
    pub(crate) fn push<P: Platform>(
        &mut self,
        nodes: &mut Nodes<P>,
        item: Item<P>,
    ) -> Result<(), Item<P>> {
        let index = match nodes.insert(Node { item: Some(item), next: NIL }) {
            Ok(index) => index,
            Err(Node { item: Some(item), .. }) => return Err(item),
            Err(Node { item: None, .. }) => return Ok(()),
        };
        match nodes.get_mut(self.tail) {
            Some(last) => last.next = index,
            None => self.head = index,
        }
        self.tail = index;
        self.len += 1;
        Ok(())
    }

    pub(crate) fn pop<P: Platform>(&mut self, nodes: &mut Nodes<P>) -> Option<Item<P>> {
        let index = self.head;
        let node = nodes.get_mut(index)?;
        let item = node.item.take();
        self.head = node.next;
        if self.head == NIL {
            self.tail = NIL;
        }
        self.len = self.len.saturating_sub(1);
        nodes.remove(index);
        item
    }

    /// The message at the front.
    pub(crate) fn first<'a, P: Platform>(&self, nodes: &'a Nodes<P>) -> Option<&'a Message<P>> {
        nodes.get(self.head)?.message()
    }

    /// The messages in it, first to last.
    pub(crate) fn messages<'a, P: Platform, S: Table<Node<P>>>(
        &self,
        nodes: &'a Slab<Node<P>, S>,
    ) -> impl Iterator<Item = &'a Message<P>> {
        let mut next = self.head;
        core::iter::from_fn(move || {
            let node = nodes.get(next)?;
            next = node.next;
            node.item.as_ref()
        })
        .filter_map(|item| match item {
            Item::Message(message) => Some(message),
            Item::Notice(_) => None,
        })
    }
}
