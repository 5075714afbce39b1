//! A turn is short, however many connections end at once: a transport whose peers say nothing, and then
//! leave together.
#![allow(missing_docs)]

use core::fmt;
use core::task::Poll;
use std::collections::VecDeque;
use std::rc::Rc;
use tofu_core::{
    Address, Close, Engine, Instant, Link, LocalLock, Options, Pool, Ready, Status, Transport,
};

const CROWD: usize = 100;
/// Messages a turn may move, and connections it may end.
const BUDGET: u32 = 8;

tofu_core::platform! {
    struct Host {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Host>>,
        lock: LocalLock,
        classes: 1,
        messages: 8,
        channels: CROWD + 1,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

/// Peers that wait to be accepted, and send nothing.
#[derive(Default)]
struct Silent {
    ready: VecDeque<(Link, Ready)>,
    accepted: Vec<Link>,
    gone: bool,
    closed: usize,
}

impl Transport for Silent {
    fn listen(&mut self, link: Link, _: &Address<'_>) -> Result<(), Status> {
        self.ready.extend([(link, Ready::Opened), (link, Ready::Readable)]);
        Ok(())
    }

    fn connect(&mut self, _: Link, _: &Address<'_>) -> Result<(), Status> {
        Err(Status::ConnectFailed)
    }

    fn local_address(&self, _: Link, _: &mut dyn fmt::Write) -> fmt::Result {
        Err(fmt::Error)
    }

    fn accept(&mut self, _: Link, link: Link) -> Poll<Result<(), Status>> {
        if self.accepted.len() == CROWD {
            return Poll::Pending;
        }
        self.accepted.push(link);
        Poll::Ready(Ok(()))
    }

    fn recv(&mut self, _: Link, _: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        if self.gone { Poll::Ready(Ok(0)) } else { Poll::Pending }
    }

    fn send(&mut self, _: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn want_write(&mut self, _: Link, _: bool) {}

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        self.ready.pop_front()
    }

    fn close(&mut self, _: Link, _: Close) {
        self.closed += 1;
    }
}

/// An engine that has accepted all of them, in steps too.
fn crowded() -> (Engine<Host>, Silent) {
    let pool = Pool::new();
    pool.add_class(128, 8);
    let mut engine = Engine::<Host>::new(Rc::new(pool), &Options::DEFAULT);
    let mut io = Silent::default();
    let Ok(group) = engine.open_group(vec![0; 64].into_boxed_slice()) else { panic!("the first") };
    let mut welcome = engine.get().unwrap();
    welcome.listen_on("mem|here").unwrap();
    engine.post(group, welcome).unwrap();
    loop {
        let before = io.accepted.len();
        let more = engine.turn(Instant::ZERO, &mut io, BUDGET).more;
        let accepted = io.accepted.len() - before;
        assert!(accepted <= BUDGET as usize, "{accepted} connections are accepted in one turn");
        if !more && io.ready.is_empty() {
            break;
        }
    }
    assert_eq!((io.accepted.len(), io.closed), (CROWD, 0));
    (engine, io)
}

/// Turns as long as there is more to do. Each ends a few connections at most, all of them end all.
fn assert_they_end_in_steps(engine: &mut Engine<Host>, io: &mut Silent) {
    loop {
        let before = io.closed;
        let more = engine.turn(Instant::ZERO, io, BUDGET).more;
        let ended = io.closed - before;
        assert!(ended <= BUDGET as usize, "{ended} connections end in one turn");
        if !more {
            break;
        }
    }
    assert_eq!((io.closed, engine.channels()), (CROWD, 1));
}

#[test]
fn a_crowd_that_comes_and_leaves_does_so_in_steps() {
    let (mut engine, mut io) = crowded();
    io.gone = true;
    io.ready.extend(io.accepted.iter().map(|&link| (link, Ready::Readable)));
    assert_they_end_in_steps(&mut engine, &mut io);
}
