//! smoltcp against the kernel: boards on TAP devices, and `tofu_std` or bare sockets at the kernel's end.

use crate::board::{BoardGroup, BoardPeer};
use crate::host::{HostRaw, HostRawListener, HostWorld};
use crate::namespace::{KERNEL, enter};
use crate::world::{Group, Peer, RawWorld, Setup, World};
use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::{Rc, Weak};
use std::time::Duration;
use tofu_core::{Address, Header, LISTEN_ON, Limits, Opcode, Stats, Status};
use tofu_std::{ChannelGroup, Engine, Host, Message, PostError, Received};

/// Who runs an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A board: smoltcp on a TAP device of its own.
    Board,
    /// The kernel.
    Kernel,
}

/// A network with the kernel and boards on it.
///
/// One side has one engine, the first; those that come while it is there are on the other
/// side. So a connection is between both, whatever a scenario does. Bare connections end at the kernel.
pub struct TapWorld {
    first: Side,
    /// Alive while the engine of the first side is.
    single: RefCell<Weak<()>>,
    /// Alive while the last engine of the other side is.
    other: RefCell<Weak<()>>,
    /// The boards that were booted: 10.0.0.2 and so on.
    boards: RefCell<Vec<Weak<()>>>,
    boots: Cell<u16>,
    ports: Cell<u16>,
    kernel: HostWorld,
}

impl TapWorld {
    /// A world in which each scenario's first engine, mostly its server, is on this side.
    ///
    /// # Panics
    /// Where this thread cannot have a network of its own.
    pub fn new(first: Side) -> Self {
        enter().expect("a network of its own");
        TapWorld {
            first,
            single: RefCell::default(),
            other: RefCell::default(),
            boards: RefCell::default(),
            boots: Cell::new(0),
            ports: Cell::new(1_024),
            kernel: HostWorld::at(KERNEL),
        }
    }

    /// Where the next engine goes.
    fn next_side(&self) -> Side {
        match (self.first, self.single.borrow().upgrade()) {
            (first, None) => first,
            (Side::Board, _) => Side::Kernel,
            (Side::Kernel, _) => Side::Board,
        }
    }

    /// Boots the first board that is not there, or not any more: one that starts anew is the same host.
    fn boot(&self, setup: &Setup, presence: &Rc<()>) -> BoardPeer {
        let mut boards = self.boards.borrow_mut();
        let free = boards.iter().position(|board| board.strong_count() == 0);
        let index = free.unwrap_or_else(|| {
            boards.push(Weak::new());
            boards.len() - 1
        });
        boards[index] = Rc::downgrade(presence);
        self.boots.set(self.boots.get() + 1);
        BoardPeer::boot(address_of(index), self.boots.get(), setup)
    }
}

/// A board's address.
fn address_of(index: usize) -> Ipv4Addr {
    let [a, b, c, kernel] = KERNEL.octets();
    let number = u8::try_from(index).expect("fewer than 254 boards");
    Ipv4Addr::new(a, b, c, kernel + 1 + number)
}

impl World for TapWorld {
    type Platform = Host;
    type Peer = TapPeer;

    const QUIET: Duration = HostWorld::QUIET;

    fn peer(&self, setup: &Setup) -> TapPeer {
        let presence = Rc::new(());
        let side = self.next_side();
        let place = if side == self.first { &self.single } else { &self.other };
        place.replace(Rc::downgrade(&presence));
        let engine = match side {
            Side::Board => Either::Board(self.boot(setup, &presence)),
            Side::Kernel => Either::Kernel(self.kernel.peer(setup)),
        };
        TapPeer { engine, _presence: presence }
    }

    fn address(&self) -> String {
        "tcp||0".to_owned()
    }

    fn nowhere(&self) -> (String, Status) {
        let port = self.ports.get();
        self.ports.set(port + 1);
        // Of the first engine, so that it can listen there later; but a board does not reach itself.
        let alone = self.other.borrow().strong_count() == 0;
        let host = if self.first == Side::Board && !alone { address_of(0) } else { KERNEL };
        (format!("tcp|{host}|{port}"), Status::ConnectFailed)
    }

    fn pass(&self, time: Duration) {
        self.kernel.pass(time);
    }
}

impl RawWorld for TapWorld {
    type Raw = HostRaw;
    type RawListener = HostRawListener;

    fn raw_address(&self) -> String {
        self.address()
    }

    fn raw_connect(&self, address: &str) -> HostRaw {
        self.kernel.raw_connect(address)
    }

    fn raw_listen(&self) -> HostRawListener {
        self.kernel.raw_listen()
    }
}

/// What is a board's or the kernel's.
enum Either<B, K> {
    Board(B),
    Kernel(K),
}

/// An engine of either side.
pub struct TapPeer {
    engine: Either<BoardPeer, Engine>,
    _presence: Rc<()>,
}

/// Asks the engine or group of whichever side it is.
macro_rules! either {
    ($of:expr, $it:ident => $ask:expr) => {
        match $of {
            Either::Board($it) => $ask,
            Either::Kernel($it) => $ask,
        }
    };
}

impl Peer for TapPeer {
    type Platform = Host;
    type Group = TapGroup;

    fn get(&self) -> Option<Message> {
        either!(&self.engine, engine => engine.get())
    }

    fn group(&self) -> TapGroup {
        match &self.engine {
            Either::Board(engine) => TapGroup(Either::Board(engine.group())),
            Either::Kernel(engine) => TapGroup(Either::Kernel(Peer::group(engine))),
        }
    }

    fn stop(&self) {
        either!(&self.engine, engine => engine.stop());
    }

    fn free_messages(&self) -> usize {
        either!(&self.engine, engine => engine.free_messages())
    }

    fn channels(&self) -> usize {
        either!(&self.engine, engine => engine.channels())
    }

    fn limits(&self) -> Limits {
        either!(&self.engine, engine => engine.limits())
    }

    fn stats(&self) -> Stats {
        either!(&self.engine, engine => engine.stats())
    }
}

/// A channel group of either side.
pub struct TapGroup(Either<BoardGroup, ChannelGroup>);

impl Group for TapGroup {
    type Platform = Host;

    fn post(&self, message: Message) -> Result<Header, PostError> {
        either!(&self.0, group => group.post(message))
    }

    fn receive(&self, timeout: Duration) -> Option<Received> {
        let mut received = either!(&self.0, group => group.receive(timeout));
        if let Some(Received::Returned(message, Status::Success)) = &mut received {
            name_host(message);
        }
        received
    }

    fn update_receiver(&self, message: Option<Message>) -> Result<(), Status> {
        either!(&self.0, group => Group::update_receiver(group, message))
    }
}

/// The kernel's listeners on every interface do not say at which address clients find them.
fn name_host(welcome: &mut Message) {
    let address = welcome.text().get_str(LISTEN_ON).map(Address::parse);
    if welcome.opcode() == Opcode::WelcomeResponse
        && let Some(Ok(Address::Tcp { host: "", port })) = address
    {
        let named = welcome.set_header_display(LISTEN_ON, format_args!("tcp|{KERNEL}|{port}"));
        named.expect("the address fits");
    }
}
