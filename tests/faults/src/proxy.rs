//! A connection in two halves, with a fault between them.
//!
//! One thread per proxy moves bytes both ways, until a fault: after so many bytes in one direction, or
//! when it is told. It holds no byte back: what it has read it has written, unless the reader takes no more.

use crate::fault::Fault;
use crate::raw::{listener, socket_address};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::TryRecvError;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

impl Way {
    /// The other way.
    #[must_use]
    pub fn back(self) -> Way {
        match self {
            Way::Up => Way::Down,
            Way::Down => Way::Up,
        }
    }
}

/// A fault after so many bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// What.
    pub fault: Fault,
    /// Of these bytes.
    pub way: Way,
    /// After so many; with 0, once there is a first.
    pub after: usize,
}

/// A proxy for one connection. Dropped, it ends it.
pub struct Proxy {
    address: String,
    passed: Arc<[AtomicUsize; 2]>,
    /// Dropped before `thread` is joined.
    orders: Option<Orders>,
    thread: Option<JoinHandle<()>>,
}

struct Orders {
    faults: mpsc::Sender<Fault>,
    /// Wakes the thread.
    bell: UnixStream,
}

/// Bytes on their way from one stream to the other.
struct Flow {
    left: usize,
    bytes: Vec<u8>,
    ended: bool,
}

/// Read at once.
const CHUNK: usize = 64 * 1024;

impl Proxy {
    /// Waits for a client, connects it with the server at this TCP address, and does to them what `cut` says.
    ///
    /// # Panics
    /// When the system has no sockets left.
    pub fn start(server: &str, cut: Option<Cut>) -> Proxy {
        let server = socket_address(server);
        let (listener, address) = listener();
        let (faults, ordered) = mpsc::channel();
        let (bell, rung) = UnixStream::pair().expect("a pair of sockets");
        let passed = Arc::<[AtomicUsize; 2]>::default();
        let counted = passed.clone();
        let thread = thread::spawn(move || {
            let mut waits = [readable(&listener), readable(&rung)];
            poll(&mut waits, None).expect("it can be waited for");
            if waits[0].revents().is_empty() {
                return;
            }
            let (client, _) = listener.accept().expect("somebody connects");
            let server = TcpStream::connect(server).expect("the server listens");
            drop(listener);
            run([client, server], cut, &ordered, rung, &counted);
        });
        let orders = Some(Orders { faults, bell });
        Proxy { address, passed, orders, thread: Some(thread) }
    }

    /// Where it waits for the client.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many bytes have passed.
    pub fn passed(&self, way: Way) -> usize {
        self.passed[way as usize].load(Ordering::SeqCst)
    }

    /// A fault, before any byte that is sent from now on.
    ///
    /// # Panics
    /// When the connection is over.
    pub fn inflict(&mut self, fault: Fault) {
        let Orders { faults, bell } = self.orders.as_mut().expect("it runs until it is dropped");
        faults.send(fault).expect("the connection is there");
        // Nobody hears it where there was a fault already.
        let _ = bell.write_all(&[0]);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.orders = None;
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the proxy has done its work");
        }
    }
}

fn readable<F: AsFd>(fd: &F) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::IN)
}

fn run(
    streams: [TcpStream; 2],
    cut: Option<Cut>,
    ordered: &mpsc::Receiver<Fault>,
    bell: UnixStream,
    passed: &[AtomicUsize; 2],
) {
    for stream in &streams {
        stream.set_nodelay(true).expect("it is open");
        stream.set_nonblocking(true).expect("it is open");
    }
    let mut flows = [Way::Up, Way::Down].map(|way| {
        let left = cut.filter(|cut| cut.way == way).map_or(usize::MAX, |cut| cut.after);
        Flow { left, bytes: Vec::new(), ended: false }
    });
    let fault = loop {
        wait(&streams, &flows, &bell);
        match ordered.try_recv() {
            Ok(fault) => break fault,
            // The proxy was dropped.
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        for (way, flow) in flows.iter_mut().enumerate() {
            let (from, to) = (&streams[way], &streams[1 - way]);
            if flow.turn(from, to, &passed[way]) {
                return inflict(cut.expect("it has an end").fault, &streams, ordered);
            }
        }
        if flows.iter().all(|flow| flow.ended) {
            return;
        }
    };
    inflict(fault, &streams, ordered);
}

/// Waits for something to do.
fn wait(streams: &[TcpStream; 2], flows: &[Flow; 2], bell: &UnixStream) {
    let mut interests = [PollFlags::empty(); 2];
    for (way, flow) in flows.iter().enumerate() {
        if !flow.bytes.is_empty() {
            interests[1 - way] |= PollFlags::OUT;
        } else if !flow.ended {
            interests[way] |= PollFlags::IN;
        }
    }
    // A stream that is watched for nothing would still report its end, again and again.
    let mut waits = vec![readable(bell)];
    let watched = streams.iter().zip(interests).filter(|(_, interest)| !interest.is_empty());
    waits.extend(watched.map(|(stream, interest)| PollFd::new(stream, interest)));
    poll(&mut waits, None).expect("it can be waited for");
}

impl Flow {
    /// Moves what can be moved; whether all is moved that may be.
    fn turn(&mut self, mut from: &TcpStream, mut to: &TcpStream, passed: &AtomicUsize) -> bool {
        if self.bytes.is_empty() && !self.ended {
            let mut bytes = vec![0; CHUNK.min(self.left.max(1))];
            let came = match from.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // A loss here is one there.
                came => came.unwrap_or(0),
            };
            if came > 0 && self.left == 0 {
                return true;
            }
            self.ended = came == 0;
            if self.ended {
                // It may be gone.
                let _ = to.shutdown(Shutdown::Write);
            }
            bytes.truncate(came);
            self.bytes = bytes;
        }
        match to.write(&self.bytes) {
            Ok(count) => {
                self.bytes.drain(..count);
                self.left -= count;
                passed.fetch_add(count, Ordering::SeqCst);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Nobody takes the rest.
            Err(_) => self.bytes.clear(),
        }
        self.left == 0 && !self.ended
    }
}

/// What happens lasts until the proxy is dropped, or something else happens.
fn inflict(fault: Fault, streams: &[TcpStream; 2], ordered: &mpsc::Receiver<Fault>) {
    streams.iter().for_each(|stream| fault.strike(stream));
    if fault != Fault::Reset
        && let Ok(next) = ordered.recv()
    {
        inflict(next, streams, ordered);
    }
}
