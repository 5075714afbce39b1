//! What this process has on the heap, counted. C libraries have their own and are not seen.

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The heap at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heap {
    /// Allocations and reallocations so far.
    pub(crate) allocations: usize,
    /// Bytes that are allocated.
    pub(crate) live: usize,
}

impl Heap {
    pub(crate) fn now() -> Heap {
        let stats = ALLOCATOR.stats();
        Heap {
            allocations: stats.allocations + stats.reallocations,
            live: stats.bytes_allocated.saturating_sub(stats.bytes_deallocated),
        }
    }

    /// Allocations since `earlier`.
    pub(crate) fn allocations_since(self, earlier: Heap) -> usize {
        self.allocations.saturating_sub(earlier.allocations)
    }

    /// Bytes more than `earlier`.
    pub(crate) fn growth_since(self, earlier: Heap) -> usize {
        self.live.saturating_sub(earlier.live)
    }
}
