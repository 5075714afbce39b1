//! The engine over smoltcp: every stack in one thread, a simulated network of IP packets, and a
//! clock that jumps.

use crate::local::{Engines, LocalPeer, Medium, Sim};
use crate::world::{Raw, RawListener, RawWorld, Setup, World};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tofu_core::{Address, Engine, Instant, Status, Turn};
use tofu_smoltcp::smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use tofu_smoltcp::smoltcp::phy::{
    self, Device, DeviceCapabilities, FaultInjector, RxToken, TxToken,
};
use tofu_smoltcp::smoltcp::socket::tcp;
use tofu_smoltcp::smoltcp::time;
use tofu_smoltcp::smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Packet};
use tofu_smoltcp::{Options, Slot, Stack};

/// TCP sockets of each engine, and the bytes each sends from and receives into.
const SOCKETS: usize = 128;
const BUFFER: usize = 16 * 1_024;
/// Those of a bare connection: what an operating system would take.
const RAW_BUFFER: usize = 64 * 1_024;
const MTU: usize = 1_500;
/// How long a packet is on its way.
const DELAY: Duration = Duration::from_micros(200);
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
pub struct SmoltcpWorld(Rc<Engines<Lan>>);

/// The network and the host of the bare connections.
pub struct Lan {
    network: Rc<Network>,
    loss: u8,
    pace: u32,
    raw: RefCell<RawHost>,
    boots: Cell<u16>,
}

/// A stack and its port to the network.
pub struct Host {
    stack: Stack<'static>,
    port: Port,
}

/// Packets on their way to one host, and when they arrive.
type Lane = VecDeque<(Instant, Vec<u8>)>;

#[derive(Default)]
struct Network {
    now: Cell<Instant>,
    lanes: RefCell<BTreeMap<Ipv4Address, Lane>>,
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
        SmoltcpWorld(Engines::new(Lan { network, loss, pace, raw, boots: Cell::new(0) }))
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

/// A stack with sockets for every scenario.
pub(crate) fn stack(interface: Interface, boot: u16) -> Stack<'static> {
    let mut sockets = SocketSet::new(Vec::new());
    let mut slots = Vec::new();
    for _ in 0..SOCKETS {
        sockets.add(tcp_socket(BUFFER));
        slots.push(Slot::EMPTY);
    }
    let options = Options { seed: boot.wrapping_mul(1_000), ..Options::DEFAULT };
    Stack::new(interface, sockets, slots.leak(), options)
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
        capabilities.medium = phy::Medium::Ip;
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

impl Medium for Lan {
    type Port = Host;

    fn pace(&self) -> u32 {
        self.pace
    }

    fn now(&self) -> Instant {
        self.network.now.get()
    }

    fn jump(&self, to: Instant) {
        self.network.now.set(to);
    }

    fn turn(&self, engine: &mut Engine<Sim>, host: &mut Host) -> Turn {
        host.stack.turn(engine, self.now(), &mut host.port, 64)
    }

    fn settle(&self) -> bool {
        self.raw.borrow_mut().poll(self.network.time());
        self.network.next_arrival().is_some_and(|at| at <= self.now())
    }

    fn next_event(&self) -> Option<Instant> {
        let raw = self.raw.borrow_mut().next_due(self.network.time());
        raw.into_iter().chain(self.network.next_arrival()).min()
    }
}

impl Lan {
    /// A host that starts now.
    fn boot(&self) -> Host {
        let boot = self.boots.get() + 1;
        self.boots.set(boot);
        let (interface, port) = host(&self.network, self.network.free_host(), boot, self.loss);
        Host { stack: stack(interface, boot), port }
    }
}

impl World for SmoltcpWorld {
    type Platform = Sim;
    type Peer = LocalPeer<Lan>;

    const QUIET: Duration = Duration::from_millis(100);

    fn peer(&self, setup: &Setup) -> Self::Peer {
        self.0.add(setup, self.0.medium.boot())
    }

    fn address(&self) -> String {
        "tcp||0".to_owned()
    }

    fn nowhere(&self) -> (String, Status) {
        // Of the first engine, so that it can listen there later.
        let port = self.0.medium.raw.borrow_mut().fresh_port();
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
            let raw = &mut *self.0.medium.raw.borrow_mut();
            let (local, mut socket) = (raw.fresh_port(), tcp_socket(RAW_BUFFER));
            socket.connect(raw.interface.context(), (to, port), local).expect("a good address");
            raw.sockets.add(socket)
        };
        let opened = self.0.run(crate::app::PATIENCE, || {
            self.0.medium.raw.borrow_mut().socket(handle).may_send().then_some(())
        });
        opened.expect("somebody listens");
        BoardRaw { handle, engines: self.0.clone() }
    }

    fn raw_listen(&self) -> BoardRawListener {
        let raw = &mut *self.0.medium.raw.borrow_mut();
        let port = raw.fresh_port();
        BoardRawListener { handle: raw.listen(port), port, engines: self.0.clone() }
    }
}

/// Bare bytes over TCP.
pub struct BoardRaw {
    handle: SocketHandle,
    engines: Rc<Engines<Lan>>,
}

impl Raw for BoardRaw {
    fn send(&mut self, bytes: &[u8], timeout: Duration) -> usize {
        let mut sent = 0;
        self.engines.run(timeout, || {
            match self
                .engines
                .medium
                .raw
                .borrow_mut()
                .socket(self.handle)
                .send_slice(&bytes[sent..])
            {
                Ok(count) => sent += count,
                Err(_) => return Some(()),
            }
            (sent == bytes.len()).then_some(())
        });
        sent
    }

    fn recv(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        self.engines.run(timeout, || {
            let mut raw = self.engines.medium.raw.borrow_mut();
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
        let mut raw = self.engines.medium.raw.borrow_mut();
        let socket = raw.socket(self.handle);
        if socket.can_recv() { socket.abort() } else { socket.close() }
    }
}

/// A bare listener.
pub struct BoardRawListener {
    handle: SocketHandle,
    port: u16,
    engines: Rc<Engines<Lan>>,
}

impl RawListener for BoardRawListener {
    type Raw = BoardRaw;

    fn address(&self) -> String {
        format!("tcp|{}|{}", address_of(RAW_HOST), self.port)
    }

    fn accept(&mut self) -> BoardRaw {
        let arrived = self.engines.run(crate::app::PATIENCE, || {
            self.engines.medium.raw.borrow_mut().socket(self.handle).may_send().then_some(())
        });
        arrived.expect("an engine connects");
        let handle = self.engines.medium.raw.borrow_mut().listen(self.port);
        let handle = std::mem::replace(&mut self.handle, handle);
        BoardRaw { handle, engines: self.engines.clone() }
    }
}
