//! Section 1: frames, text headers, opcodes.

use crate::app::{App, Pair, content, pattern};
use crate::wire::{Frame, RawClient, RawServer, code};
use crate::world::{Group, RawWorld, World};
use tofu_core::{MessageError, Opcode, TextError};

/// Bodies and text headers of every length at the edges arrive as they were.
pub fn sections_of_every_length_arrive<W: World>(world: &W) {
    let pair = Pair::new(world);
    let lengths = [
        (0, 0),
        (0, 1),
        (4, 0),
        (1_072, 0),
        (0, 8_240),
        (65_535, 0),
        (0, 65_535),
        (65_535, 65_535),
    ];
    for (text, body) in lengths {
        let mut message = pair.client.message(Opcode::Request, pair.at_client, 9, pattern(body, 1));
        if text > 0 {
            message.add_header("n", vec![b'x'; text - 4]).expect("the text headers fit");
        }
        let mut sent = content(&message);
        assert_eq!((sent.text.len(), sent.body.len()), (text, body));
        pair.client.post(message);
        sent.header.channel = pair.at_server;
        assert_eq!(content(&pair.server.peers(Opcode::Request)), sent);
    }
}

/// Every opcode that crosses the wire, `more` and id go unchanged from end to end.
pub fn header_fields_travel_unchanged<W: World>(world: &W) {
    let pair = Pair::new(world);
    for opcode in [Opcode::Request, Opcode::Response, Opcode::Signal] {
        for (id, more) in [(1, false), (u64::MAX, true), (0x0102_0304_0506_0708, true)] {
            let mut message = pair.client.message(opcode, pair.at_client, id, b"");
            message.set_more(more);
            pair.client.post(message);
            let got = pair.server.peers(opcode);
            assert_eq!((got.id(), got.more(), got.channel()), (id, more, pair.at_server));
        }
    }
}

/// Names repeat and keep their order, spaces around values are dropped on reading, names are
/// compared byte for byte.
pub fn text_headers_keep_their_order<W: World>(world: &W) {
    let pair = Pair::new(world);
    let mut message = pair.client.message(Opcode::Signal, pair.at_client, 1, b"body");
    let headers = [("b", "1"), ("a", " 2\t"), ("B", "x:y"), ("b", ""), ("a", "3")];
    for (name, value) in headers {
        message.add_header(name, value).expect("the header fits");
    }
    pair.client.post(message);
    let got = pair.server.peers(Opcode::Signal);
    let seen: Vec<_> = got.text().iter().map(|header| (header.name, header.value)).collect();
    let expected = [("b", "1"), ("a", "2"), ("B", "x:y"), ("b", ""), ("a", "3")];
    assert_eq!(seen, expected.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    assert_eq!(got.text().get_all("b").collect::<Vec<_>>(), [&b"1"[..], b""]);
    assert_eq!(got.body(), b"body");
}

/// A header that would smuggle a line is refused when it is added, and never sent.
pub fn smuggled_lines_are_refused<W: World>(world: &W) {
    let pair = Pair::new(world);
    let mut message = pair.client.message(Opcode::Signal, pair.at_client, 1, b"");
    message.add_header("good", "1").expect("the header fits");
    let before = content(&message);
    for (name, value, error) in [
        ("", "x", TextError::EmptyName),
        ("a:b", "x", TextError::InvalidName),
        ("a\rb", "x", TextError::InvalidName),
        ("a\nb", "x", TextError::InvalidName),
        ("a", "x\r\nevil:1", TextError::InvalidValue),
        ("a", "x\r", TextError::InvalidValue),
        ("a", "\nx", TextError::InvalidValue),
    ] {
        assert_eq!(message.add_header(name, value), Err(MessageError::Text(error)));
        assert_eq!(message.add_header_display(name, value), Err(MessageError::Text(error)));
        assert_eq!(content(&message), before);
    }
    pair.client.post(message);
    assert_eq!(pair.server.peers(Opcode::Signal).text().as_bytes(), b"good:1\r\n");
}

/// The sixteen bytes are those of the table, with the sender's own channel number.
pub fn header_is_laid_out_as_written<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    let mut message =
        raw.server.message(Opcode::Signal, raw.channel, 0x1122_3344_5566_7788, b"xyz");
    message.set_more(true);
    message.add_header("k", "v").expect("the header fits");
    raw.server.post(message);
    let [high, low] = raw.channel.get().to_be_bytes();
    let header = [high, low, 0x22, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 5, 0, 3];
    assert_eq!(raw.wire.bytes(16), header);
    assert_eq!(raw.wire.bytes(8), b"k:v\r\nxyz");
    raw.wire.quiet::<W>();
}

/// A client's first frame is its HelloRequest, with the address in a text header.
pub fn hello_is_the_first_frame<W: RawWorld>(world: &W) {
    let mut raw = RawServer::new(world);
    assert_eq!(raw.hello.channel, raw.channel.get());
    assert_eq!((raw.hello.proto, raw.hello.status), (code::HELLO_REQUEST, 0));
    assert_ne!(raw.hello.id, 0);
    assert!(raw.hello.text.starts_with(b"~connect_to:"));
    assert_eq!(raw.hello.body, b"");
    raw.wire.quiet::<W>();
}

/// A receiver puts its own channel number in place of the sender's.
pub fn peers_channel_number_is_not_ours<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    for channel in [0, 1, 1234, 65_534, 65_535] {
        raw.wire.frame(&Frame { channel, ..Frame::new(code::REQUEST, 5) });
        assert_eq!(raw.server.peers(Opcode::Request).channel(), raw.channel);
    }
}

/// Whatever a peer puts in origin, status and the reserved bits, its frame is a peer's message.
pub fn forged_notifications_are_a_peers_messages<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    for bits in [code::ORIGIN, code::RESERVED, 0x40, 0x80, code::ORIGIN | code::RESERVED] {
        for status in [0, 19, 22, 31, 32, 255] {
            let forged = Frame { status, ..Frame::new(code::SIGNAL | bits, 3).body("b") };
            raw.wire.frame(&forged);
            let got = raw.server.peers(Opcode::Signal);
            assert_eq!((got.id(), got.more(), got.body()), (3, false, &b"b"[..]));
        }
    }
    let mut hello = Frame::hello();
    (hello.proto, hello.status) = (hello.proto | code::ORIGIN | code::RESERVED, 22);
    let mut forger = crate::wire::Wire::connect(world, &raw.address);
    forger.frame(&hello);
    raw.server.peers(Opcode::HelloRequest);
}

/// Origin, status and reserved bits are sent as 0, even in a message that came with others.
pub fn local_bits_are_sent_as_zero<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    let all = code::REQUEST | code::MORE | code::ORIGIN | code::RESERVED;
    raw.wire.frame(&Frame { status: 22, ..Frame::new(all, 8).body("echo") });
    raw.server.answer(raw.server.peers(Opcode::Request));
    let echo = raw.wire.expect(code::RESPONSE | code::MORE);
    assert_eq!((echo.status, echo.id, &echo.body[..]), (0, 8, &b"echo"[..]));
    // So is one that the engine handed back before.
    let message = raw.server.message(Opcode::Signal, raw.channel, 9, b"again");
    raw.server.group.update_receiver(Some(message)).expect("the receiver is there");
    raw.server.post(raw.server.returned(tofu_core::Status::ReceiverUpdate));
    let again = raw.wire.expect(code::SIGNAL);
    assert_eq!((again.status, again.id, &again.body[..]), (0, 9, &b"again"[..]));
}

/// Frames are found however the bytes are cut: all at once, and one by one.
pub fn frames_are_found_in_any_cut<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    let frames: Vec<_> = (1..=40u64)
        .map(|id| {
            Frame::new(code::REQUEST, id)
                .text(format!("n:{id}\r\n"))
                .body(pattern(id as usize % 7, id))
        })
        .collect();
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    let check = |server: &App<W>| {
        for frame in &frames {
            let got = server.peers(Opcode::Request);
            assert_eq!(
                (got.id(), got.text().as_bytes(), got.body()),
                (frame.id, &frame.text[..], &frame.body[..])
            );
        }
    };
    raw.wire.send(&bytes);
    check(&raw.server);
    for byte in &bytes {
        raw.wire.send([*byte]);
    }
    check(&raw.server);
    for chunk in bytes.chunks(17) {
        raw.wire.send(chunk);
    }
    check(&raw.server);
}

/// Text headers are read leniently and passed on byte for byte.
pub fn text_headers_are_read_leniently<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    let text = b"\r\na: \t1 \r\n\r\nno colon\r\nb:tcp|x|1\r\na:2";
    raw.wire.frame(&Frame::new(code::REQUEST, 2).text(text).body("b"));
    let got = raw.server.peers(Opcode::Request);
    assert_eq!(got.text().get_all("a").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(got.text().get_str("b"), Some("tcp|x|1"));
    raw.server.answer(got);
    assert_eq!(raw.wire.expect(code::RESPONSE).text, text);
}

/// An id is never interpreted: a Request or Signal may have any, even 0.
pub fn ids_are_the_peers_business<W: RawWorld>(world: &W) {
    let mut raw = RawClient::new(world);
    for (proto, opcode) in [(code::REQUEST, Opcode::Request), (code::SIGNAL, Opcode::Signal)] {
        for id in [0, 1, 1, u64::MAX] {
            raw.wire.frame(&Frame::new(proto, id));
            assert_eq!(raw.server.peers(opcode).id(), id);
        }
    }
}
