//! An engine with little of everything, on the heap.

use std::rc::Rc;
use tofu_core::{Engine, GroupId, LocalLock, Options, Pool};

tofu_core::platform! {
    /// Messages of up to three sizes.
    pub(crate) struct Board {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Board>>,
        lock: LocalLock,
        classes: 3,
        messages: 64,
        channels: 6,
        groups: 2,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

/// A message of its pool.
pub(crate) type Message = tofu_core::Message<Board>;
/// What its groups receive.
pub(crate) type Received = tofu_core::Received<Board>;

/// An engine and a group, which reads ahead this many bytes.
pub(crate) fn engine(
    classes: &[(usize, u16)],
    options: &Options,
    staging: usize,
) -> (Engine<Board>, GroupId) {
    let pool = Rc::new(Pool::new());
    classes.iter().for_each(|&(size, count)| pool.add_class(size, count));
    let mut engine = Engine::new(pool, options);
    let group = engine.open_group(buffer(staging)).expect("the first group");
    (engine, group)
}

/// Memory of this length.
pub(crate) fn buffer(len: usize) -> Box<[u8]> {
    vec![0; len].into_boxed_slice()
}

/// Nothing is left of what an engine had: every message is free.
pub(crate) fn assert_no_leak(engine: &Engine<Board>) {
    let pool = engine.pool();
    assert_eq!(pool.free(), pool.capacity(), "messages leaked");
}
