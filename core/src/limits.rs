//! What one engine can take, and how it tells its peers (PROTOCOL, section 4).

use crate::Status;
use crate::bytes;
use crate::header::{HEADER_LEN, MAX_SECTION_LEN};
use core::fmt;

/// The text header that announces an engine's limits.
pub const LIMITS: &str = "~limits";

/// By how much an announcement makes text headers longer at most: its line, and the end of a last line that has none.
pub(crate) const LIMITS_LINE: usize =
    LIMITS.len() + ":headers=65535,body=65535\r\n".len() + "\r\n".len();

/// Room for a few text headers, where there is little.
const SOME_HEADERS: usize = 256;
/// Room for the text headers of a usual HelloRequest: its address, and what its engine can take.
const HELLO_HEADERS: usize = 96;

/// The longest text headers and body an engine can take, in bytes.
///
/// The text form is that of the `~limits` header.
///
/// ```
/// use tofu_core::Limits;
/// let limits = Limits { headers: 128, body: 256 };
/// assert_eq!(limits.to_string(), "headers=128,body=256");
/// assert_eq!(Limits::parse(b"headers=128,body=256"), limits);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limits {
    /// The most bytes of text headers.
    pub headers: u16,
    /// The most bytes of body.
    pub body: u16,
}

impl Limits {
    /// What the wire can carry; peers that announce nothing are taken to have it.
    pub const MAX: Limits = Limits { headers: u16::MAX, body: u16::MAX };

    /// Reads an announcement. Values too large for the wire count as the
    /// most it can carry, and what is missing or no number as unlimited.
    pub fn parse(value: &[u8]) -> Limits {
        let mut numbers = [u16::MAX; 2];
        parse_fields(value, &[b"headers", b"body"], &mut numbers);
        let [headers, body] = numbers;
        Limits { headers, body }
    }

    /// The limits that hold where the largest frame is `frame_len` bytes. If they don't fit
    /// together, text headers get a quarter of it, but [`SOME_HEADERS`] where that is no more than half, and
    /// [`HELLO_HEADERS`] in any case, and more where the body's limit leaves it; the body gets the rest.
    pub(crate) fn fit(self, frame_len: usize) -> Limits {
        let payload = frame_len.saturating_sub(HEADER_LEN);
        let (headers, body) = (usize::from(self.headers), usize::from(self.body));
        let fits = headers + body <= payload;
        let some = SOME_HEADERS.min(payload / 2).max(HELLO_HEADERS);
        // Or what a short body leaves.
        let rest = payload.saturating_sub(body);
        let most = if fits { headers } else { some.max(payload / 4).max(rest).min(payload) };
        let headers = headers.min(most);
        let body = body.min(payload - headers);
        Limits { headers: saturate(headers), body: saturate(body) }
    }

    /// Which limit a frame breaks, text headers first.
    pub(crate) fn check(self, text_len: u16, body_len: u16) -> Result<(), Status> {
        if text_len > self.headers {
            Err(Status::InvalidHeadersLen)
        } else if body_len > self.body {
            Err(Status::InvalidBodyLen)
        } else {
            Ok(())
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::MAX
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As wide numbers: a board has the code for these anyway.
        let (headers, body) = (usize::from(self.headers), usize::from(self.body));
        write!(f, "headers={headers},body={body}")
    }
}

fn saturate(len: usize) -> u16 {
    u16::try_from(len.min(MAX_SECTION_LEN)).unwrap_or(u16::MAX)
}

/// Reads `name=number,name=number` into the numbers of these names, which are the most there is where
/// they are too large or none. Whether all of it was understood.
pub(crate) fn parse_fields(value: &[u8], names: &[&[u8]], numbers: &mut [u16]) -> bool {
    let mut understood = true;
    for field in value.split(|&byte| byte == b',') {
        let (name, digits) = bytes::split(field, b'=').unwrap_or((field, &[]));
        let number = bytes::number(digits);
        let mut places = names.iter().zip(numbers.iter_mut());
        match places.find(|(known, _)| **known == name) {
            Some((_, place)) => *place = number.unwrap_or(u16::MAX),
            None => understood = false,
        }
        understood &= number.is_some();
    }
    understood
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_saturate_and_tolerate_nonsense() {
        let parse = |text: &str| Limits::parse(text.as_bytes());
        assert_eq!(parse("headers=0,body=4000000000"), Limits { headers: 0, body: u16::MAX });
        assert_eq!(parse("body=7"), Limits { headers: u16::MAX, body: 7 });
        assert_eq!(parse("headers=-1,body="), Limits::MAX);
        assert_eq!(parse(""), Limits::MAX);
    }

    #[test]
    fn what_does_not_fit_a_frame_is_cut_from_the_body() {
        let limits = Limits { headers: 128, body: 512 };
        assert_eq!(limits.fit(512), Limits { headers: 128, body: 512 - 16 - 128 });
        assert_eq!(limits.fit(1_000), limits);
        assert_eq!(Limits::MAX.fit(2_016), Limits { headers: 500, body: 1_500 });
        assert_eq!(Limits { headers: 0, ..Limits::MAX }.fit(116), Limits { headers: 0, body: 100 });
        assert_eq!(limits.fit(100), Limits { headers: 84, body: 0 });
        assert_eq!(Limits { headers: 200, body: 10 }.fit(216), Limits { headers: 190, body: 10 });
        assert_eq!(Limits::MAX.fit(136), Limits { headers: 96, body: 24 });
        assert_eq!(Limits::MAX.fit(256), Limits { headers: 120, body: 120 });
        assert_eq!(Limits::MAX.fit(1_024), Limits { headers: 256, body: 752 });
        assert_eq!(Limits::MAX.fit(crate::header::MAX_FRAME_LEN), Limits::MAX);
    }
}
