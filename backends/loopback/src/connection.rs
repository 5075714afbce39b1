//! A connection: two ends, each with the bytes that come to it.

use crate::hub::Owner;
use crate::pipe::Pipe;
use core::task::Poll;
use tofu_core::{Ready, Status};

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the side that connected to the side that listened.
    ToListener,
    /// From the side that listened to the side that connected.
    ToClient,
}

impl Direction {
    /// The end bytes of this direction come to.
    pub(crate) fn receiver(self) -> Side {
        match self {
            Direction::ToListener => Side::Accepted,
            Direction::ToClient => Side::Client,
        }
    }
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Client,
    Accepted,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Client, Side::Accepted];

    pub(crate) fn peer(self) -> Side {
        match self {
            Side::Client => Side::Accepted,
            Side::Accepted => Side::Client,
        }
    }
}

/// Whether an event is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Edge {
    /// None: there was as much as was asked for.
    #[default]
    Idle,
    /// As soon as there is something to tell.
    Owed,
    /// Not before the network says so.
    Later,
}

/// What the calls at one end return once the link is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Loss {
    pub(crate) recv: Status,
    pub(crate) send: Status,
}

impl Loss {
    pub(crate) const GONE: Loss =
        Loss { recv: Status::PeerDisconnected, send: Status::PeerDisconnected };
    pub(crate) const FAILED: Loss = Loss { recv: Status::RecvFailed, send: Status::SendFailed };
}

#[derive(Hash)]
pub(crate) struct End {
    /// Who is told about it; nobody before it is accepted, and for a raw pipe.
    pub(crate) owner: Option<Owner>,
    pub(crate) closed: bool,
    /// It was closed in the belief that nothing more comes: what does resets the connection.
    pub(crate) resets: bool,
    pub(crate) inbox: Pipe,
    pub(crate) lost: Option<Loss>,
    pub(crate) read: Edge,
    pub(crate) write: Edge,
    pub(crate) wants_write: bool,
    /// The last call was held up by a fault; the next is not.
    pub(crate) read_stalled: bool,
    pub(crate) write_stalled: bool,
}

impl End {
    pub(crate) fn new(owner: Option<Owner>, inbox: Pipe) -> Self {
        End {
            owner,
            closed: false,
            resets: false,
            inbox,
            lost: None,
            read: Edge::Owed,
            write: Edge::Idle,
            wants_write: false,
            read_stalled: false,
            write_stalled: false,
        }
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.inbox.available() > 0 || self.inbox.is_ended() || self.lost.is_some()
    }

    /// Reads; an end that arrived is told even where the link was lost later.
    pub(crate) fn recv(
        &mut self,
        bufs: &mut [&mut [u8]],
        most: usize,
    ) -> Poll<Result<usize, Status>> {
        match (self.inbox.read(bufs, most), self.lost) {
            (Poll::Ready(count), _) => Poll::Ready(Ok(count)),
            (Poll::Pending, Some(loss)) => Poll::Ready(Err(loss.recv)),
            (Poll::Pending, None) => Poll::Pending,
        }
    }

    fn lose(&mut self, loss: Loss) {
        self.lost.get_or_insert(loss);
    }
}

#[derive(Hash)]
pub(crate) struct Connection {
    /// The client was told, or need not be.
    pub(crate) open: bool,
    client: End,
    accepted: End,
}

impl Connection {
    pub(crate) fn new(client: End, accepted: End) -> Self {
        Connection { open: false, client, accepted }
    }

    pub(crate) fn end(&self, side: Side) -> &End {
        match side {
            Side::Client => &self.client,
            Side::Accepted => &self.accepted,
        }
    }

    pub(crate) fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Accepted => &mut self.accepted,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.client.closed && self.accepted.closed
    }

    fn is_writable(&self, side: Side) -> bool {
        self.end(side).lost.is_some() || self.end(side.peer()).inbox.room() > 0
    }

    /// What the owner of an end is owed now.
    pub(crate) fn take_owed(&mut self, side: Side) -> [Option<Ready>; 2] {
        let writable = self.is_writable(side);
        let open = self.open;
        let end = self.end_mut(side);
        let mut owed = [None; 2];
        if open && end.read == Edge::Owed && end.is_readable() {
            end.read = Edge::Idle;
            owed[0] = Some(Ready::Readable);
        }
        if open && end.write == Edge::Owed && end.wants_write && writable {
            end.write = Edge::Idle;
            owed[1] = Some(Ready::Writable);
        }
        owed
    }

    /// The link is gone in both directions.
    pub(crate) fn cut(&mut self, loss: Loss) {
        for side in Side::BOTH {
            let end = self.end_mut(side);
            end.inbox.drop_flight();
            end.lose(loss);
        }
    }

    /// One side closes at once.
    pub(crate) fn abort(&mut self, side: Side) {
        self.end_mut(side).closed = true;
        let peer = self.end_mut(side.peer());
        peer.inbox.drop_all();
        peer.lose(Loss::GONE);
    }
}
