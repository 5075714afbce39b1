//! The first UART as a byte stream.
//!
//! The emulator's needs no baud rate and no pins. On a real chip, its clock, its pins and the line's
//! speed come first.

use crate::registers::{Interrupt, Registers};
use core::convert::Infallible;
use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};

const UART: Registers = Registers::UART0;

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const LINE_CONTROL: usize = 0x2c;
const CONTROL: usize = 0x30;
const INTERRUPT_MASK: usize = 0x38;
const INTERRUPT_CLEAR: usize = 0x44;

const NOTHING_RECEIVED: u32 = 1 << 4;
const TRANSMITTER_FULL: u32 = 1 << 5;
/// Eight bits a byte, in queues of 16.
const EIGHT_BITS_QUEUED: u32 = 0b111 << 4;
/// UART, transmitter and receiver.
const ON: u32 = 1 << 0 | 1 << 8 | 1 << 9;
const RECEIVED: u32 = 1 << 4;
const TRANSMITTED: u32 = 1 << 5;
const RECEIVED_SOME_TIME_AGO: u32 = 1 << 6;

/// The UART.
pub struct Uart(());

impl Uart {
    /// Switches it on.
    pub(crate) fn start() -> Uart {
        UART.write(LINE_CONTROL, EIGHT_BITS_QUEUED);
        UART.write(CONTROL, ON);
        Uart(())
    }

    /// Sleeps until a byte has come, one can go if `write` says that some want to, or the clock
    /// ticks.
    pub fn sleep(&mut self, write: bool) {
        let wanted = RECEIVED | RECEIVED_SOME_TIME_AGO | if write { TRANSMITTED } else { 0 };
        UART.write(INTERRUPT_CLEAR, wanted);
        UART.write(INTERRUPT_MASK, wanted);
        Interrupt::UART0.sleep_if(|| !(can_read() || write && can_write()));
    }
}

fn can_read() -> bool {
    UART.read(FLAGS) & NOTHING_RECEIVED == 0
}

fn can_write() -> bool {
    UART.read(FLAGS) & TRANSMITTER_FULL == 0
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(can_read())
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(can_write())
    }
}

impl Read for Uart {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        while count < buf.len() {
            if can_read() {
                buf[count] = UART.read(DATA).to_le_bytes()[0];
                count += 1;
            } else if count > 0 {
                break;
            }
        }
        Ok(count)
    }
}

impl Write for Uart {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        while count < buf.len() {
            if can_write() {
                UART.write(DATA, buf[count].into());
                count += 1;
            } else if count > 0 {
                break;
            }
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
