//! Text headers: `name:value` lines (PROTOCOL, section 1).

use crate::bytes;
use core::fmt;

const LINE_END: &[u8] = b"\r\n";

/// Why a text header was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TextError {
    /// The name is empty.
    EmptyName,
    /// The name holds a `:`, CR or LF.
    InvalidName,
    /// The value holds a CR or LF.
    InvalidValue,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TextError::EmptyName => "the header's name is empty",
            TextError::InvalidName => "the header's name holds a colon, CR or LF",
            TextError::InvalidValue => "the header's value holds a CR or LF",
        })
    }
}

impl core::error::Error for TextError {}

/// One text header as it stands in a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TextHeader<'a> {
    /// Everything before the first `:`.
    pub name: &'a [u8],
    /// The rest of the line, without the spaces and tabs around it.
    pub value: &'a [u8],
}

/// The text headers of a message: look one up, or iterate over them in order.
///
/// Names are compared byte for byte and may repeat. Lines without a name
/// are skipped.
///
/// ```
/// use tofu_core::TextHeaders;
/// let headers = TextHeaders::new(b"PDL: PS\r\nCopies:2\r\n");
/// assert_eq!(headers.get_str("PDL"), Some("PS"));
/// assert_eq!(headers.get("pdl"), None);
/// assert_eq!(headers.iter().count(), 2);
/// assert_eq!(format!("{headers:?}"), "[PDL: PS, Copies: 2]");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct TextHeaders<'a>(&'a [u8]);

impl fmt::Debug for TextHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name.escape_ascii(), self.value.escape_ascii())
    }
}

impl fmt::Debug for TextHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> TextHeaders<'a> {
    /// Reads `bytes` as text headers.
    pub const fn new(bytes: &'a [u8]) -> Self {
        TextHeaders(bytes)
    }

    /// The bytes as they are sent.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there is no byte of text headers.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every header, in order.
    pub fn iter(&self) -> Iter<'a> {
        Iter { lines: Lines(self.0) }
    }

    /// The value of the first header of this name.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// The value of the first header of this name, if it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&'a str> {
        core::str::from_utf8(self.get(name)?).ok()
    }

    /// The values of all headers of this name, in order.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.iter().filter(move |header| header.name == name.as_bytes()).map(|header| header.value)
    }

    /// How many lines there are, with those that are no header.
    #[cold]
    pub(crate) fn line_count(&self) -> usize {
        Lines(self.0).count()
    }

    /// The bytes of all lines of this name, with their line ends.
    pub(crate) fn len_of(&self, name: &str) -> usize {
        let (mut rest, mut sum) = (*self, 0);
        while let Some((start, len)) = rest.find_line(name) {
            rest = TextHeaders(rest.0.get(start + len..).unwrap_or_default());
            sum += len;
        }
        sum
    }

    /// The first line of this name: where it starts, and how long it is
    /// with its line end.
    pub(crate) fn find_line(&self, name: &str) -> Option<(usize, usize)> {
        let mut lines = Lines(self.0);
        loop {
            let start = self.0.len() - lines.0.len();
            let line = lines.next()?;
            if parse_line(line).is_some_and(|header| header.name == name.as_bytes()) {
                return Some((start, self.0.len() - lines.0.len() - start));
            }
        }
    }
}

impl<'a> IntoIterator for TextHeaders<'a> {
    type Item = TextHeader<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over text headers. See [`TextHeaders::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    lines: Lines<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = TextHeader<'a>;

    fn next(&mut self) -> Option<TextHeader<'a>> {
        self.lines.find_map(parse_line)
    }
}

/// Lines without their CR LF, which the last one may lack.
#[derive(Clone, Debug)]
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.windows(LINE_END.len()).position(|window| window == LINE_END);
        let line = self.0.get(..end.unwrap_or(self.0.len())).unwrap_or_default();
        let consumed = line.len() + end.map_or(0, |_| LINE_END.len());
        self.0 = self.0.get(consumed..).unwrap_or_default();
        Some(line)
    }
}

fn parse_line(line: &[u8]) -> Option<TextHeader<'_>> {
    let (name, value) = bytes::split(line, b':')?;
    (!name.is_empty()).then_some(TextHeader { name, value: trim(value) })
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Checks a name before it is written.
pub(crate) fn check_name(name: &str) -> Result<(), TextError> {
    if name.is_empty() {
        return Err(TextError::EmptyName);
    }
    let smuggles = name.bytes().any(|byte| matches!(byte, b':' | b'\r' | b'\n'));
    if smuggles { Err(TextError::InvalidName) } else { Ok(()) }
}

/// Checks a value before it is written.
pub(crate) fn check_value(value: &[u8]) -> Result<(), TextError> {
    let smuggles = value.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
    if smuggles { Err(TextError::InvalidValue) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
        TextHeaders::new(bytes).iter().map(|header| (header.name, header.value)).collect()
    }

    #[test]
    fn last_line_end_may_be_missing() {
        assert_eq!(pairs(b"a:1\r\nb:2"), [(&b"a"[..], &b"1"[..]), (b"b", b"2")]);
    }

    #[test]
    fn empty_and_nameless_lines_are_skipped() {
        assert_eq!(pairs(b"\r\n\r\n:x\r\nno colon\r\na:1\r\n"), [(&b"a"[..], &b"1"[..])]);
    }

    #[test]
    fn value_is_trimmed_and_may_hold_colons() {
        assert_eq!(
            pairs(b"a: \t tcp|h:1 \t\r\nb:\r\n"),
            [(&b"a"[..], &b"tcp|h:1"[..]), (b"b", b"")]
        );
    }

    #[test]
    fn names_repeat_in_order() {
        let headers = TextHeaders::new(b"a:1\r\nb:2\r\na:3\r\n");
        assert_eq!(headers.get_all("a").collect::<Vec<_>>(), [b"1", b"3"]);
    }

    #[test]
    fn a_lone_cr_or_lf_ends_no_line() {
        assert_eq!(pairs(b"a:1\rb:2\nc:3\r\n"), [(&b"a"[..], &b"1\rb:2\nc:3"[..])]);
    }

    #[test]
    fn lines_count_with_those_that_are_empty_or_open() {
        let count = |text: &'static [u8]| TextHeaders::new(text).line_count();
        assert_eq!((count(b""), count(b"a:1"), count(b"a:1\r\n")), (0, 1, 1));
        assert_eq!((count(b"\r\n\r\nb:2"), count(b"a:1\n2\n3\r\n")), (3, 1));
    }

    #[test]
    fn line_is_found_with_its_end() {
        let headers = TextHeaders::new(b"x:1\r\n\r\nab:2\r\nz:3");
        assert_eq!(headers.find_line("ab"), Some((7, 6)));
        assert_eq!(headers.find_line("z"), Some((13, 3)));
        assert_eq!(headers.find_line("q"), None);
    }
}
