//! Text headers: any bytes are read, and what can be written is read as it was.

use crate::board::{self, Message};
use tofu_core::{Options, TextHeaders};

/// Reads the bytes as text headers, then writes what was read into a message.
pub fn run(data: &[u8]) {
    let headers = TextHeaders::new(data);
    let ends = data.iter().filter(|&&byte| byte == b'\n').count();
    let all: Vec<_> = headers.iter().collect();
    assert!(all.len() <= ends + 1, "{} headers in {ends} lines", all.len());
    for header in &all {
        assert!(!header.name.is_empty() && !header.name.contains(&b':'));
        for part in [header.name, header.value] {
            assert!(!part.windows(2).any(|pair| pair == b"\r\n"), "a line in a line");
            assert!(data.as_ptr_range().contains(&part.as_ptr()) || part.is_empty());
        }
        let trimmed = |byte: Option<&u8>| !matches!(byte, Some(b' ' | b'\t'));
        assert!(trimmed(header.value.first()) && trimmed(header.value.last()));
        let Ok(name) = str::from_utf8(header.name) else { continue };
        let same: Vec<_> = all.iter().filter(|it| it.name == header.name).collect();
        assert_eq!(headers.get(name), Some(same[0].value));
        assert_eq!(headers.get_all(name).count(), same.len());
    }
    write_again(headers);
}

/// Adding is refused, or what was added is read, in order and behind what was there.
fn write_again(headers: TextHeaders<'_>) {
    let (engine, _) = board::engine(&[(4_096, 2)], &Options::DEFAULT, 16);
    let mut message: Message = engine.get().expect("a free message");
    message.set_body(b"body").expect("it fits");
    let mut written = Vec::new();
    for header in headers {
        let Ok(name) = str::from_utf8(header.name) else { continue };
        let before = message.text().as_bytes().to_vec();
        match message.add_header(name, header.value) {
            Ok(()) => written.push((name, header.value)),
            Err(_) => assert_eq!(message.text().as_bytes(), before, "refused, and changed"),
        }
    }
    let read: Vec<_> = message.text().iter().map(|it| (it.name, it.value)).collect();
    let expected: Vec<_> = written.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
    assert_eq!(read, expected);
    if let Some((name, _)) = written.first().copied() {
        message.remove_headers(name);
        assert_eq!(message.text().get(name), None);
        let others = written.iter().filter(|(other, _)| *other != name).count();
        assert_eq!(message.text().iter().count(), others);
    }
    assert_eq!(message.body(), b"body");
}
