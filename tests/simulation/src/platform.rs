//! The platform of the simulated engines: few of everything, and every byte of memory counted.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use tofu_core::{LocalLock, Pool};

/// Channels of one engine: few enough to run out.
pub const CHANNELS: usize = 6;
/// Groups of one engine.
pub const GROUPS: usize = 2;
/// Messages of one engine, of all size classes together.
pub const MESSAGES: usize = 48;
/// How far reading runs ahead of a receiver: few enough that some scenarios have a receiver fall so far behind, and
/// enough that others use up their pool first.
pub const READ_AHEAD: u32 = 4;

tofu_core::platform! {
    /// An engine of the simulation.
    pub struct Sim {
        buffer: Memory,
        pool: Rc<Pool<Sim>>,
        lock: LocalLock,
        classes: 3,
        messages: MESSAGES,
        channels: CHANNELS,
        groups: GROUPS,
    }
    read_ahead: READ_AHEAD,
    allocate: |len| Some(Memory::new(len)),
}

/// A message of the simulation.
pub type Message = tofu_core::Message<Sim>;
/// What its engines' groups receive.
pub type Received = tofu_core::Received<Sim>;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

/// Bytes on the heap, counted while they exist.
#[derive(Default)]
pub struct Memory(Box<[u8]>);

impl Memory {
    /// `len` bytes.
    pub fn new(len: usize) -> Self {
        LIVE.set(LIVE.get() + len);
        Memory(vec![0; len].into_boxed_slice())
    }

    /// How many bytes this thread's engines hold now.
    pub fn live() -> usize {
        LIVE.get()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        LIVE.set(LIVE.get() - self.0.len());
    }
}

impl Deref for Memory {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
