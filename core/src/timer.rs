//! Timers: since every kind has one duration, each is a list in order of expiry.

use crate::channel::{Channel, Lane};
use crate::list::List;
use crate::options::Options;
use crate::platform::Platform;
use crate::time::Instant;
use core::time::Duration;

/// What a channel waits for. The first five are for its phase, of which one runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The transport must open the connection.
    Connect,
    /// The peer must say hello.
    Hello,
    /// The peer must take what is sent to it.
    Send,
    /// The goodbye must get on.
    Bye,
    /// The listener tries again to accept.
    Retry,
    /// A frame once begun must arrive whole.
    Frame,
    /// A channel must not fall silent.
    Idle,
}

impl Timer {
    pub(crate) const ALL: [Timer; 7] = [
        Timer::Connect,
        Timer::Hello,
        Timer::Send,
        Timer::Bye,
        Timer::Retry,
        Timer::Frame,
        Timer::Idle,
    ];

    const fn lane(self) -> Lane {
        match self {
            Timer::Frame => Lane::Frame,
            Timer::Idle => Lane::Idle,
            _ => Lane::Phase,
        }
    }
}

const OFF: u64 = u64::MAX;

/// One list of channels for each [`Timer`].
pub(crate) struct Timers {
    /// With the duration in microseconds, [`OFF`] for none.
    lists: [(List, u64); Timer::ALL.len()],
    /// When the first is due, unless `changed`.
    first_due: Instant,
    changed: bool,
}

impl Timers {
    pub(crate) fn new(options: &Options) -> Self {
        const NEVER: Duration = Duration::MAX;
        let durations = [
            options.connect_timeout,
            options.hello_timeout,
            options.send_timeout.unwrap_or(NEVER),
            options.bye_timeout,
            options.accept_retry,
            options.frame_timeout,
            options.idle_timeout.unwrap_or(NEVER),
        ];
        let mut lists = Timer::ALL.map(|timer| (List::new(timer.lane()), OFF));
        for ((_, duration), given) in lists.iter_mut().zip(durations) {
            *duration = Instant::ZERO.after(given).as_micros();
        }
        Timers { lists, first_due: Instant::FAR, changed: false }
    }

    /// Starts or restarts a timer of one channel. False if there is no such timeout.
    pub(crate) fn arm<P: Platform>(
        &mut self,
        timer: Timer,
        channels: &mut [Channel<P>],
        index: u32,
        now: Instant,
    ) -> bool {
        let Some((list, duration)) = self.lists.get_mut(timer as usize) else { return false };
        if *duration == OFF {
            return false;
        }
        list.remove(channels, index);
        if let Some(due) = due(channels, index, timer) {
            *due = now.after_micros(*duration);
        }
        list.push_back(channels, index);
        self.changed = true;
        true
    }

    /// Stops a timer of one channel, if it runs.
    #[inline(never)] // Once, for a board.
    pub(crate) fn disarm<P: Platform>(
        &mut self,
        timer: Timer,
        channels: &mut [Channel<P>],
        index: u32,
    ) {
        if let Some((list, _)) = self.lists.get_mut(timer as usize) {
            self.changed |= list.remove(channels, index);
        }
    }

    /// Takes out a channel whose timer of this kind has expired.
    pub(crate) fn pop_due<P: Platform>(
        &mut self,
        timer: Timer,
        channels: &mut [Channel<P>],
        now: Instant,
    ) -> Option<u32> {
        let (list, _) = self.lists.get_mut(timer as usize)?;
        if *due(channels, list.front()?, timer)? > now {
            return None;
        }
        self.changed = true;
        list.pop_front(channels)
    }

    /// When the first is due; [`Instant::FAR`] when none runs.
    pub(crate) fn first_due<P: Platform>(&mut self, channels: &mut [Channel<P>]) -> Instant {
        if self.changed {
            self.find_first_due(channels);
        }
        self.first_due
    }

    #[inline(never)] // Rarely.
    fn find_first_due<P: Platform>(&mut self, channels: &mut [Channel<P>]) {
        self.changed = false;
        self.first_due = Instant::FAR;
        for (timer, (list, _)) in Timer::ALL.into_iter().zip(&self.lists) {
            let first = list.front().and_then(|index| due(channels, index, timer));
            self.first_due = self.first_due.min(first.copied().unwrap_or(Instant::FAR));
        }
    }

    /// Whether there is a timeout of this kind.
    pub(crate) fn has(&self, timer: Timer) -> bool {
        self.lists.get(timer as usize).is_some_and(|(_, duration)| *duration != OFF)
    }
}

fn due<P: Platform>(channels: &mut [Channel<P>], index: u32, timer: Timer) -> Option<&mut Instant> {
    channels.get_mut(index as usize)?.due.get_mut(timer.lane() as usize)
}
