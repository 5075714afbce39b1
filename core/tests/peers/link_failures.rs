//! What an engine does about a link that fails halfway: sending breaks while there is nothing to read yet.

use super::{Host, Peers, connected_engine, engine, frame, say_hello, settle};
use tofu_core::{Engine, GroupId, Opcode, Ready, Received, Status};

fn turn(engine: &mut Engine<Host>, io: &mut Peers) {
    settle(engine, io, 8);
}

/// An engine with a message that could not be sent, and its peer not gone yet as far as reading goes.
fn broken() -> (Engine<Host>, GroupId, Peers) {
    let (mut engine, group, mut io, channel) = connected_engine(8);
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

/// It waits for a message of the pool to read what it received, and all of them are its own that are unsent.
#[test]
fn what_cannot_be_sent_comes_back_to_a_channel_that_waits_for_messages() {
    let (mut engine, group, mut io, channel) = connected_engine(8);
    io.peers[0].deaf = true;
    let mut kept = vec![];
    let mut posted = 0;
    while let Some(mut signal) = engine.get() {
        signal.prepare(Opcode::Signal, channel);
        match engine.post(group, signal) {
            Ok(_) => posted += 1,
            Err(refused) => kept.push(refused.message),
        }
        turn(&mut engine, &mut io);
    }
    assert!(posted > 0);
    io.send(0, &frame(Opcode::Signal, 1, b"the last of the pool"));
    io.send(0, &frame(Opcode::Signal, 2, b"waits"));
    turn(&mut engine, &mut io);
    let Some(Received::Peer(last)) = engine.receive(group) else { panic!("nothing was read") };
    turn(&mut engine, &mut io);
    let Some(Received::Notice(notice)) = engine.receive(group) else { panic!("nothing waits") };
    assert_eq!((notice.status, engine.pool().free()), (Status::PoolEmpty, 0));
    io.peers[0].broken = Some(Status::SendFailed);
    io.ready.push_back((io.links[0], Ready::Writable));
    turn(&mut engine, &mut io);
    for _ in 0..posted {
        let received = engine.receive(group);
        assert!(matches!(received, Some(Received::Returned(_, Status::SendFailed))));
    }
    turn(&mut engine, &mut io);
    let Some(Received::Peer(waited)) = engine.receive(group) else { panic!("it still waits") };
    assert_eq!((last.body(), waited.body()), (&b"the last of the pool"[..], &b"waits"[..]));
}

/// Who posts without waiting for the answer to his hello learns why that was in vain.
#[test]
fn refused_post_says_what_ended_the_channel() {
    let (mut engine, group) = engine(8);
    let mut nobody = Peers::new(0);
    let channel = say_hello(&mut engine, group);
    turn(&mut engine, &mut nobody);
    let mut request = engine.get().unwrap();
    request.prepare(Opcode::Request, channel);
    let refused = engine.post(group, request).unwrap_err();
    assert_eq!((refused.status, refused.reason), (Status::ChannelClosed, Status::ConnectFailed));
    let text = "Request was refused: channel_closed, for connect_failed";
    assert_eq!(refused.to_string(), text);
}

#[test]
fn post_after_the_own_goodbye_is_refused_for_no_other_reason() {
    let (mut engine, group, mut io, channel) = connected_engine(8);
    for (opcode, reason) in
        [(Opcode::ByeRequest, None), (Opcode::Signal, Some(Status::ChannelClosed))]
    {
        let mut message = engine.get().unwrap();
        message.prepare(opcode, channel);
        let refused = engine.post(group, message).err();
        assert_eq!(refused.as_ref().map(|refused| refused.status), reason);
        assert_eq!(refused.map(|refused| refused.reason), reason);
        turn(&mut engine, &mut io);
    }
}
