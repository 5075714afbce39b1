//! An engine on smoltcp as a board has it, on a TAP device: a thread that turns, and sleeps until a
//! packet comes, a deadline passes or its application wants something.

use crate::namespace::plug_in;
use crate::smoltcp::stack;
use crate::world::{Group, Peer, Setup};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::task::Wake;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tofu_core::{
    Engine, GroupId, Header, Limits, Message, Pool, PostError, Received, Stats, Status,
};
use tofu_smoltcp::Stack;
use tofu_smoltcp::smoltcp::iface::{Config, Interface};
use tofu_smoltcp::smoltcp::phy::TunTapInterface;
use tofu_smoltcp::smoltcp::time;
use tofu_smoltcp::smoltcp::wire::{EthernetAddress, IpCidr};
use tofu_std::Host;

const PACKETS: Token = Token(0);
const BELL: Token = Token(1);
/// What bytes are read ahead into.
const STAGING: usize = 4_096;
/// Messages of one turn, before its application may have the engine.
const BUDGET: u32 = 64;

/// What the thread and the application share.
struct Board {
    engine: Mutex<Engine<Host>>,
    turned: Condvar,
    bell: Arc<Bell>,
    over: AtomicBool,
}

/// Wakes the thread.
struct Bell(Waker);

impl Bell {
    fn ring(&self) {
        self.0.wake().expect("the poll outlives its bell");
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

impl Board {
    fn engine(&self) -> MutexGuard<'_, Engine<Host>> {
        self.engine.lock().expect("the board did not panic")
    }

    /// Uses the engine, and sees to it that it gets a turn.
    fn with<R>(&self, f: impl FnOnce(&mut Engine<Host>) -> R) -> R {
        let result = f(&mut self.engine());
        self.bell.ring();
        result
    }

    fn run(&self, poll: &mut Poll, stack: &mut Stack<'_>, device: &mut TunTapInterface) {
        let started = Instant::now();
        let mut events = Events::with_capacity(2);
        while !self.over.load(Ordering::Relaxed) {
            let now = tofu_core::Instant::from_micros(started.elapsed().as_micros() as u64);
            let turn = stack.turn(&mut self.engine(), now, device, BUDGET);
            self.turned.notify_all();
            let sleep = if turn.more { Some(now) } else { turn.deadline }.map(|at| at.since(now));
            if let Err(error) = poll.poll(&mut events, sleep) {
                assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
            }
        }
    }
}

/// The engine of a board, which is switched off when this is dropped.
pub struct BoardPeer {
    board: Arc<Board>,
    pool: Arc<Pool<Host>>,
    thread: Option<JoinHandle<()>>,
}

impl BoardPeer {
    /// Boots a board with this address, on a device of this thread's namespace.
    ///
    /// # Panics
    /// When there is no such device to be had.
    pub fn boot(address: Ipv4Addr, boot: u16, setup: &Setup) -> Self {
        let mut poll = Poll::new().expect("a poll");
        let bell = Arc::new(Bell(Waker::new(poll.registry(), BELL).expect("a waker")));
        let pool = Arc::new(Pool::new());
        for &(size, count) in &setup.pool {
            pool.add_class(size, count);
        }
        pool.set_waker(bell.clone().into());
        let board = Arc::new(Board {
            engine: Mutex::new(Engine::new(pool.clone(), &setup.protocol)),
            turned: Condvar::new(),
            bell,
            over: AtomicBool::new(false),
        });
        let (ready, booted) = mpsc::channel();
        let theirs = board.clone();
        let thread = thread::spawn(move || {
            let [.., number] = address.octets();
            let mut device = plug_in(&format!("tap{number}"), address).expect("a TAP device");
            let mut packets = SourceFd(&device.as_raw_fd());
            poll.registry()
                .register(&mut packets, PACKETS, Interest::READABLE)
                .expect("a device can be waited for");
            let mut stack = stack(interface(&mut device, address, boot), boot);
            ready.send(()).expect("somebody waits for the board");
            theirs.run(&mut poll, &mut stack, &mut device);
        });
        booted.recv().expect("the board boots");
        BoardPeer { board, pool, thread: Some(thread) }
    }
}

fn interface(device: &mut TunTapInterface, address: Ipv4Addr, boot: u16) -> Interface {
    let [.., number] = address.octets();
    let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, number]).into());
    config.random_seed = boot.into();
    let mut interface = Interface::new(config, device, time::Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses.push(IpCidr::new(address.into(), 24)).expect("room for one address");
    });
    interface
}

impl Drop for BoardPeer {
    fn drop(&mut self) {
        self.board.over.store(true, Ordering::Relaxed);
        self.board.bell.ring();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || thread::panicking(), "the board panicked");
    }
}

impl Peer for BoardPeer {
    type Platform = Host;
    type Group = BoardGroup;

    fn get(&self) -> Option<Message<Host>> {
        Pool::get(&self.pool)
    }

    fn group(&self) -> BoardGroup {
        let staging = vec![0; STAGING].into_boxed_slice();
        let id = self.board.with(|engine| engine.open_group(staging)).expect("room for a group");
        BoardGroup { id, board: self.board.clone() }
    }

    fn stop(&self) {
        self.board.with(Engine::shutdown);
    }

    fn free_messages(&self) -> usize {
        self.pool.free()
    }

    fn channels(&self) -> usize {
        self.board.engine().channels()
    }

    fn limits(&self) -> Limits {
        self.board.engine().limits()
    }

    fn stats(&self) -> Stats {
        self.board.engine().stats()
    }
}

/// A channel group of a board's engine.
pub struct BoardGroup {
    id: GroupId,
    board: Arc<Board>,
}

impl Group for BoardGroup {
    type Platform = Host;

    fn post(&self, message: Message<Host>) -> Result<Header, PostError<Host>> {
        self.board.with(|engine| engine.post(self.id, message))
    }

    fn receive(&self, timeout: Duration) -> Option<Received<Host>> {
        let end = Instant::now() + timeout;
        let mut engine = self.board.engine();
        loop {
            if let Some(received) = engine.receive(self.id) {
                // There may be room for more now.
                self.board.bell.ring();
                return Some(received);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.board.turned.wait_timeout(engine, left);
            engine = waited.expect("the board did not panic").0;
        }
    }

    fn update_receiver(&self, message: Option<Message<Host>>) -> Result<(), Status> {
        let updated = self.board.with(|engine| engine.update_receiver(self.id, message));
        updated.map_err(|(_, status)| status)
    }
}

impl Drop for BoardGroup {
    fn drop(&mut self) {
        let closed = self.board.with(|engine| engine.close_group(self.id));
        assert!(closed.is_ok(), "a group is closed once");
    }
}
