//! What a listener bears of its peers (PROTOCOL, section 4, Bounds).

use crate::Status;
use crate::limits::{Limits, parse_fields};
use core::fmt;

/// The text header of a WelcomeRequest that sets its listener's own bounds.
pub const BOUNDS: &str = "~bounds";

/// What a listener bears: how many channels, and how long a frame on each of them.
///
/// The text form is that of the `~bounds` header. What it does not name stays as the engine's
/// [`Options`](crate::Options) have it, and limits beyond the engine's own are cut to those.
///
/// ```
/// use tofu_core::{Bounds, Limits};
/// let bounds = Bounds { channels: 8, header_lines: 32, limits: Limits { headers: 512, body: 4096 } };
/// assert_eq!(bounds.to_string(), "channels=8,lines=32,headers=512,body=4096");
/// assert_eq!(Bounds::parse(b"channels=9", bounds), Ok(Bounds { channels: 9, ..bounds }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bounds {
    /// The most channels it may have accepted and not seen the end of. While it has as many, it
    /// accepts none.
    pub channels: u16,
    /// The most lines of text headers in a frame.
    pub header_lines: u16,
    /// The longest text headers and body.
    pub limits: Limits,
}

impl Bounds {
    /// Reads what a listener is to have in place of `default`.
    ///
    /// # Errors
    /// [`Status::InvalidMessage`] for an unknown name, a value that is no number up to 65,535, and no
    /// channels at all.
    pub fn parse(value: &[u8], default: Bounds) -> Result<Bounds, Status> {
        let Bounds { channels, header_lines, limits: Limits { headers, body } } = default;
        let names: [&[u8]; 4] = [b"channels", b"lines", b"headers", b"body"];
        let mut numbers = [channels, header_lines, headers, body];
        let understood = parse_fields(value, &names, &mut numbers);
        let [channels, header_lines, most_headers, most_body] = numbers;
        if !understood || channels == 0 {
            return Err(Status::InvalidMessage);
        }
        let limits = Limits { headers: headers.min(most_headers), body: body.min(most_body) };
        Ok(Bounds { channels, header_lines, limits })
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "channels={},lines={},{}", self.channels, self.header_lines, self.limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Bounds =
        Bounds { channels: 100, header_lines: 50, limits: Limits { headers: 400, body: 800 } };

    #[test]
    fn what_is_not_named_stays() {
        let parse = |text: &str| Bounds::parse(text.as_bytes(), DEFAULT);
        assert_eq!(parse("channels=1"), Ok(Bounds { channels: 1, ..DEFAULT }));
        let limits = Limits { headers: 7, ..DEFAULT.limits };
        assert_eq!(parse("headers=7,lines=0"), Ok(Bounds { header_lines: 0, limits, ..DEFAULT }));
        assert_eq!(parse(&DEFAULT.to_string()), Ok(DEFAULT));
    }

    #[test]
    fn limits_never_grow() {
        let parsed = Bounds::parse(b"channels=65535,headers=401,body=65535", DEFAULT);
        assert_eq!(parsed, Ok(Bounds { channels: u16::MAX, ..DEFAULT }));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "channels",
            "channels=",
            "channels=0",
            "channels=-1",
            "channels=65536",
            "chanels=3",
            "body=1,",
        ] {
            let parsed = Bounds::parse(text.as_bytes(), DEFAULT);
            assert_eq!(parsed, Err(Status::InvalidMessage), "{text:?}");
        }
    }
}
