//! The frame decoder: whatever a client sends, in whatever pieces, the server is told what another
//! reader of PROTOCOL makes of it.

use crate::board::{self, Board, Received};
use tofu_core::{ChannelNumber, Engine, GroupId, HEADER_LEN, Limits, Opcode, Options, Status};
use tofu_loopback::{Endpoint, Faults, Network};

/// What the server takes: little, so that more is near.
const LIMITS: Limits = Limits { headers: 48, body: 96 };
/// The most lines of text headers it takes.
const LINES: u16 = 4;
/// Turns that a piece may need, and more than it ever does.
const TURNS: u32 = 10_000;

/// What the server's application is told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Message { opcode: Opcode, id: u64, more: bool, text: Vec<u8>, body: Vec<u8> },
    TooLong { id: u64, status: Status },
    Closed,
}

/// The first byte says how long the pieces are, and whether a hello comes before the rest.
pub fn run(data: &[u8]) {
    let Some((&shape, rest)) = data.split_first() else { return };
    let mut stream = Vec::new();
    if shape & 1 == 1 {
        stream.extend([0, 9, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
    stream.extend_from_slice(rest);
    let told = serve(&stream, usize::from(shape / 2) + 1);
    assert_eq!(told, expect(&stream));
}

/// What a server is told of a client that sends this and leaves.
fn serve(stream: &[u8], piece: usize) -> Vec<Told> {
    let network = Network::new(1, Faults::default());
    let options = Options { limits: LIMITS, header_lines: LINES, ..Options::DEFAULT };
    let (mut engine, group) = board::engine(&[(64, 8), (256, 8)], &options, 64);
    let mut io = network.endpoint();
    let mut welcome = engine.get().expect("a free message");
    welcome.listen_on("mem|a").expect("a short address");
    engine.post(group, welcome).expect("a post that is in order");
    assert!(turn(&mut engine, group, &mut io, &network).is_empty());
    let mut client = network.raw_connect("a").expect("somebody listens");
    let mut told = Vec::new();
    for piece in stream.chunks(piece) {
        let mut sent = 0;
        while sent < piece.len() {
            let count = client.write(&piece[sent..]);
            if count == 0 {
                break;
            }
            sent += count;
            told.extend(turn(&mut engine, group, &mut io, &network));
        }
    }
    drop(client);
    told.extend(turn(&mut engine, group, &mut io, &network));
    assert_eq!(engine.channels(), 1, "only the listener is left");
    board::assert_no_leak(&engine);
    told
}

/// Turns until nothing is left to do; what was received.
fn turn(
    engine: &mut Engine<Board>,
    group: GroupId,
    io: &mut Endpoint,
    network: &Network,
) -> Vec<Told> {
    let mut told = Vec::new();
    for _ in 0..TURNS {
        let turn = engine.turn(network.now(), io, 4);
        let before = told.len();
        while let Some(received) = engine.receive(group) {
            told.extend(translate(received));
        }
        if !turn.more && turn.moved == 0 && told.len() == before && !io.has_news() {
            return told;
        }
    }
    panic!("the engine never comes to rest");
}

fn translate(received: Received) -> Option<Told> {
    match received {
        Received::Peer(message) => {
            let header = message.header();
            assert_eq!((header.origin, header.status), Default::default());
            assert_ne!(header.channel, ChannelNumber::NONE);
            Some(Told::Message {
                opcode: header.opcode,
                id: header.id,
                more: header.more,
                text: message.text().as_bytes().to_vec(),
                body: message.body().to_vec(),
            })
        }
        Received::Returned(message, status) => {
            assert_eq!((message.opcode(), status), (Opcode::WelcomeResponse, Status::Success));
            None
        }
        Received::Notice(notice) => Some(match notice.status {
            Status::ChannelClosed => Told::Closed,
            status => Told::TooLong { id: notice.id, status },
        }),
    }
}

/// PROTOCOL, sections 1 and 4, once more.
fn expect(mut stream: &[u8]) -> Vec<Told> {
    let mut told = Vec::new();
    while let Some((header, rest)) = stream.split_first_chunk::<HEADER_LEN>() {
        let len = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (text_len, body_len) = (len(12), len(14));
        let (code, more) = (header[2] & 0xf, header[2] & 0x20 != 0);
        let id = header[4..12].iter().fold(0, |id, &byte| id << 8 | u64::from(byte));
        let first = told.is_empty();
        let sudden = code == 7;
        let violates = code > 7
            || first != (code == 3)
            || code == 4
            || (more && code > 2)
            || ((code == 1 || code == 6) && id == 0);
        if sudden || violates {
            break;
        }
        let text_too_long = text_len > LIMITS.headers;
        let too_long = text_too_long || body_len > LIMITS.body;
        if first && too_long {
            break;
        }
        let (text_len, body_len) = (usize::from(text_len), usize::from(body_len));
        let Some((payload, next)) = rest.split_at_checked(text_len + body_len) else { break };
        let (text, body) = payload.split_at(text_len);
        let ended = text.windows(2).filter(|pair| pair == b"\r\n").count();
        let lines = ended + usize::from(!text.is_empty() && !text.ends_with(b"\r\n"));
        // What is thrown away for its length is not looked at.
        let too_many = !too_long && lines > LINES.into();
        if first && too_many {
            break;
        }
        told.push(match (too_long, text_too_long || too_many) {
            (true, false) => Told::TooLong { id, status: Status::InvalidBodyLen },
            (_, true) => Told::TooLong { id, status: Status::InvalidHeadersLen },
            (false, false) => Told::Message {
                opcode: Opcode::from_code(code).expect("a known opcode"),
                id,
                more,
                text: text.to_vec(),
                body: body.to_vec(),
            },
        });
        // The last word of a peer.
        if code == 6 {
            break;
        }
        stream = next;
    }
    if !told.is_empty() {
        told.push(Told::Closed);
    }
    told
}
