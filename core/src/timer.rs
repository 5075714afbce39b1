//! Timers: since every kind has one duration, each is a list in order of expiry.

use crate::channel::Channel;
use crate::list::{Linked, List};
use crate::options::Options;
use crate::platform::Platform;
use crate::time::Instant;
use core::time::Duration;

/// What a channel's phase waits for. One runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PhaseTimer {
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
}

impl PhaseTimer {
    pub(crate) const ALL: [PhaseTimer; 5] = [
        PhaseTimer::Connect,
        PhaseTimer::Hello,
        PhaseTimer::Send,
        PhaseTimer::Bye,
        PhaseTimer::Retry,
    ];
}

/// Tag: the lists of [`PhaseTimers`].
pub(crate) struct Phases;
/// Tag: a frame once begun must arrive whole.
pub(crate) struct FrameTimer;
/// Tag: a channel must not fall silent.
pub(crate) struct IdleTimer;

/// Channels in order of expiry.
pub(crate) struct TimerList<Tag> {
    list: List<Tag>,
    duration: Duration,
}

/// One list for each [`PhaseTimer`].
pub(crate) struct PhaseTimers {
    connect: TimerList<Phases>,
    hello: TimerList<Phases>,
    send: TimerList<Phases>,
    bye: TimerList<Phases>,
    retry: TimerList<Phases>,
}

impl PhaseTimers {
    pub(crate) fn new(options: &Options) -> Self {
        PhaseTimers {
            connect: TimerList::new(options.connect_timeout),
            hello: TimerList::new(options.hello_timeout),
            send: TimerList::new(options.send_timeout.unwrap_or(Duration::MAX)),
            bye: TimerList::new(options.bye_timeout),
            retry: TimerList::new(options.accept_retry),
        }
    }

    pub(crate) fn list(&mut self, timer: PhaseTimer) -> &mut TimerList<Phases> {
        match timer {
            PhaseTimer::Connect => &mut self.connect,
            PhaseTimer::Hello => &mut self.hello,
            PhaseTimer::Send => &mut self.send,
            PhaseTimer::Bye => &mut self.bye,
            PhaseTimer::Retry => &mut self.retry,
        }
    }
}

/// A channel's due time in the lists of `Tag`.
pub(crate) trait Due<Tag>: Linked<Tag> {
    fn due(&mut self) -> &mut Instant;
}

impl<P: Platform> Due<Phases> for Channel<P> {
    fn due(&mut self) -> &mut Instant {
        &mut self.phase_due
    }
}

impl<P: Platform> Due<FrameTimer> for Channel<P> {
    fn due(&mut self) -> &mut Instant {
        &mut self.frame_due
    }
}

impl<P: Platform> Due<IdleTimer> for Channel<P> {
    fn due(&mut self) -> &mut Instant {
        &mut self.idle_due
    }
}

impl<Tag> TimerList<Tag> {
    pub(crate) fn new(duration: Duration) -> Self {
        TimerList { list: List::default(), duration }
    }

    /// Starts or restarts the timer of one channel.
    pub(crate) fn arm<C: Due<Tag>>(&mut self, channels: &mut [C], index: u32, now: Instant) {
        self.list.remove(channels, index);
        if let Some(channel) = channels.get_mut(index as usize) {
            *channel.due() = now.after(self.duration);
        }
        self.list.push_back(channels, index);
    }

    /// Stops the timer of one channel, if it runs.
    pub(crate) fn disarm<C: Due<Tag>>(&mut self, channels: &mut [C], index: u32) {
        self.list.remove(channels, index);
    }

    /// When the first expires.
    pub(crate) fn next_due<C: Due<Tag>>(&self, channels: &mut [C]) -> Option<Instant> {
        let index = self.list.front()?;
        Some(*channels.get_mut(index as usize)?.due())
    }

    /// Takes out one that has expired.
    pub(crate) fn pop_due<C: Due<Tag>>(&mut self, channels: &mut [C], now: Instant) -> Option<u32> {
        if self.next_due(channels)? > now {
            return None;
        }
        self.list.pop_front(channels)
    }
}
