//! Text headers.

use crate::any::{any, see};
use tofu_core::{TextHeader, TextHeaders};

pub(crate) fn reach() -> Option<()> {
    see(TextHeaders::new(any()?));
    see(TextHeaders::as_bytes(any()?));
    see(TextHeaders::is_empty(any()?));
    see(TextHeaders::get(any()?, any()?));
    see(TextHeaders::get_str(any()?, any()?));
    for value in TextHeaders::get_all(any()?, any()?) {
        see(value);
    }
    for TextHeader { name, value } in TextHeaders::iter(any()?) {
        see((name, value));
    }
    Some(())
}
