//! The host that runs the emulator: arguments from it, and reports to it.

use crate::registers::{self, stack_used};
#[cfg(not(feature = "defmt"))]
use core::fmt;

/// The arguments the emulator was given for the firmware, `name=value` each.
pub struct Arguments {
    line: [u8; 128],
    len: usize,
}

impl Arguments {
    /// Asks for them.
    pub fn get() -> Arguments {
        let mut line = [0; 128];
        let len = registers::command_line(&mut line).len();
        Arguments { line, len }
    }

    /// The value of an argument.
    pub fn value(&self, name: &str) -> Option<&str> {
        let line = str::from_utf8(self.line.get(..self.len)?).ok()?;
        line.trim_end_matches('\0').split(' ').find_map(|argument| {
            argument.split_once('=').filter(|(found, _)| *found == name).map(|(_, value)| value)
        })
    }
}

/// Says how much of stack and pool is in use: `stack=N free=N`.
#[cfg(not(feature = "defmt"))]
pub fn report(free: usize) {
    cortex_m_semihosting::hprintln!("stack={} free={}", stack_used(), free);
}

/// Says how much of stack and pool is in use.
#[cfg(feature = "defmt")]
pub fn report(free: usize) {
    defmt::info!("stack={} free={}", stack_used(), free);
}

/// Says `name=value`.
#[cfg(not(feature = "defmt"))]
pub fn say(name: &str, value: usize) {
    cortex_m_semihosting::hprintln!("{}={}", Plain(name), value);
}

/// Text that is never padded: the code for that would take a kilobyte.
#[cfg(not(feature = "defmt"))]
struct Plain<'a>(&'a str);

#[cfg(not(feature = "defmt"))]
impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Says `name=value`.
#[cfg(feature = "defmt")]
pub fn say(name: &str, value: usize) {
    defmt::info!("{=str}={}", name, value);
}

/// Ends the emulator, as a success or a failure.
pub fn exit(success: bool) -> ! {
    use cortex_m_semihosting::debug::{EXIT_FAILURE, EXIT_SUCCESS, exit};
    loop {
        exit(if success { EXIT_SUCCESS } else { EXIT_FAILURE });
    }
}
