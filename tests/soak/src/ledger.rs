//! What was begun, and what became of it.

use hdrhistogram::Histogram;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a worker can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request and its answer, compared byte for byte.
    Call,
    /// A file to the server.
    Put,
    /// A file from the server.
    Get,
    /// A connection: hello and goodbye, and at most a call between them.
    Cycle,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Call, Kind::Put, Kind::Get, Kind::Cycle];

    pub(crate) fn name(self) -> &'static str {
        ["calls", "puts", "gets", "cycles"][self as usize]
    }
}

/// How something is broken off on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A ByeSignal.
    Signal,
    /// A ByeRequest, in the middle.
    Goodbye,
    /// The channel group is dropped.
    Dropped,
    /// A bare socket, dropped at any byte.
    Cut,
    /// A `tofu` process, killed.
    Killed,
}

impl Way {
    pub(crate) const ALL: [Way; 5] =
        [Way::Signal, Way::Goodbye, Way::Dropped, Way::Cut, Way::Killed];

    pub(crate) fn name(self) -> &'static str {
        ["bye signal", "bye request", "group dropped", "socket cut", "process killed"]
            [self as usize]
    }
}

/// All that happened, counted by all workers.
pub(crate) struct Ledger {
    begun: [AtomicU64; Kind::ALL.len()],
    finished: [AtomicU64; Kind::ALL.len()],
    aborted: [AtomicU64; Kind::ALL.len()],
    ways: [AtomicU64; Way::ALL.len()],
    messages: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    round_trips: RoundTrips,
    control: RoundTrips,
    broken: Mutex<Vec<String>>,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) begun: [u64; Kind::ALL.len()],
    pub(crate) finished: [u64; Kind::ALL.len()],
    pub(crate) aborted: [u64; Kind::ALL.len()],
    pub(crate) ways: [u64; Way::ALL.len()],
    /// Posted and received by the clients that are part of this program.
    pub(crate) messages: u64,
    /// Of calls and files that were finished, and so checked.
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
}

/// Something that was begun. It counts as lost until its end is told.
#[must_use]
pub(crate) struct Begun<'a> {
    ledger: &'a Ledger,
    kind: Kind,
}

impl Begun<'_> {
    /// It is whole and right: so many bytes up, so many down.
    pub(crate) fn finish(self, up: u64, down: u64) {
        self.ledger.finished[self.kind as usize].fetch_add(1, Relaxed);
        self.ledger.bytes_up.fetch_add(up, Relaxed);
        self.ledger.bytes_down.fetch_add(down, Relaxed);
    }

    /// It was broken off on purpose.
    pub(crate) fn abort(self, way: Way) {
        self.ledger.aborted[self.kind as usize].fetch_add(1, Relaxed);
        self.ledger.ways[way as usize].fetch_add(1, Relaxed);
    }
}

impl Ledger {
    pub(crate) fn new() -> Ledger {
        Ledger {
            begun: Default::default(),
            finished: Default::default(),
            aborted: Default::default(),
            ways: Default::default(),
            messages: AtomicU64::new(0),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
            round_trips: RoundTrips::new(),
            control: RoundTrips::new(),
            broken: Mutex::default(),
        }
    }

    pub(crate) fn begin(&self, kind: Kind) -> Begun<'_> {
        self.begun[kind as usize].fetch_add(1, Relaxed);
        Begun { ledger: self, kind }
    }

    /// A message was posted or received.
    pub(crate) fn count_message(&self) {
        self.messages.fetch_add(1, Relaxed);
    }

    /// Round trips of calls.
    pub(crate) fn round_trips(&self) -> &RoundTrips {
        &self.round_trips
    }

    /// Round trips over plain sockets, at the same time on the same machine.
    pub(crate) fn control(&self) -> &RoundTrips {
        &self.control
    }

    /// A promise was broken.
    pub(crate) fn accuse(&self, who: &str, what: impl fmt::Display) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.push(format!("{who}: {what}"));
    }

    /// The promises that were broken.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        let load = |counters: &AtomicU64| counters.load(Relaxed);
        Counts {
            begun: self.begun.each_ref().map(load),
            finished: self.finished.each_ref().map(load),
            aborted: self.aborted.each_ref().map(load),
            ways: self.ways.each_ref().map(load),
            messages: load(&self.messages),
            bytes_up: load(&self.bytes_up),
            bytes_down: load(&self.bytes_down),
        }
    }
}

/// How long round trips took since one last looked.
pub(crate) struct RoundTrips(Mutex<Histogram<u32>>);

/// Of the round trips of a while, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl RoundTrips {
    /// Longer ones count as this long.
    const LONGEST: Duration = Duration::from_secs(60);

    fn new() -> RoundTrips {
        let longest = Self::LONGEST.as_nanos() as u64;
        let histogram = Histogram::new_with_bounds(1_000, longest, 3);
        RoundTrips(Mutex::new(histogram.expect("the bounds are in order")))
    }

    pub(crate) fn push(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mut histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        histogram.saturating_record(nanos);
    }

    /// Those since the last call; `None` if there were none.
    pub(crate) fn take(&self) -> Option<Percentiles> {
        let mut histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = |percent| histogram.value_at_percentile(percent) as f64 / 1e3;
        let percentiles = Percentiles { p50: micros(50.0), p99: micros(99.0) };
        let any = !histogram.is_empty();
        histogram.reset();
        any.then_some(percentiles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ended_is_lost() {
        let ledger = Ledger::new();
        ledger.begin(Kind::Put).finish(5, 0);
        ledger.begin(Kind::Put).abort(Way::Cut);
        drop(ledger.begin(Kind::Put));
        let counts = ledger.counts();
        let put = Kind::Put as usize;
        assert_eq!((counts.begun[put], counts.finished[put], counts.aborted[put]), (3, 1, 1));
        assert_eq!((counts.ways[Way::Cut as usize], counts.bytes_up), (1, 5));
    }

    #[test]
    fn percentiles_are_of_what_came_since() {
        let round_trips = RoundTrips::new();
        assert_eq!(round_trips.take(), None);
        (1..=1_000).for_each(|micros| round_trips.push(Duration::from_micros(micros)));
        let Percentiles { p50, p99 } = round_trips.take().unwrap();
        assert!((p50 - 500.0).abs() < 1.0 && (p99 - 990.0).abs() < 1.0, "{p50} {p99}");
        assert_eq!(round_trips.take(), None);
    }
}
