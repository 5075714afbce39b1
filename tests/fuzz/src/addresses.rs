//! Addresses, limits, bounds and headers: what is read and written again is read as the same.

use tofu_core::{Address, Bounds, HEADER_LEN, Header, Limits};

/// Reads the bytes as each of them.
pub fn run(data: &[u8]) {
    if let Ok(address) = Address::from_bytes(data) {
        let written = address.to_string();
        assert_eq!(Address::parse(&written), Ok(address), "{written}");
    }
    let limits = Limits::parse(data);
    assert_eq!(Limits::parse(limits.to_string().as_bytes()), limits);
    let default = Bounds { channels: 9, header_lines: 9, limits: Limits { headers: 9, body: 9 } };
    if let Ok(bounds) = Bounds::parse(data, default) {
        assert!(bounds.channels > 0 && bounds.limits.headers <= 9 && bounds.limits.body <= 9);
        assert_eq!(Bounds::parse(bounds.to_string().as_bytes(), default), Ok(bounds));
    }
    if let Some(bytes) = data.first_chunk::<HEADER_LEN>()
        && let Ok(header) = Header::decode(bytes)
    {
        assert_eq!(Header::decode(&header.encode()), Ok(header));
        assert!(
            header.frame_len() >= HEADER_LEN
                && header.frame_len() - HEADER_LEN == header.payload_len()
        );
    }
}
