//! Text headers of a peer that are more lines than its listener bears.

use super::{Peers, frame_with_text, listening_engine_with, settle};
use tofu_core::{Opcode, Options, Received, Status};

/// What is received of a frame with these text headers, where two lines are borne.
fn received(text: &[u8]) -> Result<Vec<u8>, Status> {
    let options = Options { header_lines: 2, ..Options::DEFAULT };
    let (mut engine, group) = listening_engine_with(16, &options);
    let mut io = Peers::new(1);
    settle(&mut engine, &mut io, 16);
    io.send(0, &frame_with_text(Opcode::HelloRequest, 1, b"", b""));
    io.send(0, &frame_with_text(Opcode::Signal, 2, text, b""));
    settle(&mut engine, &mut io, 16);
    let all = std::iter::from_fn(|| engine.receive(group));
    match all.last() {
        Some(Received::Peer(signal)) => Ok(signal.text().as_bytes().to_vec()),
        Some(Received::Notice(notice)) => Err(notice.status),
        other => panic!("instead of a signal or a notice came {other:?}"),
    }
}

#[test]
fn lines_end_with_cr_and_lf_and_the_last_with_its_section() {
    for borne in [&b"a:1\r\nb:2\r\n"[..], b"a:1\r\nb:2", b"a:1\n2\n3\n4\r\nb:2\r\n"] {
        assert_eq!(received(borne), Ok(borne.to_vec()));
    }
    for too_many in
        [&b"a:1\r\nb:2\r\nc:3\r\n"[..], b"a:1\r\nb:2\r\nc:3", b"\r\n\r\n\r\n", b"\r\n\r\n3"]
    {
        assert_eq!(received(too_many), Err(Status::InvalidHeadersLen));
    }
}
