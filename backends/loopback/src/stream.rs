//! Moving bytes over a connection, and ending it.

use crate::connection::{Edge, Loss, Side};
use crate::hub::{Event, Hub, Socket};
use core::task::Poll;
use tofu_core::{Close, Instant, Ready, Status};

impl Hub {
    pub(crate) fn deliver(&mut self, id: u64, side: Side) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.end_mut(side).inbox.deliver(self.now);
            self.settle_connection(id);
        }
    }

    /// Cuts where a cut is due, tells what is owed, and forgets what is over.
    pub(crate) fn settle_connection(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.is_over() {
            self.connections.remove(&id);
            return;
        }
        if connection.open && Side::BOTH.iter().any(|side| connection.end(*side).inbox.is_cut_due())
        {
            connection.cut(Loss::GONE);
            self.cut_at.entry(id).or_insert(self.now);
        }
        let told = Side::BOTH.map(|side| (connection.end(side).owner, connection.take_owed(side)));
        for (owner, owed) in told {
            let Some(owner) = owner else { continue };
            owed.into_iter().flatten().for_each(|ready| self.tell(owner, ready));
        }
    }

    pub(crate) fn recv(
        &mut self,
        id: u64,
        side: Side,
        bufs: &mut [&mut [u8]],
    ) -> Poll<Result<usize, Status>> {
        let room: usize = bufs.iter().map(|buf| buf.len()).sum();
        self.maybe_lose(id, side);
        let Some(connection) = self.connections.get_mut(&id) else {
            return Poll::Ready(Err(Status::RecvFailed));
        };
        let end = connection.end_mut(side);
        let faulty = end.owner.is_some();
        let most = end.inbox.available().min(room);
        let stalls = faulty
            && end.is_readable()
            && !core::mem::take(&mut end.read_stalled)
            && self.choices.hits(self.faults.spurious_pending);
        if stalls {
            end.read_stalled = true;
            self.hold_back(Socket::Stream(id, side), Ready::Readable);
            return Poll::Pending;
        }
        let partial = faulty && most > 1 && self.choices.hits(self.faults.partial_read);
        let take = if partial { self.choices.length(most) } else { most };
        // No room at all must not look like an end of stream.
        let outcome = if room == 0 { Poll::Pending } else { end.recv(bufs, take) };
        let told = matches!(outcome, Poll::Ready(Err(_) | Ok(0)));
        let full = take == room && room > 0;
        end.read = if told || full { Edge::Idle } else { Edge::Owed };
        if take < most {
            self.hold_back(Socket::Stream(id, side), Ready::Readable);
        }
        self.after_move(id, side, take);
        outcome
    }

    pub(crate) fn send(
        &mut self,
        id: u64,
        side: Side,
        bufs: &[&[u8]],
    ) -> Poll<Result<usize, Status>> {
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        self.maybe_lose(id, side);
        let at = self.arrival();
        let Some(connection) = self.connections.get_mut(&id) else {
            return Poll::Ready(Err(Status::SendFailed));
        };
        if let Some(loss) = connection.end(side).lost {
            return Poll::Ready(Err(loss.send));
        }
        let most = connection.end(side.peer()).inbox.room().min(offered);
        let end = connection.end_mut(side);
        let faulty = end.owner.is_some() && most > 0;
        let stalls = faulty
            && !core::mem::take(&mut end.write_stalled)
            && self.choices.hits(self.faults.spurious_pending);
        if stalls {
            end.write_stalled = true;
            self.hold_back(Socket::Stream(id, side), Ready::Writable);
            return Poll::Pending;
        }
        let partial = faulty && most > 1 && self.choices.hits(self.faults.partial_write);
        let take = if partial { self.choices.length(most) } else { most };
        end.write = if take == offered { Edge::Idle } else { Edge::Owed };
        if take < most {
            self.hold_back(Socket::Stream(id, side), Ready::Writable);
        }
        if take > 0 {
            self.put(id, side.peer(), bufs, take, at);
        }
        self.after_move(id, side, take);
        if take == 0 && offered > 0 { Poll::Pending } else { Poll::Ready(Ok(take)) }
    }

    fn put(&mut self, id: u64, to: Side, bufs: &[&[u8]], count: usize, at: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.end(to).resets {
            // Destroys what the writer has not read, as TCP does.
            return connection.abort(to);
        }
        let inbox = &mut connection.end_mut(to).inbox;
        inbox.write(bufs, count, at);
        let at = inbox.arrival(at);
        self.plan(at, Event::Deliver(id, to));
    }

    fn after_move(&mut self, id: u64, side: Side, count: usize) {
        self.settle_connection(id);
        let end = self.connections.get(&id).map(|connection| connection.end(side));
        if let Some(owner) = end.and_then(|end| end.owner).filter(|_| count > 0) {
            self.maybe_tell_nothing(owner.endpoint);
        }
    }

    fn maybe_lose(&mut self, id: u64, side: Side) {
        let end = self.connections.get(&id).map(|connection| connection.end(side));
        if end.is_some_and(|end| end.owner.is_some() && end.lost.is_none())
            && self.choices.hits(self.faults.lose_link)
        {
            let loss = if self.choices.coin() { Loss::GONE } else { Loss::FAILED };
            self.cut(id, loss);
        }
    }

    pub(crate) fn want_write(&mut self, id: u64, side: Side, on: bool) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let end = connection.end_mut(side);
        end.wants_write = on;
        if end.write == Edge::Idle {
            end.write = Edge::Owed;
        }
        self.settle_connection(id);
    }

    pub(crate) fn close_stream(&mut self, id: u64, side: Side, how: Close) {
        let at = self.arrival();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if !connection.open {
            // Nobody has seen it yet.
            self.connections.remove(&id);
            return;
        }
        let peer = side.peer();
        let end = connection.end_mut(side);
        end.owner = None;
        match how {
            Close::Abort => connection.abort(side),
            Close::Done if end.inbox.holds_bytes() => connection.abort(side),
            Close::Graceful | Close::Done => {
                end.closed = true;
                end.resets = how == Close::Done;
                end.inbox.discard();
                if connection.end(peer).lost.is_none() {
                    let inbox = &mut connection.end_mut(peer).inbox;
                    inbox.finish(at);
                    let at = inbox.arrival(at);
                    self.plan(at, Event::Deliver(id, peer));
                }
            }
        }
        self.settle_connection(id);
    }
}
