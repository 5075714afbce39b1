//! The end of a channel, in one place: every way out comes through [`Engine::finish`].

use super::Engine;
use crate::Status;
use crate::channel::{Bye, Phase, Place, Side};
use crate::header::Opcode;
use crate::message::Message;
use crate::platform::Platform;
use crate::pool::known_class;
use crate::queue::{Item, Notice};
use crate::rx::link_of;
use crate::timer::Timer;
use crate::transport::{Close, Transport};

impl<P: Platform> Engine<P> {
    /// Stops the engine: nothing more is accepted, what is unsent is handed back with
    /// `shutdown_started`, and every channel ends with `channel_closed`. The next turns do it.
    pub fn shutdown(&mut self) {
        if core::mem::replace(&mut self.stopping, true) {
            return;
        }
        debug!("shutdown");
        for slot in 0u32.. {
            let Some(channel) = self.channels.get_mut(slot) else {
                break;
            };
            if !matches!(channel.phase, Phase::Free | Phase::Closed) {
                channel.abort.get_or_insert(Status::ShutdownStarted);
                self.enqueue_write(slot);
            }
        }
    }

    /// Whether [`Engine::shutdown`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Ends a channel: closes its link, hands back what is unsent with `reason` (with
    /// `channel_closed` after the application's own goodbye), and says the last word.
    pub(crate) fn finish(
        &mut self,
        slot: u32,
        how: Close,
        reason: Status,
        io: &mut impl Transport,
    ) {
        let Some(channel) = self.channels.get(slot) else {
            return;
        };
        if matches!(channel.phase, Phase::Free | Phase::Closed) {
            return;
        }
        let reason = channel.reason.unwrap_or(reason);
        if channel.has_link() {
            io.close(link_of(slot), how);
        }
        debug!("channel {} closed: {}", channel.number.get(), reason.name());
        let announced = channel.announced()
            && !(planted!(ClosesSilently) && channel.bye == Bye::Sent && channel.peer_bye);
        self.leave_lists(slot);
        self.drop_frame(slot);
        self.hand_back_unsent(slot, reason);
        let group = self.group_index_of(slot);
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        channel.phase = Phase::Closed;
        channel.reason = Some(reason);
        channel.write_blocked = false;
        let notice = Notice {
            channel: channel.number,
            id: channel.id,
            status: Status::ChannelClosed,
            reason,
        };
        match group {
            Some(group) if announced => self.deliver(group, Item::Notice(notice)),
            _ => {
                self.stats.closed_unannounced += u64::from(!announced);
                self.free_channel(slot);
            }
        }
    }

    /// The peer or the link is gone.
    pub(crate) fn finish_lost(&mut self, slot: u32, status: Status, io: &mut impl Transport) {
        let Some(channel) = self.channels.get(slot) else {
            return;
        };
        let status = channel.send_failed.unwrap_or(status);
        self.finish(slot, Close::Graceful, status, io);
    }

    /// Ends what [`Engine::shutdown`], a ByeSignal or the end of a group marked.
    pub(super) fn finish_aborted(&mut self, slot: u32, status: Status, io: &mut impl Transport) {
        // Only an application's ByeSignal may cost bytes that are already on their way.
        let signalled = status == Status::ChannelClosed
            && self.channels.get(slot).is_some_and(|channel| channel.phase == Phase::Open);
        let how = if signalled { Close::Abort } else { Close::Graceful };
        self.finish(slot, how, status, io);
    }

    /// An opening failed: its Hello or Welcome comes back as the answer to itself.
    pub(super) fn finish_unopened(&mut self, slot: u32, status: Status, io: &mut impl Transport) {
        self.finish(slot, Close::Graceful, status, io);
    }

    /// Hands back what cannot be sent while the channel waits for a message to read what it received:
    /// it may well hold those that everybody waits for.
    pub(crate) fn return_unsendable(&mut self, slot: u32) {
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        if let Some(status) = channel.send_failed {
            channel.reason = Some(status);
            self.hand_back_unsent(slot, status);
        }
    }

    fn hand_back_unsent(&mut self, slot: u32, reason: Status) {
        let status = if reason.is_success() { Status::ChannelClosed } else { reason };
        while let Some(message) = self.pop_unsent(slot) {
            self.hand_back(slot, message, status);
        }
    }

    /// Hands a message to its poster's group, or drops it when that is gone.
    pub(super) fn hand_back(&mut self, slot: u32, mut message: Message<P>, status: Status) {
        let Some(group) = self.group_index_of(slot) else {
            return;
        };
        if matches!(message.opcode(), Opcode::HelloRequest | Opcode::WelcomeRequest) {
            let opcode = message.opcode().answer().unwrap_or_default();
            message.set_opcode(opcode);
        }
        message.mark_returned(status);
        self.deliver(group, Item::Message(message));
    }

    /// Drops a frame that did not arrive whole.
    fn drop_frame(&mut self, slot: u32) {
        let group = self.group_index_of(slot);
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        let frame = core::mem::take(&mut channel.frame);
        let Some(group) = group.and_then(|index| self.groups.get_mut(index)) else {
            return;
        };
        if let Some(message) = frame.message {
            let class = message.class();
            crate::rx::count_down(&mut group.unread, class);
            crate::rx::count_down(&mut channel.unread, class);
            if planted!(LeaksUnfinished) {
                core::mem::forget(message);
            }
        }
    }

    /// Takes a channel out of every list but its group's members.
    fn leave_lists(&mut self, slot: u32) {
        self.stop_phase_timer(slot);
        self.stop_timer(slot, Timer::Frame);
        self.stop_timer(slot, Timer::Idle);
        self.writing.remove(self.channels.as_mut_slice(), slot);
        self.leave_place(slot);
    }

    /// Takes a channel out of the reading lists and forgets what was read ahead for it.
    fn leave_place(&mut self, slot: u32) {
        self.dequeue_read(slot);
        let index = self.group_index_of(slot);
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        let place = core::mem::take(&mut channel.place);
        channel.held = false;
        let group = index.and_then(|index| self.groups.get_mut(index));
        match (place, group) {
            (Place::Waiting, _) => {
                self.waiting.remove(self.channels.as_mut_slice(), slot);
            }
            (Place::Parked(class), Some(group)) => {
                if let Some(list) = group.parked.get_mut(known_class::<P>(class)) {
                    list.remove(self.channels.as_mut_slice(), slot);
                }
            }
            (Place::Blocked, Some(group)) => {
                group.blocked.remove(self.channels.as_mut_slice(), slot);
            }
            _ => {}
        }
        let Some(index) = index else { return };
        if matches!(place, Place::Parked(_)) {
            self.count_unparked(index);
        }
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        if group.owner == Some(slot) {
            group.discard();
            self.unblock(index);
        }
    }

    pub(super) fn leave_group(&mut self, slot: u32) {
        let Some(group) = self.group_index_of(slot) else {
            return;
        };
        if let Some(group) = self.groups.get_mut(group) {
            group.members.remove(self.channels.as_mut_slice(), slot);
        }
    }

    /// The group of this channel is ending. What was posted still goes out.
    pub(super) fn orphan(&mut self, slot: u32) {
        self.leave_place(slot);
        self.drop_frame(slot);
        self.stop_timer(slot, Timer::Frame);
        let Some(channel) = self.channels.get_mut(slot) else {
            return;
        };
        channel.group = None;
        channel.held = true;
        match (channel.phase, channel.side) {
            (Phase::Closed | Phase::Free, _) => return self.free_channel(slot),
            (Phase::AwaitHello, _) | (_, Side::Listener) => {
                channel.abort = Some(Status::ChannelClosed);
            }
            // Nothing more goes out, and nobody is left to hand it to.
            _ if channel.send_failed.is_some() => channel.abort = channel.send_failed,
            _ => {
                channel.bye = Bye::Flush;
            }
        }
        self.enqueue_write(slot);
    }
}
