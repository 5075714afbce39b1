//! The engine over smoltcp: every stack in one thread, a simulated network of IP packets, and a
//! clock that jumps.

use crate::world::{Group, Peer, Raw, RawListener, RawWorld, Setup, World};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tofu_core::{
    Address, Engine, GroupId, Header, Instant, Limits, LocalLock, Message, Pool, PostError,
    Received, Stats, Status,
};
use tofu_smoltcp::smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use tofu_smoltcp::smoltcp::phy::{
    Device, DeviceCapabilities, FaultInjector, Medium, RxToken, TxToken,
};
use tofu_smoltcp::smoltcp::socket::tcp;
use tofu_smoltcp::smoltcp::time;
use tofu_smoltcp::smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Packet};
use tofu_smoltcp::{Options, Slot, Stack};

tofu_core::platform! {
    /// A platform of fixed capacities, as a board would declare it.
    pub struct Board {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Board>>,
        lock: LocalLock,
        classes: 4,
        messages: 512,
        channels: 256,
        groups: 4,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
    unique_id: |_: &mut u64| NEXT_ID.fetch_add(1, Ordering::Relaxed),
}

/// All worlds of the process draw their ids from here.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Turns without rest after which engines are taken to spin.
const SPIN: u32 = 1_000_000;
/// TCP sockets of each engine, and the bytes each sends from and receives into.
const SOCKETS: usize = 128;
const BUFFER: usize = 16 * 1_024;
/// Those of a bare connection: what an operating system would take.
const RAW_BUFFER: usize = 64 * 1_024;
const MTU: usize = 1_500;
/// How long a packet is on its way.
const DELAY: Duration = Duration::from_micros(200);
/// What bytes are read ahead into.
const STAGING: usize = 4_096;
/// Where the bare connections end.
const RAW_HOST: u16 = 1;

/// How many seconds a scenario's second is where packets are lost.
const LOSSY_PACE: u32 = 100;

type Port = FaultInjector<Wire>;

/// A network of smoltcp stacks.
///
/// Where packets are lost, TCP takes seconds to send one again, and scenarios are written in
/// milliseconds: there each of a scenario's seconds, and of its engines' timeouts, is many.
#[derive(Clone)]
pub struct SmoltcpWorld(Rc<Shared>);

struct Shared {
    network: Rc<Network>,
    loss: u8,
    pace: u32,
    nodes: RefCell<Vec<Weak<RefCell<Node>>>>,
    raw: RefCell<RawHost>,
    boots: Cell<u16>,
}

/// Packets on their way to one host, and when they arrive.
type Lane = VecDeque<(Instant, Vec<u8>)>;

#[derive(Default)]
struct Network {
    now: Cell<Instant>,
    lanes: RefCell<BTreeMap<Ipv4Address, Lane>>,
}

struct Node {
    engine: Box<Engine<Board>>,
    stack: Stack<'static>,
    port: Port,
    deadline: Option<Instant>,
}

/// The host that the bare connections of a world end at: smoltcp without tofu.
struct RawHost {
    interface: Interface,
    sockets: SocketSet<'static>,
    port: Port,
    next_port: u16,
}

impl Default for SmoltcpWorld {
    fn default() -> Self {
        SmoltcpWorld::new()
    }
}

impl SmoltcpWorld {
    /// A network on which nothing is lost.
    pub fn new() -> Self {
        SmoltcpWorld::lossy(0)
    }

    /// A network that loses so many percent of the packets.
    pub fn lossy(loss: u8) -> Self {
        let network = Rc::default();
        let pace = if loss == 0 { 1 } else { LOSSY_PACE };
        let (interface, port) = host(&network, RAW_HOST, 0, loss);
        let sockets = SocketSet::new(Vec::new());
        let raw = RefCell::new(RawHost { interface, sockets, port, next_port: 1_024 });
        let (nodes, boots) = (RefCell::default(), Cell::new(0));
        SmoltcpWorld(Rc::new(Shared { network, loss, pace, nodes, raw, boots }))
    }
}

fn address_of(host: u16) -> Ipv4Address {
    let [high, low] = host.to_be_bytes();
    Ipv4Address::new(10, 0, high, low)
}

/// A host's interface, and its port to the network. No two boots of a host have the same seed.
fn host(network: &Rc<Network>, number: u16, boot: u16, loss: u8) -> (Interface, Port) {
    let address = address_of(number);
    network.lanes.borrow_mut().insert(address, VecDeque::new());
    let wire = Wire { address, network: network.clone() };
    let mut port = FaultInjector::new(wire, (u32::from(boot) + 1) * 7_919);
    // Each packet passes the injectors of both ends.
    port.set_drop_chance(loss.div_ceil(2));
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = boot.into();
    let mut interface = Interface::new(config, &mut port, time::Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses.push(IpCidr::new(address.into(), 8)).expect("room for one address");
    });
    (interface, port)
}

fn tcp_socket(size: usize) -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; size]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    socket
}

impl Network {
    /// The first that is not there, or not any more: an engine that starts anew is the same host.
    fn free_host(&self) -> u16 {
        let lanes = self.lanes.borrow();
        let mut all = RAW_HOST + 1..;
        all.find(|host| !lanes.contains_key(&address_of(*host))).expect("fewer than 65,536 hosts")
    }

    /// When the next packet arrives.
    fn next_arrival(&self) -> Option<Instant> {
        let lanes = self.lanes.borrow();
        lanes.values().filter_map(|lane| lane.front()).map(|(at, _)| *at).min()
    }

    fn time(&self) -> time::Instant {
        to_smoltcp(self.now.get())
    }
}

fn to_smoltcp(at: Instant) -> time::Instant {
    time::Instant::from_micros_const(at.as_micros().cast_signed())
}

/// A host's end of the network.
struct Wire {
    address: Ipv4Address,
    network: Rc<Network>,
}

impl Device for Wire {
    type RxToken<'a> = Packet;
    type TxToken<'a> = Outlet;

    fn receive(&mut self, _: time::Instant) -> Option<(Packet, Outlet)> {
        let now = self.network.now.get();
        let mut lanes = self.network.lanes.borrow_mut();
        let lane = lanes.get_mut(&self.address)?;
        lane.front().filter(|(at, _)| *at <= now)?;
        let (_, packet) = lane.pop_front()?;
        Some((Packet(packet), Outlet(self.network.clone())))
    }

    fn transmit(&mut self, _: time::Instant) -> Option<Outlet> {
        Some(Outlet(self.network.clone()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities.medium = Medium::Ip;
        capabilities
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.network.lanes.borrow_mut().remove(&self.address);
    }
}

struct Packet(Vec<u8>);

impl RxToken for Packet {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

struct Outlet(Rc<Network>);

impl TxToken for Outlet {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut packet = vec![0; len];
        let result = write(&mut packet);
        let to = Ipv4Packet::new_unchecked(&packet).dst_addr();
        let at = self.0.now.get().after(DELAY);
        // What goes to nobody is lost.
        if let Some(lane) = self.0.lanes.borrow_mut().get_mut(&to) {
            lane.push_back((at, packet));
        }
        result
    }
}

impl RawHost {
    fn poll(&mut self, now: time::Instant) {
        self.interface.poll(now, &mut self.port, &mut self.sockets);
    }

    fn next_due(&mut self, now: time::Instant) -> Option<Instant> {
        let at = self.interface.poll_at(now, &self.sockets)?;
        Some(Instant::from_micros(at.max(now).total_micros().cast_unsigned()))
    }

    fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    fn fresh_port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    fn listen(&mut self, port: u16) -> SocketHandle {
        let mut socket = tcp_socket(RAW_BUFFER);
        socket.listen(port).expect("a good port");
        self.sockets.add(socket)
    }
}

impl Shared {
    /// Runs every stack until nothing moves.
    fn settle(&self) {
        for _ in 0..SPIN {
            let now = self.network.now.get();
            let mut more = false;
            for node in self.live() {
                let Node { engine, stack, port, deadline } = &mut *node.borrow_mut();
                let turn = stack.turn(engine, now, port, 64);
                *deadline = turn.deadline;
                more |= turn.more;
            }
            self.raw.borrow_mut().poll(self.network.time());
            if !more && self.network.next_arrival().is_none_or(|at| at > now) {
                return;
            }
        }
        panic!("the engines never come to rest");
    }

    fn live(&self) -> Vec<Rc<RefCell<Node>>> {
        let mut nodes = self.nodes.borrow_mut();
        nodes.retain(|node| node.strong_count() > 0);
        nodes.iter().filter_map(Weak::upgrade).collect()
    }

    /// The timeouts at this world's pace.
    fn stretch(&self, protocol: &tofu_core::Options) -> tofu_core::Options {
        let longer = |timeout: Duration| timeout * self.pace;
        tofu_core::Options {
            connect_timeout: longer(protocol.connect_timeout),
            hello_timeout: longer(protocol.hello_timeout),
            send_timeout: protocol.send_timeout.map(longer),
            bye_timeout: longer(protocol.bye_timeout),
            frame_timeout: longer(protocol.frame_timeout),
            idle_timeout: protocol.idle_timeout.map(longer),
            accept_retry: longer(protocol.accept_retry),
            limits: protocol.limits,
        }
    }

    /// Runs until `done` yields something, at most until `timeout`.
    fn run<T>(&self, timeout: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
        let end = self.network.now.get().after(timeout * self.pace);
        loop {
            if let Some(result) = done() {
                return Some(result);
            }
            self.settle();
            if let Some(result) = done() {
                return Some(result);
            }
            let now = self.network.now.get();
            if now >= end {
                return None;
            }
            let deadlines = self.live().into_iter().filter_map(|node| node.borrow().deadline);
            let raw = self.raw.borrow_mut().next_due(self.network.time());
            let next = deadlines.chain(self.network.next_arrival()).chain(raw).min().unwrap_or(end);
            self.network.now.set(next.clamp(now, end));
        }
    }
}

impl World for SmoltcpWorld {
    type Platform = Board;
    type Peer = BoardPeer;

    const QUIET: Duration = Duration::from_millis(100);

    fn peer(&self, setup: &Setup) -> BoardPeer {
        let shared = &self.0;
        shared.boots.set(shared.boots.get() + 1);
        let number = shared.network.free_host();
        let (interface, port) = host(&shared.network, number, shared.boots.get(), shared.loss);
        let mut sockets = SocketSet::new(Vec::new());
        let mut slots = Vec::new();
        for _ in 0..SOCKETS {
            sockets.add(tcp_socket(BUFFER));
            slots.push(Slot::EMPTY);
        }
        let options = Options { seed: shared.boots.get().wrapping_mul(1_000), ..Options::DEFAULT };
        let stack = Stack::new(interface, sockets, slots.leak(), options);
        let pool = Rc::new(Pool::new());
        for &(size, count) in &setup.pool {
            pool.add_class(size, count);
        }
        let engine = Box::new(Engine::new(pool, &shared.stretch(&setup.protocol)));
        let node = Rc::new(RefCell::new(Node { engine, stack, port, deadline: None }));
        shared.nodes.borrow_mut().push(Rc::downgrade(&node));
        BoardPeer { node, shared: shared.clone() }
    }

    fn address(&self) -> String {
        "tcp||0".to_owned()
    }

    fn nowhere(&self) -> (String, Status) {
        // Of the first engine, so that it can listen there later.
        let port = self.0.raw.borrow_mut().fresh_port();
        (format!("tcp|{}|{port}", address_of(RAW_HOST + 1)), Status::ConnectFailed)
    }

    fn pass(&self, time: Duration) {
        self.0.run(time, || None::<()>);
    }
}

impl RawWorld for SmoltcpWorld {
    type Raw = BoardRaw;
    type RawListener = BoardRawListener;

    fn raw_address(&self) -> String {
        self.address()
    }

    fn raw_connect(&self, address: &str) -> BoardRaw {
        let Ok(Address::Tcp { host, port }) = Address::parse(address) else {
            panic!("{address} is no address of this world");
        };
        let to: IpAddress = host.parse::<Ipv4Address>().expect("an IPv4 address").into();
        let handle = {
            let raw = &mut *self.0.raw.borrow_mut();
            let (local, mut socket) = (raw.fresh_port(), tcp_socket(RAW_BUFFER));
            socket.connect(raw.interface.context(), (to, port), local).expect("a good address");
            raw.sockets.add(socket)
        };
        let shared = self.0.clone();
        let opened = shared.run(crate::app::PATIENCE, || {
            shared.raw.borrow_mut().socket(handle).may_send().then_some(())
        });
        opened.expect("somebody listens");
        BoardRaw { handle, shared }
    }

    fn raw_listen(&self) -> BoardRawListener {
        let raw = &mut *self.0.raw.borrow_mut();
        let port = raw.fresh_port();
        BoardRawListener { handle: raw.listen(port), port, shared: self.0.clone() }
    }
}

/// An engine on its stack.
pub struct BoardPeer {
    node: Rc<RefCell<Node>>,
    shared: Rc<Shared>,
}

impl Peer for BoardPeer {
    type Platform = Board;
    type Group = BoardGroup;

    fn get(&self) -> Option<Message<Board>> {
        let pool = self.node.borrow().engine.pool().clone();
        Pool::get(&pool)
    }

    fn group(&self) -> BoardGroup {
        let staging = vec![0; STAGING].into_boxed_slice();
        let id = self.node.borrow_mut().engine.open_group(staging).expect("room for a group");
        BoardGroup { id, node: self.node.clone(), shared: self.shared.clone() }
    }

    fn stop(&self) {
        self.node.borrow_mut().engine.shutdown();
    }

    fn free_messages(&self) -> usize {
        self.node.borrow().engine.pool().free()
    }

    fn channels(&self) -> usize {
        self.node.borrow().engine.channels()
    }

    fn limits(&self) -> Limits {
        self.node.borrow().engine.limits()
    }

    fn stats(&self) -> Stats {
        self.node.borrow().engine.stats()
    }
}

/// A channel group of an engine on its stack.
pub struct BoardGroup {
    id: GroupId,
    node: Rc<RefCell<Node>>,
    shared: Rc<Shared>,
}

impl Group for BoardGroup {
    type Platform = Board;

    fn post(&self, message: Message<Board>) -> Result<Header, PostError<Board>> {
        self.node.borrow_mut().engine.post(self.id, message)
    }

    fn receive(&self, timeout: Duration) -> Option<Received<Board>> {
        self.shared.run(timeout, || self.node.borrow_mut().engine.receive(self.id))
    }

    fn update_receiver(&self, message: Option<Message<Board>>) -> Result<(), Status> {
        let updated = self.node.borrow_mut().engine.update_receiver(self.id, message);
        updated.map_err(|(_, status)| status)
    }
}

impl Drop for BoardGroup {
    fn drop(&mut self) {
        let closed = self.node.borrow_mut().engine.close_group(self.id);
        assert!(closed.is_ok(), "a group is closed once");
    }
}

/// Bare bytes over TCP.
pub struct BoardRaw {
    handle: SocketHandle,
    shared: Rc<Shared>,
}

impl Raw for BoardRaw {
    fn send(&mut self, bytes: &[u8], timeout: Duration) -> usize {
        let mut sent = 0;
        self.shared.run(timeout, || {
            match self.shared.raw.borrow_mut().socket(self.handle).send_slice(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(_) => return Some(()),
            }
            (sent == bytes.len()).then_some(())
        });
        sent
    }

    fn recv(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        self.shared.run(timeout, || {
            let mut raw = self.shared.raw.borrow_mut();
            let socket = raw.socket(self.handle);
            let mut bytes = vec![0; socket.recv_queue()];
            let count = socket.recv_slice(&mut bytes).unwrap_or_default();
            (count > 0 || !socket.may_recv()).then_some(bytes)
        })
    }
}

impl Drop for BoardRaw {
    /// As an operating system: what was not read is answered with a reset.
    fn drop(&mut self) {
        let mut raw = self.shared.raw.borrow_mut();
        let socket = raw.socket(self.handle);
        if socket.can_recv() { socket.abort() } else { socket.close() }
    }
}

/// A bare listener.
pub struct BoardRawListener {
    handle: SocketHandle,
    port: u16,
    shared: Rc<Shared>,
}

impl RawListener for BoardRawListener {
    type Raw = BoardRaw;

    fn address(&self) -> String {
        format!("tcp|{}|{}", address_of(RAW_HOST), self.port)
    }

    fn accept(&mut self) -> BoardRaw {
        let arrived = self.shared.run(crate::app::PATIENCE, || {
            self.shared.raw.borrow_mut().socket(self.handle).may_send().then_some(())
        });
        arrived.expect("an engine connects");
        let handle = self.shared.raw.borrow_mut().listen(self.port);
        let handle = std::mem::replace(&mut self.handle, handle);
        BoardRaw { handle, shared: self.shared.clone() }
    }
}
