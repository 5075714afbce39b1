//! A host: memory from the heap, tables that grow, locks between threads.

use crate::sync::{self, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tofu_core::{
    Channel, Class, Group, Lock, MAX_CLASSES, Node, NumberEntry, Platform, Pool, PoolState, Table,
};

/// The platform of this crate's engines. Users meet it only in the documentation of
/// [`tofu_core`]'s types.
#[derive(Debug)]
pub struct Host;

/// The most channels an engine can have: one for each number.
const MAX_CHANNELS: usize = 65_534;
/// The most groups an engine can have.
const MAX_GROUPS: usize = 65_535;

impl Platform for Host {
    type Buffer = Box<[u8]>;
    type PoolRef = Arc<Pool<Host>>;
    type PoolLock = ThreadLock<PoolState<Host>>;
    type Classes = Growing<Class<Host>, MAX_CLASSES>;
    type FreeList = Growing<Box<[u8]>, { MAX_CLASSES * u16::MAX as usize }>;
    type Channels = Growing<Channel<Host>, MAX_CHANNELS>;
    type Numbers = Growing<NumberEntry, MAX_CHANNELS>;
    type Nodes = Growing<Node<Host>, { u32::MAX as usize - 1 }>;
    type Groups = Growing<Group<Host>, MAX_GROUPS>;

    fn allocate(len: usize) -> Option<Box<[u8]>> {
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(len).ok()?;
        buffer.resize(len, 0);
        Some(buffer.into_boxed_slice())
    }

    fn unique_id(_counter: &mut u64) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed).max(1)
    }
}

/// A table on the heap that grows up to `N`.
#[derive(Debug)]
pub struct Growing<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Default for Growing<T, N> {
    fn default() -> Self {
        Growing(Vec::new())
    }
}

impl<T, const N: usize> Table<T> for Growing<T, N> {
    const CAPACITY: usize = N;

    fn as_slice(&self) -> &[T] {
        &self.0
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    fn push(&mut self, value: T) -> Result<(), T> {
        if self.0.len() == N || self.0.try_reserve(1).is_err() {
            return Err(value);
        }
        self.0.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
}

/// A lock between threads.
#[derive(Debug, Default)]
pub struct ThreadLock<T>(Mutex<T>);

impl<T> Lock<T> for ThreadLock<T> {
    fn new(value: T) -> Self {
        ThreadLock(Mutex::new(value))
    }

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        Some(f(&mut sync::lock(&self.0)))
    }
}
