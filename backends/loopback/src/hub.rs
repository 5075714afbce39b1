//! The state behind the handles: who is there, and what is due when.

use crate::Faults;
use crate::choices::Choices;
use crate::connection::{Connection, Direction, Edge, Loss, Side};
use crate::listener::Listener;
use std::collections::{BTreeMap, VecDeque};
use tofu_core::{Close, Instant, Link, Ready, Status};

/// An endpoint of the network and one of its links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) endpoint: usize,
    pub(crate) link: Link,
}

/// What a link stands for. Never used again for another, unlike the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Socket {
    Listener(u64),
    Stream(u64, Side),
}

/// Something that happens later.
#[derive(Hash)]
pub(crate) enum Event {
    /// Bytes or an end come to one end of a connection.
    Deliver(u64, Side),
    /// A connection reaches the listener of this name, if there is one and it is not refused.
    Arrive { connection: u64, name: String, refused: bool },
    /// An event that a fault held back may be told.
    Release(Socket, Ready),
    /// An opening succeeds or fails.
    Tell(Owner, Socket, Ready),
}

/// One engine's side of the network.
#[derive(Default, Hash)]
pub(crate) struct Station {
    pub(crate) links: BTreeMap<Link, Socket>,
    pub(crate) ready: VecDeque<(Link, Ready)>,
}

/// The whole network. Ordered maps throughout: nothing depends on a hash.
#[derive(Hash)]
pub(crate) struct Hub {
    pub(crate) choices: Choices,
    pub(crate) faults: Faults,
    pub(crate) capacity: usize,
    pub(crate) backlog: usize,
    pub(crate) now: Instant,
    /// By time, then in the order they were planned.
    timeline: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    pub(crate) stations: Vec<Station>,
    pub(crate) names: BTreeMap<String, u64>,
    pub(crate) listeners: BTreeMap<u64, Listener>,
    pub(crate) listened: u64,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) connected: u64,
    pub(crate) cuts: BTreeMap<(u64, Direction), u64>,
    /// When connections were cut.
    pub(crate) cut_at: BTreeMap<u64, Instant>,
}

impl Hub {
    pub(crate) fn new(seed: u64, faults: Faults, capacity: usize, backlog: usize) -> Self {
        Hub {
            choices: Choices::new(seed),
            faults,
            capacity,
            backlog,
            now: Instant::ZERO,
            timeline: BTreeMap::new(),
            planned: 0,
            stations: Vec::new(),
            names: BTreeMap::new(),
            listeners: BTreeMap::new(),
            listened: 0,
            connections: BTreeMap::new(),
            connected: 0,
            cuts: BTreeMap::new(),
            cut_at: BTreeMap::new(),
        }
    }

    // Time.

    pub(crate) fn next_event(&self) -> Option<Instant> {
        if self.stations.iter().any(|station| !station.ready.is_empty()) {
            return Some(self.now);
        }
        self.timeline.first_key_value().map(|((at, _), _)| *at)
    }

    /// Moves the clock, stopping at all that happens on the way.
    pub(crate) fn advance_to(&mut self, target: Instant) {
        while let Some(entry) = self.timeline.first_entry() {
            let (at, _) = *entry.key();
            if at > target {
                break;
            }
            let event = entry.remove();
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = self.now.max(target);
    }

    /// When something that starts now arrives.
    pub(crate) fn arrival(&mut self) -> Instant {
        self.now.after(self.choices.delay(&self.faults))
    }

    pub(crate) fn plan(&mut self, at: Instant, event: Event) {
        if at <= self.now {
            return self.happen(event);
        }
        self.timeline.insert((at, self.planned), event);
        self.planned += 1;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver(id, side) => self.deliver(id, side),
            Event::Arrive { connection, name, refused } => self.arrive(connection, &name, refused),
            Event::Release(socket, ready) => self.release(socket, ready),
            Event::Tell(owner, socket, ready) => self.tell_opening(owner, socket, ready),
        }
    }

    // Events.

    pub(crate) fn tell(&mut self, owner: Owner, ready: Ready) {
        if let Some(station) = self.stations.get_mut(owner.endpoint) {
            station.ready.push_back((owner.link, ready));
        }
    }

    fn tell_opening(&mut self, owner: Owner, socket: Socket, ready: Ready) {
        let station = self.stations.get(owner.endpoint);
        if station.and_then(|station| station.links.get(&owner.link)) != Some(&socket) {
            return;
        }
        self.tell(owner, ready);
        if let Socket::Listener(id) = socket {
            self.opened_listener(id);
        }
    }

    /// Holds an event back for as long as a message would be on its way.
    pub(crate) fn hold_back(&mut self, socket: Socket, ready: Ready) {
        if let Some(edge) = self.edge(socket, ready) {
            *edge = Edge::Later;
        }
        let at = self.arrival();
        self.plan(at, Event::Release(socket, ready));
    }

    fn release(&mut self, socket: Socket, ready: Ready) {
        match self.edge(socket, ready) {
            Some(edge) if *edge == Edge::Later => *edge = Edge::Owed,
            _ => return,
        }
        self.settle(socket);
    }

    fn edge(&mut self, socket: Socket, ready: Ready) -> Option<&mut Edge> {
        match (socket, ready) {
            (Socket::Listener(id), _) => Some(&mut self.listeners.get_mut(&id)?.edge),
            (Socket::Stream(id, side), Ready::Writable) => {
                Some(&mut self.connections.get_mut(&id)?.end_mut(side).write)
            }
            (Socket::Stream(id, side), _) => {
                Some(&mut self.connections.get_mut(&id)?.end_mut(side).read)
            }
        }
    }

    /// Tells what is owed now.
    pub(crate) fn settle(&mut self, socket: Socket) {
        match socket {
            Socket::Listener(id) => self.settle_listener(id),
            Socket::Stream(id, _) => self.settle_connection(id),
        }
    }

    /// An event for one of the links of a station, though nothing happened.
    pub(crate) fn maybe_tell_nothing(&mut self, endpoint: usize) {
        if !self.choices.hits(self.faults.spurious_ready) {
            return;
        }
        let Some(station) = self.stations.get(endpoint) else {
            return;
        };
        let index = self.choices.below(station.links.len() as u64) as usize;
        let Some((&link, &socket)) = station.links.iter().nth(index) else {
            return;
        };
        let ready = if self.choices.coin() { Ready::Readable } else { Ready::Writable };
        let open = match socket {
            Socket::Listener(id) => self.listeners.get(&id).is_some_and(|listener| listener.open),
            Socket::Stream(id, _) => self.connections.get(&id).is_some_and(|stream| stream.open),
        };
        if open {
            self.tell(Owner { endpoint, link }, ready);
        }
    }

    // Links.

    pub(crate) fn take_link(&mut self, owner: Option<Owner>, socket: Socket) {
        let Some(owner) = owner else { return };
        if let Some(station) = self.stations.get_mut(owner.endpoint) {
            let before = station.links.insert(owner.link, socket);
            debug_assert!(before.is_none(), "{:?} is in use", owner.link);
        }
    }

    pub(crate) fn find(&self, owner: Owner) -> Option<Socket> {
        self.stations.get(owner.endpoint)?.links.get(&owner.link).copied()
    }

    /// Closes a link, and forgets the events it would have had.
    pub(crate) fn close_link(&mut self, owner: Owner, how: Close) {
        let Some(station) = self.stations.get_mut(owner.endpoint) else {
            return;
        };
        station.ready.retain(|(link, _)| *link != owner.link);
        if let Some(socket) = station.links.remove(&owner.link) {
            self.close(socket, how);
        }
    }

    pub(crate) fn close(&mut self, socket: Socket, how: Close) {
        match socket {
            Socket::Listener(id) => self.close_listener(id),
            Socket::Stream(id, side) => self.close_stream(id, side, how),
        }
    }

    /// An endpoint is gone, with everything it had.
    pub(crate) fn close_station(&mut self, endpoint: usize) {
        let Some(station) = self.stations.get(endpoint) else {
            return;
        };
        let links: Vec<Link> = station.links.keys().copied().collect();
        for link in links {
            self.close_link(Owner { endpoint, link }, Close::Abort);
        }
    }

    /// Cuts a connection, now.
    pub(crate) fn cut(&mut self, id: u64, loss: Loss) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.cut(loss);
            self.cut_at.entry(id).or_insert(self.now);
            self.settle_connection(id);
        }
    }

    /// A failed opening, told to whom it concerns.
    pub(crate) fn fail_opening(&mut self, id: u64) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        if let Some(owner) = connection.end(Side::Client).owner {
            self.tell(owner, Ready::Failed(Status::ConnectFailed));
        }
    }
}
