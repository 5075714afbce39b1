//! What differs between a host and a board, in one place.

use crate::channel::{Channel, NumberEntry};
use crate::group::Group;
use crate::pool::{Class, Pool, PoolState};
use crate::queue::Node;
use crate::storage::Table;
use core::cell::RefCell;
use core::ops::{Deref, DerefMut};

/// Storage, locking and memory of the place an engine runs in.
///
/// Users of a backend never see it: `tofu_std::Message` names no parameter.
/// A board declares its own with [`platform!`](crate::platform).
pub trait Platform: Sized + 'static {
    /// The owned bytes of one message; `Default` is the empty one that stays
    /// behind when a buffer is moved out.
    type Buffer: Default + DerefMut<Target = [u8]>;
    /// A shared handle to the pool, held by every message.
    type PoolRef: Clone + Deref<Target = Pool<Self>>;
    /// Guards the pool.
    type PoolLock: Lock<PoolState<Self>>;
    /// The pool's size classes, at most [`MAX_CLASSES`](crate::MAX_CLASSES).
    type Classes: Table<Class<Self>>;
    /// The free buffers of one size class. Its capacity is also the most messages of all classes together.
    type FreeList: Table<Self::Buffer>;
    /// The channels that exist.
    type Channels: Table<Channel<Self>>;
    /// The channel numbers; at least as many as channels.
    type Numbers: Table<NumberEntry>;
    /// What waits in queues: at least messages + 2 · channels + 2 · groups (see
    /// [`Node`]). What is there beyond that is for messages from the heap or another pool.
    type Nodes: Table<Node<Self>>;
    /// The channel groups.
    type Groups: Table<Group<Self>>;

    /// How far reading runs ahead of a group's receiver, in messages and notices that wait, one at least: what is
    /// read beyond that only grows older. It goes on at half of it.
    const READ_AHEAD: u32 = 256;

    /// Memory for a buffer of `len` bytes. The default platform has none beyond what was
    /// donated to the pool. Where there is none now, it is asked again with each request for a message of that size; a
    /// channel that waits for one goes on when one comes back.
    fn allocate(len: usize) -> Option<Self::Buffer> {
        let _ = len;
        None
    }

    /// A fresh message id, not 0. `counter` is the engine's own, which is enough where there is one
    /// engine; a platform with several overrides this to make ids unique in the process.
    fn unique_id(counter: &mut u64) -> u64 {
        *counter = counter.wrapping_add(1).max(1);
        *counter
    }
}

/// Guards a value that several contexts share.
pub trait Lock<T> {
    /// Wraps a value.
    fn new(value: T) -> Self;

    /// Runs `f` alone on the value. From inside itself, where nobody should call it, a lock may say `None`
    /// and not run `f`.
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R>;
}

/// A [`Lock`] for one context only: a superloop or one executor.
///
/// An [`allocate`](Platform::allocate) or a waker's clone that uses the pool, which guards them, finds it
/// empty, and a message it drops does not come back.
#[derive(Debug, Default)]
pub struct LocalLock<T>(RefCell<T>);

impl<T> Lock<T> for LocalLock<T> {
    fn new(value: T) -> Self {
        LocalLock(RefCell::new(value))
    }

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.try_borrow_mut().ok().map(|mut value| f(&mut value))
    }
}

/// Declares a [`Platform`](crate::Platform) of fixed capacities.
///
/// `buffer` and `pool` are the types of a message's bytes and of the handle to the pool:
/// on a board `&'static mut [u8]` and `&'static Pool<Board>`. `lock` names a [`Lock`](crate::Lock) without its parameter:
/// [`LocalLock`](crate::LocalLock), with which a pool stays in one context, or one of the board's own where interrupts use messages.
/// `classes` is the most size classes, `messages` the most messages of all of them; `channels` counts connections and
/// listeners, `groups` channel groups.
///
/// After the braces there may follow, in this order: `foreign`, how many messages from the heap or another engine's pool may
/// wait to be sent besides (0; more are refused with `pool_empty`), `read_ahead`, a number, and `allocate` and
/// `unique_id`, functions, to replace the platform's defaults.
///
/// ```
/// tofu_core::platform! {
///     /// A board with one size class.
///     pub struct Board {
///         buffer: &'static mut [u8],
///         pool: &'static tofu_core::Pool<Board>,
///         lock: tofu_core::LocalLock,
///         classes: 1,
///         messages: 16,
///         channels: 5,
///         groups: 1,
///     }
/// }
/// ```
#[macro_export]
macro_rules! platform {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            buffer: $buffer:ty,
            pool: $pool:ty,
            lock: $($lock:ident)::+,
            classes: $classes:expr,
            messages: $messages:expr,
            channels: $channels:expr,
            groups: $groups:expr $(,)?
        }
        $(foreign: $foreign:expr,)?
        $(read_ahead: $read_ahead:expr,)?
        $(allocate: $allocate:expr,)?
        $(unique_id: $unique_id:expr,)?
    ) => {
        $(#[$meta])*
        $vis struct $name;

        impl $crate::Platform for $name {
            type Buffer = $buffer;
            type PoolRef = $pool;
            type PoolLock = $($lock)::+<$crate::PoolState<Self>>;
            type Classes = $crate::heapless::Vec<$crate::Class<Self>, { $classes }>;
            type FreeList = $crate::heapless::Vec<Self::Buffer, { $messages }>;
            type Channels = $crate::Fixed<$crate::Channel<Self>, { $channels }>;
            type Numbers = $crate::Fixed<$crate::NumberEntry, { $channels }>;
            type Nodes = $crate::Fixed<
                $crate::Node<Self>,
                { $messages + 2 * $channels + 2 * $groups $(+ $foreign)? },
            >;
            type Groups = $crate::Fixed<$crate::Group<Self>, { $groups }>;

            $(
                const READ_AHEAD: u32 = $read_ahead;
            )?
            $(
                fn allocate(len: usize) -> Option<Self::Buffer> {
                    ($allocate)(len)
                }
            )?
            $(
                fn unique_id(counter: &mut u64) -> u64 {
                    ($unique_id)(counter)
                }
            )?
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_called_from_inside_says_so_and_runs_nothing() {
        let lock = LocalLock::new(1);
        let inside = lock.with(|value| {
            *value += 1;
            lock.with(|value| *value += 1)
        });
        assert_eq!(inside, Some(None));
        assert_eq!(lock.with(|value| *value), Some(2));
    }
}
