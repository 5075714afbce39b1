//! Listening, connecting and accepting.

use crate::Faults;
use crate::connection::{Connection, Direction, Edge, End, Side};
use crate::hub::{Event, Hub, Owner, Socket};
use crate::pipe::Pipe;
use core::task::Poll;
use std::collections::VecDeque;
use tofu_core::{Close, Ready, Status};

#[derive(Hash)]
pub(crate) struct Listener {
    pub(crate) name: String,
    owner: Option<Owner>,
    /// Its owner was told that it listens.
    pub(crate) open: bool,
    /// Connections to be accepted.
    backlog: VecDeque<u64>,
    /// Connections the backlog has no room for.
    pending: VecDeque<u64>,
    pub(crate) edge: Edge,
    /// The last call was held up by a fault; the next is not.
    stalled: bool,
    /// The last call failed by a fault; the next does not.
    failed: bool,
}

impl Hub {
    /// Whether a failure is told at once or later: the seed decides, where there are faults.
    fn fails_later(&mut self, owner: Option<Owner>) -> bool {
        owner.is_some() && self.faults != Faults::default() && self.choices.coin()
    }

    pub(crate) fn listen(&mut self, owner: Option<Owner>, name: &str) -> Result<Socket, Status> {
        let failed = owner.is_some() && self.choices.hits(self.faults.fail_listen);
        let taken = failed || self.names.contains_key(name);
        if taken && !self.fails_later(owner) {
            return Err(Status::ListenFailed);
        }
        let id = self.listened;
        self.listened += 1;
        let socket = Socket::Listener(id);
        self.take_link(owner, socket);
        if !taken {
            self.names.insert(name.to_owned(), id);
            let listener = Listener {
                name: name.to_owned(),
                owner,
                open: owner.is_none(),
                backlog: VecDeque::new(),
                pending: VecDeque::new(),
                edge: Edge::Owed,
                stalled: false,
                failed: false,
            };
            self.listeners.insert(id, listener);
        }
        if let Some(owner) = owner {
            let outcome = if taken { Ready::Failed(Status::ListenFailed) } else { Ready::Opened };
            let at = self.arrival();
            self.plan(at, Event::Tell(owner, socket, outcome));
        }
        Ok(socket)
    }

    pub(crate) fn opened_listener(&mut self, id: u64) {
        if let Some(listener) = self.listeners.get_mut(&id) {
            listener.open = true;
            self.settle_listener(id);
        }
    }

    pub(crate) fn settle_listener(&mut self, id: u64) {
        let Some(listener) = self.listeners.get_mut(&id) else {
            return;
        };
        let Some(owner) = listener.owner else { return };
        if listener.open && listener.edge == Edge::Owed && !listener.backlog.is_empty() {
            listener.edge = Edge::Idle;
            self.tell(owner, Ready::Readable);
        }
    }

    pub(crate) fn connect(&mut self, owner: Option<Owner>, name: &str) -> Result<Socket, Status> {
        let refused = owner.is_some() && self.choices.hits(self.faults.refuse_connect);
        let hopeless = refused || !self.names.contains_key(name);
        if hopeless && !self.fails_later(owner) {
            return Err(Status::ConnectFailed);
        }
        let id = self.connected;
        self.connected += 1;
        let socket = Socket::Stream(id, Side::Client);
        self.take_link(owner, socket);
        let client = End::new(owner, self.pipe(id, Direction::ToClient));
        let accepted = End::new(None, self.pipe(id, Direction::ToListener));
        self.connections.insert(id, Connection::new(client, accepted));
        if owner.is_some() && self.choices.hits(self.faults.ignore_connect) {
            return Ok(socket);
        }
        let at = if owner.is_some() { self.arrival() } else { self.now };
        self.plan(at, Event::Arrive { connection: id, name: name.to_owned(), refused });
        Ok(socket)
    }

    fn pipe(&self, id: u64, direction: Direction) -> Pipe {
        Pipe::new(self.capacity, self.cuts.get(&(id, direction)).copied())
    }

    pub(crate) fn arrive(&mut self, id: u64, name: &str, refused: bool) {
        let listener = self.names.get(name).copied().filter(|_| !refused);
        match listener.and_then(|listener| self.listeners.get_mut(&listener)) {
            Some(listener) => listener.pending.push_back(id),
            None => return self.fail_opening(id),
        }
        if let Some(listener) = listener {
            self.fill_backlog(listener);
        }
    }

    /// Lets pending connections in as far as there is room.
    fn fill_backlog(&mut self, id: u64) {
        loop {
            let Some(listener) = self.listeners.get_mut(&id) else {
                return;
            };
            if listener.backlog.len() >= self.backlog.max(1) {
                break;
            }
            let Some(arrived) = listener.pending.pop_front() else {
                break;
            };
            // A client may have given up meanwhile.
            let Some(connection) = self.connections.get_mut(&arrived) else {
                continue;
            };
            connection.open = true;
            listener.backlog.push_back(arrived);
            if let Some(owner) = connection.end(Side::Client).owner {
                self.tell(owner, Ready::Opened);
            }
            self.settle_connection(arrived);
        }
        self.settle_listener(id);
    }

    pub(crate) fn accept(&mut self, id: u64, owner: Option<Owner>) -> Poll<Result<Socket, Status>> {
        let Some(listener) = self.listeners.get_mut(&id) else {
            return Poll::Ready(Err(Status::AcceptFailed));
        };
        if listener.backlog.is_empty() {
            listener.edge = Edge::Owed;
            return Poll::Pending;
        }
        if owner.is_some() {
            if !core::mem::take(&mut listener.stalled)
                && self.choices.hits(self.faults.spurious_pending)
            {
                listener.stalled = true;
                self.hold_back(Socket::Listener(id), Ready::Readable);
                return Poll::Pending;
            }
            if !core::mem::take(&mut listener.failed) && self.choices.hits(self.faults.fail_accept)
            {
                listener.failed = true;
                return Poll::Ready(Err(Status::AcceptFailed));
            }
        }
        self.take_from_backlog(id, owner)
    }

    fn take_from_backlog(&mut self, id: u64, owner: Option<Owner>) -> Poll<Result<Socket, Status>> {
        let backlog = self.listeners.get_mut(&id).map(|listener| &mut listener.backlog);
        let Some(accepted) = backlog.and_then(VecDeque::pop_front) else {
            return Poll::Pending;
        };
        self.fill_backlog(id);
        let socket = Socket::Stream(accepted, Side::Accepted);
        self.take_link(owner, socket);
        if let Some(connection) = self.connections.get_mut(&accepted) {
            connection.end_mut(Side::Accepted).owner = owner;
        }
        self.settle_connection(accepted);
        Poll::Ready(Ok(socket))
    }

    /// Frees the name. Who was not accepted is turned away.
    pub(crate) fn close_listener(&mut self, id: u64) {
        let Some(listener) = self.listeners.remove(&id) else {
            return;
        };
        self.names.remove(&listener.name);
        for connection in listener.backlog {
            self.close_stream(connection, Side::Accepted, Close::Abort);
        }
        for connection in listener.pending {
            self.fail_opening(connection);
        }
    }
}
