//! Addresses: where to connect or listen (PROTOCOL, section 1).

use crate::bytes;
use core::fmt;

/// The text header that carries the address of a HelloRequest.
pub const CONNECT_TO: &str = "~connect_to";
/// The text header that carries the address of a WelcomeRequest.
pub const LISTEN_ON: &str = "~listen_on";

const SEPARATOR: u8 = b'|';

/// Where to connect to or listen on.
///
/// ```
/// use tofu_core::Address;
/// let address = Address::parse("tcp|::1|7099").unwrap();
/// assert_eq!(address, Address::Tcp { host: "::1", port: 7099 });
/// assert_eq!(address.to_string(), "tcp|::1|7099");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Address<'a> {
    /// `tcp|HOST|PORT`. An empty host listens on every interface; port 0
    /// listens on any free port.
    Tcp {
        /// An IPv4 or IPv6 literal, or a name.
        host: &'a str,
        /// The port.
        port: u16,
    },
    /// `uds|PATH`: a Unix domain stream socket.
    Uds {
        /// Its path.
        path: &'a str,
    },
    /// `mem|NAME`: in-process or simulated loopback.
    Mem {
        /// Its name.
        name: &'a str,
    },
    /// `serial|NAME`: a point-to-point byte stream.
    Serial {
        /// Its name.
        name: &'a str,
    },
}

/// Why an address could not be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AddressError {
    /// Not UTF-8, or it holds a control character.
    InvalidText,
    /// The part before the first `|` is none of `tcp`, `uds`, `mem`, `serial`.
    UnknownScheme,
    /// A part is missing or there is one too many.
    WrongShape,
    /// The port is no number from 0 to 65,535.
    InvalidPort,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressError::InvalidText => "the address is not printable UTF-8",
            AddressError::UnknownScheme => {
                "the address must begin with tcp|, uds|, mem| or serial|"
            }
            AddressError::WrongShape => {
                "the address must be tcp|HOST|PORT, uds|PATH, mem|NAME or serial|NAME"
            }
            AddressError::InvalidPort => "the port must be a number from 0 to 65535",
        })
    }
}

impl core::error::Error for AddressError {}

impl<'a> Address<'a> {
    /// The host where a tool is given none.
    pub const DEFAULT_HOST: &'static str = "127.0.0.1";
    /// The port where a tool is given none.
    pub const DEFAULT_PORT: u16 = 7099;
    /// `tcp|127.0.0.1|7099`
    pub const DEFAULT: Address<'static> =
        Address::Tcp { host: Address::DEFAULT_HOST, port: Address::DEFAULT_PORT };

    /// Parses the text form.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn parse(text: &'a str) -> Result<Address<'a>, AddressError> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(AddressError::InvalidText);
        }
        let (scheme, rest) = split(text).unwrap_or((text, ""));
        match scheme {
            "tcp" => Self::parse_tcp(rest),
            "uds" if !rest.is_empty() => Ok(Address::Uds { path: rest }),
            "mem" if !rest.is_empty() => Ok(Address::Mem { name: rest }),
            "serial" if !rest.is_empty() => Ok(Address::Serial { name: rest }),
            "uds" | "mem" | "serial" => Err(AddressError::WrongShape),
            _ => Err(AddressError::UnknownScheme),
        }
    }

    /// Parses the text form from the bytes of a text header's value.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Address<'a>, AddressError> {
        Address::parse(core::str::from_utf8(bytes).map_err(|_| AddressError::InvalidText)?)
    }

    fn parse_tcp(rest: &'a str) -> Result<Address<'a>, AddressError> {
        let (host, port) = split(rest).ok_or(AddressError::WrongShape)?;
        if split(port).is_some() {
            return Err(AddressError::WrongShape);
        }
        let port = bytes::number(port.as_bytes()).ok_or(AddressError::InvalidPort)?;
        Ok(Address::Tcp { host, port })
    }
}

/// What stands before the first separator, and after it.
fn split(text: &str) -> Option<(&str, &str)> {
    let at = bytes::position(text.as_bytes(), SEPARATOR)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } => write!(f, "tcp|{host}|{port}"),
            Address::Uds { path } => write!(f, "uds|{path}"),
            Address::Mem { name } => write!(f, "mem|{name}"),
            Address::Serial { name } => write!(f, "serial|{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_round_trips() {
        for text in [
            "tcp||0",
            "tcp|fe80::1%eth0|65535",
            "tcp|example.org|1",
            "uds|/tmp/a|b",
            "mem|x",
            "serial|ttyUSB0",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Address::DEFAULT.to_string(), "tcp|127.0.0.1|7099");
    }

    #[test]
    fn bad_addresses_say_why() {
        use AddressError::*;
        for (text, error) in [
            ("", UnknownScheme),
            ("http|x", UnknownScheme),
            ("TCP|x|1", UnknownScheme),
            ("tcp|x", WrongShape),
            ("tcp|x|1|2", WrongShape),
            ("tcp|x|", InvalidPort),
            ("tcp|x|+1", InvalidPort),
            ("tcp|x|65536", InvalidPort),
            ("uds|", WrongShape),
            ("mem", WrongShape),
            ("serial|", WrongShape),
            ("mem|a\r\nb:c", InvalidText),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Address::from_bytes(b"mem|\xff"), Err(InvalidText));
    }
}
