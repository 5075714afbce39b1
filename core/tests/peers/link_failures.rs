//! What an engine does about a link that fails halfway: sending breaks while there is nothing to read yet.

use super::{Host, Peers, engine, settle};
use tofu_core::{Engine, GroupId, Opcode, Status};

fn turn(engine: &mut Engine<Host>, io: &mut Peers) {
    settle(engine, io, 8);
}

/// An engine with a message that could not be sent, and its peer not gone yet as far as reading goes.
fn broken() -> (Engine<Host>, GroupId, Peers) {
    let (mut engine, group) = engine(8);
    let mut io = Peers::new(1);
    let mut hello = engine.get().unwrap();
    hello.connect_to("mem|peer").unwrap();
    let channel = engine.post(group, hello).unwrap().channel;
    turn(&mut engine, &mut io);
    io.peers[0].broken = Some(Status::SendFailed);
    let mut signal = engine.get().unwrap();
    signal.prepare(Opcode::Signal, channel);
    engine.post(group, signal).unwrap();
    turn(&mut engine, &mut io);
    assert_eq!((engine.channels(), io.closed), (1, 0), "what may have arrived is read first");
    (engine, group, io)
}

/// Nobody is left to hand anything to: there is nothing to wait for.
#[test]
fn dropped_group_does_not_wait_for_what_cannot_be_sent() {
    let (mut engine, group, mut io) = broken();
    assert!(engine.close_group(group).is_ok());
    turn(&mut engine, &mut io);
    assert_eq!((engine.channels(), io.closed), (0, 1));
    assert_eq!(engine.pool().free(), engine.pool().capacity());
}
