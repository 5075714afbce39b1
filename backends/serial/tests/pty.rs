//! Two engines in two threads, and a real terminal device between them.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

mod support;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant as Clock};
use support::Node;
use tofu_core::{ChannelNumber, Instant, Opcode, Received, Status};

/// More than the whole test takes.
const PATIENCE: Duration = Duration::from_secs(60);
const CONVERSATIONS: usize = 20;
const REQUESTS: u64 = 20;

/// One end of the terminal device.
struct Tty(File);

impl Tty {
    fn new(fd: OwnedFd) -> Tty {
        fcntl_setfl(&fd, fcntl_getfl(&fd).unwrap() | OFlags::NONBLOCK).unwrap();
        Tty(File::from(fd))
    }

    /// A device and its other side, both raw.
    fn pair() -> [Tty; 2] {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut termios = tcgetattr(&theirs).unwrap();
        termios.make_raw();
        tcsetattr(&theirs, OptionalActions::Now, &termios).unwrap();
        [ours, theirs].map(Tty::new)
    }

    /// Waits for one of these.
    fn wait(&self, flags: PollFlags, time: Duration) -> std::io::Result<bool> {
        let timeout = Timespec::try_from(time).expect("a short time");
        Ok(poll(&mut [PollFd::new(&self.0, flags)], Some(&timeout))? > 0)
    }
}

impl ErrorType for Tty {
    type Error = std::io::Error;
}

impl Read for Tty {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        std::io::Read::read(&mut self.0, buf)
    }
}

impl ReadReady for Tty {
    fn read_ready(&mut self) -> std::io::Result<bool> {
        self.wait(PollFlags::IN, Duration::ZERO)
    }
}

impl Write for Tty {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        std::io::Write::write(&mut self.0, buf)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        panic!("a flush blocks");
    }
}

impl WriteReady for Tty {
    fn write_ready(&mut self) -> std::io::Result<bool> {
        self.wait(PollFlags::OUT, Duration::ZERO)
    }
}

/// A node and its thread's clock.
struct Driver {
    node: Node<Tty>,
    begin: Clock,
}

impl Driver {
    fn new(tty: Tty, session: u32) -> Driver {
        Driver { node: Node::new(tty, session), begin: Clock::now() }
    }

    fn receive(&mut self) -> Received<support::Sim> {
        loop {
            let now = Instant::from_micros(self.begin.elapsed().as_micros() as u64);
            let busy = self.node.turn(now);
            if let Some(received) = self.node.receive() {
                return received;
            }
            assert!(self.begin.elapsed() < PATIENCE, "{:#?}", self.node.log);
            if !busy {
                self.wait(now);
            }
        }
    }

    fn wait(&mut self, now: Instant) {
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, self.node.line.wants_write());
        let time = self.node.deadline.map_or(PATIENCE, |it| it.since(now)).min(PATIENCE);
        self.node.line.io().wait(flags, time).unwrap();
    }

    /// Listens, and tells the other thread.
    fn listen(&mut self, listening: &Sender<()>) {
        self.node.listen();
        assert!(matches!(self.receive(), Received::Returned(_, Status::Success)));
        listening.send(()).expect("the client waits");
    }

    /// The reason of the `channel_closed` that must come next.
    fn closed(&mut self) -> Status {
        match self.receive() {
            Received::Notice(notice) if notice.status == Status::ChannelClosed => notice.reason,
            other => panic!("{other:?}"),
        }
    }
}

fn body(id: u64) -> Vec<u8> {
    (0..id * 70).map(|i| (i * id) as u8).collect()
}

fn converse(driver: &mut Driver) {
    let channel: ChannelNumber = driver.node.connect();
    for id in 1..=REQUESTS {
        driver.node.send(Opcode::Request, channel, id, &body(id));
    }
    for id in 1..=REQUESTS {
        match driver.receive() {
            Received::Peer(answer) => {
                assert_eq!((answer.opcode(), answer.id()), (Opcode::Response, id));
                assert!(answer.body() == body(id));
            }
            other => panic!("{other:?}"),
        }
    }
    driver.node.send(Opcode::ByeRequest, channel, 0, b"");
    assert!(matches!(driver.receive(), Received::Peer(it) if it.opcode() == Opcode::ByeResponse));
    assert_eq!(driver.closed(), Status::Success);
}

/// Answers everything until so many conversations are over.
fn serve(driver: &mut Driver) {
    let mut over = 0;
    while over < CONVERSATIONS {
        match driver.receive() {
            Received::Peer(it) if it.opcode() == Opcode::HelloRequest => {}
            Received::Peer(mut message) => {
                let answer = message.opcode().answer().expect("only requests");
                message.set_opcode(answer);
                driver.node.post(message);
            }
            Received::Notice(notice) => {
                assert_eq!(
                    (notice.status, notice.reason),
                    (Status::ChannelClosed, Status::Success)
                );
                over += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // What was said last may still have to leave.
    while driver.node.line.wants_write() {
        driver.node.line.poll(Instant::ZERO);
    }
}

#[test]
fn engines_talk_over_a_terminal_device() {
    let [ours, theirs] = Tty::pair();
    let (listening, listens) = channel();
    let server = thread::spawn(move || {
        let mut driver = Driver::new(theirs, 1);
        driver.listen(&listening);
        serve(&mut driver);
        // The device lives until the client has read it.
        driver.node.line
    });
    listens.recv_timeout(PATIENCE).expect("the server listens");
    let mut driver = Driver::new(ours, 1);
    for _ in 0..CONVERSATIONS {
        converse(&mut driver);
    }
    let server = server.join().expect("the server did well");
    assert_eq!([server.stats().damaged, driver.node.line.stats().damaged], [0, 0]);
}

#[test]
fn a_terminal_that_hangs_up_ends_the_channel() {
    let [ours, theirs] = Tty::pair();
    let (listening, listens) = channel();
    let server = thread::spawn(move || {
        let mut driver = Driver::new(theirs, 1);
        driver.listen(&listening);
        // Hello is here; the device goes.
        assert!(matches!(driver.receive(), Received::Peer(_)));
    });
    listens.recv_timeout(PATIENCE).expect("the server listens");
    let mut driver = Driver::new(ours, 1);
    driver.node.connect();
    assert_eq!(driver.closed(), Status::CommunicationFailed);
    server.join().expect("the server did well");
}
