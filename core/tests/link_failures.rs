//! What an engine does about a link that fails halfway: a transport whose sending breaks while there
//! is nothing to read yet.
#![allow(missing_docs)]

use core::fmt;
use core::task::Poll;
use std::collections::VecDeque;
use std::rc::Rc;
use tofu_core::{
    Address, Close, Engine, GroupId, Instant, Link, LocalLock, Opcode, Options, Pool, Ready,
    Status, Transport,
};

tofu_core::platform! {
    struct Host {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Host>>,
        lock: LocalLock,
        classes: 1,
        messages: 8,
        channels: 2,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

/// Connects to whatever it is asked to, and takes bytes until it breaks.
#[derive(Default)]
struct Breaking {
    ready: VecDeque<(Link, Ready)>,
    broken: bool,
    closed: Vec<Link>,
}

impl Transport for Breaking {
    fn listen(&mut self, _: Link, _: &Address<'_>) -> Result<(), Status> {
        Err(Status::ListenFailed)
    }

    fn connect(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        self.ready.push_back((link, Ready::Opened));
        Ok(())
    }

    fn local_address(&self, _: Link, _: &mut dyn fmt::Write) -> fmt::Result {
        Err(fmt::Error)
    }

    fn accept(&mut self, _: Link, _: Link) -> Poll<Result<(), Status>> {
        Poll::Pending
    }

    fn recv(&mut self, _: Link, _: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        Poll::Pending
    }

    fn send(&mut self, _: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        match self.broken {
            true => Poll::Ready(Err(Status::SendFailed)),
            false => Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum())),
        }
    }

    fn want_write(&mut self, _: Link, _: bool) {}

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        self.ready.pop_front()
    }

    fn close(&mut self, link: Link, _: Close) {
        self.closed.push(link);
    }
}

fn turn(engine: &mut Engine<Host>, io: &mut Breaking) {
    while engine.turn(Instant::ZERO, io, 8).more {}
}

/// An engine with a message that could not be sent, and its peer not gone yet as far as reading goes.
fn broken() -> (Engine<Host>, GroupId, Breaking) {
    let pool = Pool::new();
    pool.add_class(128, 8);
    let mut engine = Engine::<Host>::new(Rc::new(pool), &Options::DEFAULT);
    let mut io = Breaking::default();
    let Ok(group) = engine.open_group(vec![0; 64].into_boxed_slice()) else { panic!("the first") };
    let mut hello = engine.get().unwrap();
    hello.connect_to("mem|peer").unwrap();
    let channel = engine.post(group, hello).unwrap().channel;
    turn(&mut engine, &mut io);
    io.broken = true;
    let mut signal = engine.get().unwrap();
    signal.prepare(Opcode::Signal, channel);
    engine.post(group, signal).unwrap();
    turn(&mut engine, &mut io);
    assert_eq!((engine.channels(), io.closed.len()), (1, 0), "what may have arrived is read first");
    (engine, group, io)
}

/// Nobody is left to hand anything to: there is nothing to wait for.
#[test]
fn dropped_group_does_not_wait_for_what_cannot_be_sent() {
    let (mut engine, group, mut io) = broken();
    assert!(engine.close_group(group).is_ok());
    turn(&mut engine, &mut io);
    assert_eq!((engine.channels(), io.closed.len()), (0, 1));
    assert_eq!(engine.pool().free(), engine.pool().capacity());
}
