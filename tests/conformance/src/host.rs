//! `tofu_std::Engine` over TCP, Unix sockets and memory: real time, real threads.

use crate::app::PATIENCE;
use crate::world::{Group, Peer, Raw, RawListener, RawWorld, Setup, World};
use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};
use tofu_core::{Address, Header, Limits, Stats, Status};
use tofu_std::testing::{TempSocketPath, free_tcp_port, unique_mem_address};
use tofu_std::{ChannelGroup, Engine, Host, Message, PostError, Received, SizeClass};

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// TCP on 127.0.0.1.
    Tcp,
    /// Unix sockets.
    Uds,
    /// Memory, within the process. No bare bytes can be sent there.
    Mem,
}

/// Engines of this process, and the schemes they use in turn.
pub struct HostWorld {
    schemes: &'static [Scheme],
    /// Where TCP listens.
    ip: Ipv4Addr,
    next: Cell<usize>,
    /// Kept until the end, so that no two addresses are the same.
    paths: RefCell<Vec<TempSocketPath>>,
}

impl HostWorld {
    /// A world of one scheme.
    pub fn tcp() -> Self {
        HostWorld::new(&[Scheme::Tcp])
    }

    /// A world of TCP at one of this host's addresses.
    pub fn at(ip: Ipv4Addr) -> Self {
        HostWorld { ip, ..HostWorld::tcp() }
    }

    /// A world of one scheme.
    pub fn uds() -> Self {
        HostWorld::new(&[Scheme::Uds])
    }

    /// A world of one scheme.
    pub fn mem() -> Self {
        HostWorld::new(&[Scheme::Mem])
    }

    /// A world in which each listener is of another scheme than the one before.
    pub fn mixed() -> Self {
        HostWorld::new(&[Scheme::Tcp, Scheme::Uds, Scheme::Mem])
    }

    fn new(schemes: &'static [Scheme]) -> Self {
        let (ip, next) = (Ipv4Addr::LOCALHOST, Cell::new(0));
        HostWorld { schemes, ip, next, paths: RefCell::default() }
    }

    fn scheme(&self) -> Scheme {
        let index = self.next.replace(self.next.get() + 1);
        self.schemes[index % self.schemes.len()]
    }

    /// The next scheme that bare bytes can be sent over.
    fn raw_scheme(&self) -> Scheme {
        let mut schemes = self.schemes.iter().map(|_| self.scheme());
        schemes.find(|scheme| *scheme != Scheme::Mem).expect("memory has no bare connections")
    }

    fn path(&self) -> String {
        let path = TempSocketPath::new();
        let address = path.address();
        self.paths.borrow_mut().push(path);
        address
    }

    fn address_of(&self, scheme: Scheme) -> String {
        match scheme {
            Scheme::Tcp => format!("tcp|{}|0", self.ip),
            Scheme::Uds => self.path(),
            Scheme::Mem => unique_mem_address(),
        }
    }
}

impl World for HostWorld {
    type Platform = Host;
    type Peer = Engine;

    const QUIET: Duration = Duration::from_millis(60);

    fn peer(&self, setup: &Setup) -> Engine {
        let mut options = tofu_std::Options { protocol: setup.protocol, ..Default::default() };
        let class = |&(size, count)| SizeClass { size, count };
        options.pool = setup.pool.iter().map(class).collect();
        Engine::with_options(options).expect("an engine can be made")
    }

    fn address(&self) -> String {
        self.address_of(self.scheme())
    }

    fn nowhere(&self) -> (String, Status) {
        match self.scheme() {
            Scheme::Tcp => {
                let port = free_tcp_port().expect("a free port");
                (format!("tcp|{}|{port}", self.ip), Status::ConnectFailed)
            }
            Scheme::Uds => (self.path(), Status::UdsPathNotFound),
            Scheme::Mem => (unique_mem_address(), Status::ConnectFailed),
        }
    }

    fn pass(&self, time: Duration) {
        thread::sleep(time);
    }
}

impl RawWorld for HostWorld {
    type Raw = HostRaw;
    type RawListener = HostRawListener;

    fn raw_address(&self) -> String {
        self.address_of(self.raw_scheme())
    }

    fn raw_connect(&self, address: &str) -> HostRaw {
        match Address::parse(address).expect("a good address") {
            Address::Tcp { host, port } => {
                HostRaw::tcp(TcpStream::connect((host, port)).expect("somebody listens"))
            }
            #[cfg(unix)]
            Address::Uds { path } => {
                HostRaw(Box::new(UnixStream::connect(path).expect("somebody listens")))
            }
            other => panic!("{other} takes no bare connections"),
        }
    }

    fn raw_listen(&self) -> HostRawListener {
        match self.raw_scheme() {
            Scheme::Tcp => HostRawListener::tcp(self.ip),
            #[cfg(unix)]
            Scheme::Uds => HostRawListener::uds(),
            other => panic!("{other:?} takes no bare connections"),
        }
    }
}

impl Peer for Engine {
    type Platform = Host;
    type Group = ChannelGroup;

    fn get(&self) -> Option<Message> {
        self.get()
    }

    fn group(&self) -> ChannelGroup {
        self.group().expect("the engine runs")
    }

    fn stop(&self) {
        self.stop();
    }

    fn free_messages(&self) -> usize {
        self.free_messages()
    }

    fn channels(&self) -> usize {
        self.channels()
    }

    fn limits(&self) -> Limits {
        self.limits()
    }

    fn stats(&self) -> Stats {
        self.stats()
    }
}

impl Group for ChannelGroup {
    type Platform = Host;

    fn post(&self, message: Message) -> Result<Header, PostError> {
        self.post(message)
    }

    fn receive(&self, timeout: Duration) -> Option<Received> {
        self.wait_receive(timeout).ok().flatten()
    }

    fn update_receiver(&self, message: Option<Message>) -> Result<(), Status> {
        self.update_receiver(message).map_err(|error| error.status)
    }
}

/// A blocking stream with timeouts.
trait Stream: Read + Write {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))?;
        self.set_write_timeout(Some(timeout))
    }
}

#[cfg(unix)]
impl Stream for UnixStream {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))?;
        self.set_write_timeout(Some(timeout))
    }
}

/// Bare bytes over a socket.
pub struct HostRaw(Box<dyn Stream>);

impl HostRaw {
    fn tcp(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket option");
        HostRaw(Box::new(stream))
    }
}

impl Raw for HostRaw {
    fn send(&mut self, bytes: &[u8], timeout: Duration) -> usize {
        let end = Instant::now() + timeout;
        let mut sent = 0;
        while sent < bytes.len() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.0.set_timeout(left).is_err() {
                break;
            }
            match self.0.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if is_pause(&error) => {}
                Err(_) => break,
            }
        }
        sent
    }

    fn recv(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        let end = Instant::now() + timeout;
        let mut bytes = vec![0; 65_536];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // The operating system refuses a timeout on a socket that the peer has reset.
            let set = self.0.set_timeout(left.max(Duration::from_millis(1)));
            match set.and_then(|()| self.0.read(&mut bytes)) {
                Ok(count) => {
                    bytes.truncate(count);
                    return Some(bytes);
                }
                Err(error) if is_pause(&error) && left.is_zero() => return None,
                Err(error) if is_pause(&error) => {}
                Err(_) => return Some(Vec::new()),
            }
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// A bare listener.
pub struct HostRawListener {
    address: String,
    accept: Box<dyn FnMut() -> io::Result<HostRaw>>,
    _path: Option<TempSocketPath>,
}

impl HostRawListener {
    fn tcp(ip: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let port = listener.local_addr().expect("a bound socket").port();
        let accept = move || {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(false)?;
            Ok(HostRaw::tcp(stream))
        };
        let address = format!("tcp|{ip}|{port}");
        HostRawListener { address, accept: Box::new(accept), _path: None }
    }

    #[cfg(unix)]
    fn uds() -> Self {
        let path = TempSocketPath::new();
        let listener = UnixListener::bind(path.path()).expect("a free path");
        listener.set_nonblocking(true).expect("a socket option");
        let accept = move || {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(false)?;
            Ok(HostRaw(Box::new(stream) as Box<dyn Stream>))
        };
        HostRawListener { address: path.address(), accept: Box::new(accept), _path: Some(path) }
    }
}

impl RawListener for HostRawListener {
    type Raw = HostRaw;

    fn address(&self) -> String {
        self.address.clone()
    }

    fn accept(&mut self) -> HostRaw {
        let end = Instant::now() + PATIENCE;
        loop {
            match (self.accept)() {
                Ok(raw) => return raw,
                Err(error) if is_pause(&error) && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("an engine connects: {error}"),
            }
        }
    }
}
