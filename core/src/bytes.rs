//! Bytes: searched, read as numbers, copied and moved so that nothing can go wrong, and the compiler sees
//! it. A length that does not fit takes or moves less, and never panics.

use core::ops::Range;

// Searching and reading are written out, since the standard library's are made for speed, not for the
// flash of a board.

/// Where a byte stands first.
#[inline(never)]
pub(crate) fn position(text: &[u8], wanted: u8) -> Option<usize> {
    text.iter().position(|&byte| byte == wanted)
}

/// What stands before the first `separator`, and after it.
pub(crate) fn split(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = position(text, separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// A decimal number; `None` if it is too large or no number.
#[inline(never)]
pub(crate) fn number(digits: &[u8]) -> Option<u16> {
    let add = |sum: u16, &byte: &u8| {
        sum.checked_mul(10)?.checked_add(byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?)
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

/// Copies as much as fits and says how much that was.
#[inline]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let count = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

/// Copies to the front and returns what is left; nothing of either where there is no room for all.
#[inline]
pub(crate) fn fill<'a>(to: &'a mut [u8], from: &[u8]) -> &'a mut [u8] {
    match to.split_at_mut_checked(from.len()) {
        Some((front, rest)) => {
            copy(front, from);
            rest
        }
        None => Default::default(),
    }
}

/// Moves a part of `bytes` to where it begins at `to`; not at all if either place is not within.
#[inline(never)] // Once, for a board.
pub(crate) fn shift(bytes: &mut [u8], part: Range<usize>, to: usize) {
    let Some(len) = part.end.checked_sub(part.start) else { return };
    let Some(last) = bytes.len().checked_sub(len) else { return };
    if part.start <= last && to <= last {
        bytes.copy_within(part, to);
    }
}
