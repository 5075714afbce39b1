//! Framing out: from a channel's queue to the transport.

use crate::Status;
use crate::channel::{Bye, Phase, Place};
use crate::engine::Engine;
use crate::header::Opcode;
use crate::platform::Platform;
use crate::queue::Item;
use crate::rx::link_of;
use crate::timer::Timer;
use crate::transport::{Close, Transport};
use core::task::Poll;

/// The most messages that leave in one call of the transport. They lie on the stack: eight bytes each where pointers
/// have 32 bits, as on boards, which have few messages and little stack.
const GATHER: usize = if usize::BITS < 64 { 16 } else { 128 };
/// The most messages one channel sends before the next gets its turn.
const QUOTA: u32 = 2 * GATHER as u32;

impl<P: Platform> Engine<P> {
    /// Sends what an open channel has, until it is blocked or had its turn.
    pub(crate) fn write_channel(&mut self, slot: u32, io: &mut impl Transport, left: &mut u32) {
        let before = *left;
        loop {
            let Some(channel) = self.channels.get(slot) else {
                return;
            };
            if channel.phase != Phase::Open
                || channel.write_blocked
                || channel.send_failed.is_some()
            {
                return;
            }
            if channel.tx.is_empty() {
                return self.after_last_sent(slot, io);
            }
            if *left == 0 || before - *left >= QUOTA {
                return self.enqueue_write(slot);
            }
            match self.send_some(slot, io, left) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) | Poll::Pending => return self.block_writing(slot, io),
                Poll::Ready(Err(status)) => return self.fail_sending(slot, status),
            }
        }
    }

    /// One call of the transport. True when it took all that was offered.
    fn send_some(
        &mut self,
        slot: u32,
        io: &mut impl Transport,
        left: &mut u32,
    ) -> Poll<Result<bool, Status>> {
        let (sent, offered) = self.offer(slot, io);
        let count = match sent {
            Poll::Ready(Ok(count)) => count.min(offered),
            Poll::Ready(Err(status)) => return Poll::Ready(Err(status)),
            Poll::Pending => return Poll::Pending,
        };
        if count > 0 {
            self.account_sent(slot, count, left);
            self.touch(slot);
        }
        Poll::Ready(Ok(count == offered))
    }

    /// Offers the transport as many messages as go into one call; how many bytes it took,
    /// and how many there were.
    fn offer(&self, slot: u32, io: &mut impl Transport) -> (Poll<Result<usize, Status>>, usize) {
        let Some(channel) = self.channels.get(slot) else {
            return (Poll::Pending, 0);
        };
        let mut slices = heapless::Vec::<&[u8], GATHER>::new();
        let mut offered = 0;
        let mut skip = channel.sent;
        for message in channel.tx.messages(&self.nodes).take(GATHER) {
            let bytes = message.wire().get(skip..).unwrap_or_default();
            skip = 0;
            offered += bytes.len();
            if slices.push(bytes).is_err() {
                break;
            }
        }
        (io.send(link_of(slot), &slices), offered)
    }

    /// Drops the messages whose last byte is sent.
    fn account_sent(&mut self, slot: u32, count: usize, left: &mut u32) {
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        if planted!(ForgetsPartialWrite) {
            channel.sent = 0;
        }
        channel.sent += count;
        let mut whole = 0;
        self.pool.give_back_all(|| {
            let frame_len = channel.tx.first(&self.nodes)?.frame_len();
            if planted!(KeepsWhatIsSent) && channel.sent == frame_len {
                channel.tx.messages(&self.nodes).nth(1).is_none().then_some(())?;
            }
            channel.sent = channel.sent.checked_sub(frame_len)?;
            let Item::Message(message) = channel.tx.pop(&mut self.nodes)? else { return None };
            let opcode = message.opcode();
            channel.count_unqueued(opcode, message.class());
            if opcode == Opcode::ByeRequest && channel.bye == Bye::Requested {
                channel.bye = Bye::Sent;
            }
            whole += 1;
            Some(message)
        });
        let held = channel.held;
        self.moved += whole;
        *left = left.saturating_sub(whole);
        if let Some(timer @ (Timer::Bye | Timer::Send)) = channel.phase_timer {
            self.start_phase_timer(slot, timer);
        }
        if held {
            self.release_hold(slot);
        }
    }

    /// Everything posted is sent: stop asking for room, and close if this was the goodbye.
    fn after_last_sent(&mut self, slot: u32, io: &mut impl Transport) {
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        if core::mem::take(&mut channel.wants_write) {
            io.want_write(link_of(slot), false);
            channel.wants_write = planted!(AsksForRoomOnce);
        }
        if channel.phase_timer == Some(Timer::Send) {
            self.stop_phase_timer(slot);
        }
        let Some(channel) = self.channels.get(slot) else { return };
        let crossed = channel.bye == Bye::Sent && channel.peer_bye;
        if crossed || matches!(channel.bye, Bye::Answered | Bye::Flush) {
            // Not done: a careless peer goes on sending, which must not cost it what it has to read.
            self.finish(slot, Close::Graceful, Status::Success, io);
        }
    }

    fn block_writing(&mut self, slot: u32, io: &mut impl Transport) {
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        channel.write_blocked = true;
        if !core::mem::replace(&mut channel.wants_write, true) {
            io.want_write(link_of(slot), true);
        }
        if channel.phase_timer.is_none() {
            self.start_phase_timer(slot, Timer::Send);
        }
    }

    /// No more can be sent. What the peer sent before is still read; at its end the
    /// rest is handed back. The goodbye's timer bounds the wait.
    fn fail_sending(&mut self, slot: u32, status: Status) {
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        channel.send_failed = Some(status);
        channel.held = false;
        if channel.bye == Bye::Flush {
            // Nobody is left to hand anything to.
            channel.abort = Some(status);
            return self.enqueue_write(slot);
        }
        let parked = matches!(channel.place, Place::Parked(_));
        self.start_phase_timer(slot, Timer::Bye);
        if parked {
            // It may well wait for these.
            return self.return_unsendable(slot);
        }
        self.enqueue_read(slot);
    }
}
