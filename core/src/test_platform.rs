//! The platform of this crate's own tests.

use crate::{LocalLock, Pool};
use std::rc::Rc;

pub(crate) type TestPool = Rc<Pool<Test>>;

crate::platform! {
    pub(crate) struct Test {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Test>>,
        lock: LocalLock,
        classes: 4,
        messages: 64,
        channels: 8,
        groups: 2,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

/// A pool of these sizes and counts.
pub(crate) fn pool(classes: &[(usize, u16)]) -> TestPool {
    let pool = Pool::new();
    for &(size, count) in classes {
        pool.add_class(size, count);
    }
    Rc::new(pool)
}
