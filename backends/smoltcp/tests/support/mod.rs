//! Engines on stacks, a cable between them, and a clock that jumps.
#![allow(missing_docs, unreachable_pub, dead_code)]

pub mod dhcp;
pub mod frames;
pub mod names;
pub mod service;

use service::Service;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tofu_core::{
    ChannelNumber, Engine, GroupId, Instant, LISTEN_ON, Limits, LocalLock, Message, Opcode, Pool,
    Received, Status,
};
use tofu_smoltcp::smoltcp::iface::{Config, Interface};
use tofu_smoltcp::smoltcp::phy::{self, Device, DeviceCapabilities, FaultInjector, Medium};
use tofu_smoltcp::smoltcp::socket::Socket;
use tofu_smoltcp::smoltcp::time;
use tofu_smoltcp::smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};
use tofu_smoltcp::{Options, Stack, Storage};

tofu_core::platform! {
    /// A board with more memory than most.
    pub struct Board {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Board>>,
        lock: LocalLock,
        classes: 1,
        messages: 64,
        channels: 12,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

pub const SOCKETS: usize = 8;
/// And two beside them: of DHCP and names, at either end.
const PLACES: usize = SOCKETS + 2;
const MESSAGE: usize = 1_300;
const DELAY: Duration = Duration::from_millis(1);
const MTU: usize = 1_514;
/// The longest a test waits for anything, by the virtual clock.
const PATIENCE: Duration = Duration::from_secs(1_000);

/// Frames on their way, and when they arrive.
type Lane = Rc<RefCell<VecDeque<(Instant, Vec<u8>)>>>;

/// One end of a cable.
pub struct Wire {
    medium: Medium,
    incoming: Lane,
    outgoing: Lane,
    cut: Rc<RefCell<bool>>,
}

impl Device for Wire {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Outlet<'a>;

    fn receive(&mut self, now: time::Instant) -> Option<(Frame, Outlet<'_>)> {
        let mut lane = self.incoming.borrow_mut();
        lane.front().filter(|(at, _)| *at <= instant(now))?;
        let frame = lane.pop_front()?;
        drop(lane);
        Some((Frame(frame.1), Outlet { wire: self, now }))
    }

    fn transmit(&mut self, now: time::Instant) -> Option<Outlet<'_>> {
        Some(Outlet { wire: self, now })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities.medium = self.medium;
        capabilities
    }
}

pub struct Frame(Vec<u8>);

impl phy::RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

pub struct Outlet<'a> {
    wire: &'a Wire,
    now: time::Instant,
}

impl phy::TxToken for Outlet<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        if !*self.wire.cut.borrow() {
            let at = instant(self.now).after(DELAY);
            self.wire.outgoing.borrow_mut().push_back((at, frame));
        }
        result
    }
}

fn instant(at: time::Instant) -> Instant {
    Instant::from_micros(at.total_micros().unsigned_abs())
}

/// An engine with one group, on its stack.
pub struct Node {
    pub engine: Box<Engine<Board>>,
    pub stack: Stack<'static>,
    device: FaultInjector<Wire>,
    group: GroupId,
    deadline: Option<Instant>,
}

/// What a node has of its own.
#[derive(Default)]
pub struct Plan {
    pub addresses: Vec<IpCidr>,
    /// Beside those of TCP.
    pub sockets: Vec<Socket<'static>>,
    pub options: Options,
}

impl Plan {
    /// An address of each version of IP.
    fn numbered(number: u8) -> Plan {
        let v4 = IpCidr::new(IpAddress::v4(10, 0, 0, number), 24);
        let v6 = IpCidr::new(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, number.into()), 64);
        Plan { addresses: vec![v4, v6], ..Plan::default() }
    }
}

impl Node {
    fn new(wire: Wire, number: u8, loss: u8, plan: Plan) -> Node {
        let hardware = match wire.medium {
            Medium::Ethernet => HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, number])),
            _ => HardwareAddress::Ip,
        };
        let mut device = FaultInjector::new(wire, u32::from(number) * 7_919);
        // Each frame passes the injectors of both ends.
        device.set_drop_chance(loss.div_ceil(2));
        let mut config = Config::new(hardware);
        config.random_seed = u64::from(number);
        let mut interface = Interface::new(config, &mut device, time::Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let all = addresses.extend_from_slice(&plan.addresses);
            all.expect("room for each address");
        });
        let storage = Box::leak(Box::new(Storage::<SOCKETS, 2_048, 2_048, PLACES>::new()));
        let stack = storage.stack_beside(interface, plan.options, |sockets| {
            for socket in plan.sockets {
                sockets.add(socket);
            }
        });
        let pool = Rc::new(Pool::new());
        pool.add_class(MESSAGE, 32);
        let limits = Limits { headers: 256, body: 1_024 };
        let protocol = tofu_core::Options { limits, ..tofu_core::Options::DEFAULT };
        let mut engine = Box::new(Engine::new(pool, &protocol));
        let group = engine.open_group(vec![0; 256].into_boxed_slice()).expect("the first group");
        Node { engine, stack, device, group, deadline: None }
    }

    /// One turn; whether there was something to do.
    fn turn(&mut self, now: Instant) -> bool {
        let turn = self.stack.turn(&mut self.engine, now, &mut self.device, 16);
        self.deadline = turn.deadline;
        turn.more
    }

    pub fn message(&self, opcode: Opcode, channel: ChannelNumber, id: u64) -> Message<Board> {
        let mut message = self.engine.get().expect("the pool has a message");
        message.prepare(opcode, channel).set_id(id);
        message
    }

    pub fn post(&mut self, message: Message<Board>) -> ChannelNumber {
        self.engine.post(self.group, message).expect("the post is accepted").channel
    }

    /// As [`Node::post`], unless it is refused.
    pub fn try_post(&mut self, message: Message<Board>) -> Option<ChannelNumber> {
        self.engine.post(self.group, message).ok().map(|header| header.channel)
    }

    pub fn send(&mut self, opcode: Opcode, channel: ChannelNumber, id: u64, body: &[u8]) {
        let mut message = self.message(opcode, channel, id);
        message.set_body(body).expect("the body fits");
        self.post(message);
    }

    /// As [`Node::send`], unless the pool or the channel's share is used up.
    pub fn try_send(
        &mut self,
        opcode: Opcode,
        channel: ChannelNumber,
        id: u64,
        len: usize,
    ) -> bool {
        let Some(mut message) = self.engine.get() else { return false };
        message.prepare(opcode, channel).set_id(id);
        message.set_body(body(id, len)).expect("the body fits");
        self.engine.post(self.group, message).is_ok()
    }

    pub fn connect(&mut self, address: &str) -> ChannelNumber {
        let mut message = self.engine.get().expect("the pool has a message");
        message.connect_to(address).expect("the address fits");
        self.post(message)
    }

    pub fn receive(&mut self) -> Option<Received<Board>> {
        self.engine.receive(self.group)
    }
}

/// A body that shows which message it is of.
pub fn body(id: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|index| (index.wrapping_mul(31) ^ id ^ (id >> 8)) as u8).collect()
}

/// Two nodes and the cable between them. Node 0 is 10.0.0.1 and fd00::1.
pub struct Rig {
    pub now: Instant,
    pub nodes: [Node; 2],
    services: Vec<Service>,
    cable: Cable,
}

/// What is between the nodes.
struct Cable {
    medium: Medium,
    loss: u8,
    lanes: [Lane; 2],
    cut: Rc<RefCell<bool>>,
}

impl Cable {
    /// A node at one of its ends.
    fn node(&self, number: usize, plan: Plan) -> Node {
        let wire = Wire {
            medium: self.medium,
            incoming: self.lanes[number].clone(),
            outgoing: self.lanes[1 - number].clone(),
            cut: self.cut.clone(),
        };
        Node::new(wire, number as u8 + 1, self.loss, plan)
    }
}

impl Rig {
    /// A cable that loses `loss` percent of the frames.
    pub fn new(medium: Medium, loss: u8) -> Rig {
        Rig::with(medium, loss, [Plan::numbered(1), Plan::numbered(2)])
    }

    pub fn with(medium: Medium, loss: u8, [first, second]: [Plan; 2]) -> Rig {
        let lanes = [Lane::default(), Lane::default()];
        let cable = Cable { medium, loss, lanes, cut: Rc::default() };
        let nodes = [cable.node(0, first), cable.node(1, second)];
        Rig { now: Instant::ZERO, nodes, services: Vec::new(), cable }
    }

    /// Starts a node anew: it knows nothing any more, and begins with the same ports.
    pub fn reboot(&mut self, node: usize) {
        self.nodes[node] = self.cable.node(node, Plan::numbered(node as u8 + 1));
    }

    /// From here on nothing gets through.
    pub fn cut(&mut self) {
        *self.cable.cut.borrow_mut() = true;
        self.cable.lanes.iter().for_each(|lane| lane.borrow_mut().clear());
    }

    /// From here on all gets through again.
    pub fn mend(&mut self) {
        *self.cable.cut.borrow_mut() = false;
    }

    /// A frame for a node, from a stranger on the cable.
    pub fn inject(&mut self, node: usize, frame: Vec<u8>) {
        self.cable.lanes[node].borrow_mut().push_back((self.now, frame));
    }

    /// The frames on their way to a node.
    pub fn frames(&self, node: usize) -> Vec<Vec<u8>> {
        self.cable.lanes[node].borrow().iter().map(|it| it.1.clone()).collect()
    }

    /// How many frames are on their way to a node.
    pub fn in_flight(&self) -> usize {
        self.cable.lanes.iter().map(|lane| lane.borrow().len()).sum()
    }

    /// Runs both nodes until nothing moves.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut more = false;
            for node in &mut self.nodes {
                more |= node.turn(self.now);
            }
            for service in &mut self.services {
                more |= service.serve(&mut self.nodes[0].stack);
            }
            let due = |lane: &Lane| lane.borrow().front().is_some_and(|(at, _)| *at <= self.now);
            if !more && !self.cable.lanes.iter().any(due) {
                return;
            }
        }
        panic!("the stacks never come to rest");
    }

    /// Runs until `done` yields something, at most for `timeout`.
    pub fn run<T>(
        &mut self,
        timeout: Duration,
        mut done: impl FnMut(&mut Rig) -> Option<T>,
    ) -> Option<T> {
        let end = self.now.after(timeout);
        loop {
            self.settle();
            if let Some(result) = done(self) {
                return Some(result);
            }
            if self.now >= end {
                return None;
            }
            let arrivals =
                self.cable.lanes.iter().filter_map(|lane| lane.borrow().front().map(|it| it.0));
            let deadlines = self.nodes.iter().filter_map(|node| node.deadline);
            let next = arrivals.chain(deadlines).min().unwrap_or(end);
            self.now = next.clamp(self.now, end);
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.run(time, |_| None::<()>);
    }

    /// What a node receives next.
    #[track_caller]
    pub fn next(&mut self, node: usize) -> Received<Board> {
        self.run(PATIENCE, |rig| rig.nodes[node].receive()).expect("something is received")
    }

    #[track_caller]
    pub fn peer(&mut self, node: usize, opcode: Opcode) -> Message<Board> {
        match self.next(node) {
            Received::Peer(message) if message.opcode() == opcode => message,
            other => panic!("expected a peer's {opcode:?}, received {other:?}"),
        }
    }

    #[track_caller]
    pub fn returned(&mut self, node: usize, status: Status) -> Message<Board> {
        match self.next(node) {
            Received::Returned(message, why) if why == status => message,
            other => panic!("expected a message handed back with {status}, received {other:?}"),
        }
    }

    /// The last word about a channel, and its reason.
    #[track_caller]
    pub fn closed(&mut self, node: usize, channel: ChannelNumber) -> Status {
        match self.next(node) {
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                assert_eq!(notice.channel, channel);
                notice.reason
            }
            other => panic!("expected channel_closed, received {other:?}"),
        }
    }

    /// Listens; the address clients connect to.
    #[track_caller]
    pub fn listen(&mut self, node: usize, address: &str) -> String {
        let mut message = self.nodes[node].engine.get().expect("the pool has a message");
        message.listen_on(address).expect("the address fits");
        self.nodes[node].post(message);
        let answer = self.returned(node, Status::Success);
        answer.text().get_str(LISTEN_ON).expect("the listener's address").to_owned()
    }

    /// Connects node 1 to node 0, up to the HelloRequest; the channel at each.
    #[track_caller]
    pub fn join(&mut self, address: &str) -> [ChannelNumber; 2] {
        let client = self.nodes[1].connect(address);
        let server = self.peer(0, Opcode::HelloRequest).channel();
        [server, client]
    }
}
