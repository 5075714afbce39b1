//! Why a channel may end, and what may be lost when it does.

use super::end::Post;
use super::{End, Kind, Oracle};
use crate::coverage::Situation;
use crate::scenario::Goodbye;
use tofu_core::{Opcode, Status};

impl Oracle {
    /// A channel closes for a reason that holds, and what came back says the same.
    pub(super) fn check_reason(&mut self, index: usize, reason: Status) {
        let end = &self.ends[index];
        let returned = end.returned_with;
        let expected = if reason.is_success() { Status::ChannelClosed } else { reason };
        self.check(
            returned.is_none_or(|status| status == expected),
            "what comes back says why",
            || format!("messages came back with {returned:?}, the channel closes with {reason}"),
        );
        if let Err(why) = self.justify(index, reason) {
            let end = &self.ends[index];
            let what = format!("e{} {:?} closes with {reason}: {why}", end.engine, end.kind);
            self.fail("a channel closes for a reason", || what);
        }
    }

    fn justify(&self, index: usize, reason: Status) -> Result<(), &'static str> {
        let end = &self.ends[index];
        let engine = &self.engines[end.engine];
        let unless = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        match reason {
            Status::Success => match (end.kind, end.bye) {
                (Kind::Listener, Some(Goodbye::Ask)) | (_, Some(Goodbye::Answer)) => Ok(()),
                (_, Some(Goodbye::Ask)) => {
                    unless(self.peer_said_goodbye(end), "the peer said no goodbye")
                }
                _ => Err("nobody said goodbye"),
            },
            Status::ChannelClosed => unless(end.signalled, "no ByeSignal was posted"),
            Status::ShutdownStarted => unless(engine.stopping, "the engine is not stopping"),
            Status::PeerDisconnected => {
                let gone = self.is_cut(end) || self.peer_is_gone(end);
                unless(gone, "the connection stands, and the peer as well")
            }
            Status::SendFailed | Status::RecvFailed => {
                unless(self.is_cut(end), "the connection was not cut")
            }
            Status::CommunicationFailed => {
                let age = engine.now.since(end.born);
                unless(age >= engine.soonest, "no timeout can have fired")
            }
            Status::InvalidMessage => unless(
                end.kind == Kind::Accepted && end.peer.is_none(),
                "the peer is an engine, and keeps to the protocol",
            ),
            Status::ConnectFailed => unless(
                end.kind == Kind::Client && end.out.bytes == 0 && !end.bad_address,
                "it was connected",
            ),
            Status::InvalidAddress => unless(end.bad_address, "the address is good"),
            Status::ListenFailed => {
                unless(end.kind == Kind::Listener && !end.listens, "it did listen")
            }
            _ => Err("no channel ends like this"),
        }
    }

    fn is_cut(&self, end: &End) -> bool {
        // One that carried nothing yet is not known.
        end.connection.is_none() || self.cut_at(end).is_some()
    }

    /// Whether the other side of the connection was given back, or never accepted, or a stranger's.
    fn peer_is_gone(&self, end: &End) -> bool {
        let connection = end.connection.and_then(|number| self.connections.get(&number));
        let other = 1 - end.side();
        let closed = connection.is_none_or(|connection| {
            connection.closed[other].is_some() || connection.engines[other].is_none()
        });
        let peer = end.peer.map(|peer| &self.ends[peer]);
        closed || peer.is_some_and(|peer| peer.crashed || peer.out.has(Opcode::ByeResponse))
    }

    fn peer_said_goodbye(&self, end: &End) -> bool {
        end.peer.is_some_and(|peer| self.ends[peer].bye.is_some())
    }

    /// What was sent to this end arrived, unless a fault or an application is to blame.
    pub(super) fn check_nothing_lost(&mut self, index: usize, reason: Status) {
        let end = &self.ends[index];
        let Some(from) = end.peer.map(|peer| &self.ends[peer]) else { return };
        let orderly = matches!(
            reason,
            Status::Success | Status::PeerDisconnected | Status::SendFailed | Status::RecvFailed
        );
        let own_doing = end.signalled || end.answered_unasked || self.engines[end.engine].stopping;
        if !orderly || own_doing {
            return;
        }
        let (sent, delivered) = (from.out.sent, from.out.delivered);
        let engine = end.engine;
        if self.is_cut(end) {
            return self.check_arrived(index);
        }
        let abrupt = from.signalled || from.crashed;
        self.check(abrupt || delivered == sent, "a graceful close loses nothing", || {
            format!(
                "e{engine}: {sent} were sent to it, {delivered} delivered; it ends with {reason}"
            )
        });
    }

    /// The connection was cut: what had arrived whole is delivered, unless waiting for room
    /// took longer than a goodbye may.
    fn check_arrived(&mut self, index: usize) {
        let end = &self.ends[index];
        let Some((from, number)) = end.peer.zip(end.connection) else { return };
        let Some(connection) = self.connections.get(&number) else { return };
        let Some((cut, closed)) = self.cut_at(end).zip(connection.closed[end.side()]) else {
            return;
        };
        let engine = &self.engines[end.engine];
        // The wait begins with what was noticed first: the cut, or that the peer is gone.
        let gone = connection.closed[1 - end.side()].map_or(cut, |left| left.min(cut));
        // What came back before the end gives its reason to the end, also where a frame was late.
        let returned = end.returned_with.is_some();
        let patience = if returned { engine.soonest } else { engine.bye_timeout };
        let waited = engine.jumped || closed.since(gone) >= patience;
        let from_side = 1 - end.side();
        let whole = self.ends[from].out.whole_within(connection.read[from_side]);
        let delivered = self.ends[from].out.delivered;
        let left = connection.left[from_side];
        let (engine, sent) = (end.engine, self.ends[from].out.sent);
        let boundary = self.ends[from].out.posts[..whole].last().map_or(0, Post::end);
        self.coverage.reach(match boundary == connection.read[from_side] {
            true => Situation::CutBetweenFrames,
            false => Situation::CutWithinFrame,
        });
        self.check(
            waited || (delivered >= whole && left == 0),
            "what arrived whole is delivered",
            || {
                format!(
                    "e{engine}: {sent} sent, {whole} read, {delivered} delivered, {left} bytes left"
                )
            },
        );
    }
}
