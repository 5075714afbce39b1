//! Sizes of an image, as `size` prints them.

use crate::Outcome;
use std::fs;
use std::path::Path;

/// What an image takes, in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sizes {
    /// Code and constants, in flash.
    pub(crate) text: u32,
    /// Variables with a value, in flash and RAM.
    pub(crate) data: u32,
    /// Variables that begin with zeros, in RAM.
    pub(crate) bss: u32,
}

const WRITABLE: u32 = 1;
const LOADED: u32 = 2;
/// A section without bytes in the file.
const NO_BITS: u32 = 8;
/// Where a 32-bit ELF file says where its sections are, how long an entry is, and how many.
const SECTIONS_AT: usize = 0x20;
const ENTRY_LEN: usize = 0x2e;
const ENTRIES: usize = 0x30;

/// Adds up an image's sections.
pub(crate) fn sizes(path: &Path) -> Outcome<Sizes> {
    let file = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let word = |at: usize| -> Outcome<u32> {
        let bytes = file.get(at..at + 4).ok_or("the image is cut off")?;
        Ok(u32::from_le_bytes(bytes.try_into()?))
    };
    let half = |at: usize| -> Outcome<usize> { Ok(usize::try_from(word(at)? & 0xffff)?) };
    if !file.starts_with(b"\x7fELF\x01\x01") {
        return Err(format!("{} is no 32-bit ELF file", path.display()).into());
    }
    let start = usize::try_from(word(SECTIONS_AT)?)?;
    let mut sizes = Sizes::default();
    for index in 0..half(ENTRIES)? {
        let entry = start + index * half(ENTRY_LEN)?;
        let (kind, flags, size) = (word(entry + 4)?, word(entry + 8)?, word(entry + 20)?);
        match (flags & LOADED != 0, flags & WRITABLE != 0, kind == NO_BITS) {
            (false, ..) => {}
            (true, false, _) => sizes.text += size,
            (true, true, false) => sizes.data += size,
            (true, true, true) => sizes.bss += size,
        }
    }
    Ok(sizes)
}
