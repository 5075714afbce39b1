//! What a peer's limits refuse, and what they do not.

use super::{Host, Peers, frame, frame_with_text, listening_engine, settle};
use tofu_core::{Engine, GroupId, Message, Opcode, Received, Status};

const BUDGET: u32 = 16;

/// An engine whose peer has sent this; and what is received of it.
fn received(bytes: &[u8]) -> (Engine<Host>, GroupId, Vec<Message<Host>>) {
    let (mut engine, group) = listening_engine(64);
    let mut io = Peers::new(1);
    settle(&mut engine, &mut io, BUDGET);
    assert!(matches!(engine.receive(group), Some(Received::Returned(_, Status::Success))));
    io.send(0, bytes);
    settle(&mut engine, &mut io, BUDGET);
    let messages = std::iter::from_fn(|| engine.receive(group)).map(|received| match received {
        Received::Peer(message) => message,
        other => panic!("instead of a peer's message came {other:?}"),
    });
    let messages = messages.collect();
    (engine, group, messages)
}

#[test]
fn an_echoed_hello_as_long_as_there_are_is_answered() {
    let ours = listening_engine(64).0.limits();
    for theirs in [ours.to_string(), "headers=9,body=9".to_owned()] {
        // What is announced in its place is longer than theirs, or not.
        let grows = ours.to_string().len() - theirs.len();
        let mut text = format!("~connect_to:mem|here\r\n~limits:{theirs}\r\nfill:");
        while text.len() + 2 + grows < ours.headers.into() {
            text.push('x');
        }
        text.push_str("\r\n");
        let body = vec![0; ours.body.into()];
        let hello = frame_with_text(Opcode::HelloRequest, 1, text.as_bytes(), &body);
        let (mut engine, group, mut messages) = received(&hello);
        let mut hello = messages.remove(0);
        hello.reply().unwrap();
        let posted = engine.post(group, hello).map_err(|refused| refused.status);
        let allowed = theirs == ours.to_string();
        assert_eq!(posted.err(), (!allowed).then_some(Status::InvalidHeadersLen));
    }
}

#[test]
fn a_bye_signal_of_any_length_closes() {
    let hello = frame_with_text(Opcode::HelloRequest, 1, b"~limits:headers=64,body=8\r\n", b"");
    let request = frame(Opcode::Request, 2, b"a request");
    let (mut engine, group, mut messages) = received(&[hello, request].concat());
    let mut request = messages.remove(1);
    // It never crosses the wire: what the peer takes does not matter.
    request.set_opcode(Opcode::ByeSignal);
    assert!(engine.post(group, request).is_ok());
}
