//! A turn is short, however many connections come or end at once: peers that say nothing, and then leave together.

use super::{CHANNELS, Host, Peers, listening_engine};
use tofu_core::{Engine, Instant};

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
