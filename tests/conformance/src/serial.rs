//! The engine over serial lines: a cable for each connection, in one thread, and a clock that jumps.
//!
//! One line carries one channel that each side opened, and an engine of the scenarios has many. So
//! here each engine has a `Patchbay`: to connect plugs in a cable to whoever listens, or
//! takes one that nobody uses any more.

use crate::local::{Engines, LocalPeer, Medium, Sim};
use crate::world::{Raw, RawListener, RawWorld, Setup, World};
use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tofu_core::{Address, Close, Engine, Instant, Link, Ready, Status, Transport, Turn};
use tofu_loopback::Rng;
use tofu_serial::{Options, Serial};

/// The name of every line.
const LINE: Address<'static> = Address::Serial { name: "line" };
/// How many bytes a cable holds.
const CABLE: usize = 512;
/// How much a bare connection holds in each direction, as a socket would.
const SOCKET: usize = 65_536;
/// The link of bare listeners.
const LISTENER: Link = Link(u16::MAX);

/// What one end wrote and the other has not read.
type Pipe = Rc<RefCell<VecDeque<u8>>>;

/// One end of a cable. With a seed, it takes and gives bytes in pieces of any length.
struct End {
    from: Pipe,
    to: Pipe,
    rng: Option<Rng>,
}

impl End {
    fn some(&mut self, most: usize) -> usize {
        self.rng.as_mut().map_or(most, |rng| rng.length(most))
    }

    fn is_willing(&mut self) -> bool {
        self.rng.as_mut().is_none_or(|rng| rng.below(4) > 0)
    }
}

impl ErrorType for End {
    type Error = Infallible;
}

impl ReadReady for End {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.from.borrow().is_empty() && self.is_willing())
    }
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let waiting = self.from.borrow().len();
        let count = self.some(buf.len().min(waiting));
        assert!(count > 0, "a read that would block");
        for (to, from) in buf.iter_mut().zip(self.from.borrow_mut().drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

impl WriteReady for End {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.to.borrow().len() < CABLE && self.is_willing())
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        let room = CABLE - self.to.borrow().len();
        let count = self.some(buf.len().min(room));
        assert!(count > 0, "a write that would block");
        self.to.borrow_mut().extend(&buf[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        panic!("a flush blocks");
    }
}

/// One end of a line, plugged in.
struct Plug {
    owner: usize,
    other: usize,
    /// The listener it belongs to.
    listener: Option<Link>,
    /// The connection that uses it.
    link: Option<Link>,
    serial: Serial<End>,
}

struct Listener {
    owner: usize,
    link: Link,
    name: String,
    told: bool,
}

/// Everything that is plugged in.
struct Hub {
    plugs: Vec<Plug>,
    listeners: Vec<Listener>,
    rng: Option<Rng>,
    /// Counts owners and names.
    count: usize,
}

impl Hub {
    fn fresh(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    fn listen(&mut self, owner: usize, link: Link, name: &str) -> Result<(), Status> {
        if self.listeners.iter().any(|listener| listener.name == name) {
            return Err(Status::ListenFailed);
        }
        self.listeners.push(Listener { owner, link, name: name.to_owned(), told: false });
        Ok(())
    }

    fn connect(&mut self, owner: usize, link: Link, name: &str) -> Result<(), Status> {
        let listener = self.listeners.iter().find(|listener| listener.name == name);
        let Some(&Listener { owner: to, link: at, .. }) = listener else {
            return Err(Status::ConnectFailed);
        };
        let is_spare = |plug: &Plug| {
            let other = &self.plugs[plug.other];
            plug.owner == owner
                && plug.link.is_none()
                && other.link.is_none()
                && (other.owner, other.listener) == (to, Some(at))
        };
        let index = match self.plugs.iter().position(is_spare) {
            Some(index) => index,
            None => self.plug_in(owner, to, at),
        };
        let plug = &mut self.plugs[index];
        plug.serial.connect(link, &LINE)?;
        plug.link = Some(link);
        Ok(())
    }

    /// A new cable between these two.
    fn plug_in(&mut self, from: usize, to: usize, at: Link) -> usize {
        let index = self.plugs.len();
        let pipes = [Pipe::default(), Pipe::default()];
        for (side, owner, listener) in [(0, from, None), (1, to, Some(at))] {
            let rng = self.rng.as_mut().map(|rng| Rng::new(rng.next_u64()));
            let end = End { from: pipes[1 - side].clone(), to: pipes[side].clone(), rng };
            let mut serial = Serial::new(end, "line", 1, Options::default());
            if let Some(link) = listener {
                serial.listen(link, &LINE).expect("the first listener of a new line");
                assert_eq!(serial.next_ready(), Some((link, Ready::Opened)));
            }
            self.plugs.push(Plug { owner, other: index + 1 - side, listener, link: None, serial });
        }
        index
    }

    fn plugs_of(&mut self, owner: usize) -> impl Iterator<Item = &mut Plug> {
        self.plugs.iter_mut().filter(move |plug| plug.owner == owner)
    }

    fn plug_of(&mut self, owner: usize, link: Link) -> &mut Plug {
        let mut plugs = self.plugs_of(owner);
        plugs.find(|plug| plug.link == Some(link)).expect("an engine uses the links it was given")
    }

    fn accept(&mut self, owner: usize, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        let plugs = self.plugs_of(owner).filter(|plug| plug.listener == Some(listener));
        for plug in plugs.filter(|plug| plug.link.is_none()) {
            if plug.serial.accept(listener, link).is_ready() {
                plug.link = Some(link);
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    fn next_ready(&mut self, owner: usize) -> Option<(Link, Ready)> {
        let mut listeners = self.listeners.iter_mut();
        if let Some(listener) = listeners.find(|it| it.owner == owner && !it.told) {
            listener.told = true;
            return Some((listener.link, Ready::Opened));
        }
        self.plugs_of(owner).find_map(|plug| plug.serial.next_ready())
    }

    fn close(&mut self, owner: usize, link: Link, how: Close) {
        self.listeners.retain(|listener| (listener.owner, listener.link) != (owner, link));
        for plug in self.plugs_of(owner) {
            if plug.link == Some(link) {
                plug.link = None;
                plug.serial.close(link, how);
            } else if plug.listener == Some(link) {
                plug.listener = None;
                plug.serial.close(link, how);
            }
        }
    }

    /// The owner is gone. Its cables stay where they are, and nobody speaks.
    fn leave(&mut self, owner: usize) {
        self.listeners.retain(|listener| listener.owner != owner);
        for plug in self.plugs_of(owner) {
            plug.owner = 0;
        }
    }

    /// Moves the bytes of one owner; whether there is more.
    fn poll(&mut self, owner: usize, now: Instant) -> bool {
        let mut more = false;
        for plug in self.plugs_of(owner) {
            plug.serial.poll(now);
            more |= plug.serial.has_more();
        }
        more
    }

    /// Whether bytes are on their way to somebody, or can leave.
    fn is_busy(&mut self) -> bool {
        self.plugs.iter_mut().filter(|plug| plug.owner > 0).any(|plug| {
            let End { from, to, .. } = plug.serial.io();
            let (arrives, has_room) = (!from.borrow().is_empty(), to.borrow().len() < CABLE);
            arrives || (has_room && plug.serial.wants_write())
        })
    }

    fn deadline(&self) -> Option<Instant> {
        let live = self.plugs.iter().filter(|plug| plug.owner > 0);
        live.filter_map(|plug| plug.serial.deadline()).min()
    }
}

/// The lines of one engine.
pub struct Patchbay {
    owner: usize,
    hub: Rc<RefCell<Hub>>,
}

/// The name in an address of this world. A line answers to no other.
fn name<'a>(address: &Address<'a>) -> Result<&'a str, Status> {
    match address {
        Address::Serial { name } if name.starts_with("name-") => Ok(name),
        _ => Err(Status::InvalidAddress),
    }
}

impl Transport for Patchbay {
    fn listen(&mut self, link: Link, at: &Address<'_>) -> Result<(), Status> {
        self.hub.borrow_mut().listen(self.owner, link, name(at)?)
    }

    fn connect(&mut self, link: Link, to: &Address<'_>) -> Result<(), Status> {
        self.hub.borrow_mut().connect(self.owner, link, name(to)?)
    }

    fn local_address(&self, listener: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        let hub = self.hub.borrow();
        let mut listeners = hub.listeners.iter();
        let found = listeners.find(|it| (it.owner, it.link) == (self.owner, listener));
        write!(out, "{}", Address::Serial { name: &found.ok_or(fmt::Error)?.name })
    }

    fn accept(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        self.hub.borrow_mut().accept(self.owner, listener, link)
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        self.hub.borrow_mut().plug_of(self.owner, link).serial.recv(link, bufs)
    }

    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        self.hub.borrow_mut().plug_of(self.owner, link).serial.send(link, bufs)
    }

    fn want_write(&mut self, link: Link, on: bool) {
        self.hub.borrow_mut().plug_of(self.owner, link).serial.want_write(link, on);
    }

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        self.hub.borrow_mut().next_ready(self.owner)
    }

    fn close(&mut self, link: Link, how: Close) {
        self.hub.borrow_mut().close(self.owner, link, how);
    }
}

impl Drop for Patchbay {
    fn drop(&mut self) {
        self.hub.borrow_mut().leave(self.owner);
    }
}

/// Engines, and the lines between them.
#[derive(Clone)]
pub struct SerialWorld(Rc<Engines<Lines>>);

/// The lines.
pub struct Lines {
    now: Cell<Instant>,
    hub: Rc<RefCell<Hub>>,
    /// The bare ends of lines, which serve them as long as the world lasts.
    bare: RefCell<Vec<Rc<RefCell<Bare>>>>,
}

/// Somebody without an engine, and connections.
struct Bare {
    patchbay: Patchbay,
    sockets: BTreeMap<Link, Socket>,
}

/// A bare connection.
#[derive(Default)]
struct Socket {
    arrived: Vec<u8>,
    leaving: Vec<u8>,
    /// No more arrives.
    ended: bool,
    /// No more leaves.
    lost: bool,
    /// Nobody holds it any more.
    closing: bool,
}

impl Socket {
    /// Moves what can be moved; whether that was something.
    fn serve(&mut self, link: Link, io: &mut Patchbay) -> bool {
        let mut moved = false;
        match io.send(link, &[&self.leaving]) {
            Poll::Ready(Ok(count)) => {
                moved |= count > 0;
                self.leaving.drain(..count);
            }
            Poll::Ready(Err(_)) => self.lost = true,
            Poll::Pending => {}
        }
        let mut chunk = [0; 1_024];
        if self.ended || self.arrived.len() > SOCKET {
            return moved;
        }
        match io.recv(link, &mut [&mut chunk]) {
            Poll::Ready(Ok(count)) if count > 0 => {
                moved = true;
                self.arrived.extend(&chunk[..count]);
            }
            Poll::Ready(_) => self.ended = true,
            Poll::Pending => {}
        }
        moved
    }
}

impl Bare {
    fn serve(&mut self) -> bool {
        let Bare { patchbay, sockets } = self;
        let mut moved = false;
        sockets.retain(|&link, socket| {
            moved |= socket.serve(link, patchbay);
            let over = socket.closing && (socket.lost || socket.leaving.is_empty());
            if over {
                patchbay.close(link, Close::Graceful);
            }
            !over
        });
        moved
    }

    fn socket(&mut self, link: Link) -> &mut Socket {
        self.sockets.get_mut(&link).expect("it lives as long as somebody holds it")
    }
}

impl Default for SerialWorld {
    fn default() -> Self {
        SerialWorld::new()
    }
}

impl SerialWorld {
    /// Lines that take and give what they can.
    pub fn new() -> Self {
        SerialWorld::with(None)
    }

    /// Lines that take and give bytes in pieces of any length.
    pub fn choppy(seed: u64) -> Self {
        SerialWorld::with(Some(Rng::new(seed)))
    }

    fn with(rng: Option<Rng>) -> Self {
        let hub = Hub { plugs: Vec::new(), listeners: Vec::new(), rng, count: 0 };
        SerialWorld(Engines::new(Lines {
            now: Cell::new(Instant::ZERO),
            hub: Rc::new(RefCell::new(hub)),
            bare: RefCell::default(),
        }))
    }
}

impl Lines {
    fn patchbay(&self) -> Patchbay {
        let owner = self.hub.borrow_mut().fresh();
        Patchbay { owner, hub: self.hub.clone() }
    }

    fn bare(&self) -> Rc<RefCell<Bare>> {
        let bare = Bare { patchbay: self.patchbay(), sockets: BTreeMap::new() };
        let bare = Rc::new(RefCell::new(bare));
        self.bare.borrow_mut().push(bare.clone());
        bare
    }
}

impl Medium for Lines {
    type Port = Patchbay;

    fn staging(&self) -> usize {
        1_024
    }

    fn now(&self) -> Instant {
        self.now.get()
    }

    fn jump(&self, to: Instant) {
        self.now.set(to);
    }

    fn turn(&self, engine: &mut Engine<Sim>, patchbay: &mut Patchbay) -> Turn {
        let (owner, now) = (patchbay.owner, self.now());
        self.hub.borrow_mut().poll(owner, now);
        let turn = engine.turn(now, patchbay, 64);
        let more = self.hub.borrow_mut().poll(owner, now) || turn.more;
        Turn { more, ..turn }
    }

    fn settle(&self) -> bool {
        let mut more = false;
        for bare in &*self.bare.borrow() {
            let bare = &mut *bare.borrow_mut();
            self.hub.borrow_mut().poll(bare.patchbay.owner, self.now());
            more |= bare.serve();
        }
        more || self.hub.borrow_mut().is_busy()
    }

    fn next_event(&self) -> Option<Instant> {
        self.hub.borrow().deadline()
    }
}

impl World for SerialWorld {
    type Platform = Sim;
    type Peer = LocalPeer<Lines>;

    const QUIET: Duration = Duration::from_millis(100);

    fn peer(&self, setup: &Setup) -> Self::Peer {
        self.0.add(setup, self.0.medium.patchbay())
    }

    fn address(&self) -> String {
        format!("serial|name-{}", self.0.medium.hub.borrow_mut().fresh())
    }

    fn nowhere(&self) -> (String, Status) {
        (self.address(), Status::ConnectFailed)
    }

    fn pass(&self, time: Duration) {
        self.0.run(time, || None::<()>);
    }
}

impl RawWorld for SerialWorld {
    type Raw = SerialRaw;
    type RawListener = SerialRawListener;

    fn raw_address(&self) -> String {
        self.address()
    }

    fn raw_connect(&self, address: &str) -> SerialRaw {
        let (bare, link) = (self.0.medium.bare(), Link(0));
        let address = Address::parse(address).expect("an address of this world");
        bare.borrow_mut().patchbay.connect(link, &address).expect("somebody listens");
        let opened = self.0.run(crate::app::PATIENCE, || bare.borrow_mut().patchbay.next_ready());
        assert_eq!(opened, Some((link, Ready::Opened)));
        SerialRaw::new(bare, link, self.0.clone())
    }

    fn raw_listen(&self) -> SerialRawListener {
        let (bare, address) = (self.0.medium.bare(), self.address());
        let parsed = Address::parse(&address).expect("an address of this world");
        bare.borrow_mut().patchbay.listen(LISTENER, &parsed).expect("the name is free");
        SerialRawListener { bare, address, accepted: 0, engines: self.0.clone() }
    }
}

/// Bare bytes in a session of a line.
pub struct SerialRaw {
    bare: Rc<RefCell<Bare>>,
    link: Link,
    engines: Rc<Engines<Lines>>,
}

impl SerialRaw {
    fn new(bare: Rc<RefCell<Bare>>, link: Link, engines: Rc<Engines<Lines>>) -> Self {
        bare.borrow_mut().sockets.insert(link, Socket::default());
        SerialRaw { bare, link, engines }
    }
}

impl Raw for SerialRaw {
    fn send(&mut self, bytes: &[u8], timeout: Duration) -> usize {
        let mut sent = 0;
        self.engines.run(timeout, || {
            let mut bare = self.bare.borrow_mut();
            let socket = bare.socket(self.link);
            if socket.lost {
                return Some(());
            }
            let rest = &bytes[sent..];
            let count = rest.len().min(SOCKET - socket.leaving.len());
            socket.leaving.extend(&rest[..count]);
            sent += count;
            (sent == bytes.len()).then_some(())
        });
        sent
    }

    fn recv(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        self.engines.run(timeout, || {
            let mut bare = self.bare.borrow_mut();
            let socket = bare.socket(self.link);
            let some = socket.ended || !socket.arrived.is_empty();
            some.then(|| std::mem::take(&mut socket.arrived))
        })
    }
}

impl Drop for SerialRaw {
    fn drop(&mut self) {
        self.bare.borrow_mut().socket(self.link).closing = true;
    }
}

/// A bare listener.
pub struct SerialRawListener {
    bare: Rc<RefCell<Bare>>,
    address: String,
    /// Connections so far.
    accepted: u16,
    engines: Rc<Engines<Lines>>,
}

impl RawListener for SerialRawListener {
    type Raw = SerialRaw;

    fn address(&self) -> String {
        self.address.clone()
    }

    fn accept(&mut self) -> SerialRaw {
        let link = Link(self.accepted);
        self.accepted += 1;
        let accepted = self.engines.run(crate::app::PATIENCE, || {
            self.bare.borrow_mut().patchbay.accept(LISTENER, link).is_ready().then_some(())
        });
        accepted.expect("an engine connects");
        SerialRaw::new(self.bare.clone(), link, self.engines.clone())
    }
}

impl Drop for SerialRawListener {
    fn drop(&mut self) {
        self.bare.borrow_mut().patchbay.close(LISTENER, Close::Graceful);
    }
}
