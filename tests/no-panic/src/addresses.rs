//! Addresses.

use crate::any::{any, see};
use tofu_core::Address;

pub(crate) fn reach() -> Option<()> {
    see(Address::parse(any()?));
    see(Address::from_bytes(any()?));
    Some(())
}
