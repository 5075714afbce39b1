//! A turn is short, however many connections come or end at once: peers that say nothing, and then leave together.

use super::{CHANNELS, Host, Peers, frame, listening_engine};
use std::rc::Rc;
use std::time::Duration;
use tofu_core::{Engine, Instant, LocalLock, Opcode, Options, Pool, Received};

/// With the listener, as many as there are channels.
const CROWD: usize = CHANNELS - 1;
/// Messages a turn may move, and connections it may end.
const BUDGET: u32 = 8;

/// An engine that has accepted all of them, in steps too.
fn crowded() -> (Engine<Host>, Peers) {
    let (mut engine, _) = listening_engine(8);
    let mut io = Peers::new(CROWD);
    loop {
        let before = io.links.len();
        let more = engine.turn(Instant::ZERO, &mut io, BUDGET).more;
        let accepted = io.links.len() - before;
        assert!(accepted <= BUDGET as usize, "{accepted} connections are accepted in one turn");
        if !more && io.ready.is_empty() {
            break;
        }
    }
    assert_eq!((io.links.len(), io.closed), (CROWD, 0));
    (engine, io)
}

/// Turns as long as there is more to do. Each ends a few connections at most, all of them end all.
fn assert_they_end_in_steps(engine: &mut Engine<Host>, io: &mut Peers) {
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
    (0..CROWD).for_each(|peer| io.leave(peer));
    assert_they_end_in_steps(&mut engine, &mut io);
}

/// So many that each has three news, and a turn does not come to all of them.
const MULTITUDE: usize = 400;

tofu_core::platform! {
    struct Stadium {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Stadium>>,
        lock: LocalLock,
        classes: 1,
        messages: 2 * MULTITUDE,
        channels: MULTITUDE,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

#[test]
fn nobody_is_late_whose_news_one_turn_does_not_come_to() {
    let options = Options { idle_timeout: Some(Duration::from_secs(5)), ..Options::DEFAULT };
    let pool = Pool::new();
    pool.add_class(128, 2 * MULTITUDE as u16);
    let mut engine = Box::new(Engine::<Stadium>::new(Rc::new(pool), &options));
    let group = engine.open_group(vec![0; 4_096].into_boxed_slice()).unwrap();
    let mut io = Peers::new(MULTITUDE);
    for _ in 0..MULTITUDE {
        let mut hello = engine.get().unwrap();
        hello.connect_to("mem|peer").unwrap();
        engine.post(group, hello).unwrap();
    }
    while engine.turn(Instant::ZERO, &mut io, 64).more || !io.ready.is_empty() {}
    // Each has said something by the time we are back.
    for peer in (0..MULTITUDE).rev() {
        let signal = frame(Opcode::Signal, 1, b"");
        for piece in [&signal[..5], &signal[5..10], &signal[10..]] {
            io.send(peer, piece);
        }
    }
    let late = Instant::ZERO.after(Duration::from_secs(6));
    let mut received = 0;
    loop {
        engine.turn(late, &mut io, 64);
        while let Some(next) = engine.receive(group) {
            assert!(matches!(next, Received::Peer(_)), "{next:?}");
            received += 1;
        }
        if !engine.has_work() && io.ready.is_empty() {
            break;
        }
    }
    assert_eq!(received, MULTITUDE);
    // Those who say nothing are.
    engine.turn(late.after(Duration::from_secs(6)), &mut io, 64);
    assert!(matches!(engine.receive(group), Some(Received::Notice(_))));
}
