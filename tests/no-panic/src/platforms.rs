//! A board, and a place with memory to allocate: the two ways a platform is declared.

use crate::any::{any, see};
use tofu_core::{LocalLock, Lock, Platform, Pool, Table};

tofu_core::platform! {
    /// Buffers are donated; nothing is allocated.
    pub(crate) struct Board {
        buffer: &'static mut [u8],
        pool: &'static Pool<Board>,
        lock: LocalLock,
        classes: 2,
        messages: 16,
        channels: 5,
        groups: 2,
    }
}

tofu_core::platform! {
    /// What a platform may replace is replaced.
    pub(crate) struct Host {
        buffer: &'static mut [u8],
        pool: &'static Pool<Host>,
        lock: LocalLock,
        classes: 4,
        messages: 64,
        channels: 32,
        groups: 4,
    }
    allocate: |len| {
        see(len);
        any()
    },
    unique_id: |counter| {
        see(counter);
        any().unwrap_or(1)
    },
}

/// As rustdoc calls them.
type VecInner = tofu_core::heapless::Vec<u8, 8>;
type Fixed = tofu_core::Fixed<u8, 8>;

pub(crate) fn reach<P: Platform>() -> Option<()> {
    see(<P as Platform>::allocate(any()?));
    see(<P as Platform>::unique_id(any()?));
    // What a board brings of its own.
    let lock = any::<&LocalLock<u8>>()?;
    see(<LocalLock<u8> as Lock<u8>>::new(any()?));
    see(<LocalLock<u8> as Lock<u8>>::with(lock, |value| see(value)));
    see(<VecInner as Table<u8>>::as_slice(any()?));
    see(<VecInner as Table<u8>>::as_mut_slice(any()?));
    see(<VecInner as Table<u8>>::push(any()?, any()?));
    see(<VecInner as Table<u8>>::pop(any()?));
    see(<Fixed as Table<u8>>::as_slice(any()?));
    see(<Fixed as Table<u8>>::as_mut_slice(any()?));
    see(<Fixed as Table<u8>>::push(any()?, any()?));
    see(<Fixed as Table<u8>>::pop(any()?));
    Some(())
}
