//! The board: QEMU's `lm3s6965evb`, a Cortex-M3 with 256 KiB of flash, 64 KiB of RAM and an Ethernet
//! MAC.
//!
//! | module | concept |
//! |---|---|
//! | `board` | what the board has |
//! | `registers` | the only `unsafe`: registers, stack and semihosting |
//! | `clock` | SysTick as a clock |
//! | `ethernet`, `network` | the MAC as a smoltcp device; the interface on it |
//! | `memory` | what an image holds of tofu |
//! | `uart` | the first UART as a byte stream |
//! | `host` | arguments from, and reports to, whoever runs the emulator |
//! | `echo`, `answers` | the echo service; answers that wait for room |
//! | `alert` | the panic handler |
#![no_std]

mod alert;
pub mod answers;
pub mod board;
pub mod clock;
pub mod echo;
pub mod ethernet;
pub mod host;
pub mod memory;
pub mod network;
mod registers;
pub mod uart;

#[cfg(feature = "defmt")]
use defmt_semihosting as _;
