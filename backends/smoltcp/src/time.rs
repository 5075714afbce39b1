//! Time on both sides of the seam, converted in one place.

use core::time::Duration;
use smoltcp::time;
use tofu_core::Instant;

/// smoltcp counts in signed microseconds and adds without looking: nothing may come near
/// the end.
const LAST: u64 = i64::MAX as u64 / 4;

pub(crate) fn to_smoltcp(at: Instant) -> time::Instant {
    time::Instant::from_micros_const(at.as_micros().min(LAST).cast_signed())
}

pub(crate) fn from_smoltcp(at: time::Instant) -> Instant {
    Instant::from_micros(u64::try_from(at.total_micros()).unwrap_or_default())
}

#[inline(never)] // Once, for a board.
pub(crate) fn duration(duration: Duration) -> time::Duration {
    let micros = Instant::ZERO.after(duration).as_micros();
    time::Duration::from_micros(micros.min(LAST))
}
