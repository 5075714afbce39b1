//! Who runs where. The attacked server has a processor of its own: what is measured is how it deals with
//! its clients, not whom the system lets run.

use rustix::io;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Leaves the last processor to the attacked server: its number. `None` where there is but one.
pub(crate) fn leave_one() -> io::Result<Option<usize>> {
    let mut rest = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|&number| rest.is_set(number));
    let Some(last) = last.filter(|_| rest.count() > 1) else { return Ok(None) };
    rest.unset(last);
    sched_setaffinity(None, &rest)?;
    Ok(Some(last))
}

/// Runs on this processor only, from now on and in all threads to come.
pub(crate) fn stay_on(number: usize) -> io::Result<()> {
    let mut one = CpuSet::new();
    one.set(number);
    sched_setaffinity(None, &one)
}
