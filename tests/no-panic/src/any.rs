//! Values the compiler cannot foresee.

use core::fmt;
use core::hint::black_box;

/// Any value of a type, as far as the compiler knows. Where this program runs there is none: what follows
/// a `?` is there to be compiled.
pub(crate) fn any<T>() -> Option<T> {
    black_box(None)
}

/// This value, or any other of its type, as far as the compiler knows.
pub(crate) fn perhaps<T>(value: T) -> T {
    black_box(value)
}

/// Uses a value, so that the compiler has to make it.
pub(crate) fn see<T>(value: T) {
    black_box(value);
}

/// Displays anything, or fails.
pub(crate) struct Anything;

impl fmt::Display for Anything {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        while perhaps(true) {
            f.write_str(perhaps("text"))?;
        }
        perhaps(Ok(()))
    }
}
