//! The handle of a simulated network.

use crate::connection::{Direction, Loss};
use crate::hub::{Hub, Station};
use crate::{Endpoint, Faults, RawListener, RawPipe};
use core::time::Duration;
use std::cell::{RefCell, RefMut};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use tofu_core::Instant;

/// Bytes that one direction of a connection holds, unless told otherwise.
const CAPACITY: usize = 64 * 1024;
/// Connections that wait to be accepted, unless told otherwise.
const BACKLOG: usize = 16;

/// A simulated network; clones are the same network.
///
/// It carries `mem|NAME` addresses. Connections are numbered from 0, in the order in which they
/// were begun.
#[derive(Clone)]
pub struct Network(Rc<RefCell<Hub>>);

impl Network {
    /// A network whose every choice comes from `seed`.
    pub fn new(seed: u64, faults: Faults) -> Self {
        Network(Rc::new(RefCell::new(Hub::new(seed, faults, CAPACITY, BACKLOG))))
    }

    /// Each direction of a connection made from now on holds this many bytes, at least 1.
    pub fn with_capacity(self, capacity: usize) -> Self {
        self.hub().capacity = capacity;
        self
    }

    /// This many connections, at least 1, wait to be accepted. More stay pending until there
    /// is room.
    pub fn with_backlog(self, backlog: usize) -> Self {
        self.hub().backlog = backlog;
        self
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.hub().faults = faults;
    }

    /// Of all the times a fault of [`Faults`] could happen, only the `nth` from 0 does, and a partial read or
    /// write then moves at most `length` bytes. Which kinds of fault count is what the faults say; how likely
    /// they are does not matter then.
    ///
    /// A test that goes through all of [`Network::decisions`] has tried each single fault.
    pub fn fault_once(&self, nth: u64, length: usize) {
        self.hub().choices.set_only(nth, length);
    }

    /// How often a fault could have happened so far.
    pub fn decisions(&self) -> u64 {
        self.hub().choices.decided()
    }

    /// A new place on the network, for one engine.
    pub fn endpoint(&self) -> Endpoint {
        let mut hub = self.hub();
        hub.stations.push(Station::default());
        Endpoint::new(self.clone(), hub.stations.len() - 1)
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.hub().now
    }

    /// Lets time pass; all that is due happens, in order.
    pub fn advance(&self, duration: Duration) {
        let mut hub = self.hub();
        let target = hub.now.after(duration);
        hub.advance_to(target);
    }

    /// When the next thing happens: now, while an endpoint has events that it was not asked for
    /// yet. `None` when nothing is on its way.
    pub fn next_event(&self) -> Option<Instant> {
        self.hub().next_event()
    }

    /// How many connections were begun so far.
    pub fn connections(&self) -> u64 {
        self.hub().connected
    }

    /// A number for the state of the network: what is on its way, what waits to be read or told, and what
    /// is still to go wrong. Where it is the same, the same calls come to the same.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hub().hash(&mut hasher);
        hasher.finish()
    }

    /// When a connection was cut, by whatever fault.
    pub fn cut_at(&self, connection: u64) -> Option<Instant> {
        self.hub().cut_at.get(&connection).copied()
    }

    /// How many bytes have arrived in one direction of a connection and were not read. `None` before it
    /// is made, and once both ends are closed.
    pub fn unread(&self, connection: u64, direction: Direction) -> Option<usize> {
        let hub = self.hub();
        let connection = hub.connections.get(&connection).filter(|connection| connection.open)?;
        Some(connection.end(direction.receiver()).inbox.available())
    }

    /// How many more bytes one direction of a connection takes now. `None` before it is made, and
    /// once both ends are closed.
    pub fn room(&self, connection: u64, direction: Direction) -> Option<usize> {
        let hub = self.hub();
        let connection = hub.connections.get(&connection).filter(|connection| connection.open)?;
        Some(connection.end(direction.receiver()).inbox.room())
    }

    /// Cuts a connection: what has arrived can still be read, what is on its way is lost.
    pub fn cut(&self, connection: u64) {
        self.hub().cut(connection, Loss::GONE);
    }

    /// Cuts a connection, which may not have begun yet, once this many bytes in all
    /// have arrived in one direction.
    pub fn cut_after(&self, connection: u64, direction: Direction, bytes: u64) {
        let mut hub = self.hub();
        hub.cuts.insert((connection, direction), bytes);
        if let Some(connection) = hub.connections.get_mut(&connection) {
            connection.end_mut(direction.receiver()).inbox.set_cut_after(bytes);
        }
        hub.settle_connection(connection);
    }

    /// Connects a peer that speaks bytes. `None` when nobody listens on this name.
    pub fn raw_connect(&self, name: &str) -> Option<RawPipe> {
        let socket = self.hub().connect(None, name).ok()?;
        Some(RawPipe::new(self.clone(), socket))
    }

    /// Listens for peers to speak bytes with. `None` when the name is taken.
    pub fn raw_listen(&self, name: &str) -> Option<RawListener> {
        let socket = self.hub().listen(None, name).ok()?;
        Some(RawListener::new(self.clone(), socket))
    }

    /// The state, for the length of one call. Nothing called meanwhile belongs to a user.
    pub(crate) fn hub(&self) -> RefMut<'_, Hub> {
        self.0.borrow_mut()
    }
}
