//! The hardware's registers, the stack as bare memory, and the one semihosting call that writes to
//! memory. All `unsafe` of the firmware is here.
#![allow(unsafe_code)]

use core::ptr;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::STACK_PAINT_VALUE;

/// A block of 32-bit registers at a fixed address.
#[derive(Clone, Copy)]
pub(crate) struct Registers {
    base: usize,
}

impl Registers {
    /// The Ethernet MAC.
    pub(crate) const MAC: Registers = Registers { base: 0x4004_8000 };
    /// The first UART.
    pub(crate) const UART0: Registers = Registers { base: 0x4000_c000 };

    /// Reads the register at `offset`.
    pub(crate) fn read(self, offset: usize) -> u32 {
        // SAFETY: `base` is one of the constants above, where this chip has 4 KiB of registers, and the
        // mask keeps the address among them and aligned. No memory of Rust's is touched.
        unsafe { ptr::read_volatile((self.base + (offset & 0xffc)) as *const u32) }
    }

    /// Writes the register at `offset`.
    pub(crate) fn write(self, offset: usize, value: u32) {
        // SAFETY: as for reading. Neither device reaches memory by itself (there is no DMA), so no value
        // can break what Rust relies on.
        unsafe { ptr::write_volatile((self.base + (offset & 0xffc)) as *mut u32, value) }
    }
}

/// An interrupt of this chip.
#[derive(Clone, Copy)]
pub(crate) struct Interrupt(u16);

impl Interrupt {
    /// The first UART's.
    pub(crate) const UART0: Interrupt = Interrupt(5);
    /// The Ethernet MAC's.
    pub(crate) const ETHERNET: Interrupt = Interrupt(42);

    /// Sleeps until this interrupt, or the clock's. It has no handler: it is let through only while
    /// all are held back, when it wakes the core and does no more.
    ///
    /// `idle` is asked once no interrupt can be missed.
    pub(crate) fn sleep_if(self, idle: impl FnOnce() -> bool) {
        cortex_m::interrupt::free(|_| {
            if !idle() {
                return;
            }
            NVIC::unpend(self);
            // SAFETY: unmasking could break a critical section made of masks. There is none, and
            // the interrupt is masked again before handlers may run.
            unsafe { NVIC::unmask(self) };
            cortex_m::asm::wfi();
            NVIC::mask(self);
        });
    }
}

// SAFETY: the numbers are below this chip's 44 interrupts and never change.
unsafe impl cortex_m::interrupt::InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

/// The most bytes the stack has held since the start: what is left of the paint shows it.
pub(crate) fn stack_used() -> usize {
    unsafe extern "C" {
        static _stack_start: u32;
        static _stack_end: u32;
    }
    let (mut word, top) = (&raw const _stack_end, &raw const _stack_start);
    // SAFETY: the linker script places the stack between the two. It is read one word at a time, without a
    // reference, so it does not matter that others write there.
    unsafe {
        while word < top && ptr::read_volatile(word) == STACK_PAINT_VALUE {
            word = word.add(1);
        }
        usize::try_from(top.offset_from(word)).unwrap_or_default() * size_of::<u32>()
    }
}

/// The command line the emulator was given for us, in `buffer`. Empty without one.
pub(crate) fn command_line(buffer: &mut [u8]) -> &[u8] {
    let mut block = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: SYS_GET_CMDLINE writes at most the given number of bytes to the given buffer, which
    // we hold alone, and their count to the block.
    let failed = unsafe { cortex_m_semihosting::syscall1!(GET_CMDLINE, block.as_mut_ptr()) };
    let len = if failed == 0 { block[1] } else { 0 };
    buffer.get(..len).unwrap_or_default()
}
