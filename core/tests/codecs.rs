//! Properties of the codecs: what is written is read back, and no byte a peer sends does harm.

use proptest::collection::vec;
use proptest::prelude::*;
use std::rc::Rc;
use tofu_core::{
    Address, ChannelNumber, HEADER_LEN, Header, Limits, LocalLock, Message, MessageError, Opcode,
    Origin, Pool, Status, TextError, TextHeaders,
};

tofu_core::platform! {
    /// Messages for the edit model.
    struct Edits {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Edits>>,
        lock: LocalLock,
        classes: 3,
        messages: 8,
        channels: 1,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

// Headers.

fn headers() -> impl Strategy<Value = Header> {
    let opcode = prop::sample::select(Opcode::ALL.to_vec());
    let status = prop::sample::select(Status::ALL.to_vec());
    let numbers = (any::<u16>(), any::<u64>(), any::<u16>(), any::<u16>());
    (opcode, status, any::<bool>(), any::<bool>(), numbers).prop_map(
        |(opcode, status, from_engine, more, (channel, id, text_len, body_len))| Header {
            channel: ChannelNumber::new(channel),
            opcode,
            origin: if from_engine { Origin::Engine } else { Origin::Application },
            more,
            status,
            id,
            text_len,
            body_len,
        },
    )
}

proptest! {
    #[test]
    fn headers_round_trip(header in headers()) {
        prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn header_bytes_round_trip_but_for_reserved_bits(bytes in any::<[u8; HEADER_LEN]>()) {
        match Header::decode(&bytes) {
            Ok(header) => {
                let mut expected = bytes;
                expected[2] &= 0x3f;
                expected[3] = if bytes[3] > 31 { 31 } else { bytes[3] };
                prop_assert_eq!(header.encode(), expected);
                let lengths = usize::from(header.text_len) + usize::from(header.body_len);
                prop_assert_eq!(header.frame_len(), HEADER_LEN + lengths);
            }
            Err(status) => {
                prop_assert_eq!(status, Status::InvalidOpCode);
                prop_assert!(bytes[2] & 0x0f > 9);
            }
        }
    }
}

#[test]
fn every_proto_and_status_byte_is_read_as_the_table_says() {
    for proto in 0..=255u8 {
        for status in 0..=255u8 {
            let mut bytes = [0; HEADER_LEN];
            (bytes[2], bytes[3]) = (proto, status);
            let decoded = Header::decode(&bytes);
            let Some(&opcode) = Opcode::ALL.get(usize::from(proto & 0x0f)) else {
                assert_eq!(decoded, Err(Status::InvalidOpCode));
                continue;
            };
            let header = decoded.expect("a known opcode");
            assert_eq!(header.opcode, opcode);
            assert_eq!(header.origin == Origin::Engine, proto & 0x10 != 0);
            assert_eq!(header.more, proto & 0x20 != 0);
            assert_eq!(header.status.code(), status.min(31));
        }
    }
}

// Text headers.

fn names() -> impl Strategy<Value = String> {
    "[^:\r\n]{1,12}"
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("ends a line", |byte| !b"\r\n".contains(byte)), 0..20)
}

/// What a reader sees of a value.
fn trimmed(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| b" \t".contains(byte);
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

fn pairs(text: TextHeaders<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    text.iter().map(|header| (header.name.to_vec(), header.value.to_vec())).collect()
}

fn message() -> Message<Edits> {
    let pool = Rc::new(Pool::new());
    for size in [64, 1_024, tofu_core::MAX_FRAME_LEN] {
        pool.add_class(size, 2);
    }
    Pool::get(&pool).expect("a fresh pool")
}

proptest! {
    #[test]
    fn added_headers_are_read_back_in_order(added in vec((names(), values()), 0..20)) {
        let mut message = message();
        for (name, value) in &added {
            message.add_header(name, value).expect("it fits");
        }
        let expected: Vec<_> = added
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), trimmed(value).to_vec()))
            .collect();
        prop_assert_eq!(pairs(message.text()), expected);
        for (name, _) in &added {
            let first = added.iter().find(|(other, _)| other == name).map(|(_, value)| trimmed(value));
            prop_assert_eq!(message.text().get(name), first);
        }
    }

    #[test]
    fn smuggled_lines_are_refused(
        name in "[a-z:\r\n]{0,6}",
        value in vec(prop::sample::select(b"ab:\r\n \t".to_vec()), 0..6),
    ) {
        let mut message = message();
        message.add_header("before", "1").expect("it fits");
        let before = message.text().as_bytes().to_vec();
        let expected = if name.is_empty() {
            Err(TextError::EmptyName)
        } else if name.contains([':', '\r', '\n']) {
            Err(TextError::InvalidName)
        } else if value.iter().any(|byte| b"\r\n".contains(byte)) {
            Err(TextError::InvalidValue)
        } else {
            Ok(())
        };
        let text = String::from_utf8(value.clone()).expect("ASCII");
        for display in [false, true] {
            let added = match display {
                true => message.add_header_display(&name, &text),
                false => message.add_header(&name, &value),
            };
            prop_assert_eq!(added, expected.map_err(MessageError::Text));
        }
        let lines = if expected.is_ok() { 3 } else { 1 };
        prop_assert_eq!(message.text().iter().count(), lines);
        if expected.is_err() {
            prop_assert_eq!(message.text().as_bytes(), &before[..]);
        }
    }

    #[test]
    fn any_bytes_are_read_and_reparse_the_same(
        bytes in vec(prop_oneof![any::<u8>(), prop::sample::select(b"a::\r\r\n\n \t".to_vec())], 0..80),
    ) {
        let seen = pairs(TextHeaders::new(&bytes));
        for (name, value) in &seen {
            prop_assert!(!name.is_empty() && !name.contains(&b':'));
            prop_assert_eq!(trimmed(value), &value[..]);
            prop_assert!(!value.windows(2).any(|pair| pair == b"\r\n"));
        }
        let again: Vec<u8> = seen
            .iter()
            .flat_map(|(name, value)| [&name[..], b":", value, b"\r\n"].concat())
            .collect();
        prop_assert_eq!(pairs(TextHeaders::new(&again)), seen);
    }
}

// Addresses and limits.

fn addresses() -> impl Strategy<Value = String> {
    let rest = "[^\\p{Cc}]{1,30}";
    prop_oneof![
        ("[^|\\p{Cc}]{0,20}", any::<u16>()).prop_map(|(host, port)| format!("tcp|{host}|{port}")),
        rest.prop_map(|path| format!("uds|{path}")),
        rest.prop_map(|name| format!("mem|{name}")),
        rest.prop_map(|name| format!("serial|{name}")),
    ]
}

proptest! {
    #[test]
    fn addresses_round_trip(text in addresses()) {
        let address = Address::parse(&text).expect("a good address");
        prop_assert_eq!(address.to_string(), &text[..]);
        let mut message = message();
        message.connect_to(address).expect("it fits");
        let value = message.text().get(tofu_core::CONNECT_TO).expect("the header").to_vec();
        // Spaces at the end are not kept by text headers.
        prop_assert_eq!(&value[..], trimmed(text.as_bytes()));
    }

    #[test]
    fn any_string_is_an_address_or_not(text in "\\PC*|(tcp|uds|mem|serial)[|a-z0-9:+-]{0,12}") {
        if let Ok(address) = Address::parse(&text) {
            let shown = address.to_string();
            prop_assert_eq!(Address::parse(&shown), Ok(address));
            prop_assert_eq!(Address::from_bytes(shown.as_bytes()), Ok(address));
        }
    }

    #[test]
    fn any_bytes_are_an_address_or_not(bytes in vec(any::<u8>(), 0..40)) {
        let parsed = std::str::from_utf8(&bytes).ok().and_then(|text| Address::parse(text).ok());
        prop_assert_eq!(Address::from_bytes(&bytes).ok(), parsed);
    }

    #[test]
    fn limits_round_trip(headers in any::<u16>(), body in any::<u16>()) {
        let limits = Limits { headers, body };
        prop_assert_eq!(Limits::parse(limits.to_string().as_bytes()), limits);
        let swapped = format!("body={body},headers={headers},more=1");
        prop_assert_eq!(Limits::parse(swapped.as_bytes()), limits);
    }

    #[test]
    fn limits_beyond_the_wire_are_the_most_it_carries(headers in 65_535u64.., body in 65_535u64..) {
        let text = format!("headers={headers},body={body}");
        prop_assert_eq!(Limits::parse(text.as_bytes()), Limits::MAX);
    }

    #[test]
    fn any_bytes_are_limits(bytes in vec(prop::sample::select(b"headersbody=,0129-".to_vec()), 0..40)) {
        let limits = Limits::parse(&bytes);
        prop_assert_eq!(Limits::parse(limits.to_string().as_bytes()), limits);
    }
}

// Messages, against vectors that do the same.

#[derive(Clone, Debug)]
enum Edit {
    AddHeader(String, Vec<u8>),
    SetHeader(String, String),
    RemoveHeaders(String),
    SetBody(Vec<u8>),
    AppendBody(Vec<u8>),
    ResizeBody(usize),
    FlipBody,
    Clear,
}

fn edits() -> impl Strategy<Value = Edit> {
    let name = || "[abc]{1,2}";
    let bytes = || vec(any::<u8>(), 0..600);
    prop_oneof![
        (name(), values()).prop_map(|(name, value)| Edit::AddHeader(name, value)),
        (name(), "[a-z]{0,40}").prop_map(|(name, value)| Edit::SetHeader(name, value)),
        name().prop_map(Edit::RemoveHeaders),
        bytes().prop_map(Edit::SetBody),
        bytes().prop_map(Edit::AppendBody),
        (0..70_000usize).prop_map(Edit::ResizeBody),
        Just(Edit::FlipBody),
        Just(Edit::Clear),
    ]
}

#[derive(Default)]
struct Model {
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Model {
    /// Makes the edit unless it is too long; whether it was made.
    fn apply(&mut self, edit: &Edit) -> bool {
        let body_len = match edit {
            Edit::SetBody(bytes) => bytes.len(),
            Edit::AppendBody(bytes) => self.body.len() + bytes.len(),
            Edit::ResizeBody(len) => *len,
            _ => 0,
        };
        if body_len > 65_535 {
            return false;
        }
        match edit {
            Edit::AddHeader(name, value) => self.headers.push((name.clone(), value.clone())),
            Edit::SetHeader(name, value) => {
                self.headers.retain(|(other, _)| other != name);
                self.headers.push((name.clone(), value.clone().into_bytes()));
            }
            Edit::RemoveHeaders(name) => self.headers.retain(|(other, _)| other != name),
            Edit::SetBody(bytes) => self.body = bytes.clone(),
            Edit::AppendBody(bytes) => self.body.extend(bytes),
            Edit::ResizeBody(len) => self.body.resize(*len, 0),
            Edit::FlipBody => self.body.iter_mut().for_each(|byte| *byte = !*byte),
            Edit::Clear => *self = Model::default(),
        }
        true
    }

    fn text(&self) -> Vec<u8> {
        let line =
            |(name, value): &(String, Vec<u8>)| [name.as_bytes(), b":", value, b"\r\n"].concat();
        self.headers.iter().flat_map(line).collect()
    }
}

fn apply(message: &mut Message<Edits>, edit: &Edit) -> Result<(), MessageError> {
    match edit {
        Edit::AddHeader(name, value) => message.add_header(name, value),
        Edit::SetHeader(name, value) => message.set_header_display(name, value),
        Edit::RemoveHeaders(name) => {
            message.remove_headers(name);
            Ok(())
        }
        Edit::SetBody(bytes) => message.set_body(bytes),
        Edit::AppendBody(bytes) => message.append_body(bytes),
        Edit::ResizeBody(len) => message.resize_body(*len),
        Edit::FlipBody => {
            message.body_mut().iter_mut().for_each(|byte| *byte = !*byte);
            Ok(())
        }
        Edit::Clear => {
            message.clear();
            Ok(())
        }
    }
}

proptest! {
    #[test]
    fn edits_do_what_they_would_to_vectors(edits in vec(edits(), 1..40), id in any::<u64>()) {
        let mut message = message();
        message.prepare(Opcode::Signal, ChannelNumber::new(7)).set_id(id);
        let mut model = Model::default();
        for edit in &edits {
            let made = model.apply(edit);
            let expected = if made { Ok(()) } else { Err(MessageError::BodyTooLong) };
            prop_assert_eq!(apply(&mut message, edit), expected, "{:?}", edit);
            prop_assert_eq!(message.text().as_bytes(), &model.text()[..]);
            prop_assert!(message.body() == model.body, "the body after {:?}", edit);
        }
        let header = message.header();
        prop_assert_eq!((header.opcode, header.id), (Opcode::Signal, id));
        prop_assert_eq!(usize::from(header.text_len), model.text().len());
        prop_assert_eq!(usize::from(header.body_len), model.body.len());
    }
}

#[test]
fn refused_edits_change_nothing() {
    let pool = Rc::new(Pool::<Edits>::new());
    pool.add_class(64, 1);
    pool.add_class(1_024, 1);
    let mut message = Pool::get(&pool).expect("a fresh pool");
    message.add_header("a", "1").expect("it fits");
    message.set_body(b"body").expect("it fits");
    let larger: Message<Edits> = Pool::get_sized(&pool, 1_000).expect("a fresh pool");
    let unchanged = |message: &Message<Edits>| {
        assert_eq!((message.text().as_bytes(), message.body()), (&b"a:1\r\n"[..], &b"body"[..]));
    };
    assert_eq!(message.set_body([0; 500]), Err(MessageError::PoolEmpty));
    unchanged(&message);
    assert_eq!(message.append_body([0; 500]), Err(MessageError::PoolEmpty));
    unchanged(&message);
    assert_eq!(message.set_header_display("a", "x".repeat(99)), Err(MessageError::PoolEmpty));
    unchanged(&message);
    drop(larger);
    assert_eq!(message.set_body([0; 2_000]), Err(MessageError::BodyTooLong));
    assert_eq!(message.add_header("b", [b'x'; 2_000]), Err(MessageError::HeadersTooLong));
    assert_eq!(message.add_header("b", vec![b'x'; 70_000]), Err(MessageError::HeadersTooLong));
    unchanged(&message);
    message.set_body([7; 500]).expect("the larger message is free again");
    assert_eq!((message.text().as_bytes(), message.body()), (&b"a:1\r\n"[..], &[7; 500][..]));
    drop(message);
    assert_eq!(pool.free(), 2);
}
