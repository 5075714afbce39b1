//! Logging, the one file that names a logging crate.
//!
//! Without either feature the macro still checks its arguments and compiles to nothing. With
//! both, `defmt` is used. Arguments are numbers and names, which both crates format alike.

macro_rules! debug {
    ($text:literal $(, $arg:expr)* $(,)?) => {{
        #[cfg(feature = "defmt")]
        ::defmt::debug!($text $(, $arg)*);
        #[cfg(all(feature = "log", not(feature = "defmt")))]
        ::log::debug!($text $(, $arg)*);
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        { $(let _ = &$arg;)* }
    }};
}
