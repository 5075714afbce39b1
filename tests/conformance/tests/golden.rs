//! The recorded session of the published engine, both directions, byte for byte. Only channel
//! numbers differ: they are local to an engine.

use tofu_conformance::app::{App, MessageOf};
use tofu_conformance::host::HostWorld;
use tofu_conformance::loopback::LoopbackWorld;
use tofu_conformance::wire::Wire;
use tofu_conformance::world::{RawListener, RawWorld};
use tofu_core::{ChannelNumber, Opcode};

const TO_SERVER: &[u8] = include_bytes!("../data/session.c2s");
const TO_CLIENT: &[u8] = include_bytes!("../data/session.s2c");
/// The address in the recording.
const RECORDED_ADDRESS: &str = "tcp|127.0.0.1|17198";

/// Cuts a stream into frames, with the channel number of each set to 0.
fn masked_frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let section = |at: usize| usize::from(u16::from_be_bytes([rest[at], rest[at + 1]]));
        let len = 16 + section(12) + section(14);
        let mut frame = rest[..len].to_vec();
        frame[..2].fill(0);
        frames.push(frame);
        rest = &rest[len..];
    }
    frames
}

/// The recorded HelloRequest, with another address in place of its own.
fn with_address(hello: &[u8], address: &str) -> Vec<u8> {
    let text = String::from_utf8(hello[16..].to_vec()).expect("a HelloRequest without body");
    let text = text.replace(RECORDED_ADDRESS, address);
    let mut frame = hello[..16].to_vec();
    let len = u16::try_from(text.len()).expect("a short text");
    frame[12..14].copy_from_slice(&len.to_be_bytes());
    frame.extend(text.as_bytes());
    frame
}

fn assert_same(seen: &[Vec<u8>], expected: &[Vec<u8>]) {
    assert_eq!(seen.len(), expected.len());
    for (index, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        let start = |frame: &[u8]| frame[..frame.len().min(100)].to_vec();
        assert!(seen == expected, "frame {index}: {:x?}, not {:x?}", start(seen), start(expected));
    }
}

/// The published client's bytes into our echoing server: the published server's bytes come out.
fn server_answers_as_recorded<W: RawWorld>(world: &W, chunk: usize) {
    let server = App::new(world);
    let (_, address) = server.listen(&world.raw_address());
    let mut wire = Wire::connect(world, &address);
    for bytes in TO_SERVER.chunks(chunk) {
        wire.send(bytes);
    }
    let expected = masked_frames(TO_CLIENT);
    let mut channel = ChannelNumber::NONE;
    for _ in &expected {
        let message = server.peer();
        channel = message.channel();
        server.answer(message);
    }
    let bytes = wire.rest();
    server.closed(channel);
    assert_eq!(bytes[..2], channel.get().to_be_bytes());
    assert_same(&masked_frames(&bytes), &expected);
}

/// What the recorded client posted, in order.
fn session<W: RawWorld>(app: &App<W>, address: &str) -> Vec<MessageOf<W>> {
    let message = |opcode, id, body: &[u8]| app.message(opcode, ChannelNumber::NONE, id, body);
    let mut hello = message(Opcode::HelloRequest, 0x1122_3344_5566_7788, b"");
    hello.connect_to(address).expect("the header fits");
    hello.add_header("client", "scenario").expect("the header fits");
    let mut typed = message(Opcode::Request, 1, b"hello, tofu");
    typed.add_header("Content-Type", "text/plain").expect("the header fits");
    let mut chunks =
        [b"chunk-1", b"chunk-2", b"chunk-3"].map(|body| message(Opcode::Request, 2, body));
    chunks[0].set_more(true);
    chunks[1].set_more(true);
    let large: Vec<u8> = (0..65_535u32).map(|index| (31 * index % 256) as u8).collect();
    let mut bye = message(Opcode::ByeRequest, 5, b"");
    bye.add_header("Progress", "3:3").expect("the header fits");
    let mut session = vec![hello, typed];
    session.extend(chunks);
    session.push(message(Opcode::Signal, 3, b""));
    session.push(message(Opcode::Request, 4, &large));
    session.push(bye);
    session
}

/// Our client posts what the published one did, and sends its bytes; the published server's
/// bytes are received as the protocol says.
fn client_sends_as_recorded<W: RawWorld>(world: &W) {
    let mut listener = world.raw_listen();
    let client = App::new(world);
    let mut channel = ChannelNumber::NONE;
    for mut message in session(&client, &listener.address()) {
        message.set_channel(channel);
        channel = client.post(message).channel;
    }
    let mut wire = Wire::accept(&mut listener);
    let mut expected = masked_frames(TO_SERVER);
    expected[0] = with_address(&expected[0], &listener.address());
    let bytes = wire.bytes(expected.iter().map(Vec::len).sum());
    assert_eq!(bytes[..2], channel.get().to_be_bytes());
    assert_same(&masked_frames(&bytes), &expected);
    wire.send(TO_CLIENT);
    check_answers(&client, channel);
    wire.closed();
}

fn check_answers<W: RawWorld>(client: &App<W>, channel: ChannelNumber) {
    let echoes = session(client, RECORDED_ADDRESS);
    for mut echo in echoes {
        echo.reply().expect("it takes an answer");
        let answer = client.peer();
        assert_eq!(answer.channel(), channel);
        assert_eq!(
            (answer.opcode(), answer.id(), answer.more()),
            (echo.opcode(), echo.id(), echo.more())
        );
        assert_eq!(answer.text(), echo.text());
        assert!(answer.body() == echo.body(), "the body of {}", answer.id());
    }
    client.closed(channel);
}

macro_rules! golden {
    ($($name:ident: $world:expr;)*) => { $(
        mod $name {
            use super::*;

            #[test]
            fn server_answers_as_recorded() {
                super::server_answers_as_recorded(&$world, usize::MAX);
            }

            #[test]
            fn server_answers_as_recorded_in_small_pieces() {
                super::server_answers_as_recorded(&$world, 101);
            }

            #[test]
            fn client_sends_as_recorded() {
                super::client_sends_as_recorded(&$world);
            }
        }
    )* };
}

golden! {
    calm: LoopbackWorld::new();
    rough: LoopbackWorld::rough(3);
    tcp: HostWorld::tcp();
}

#[cfg(unix)]
golden! {
    uds: HostWorld::uds();
}
