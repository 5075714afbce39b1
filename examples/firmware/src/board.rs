//! What the board has.

use crate::clock::Clock;
use crate::ethernet::Ethernet;
use crate::uart::Uart;
use static_cell::ConstStaticCell;

/// The board's devices.
pub struct Board {
    /// Started.
    pub clock: Clock,
    /// Still off; see [`network::interface`](crate::network::interface).
    pub ethernet: &'static mut Ethernet,
    /// Started.
    pub uart: Uart,
}

impl Board {
    /// The board; once.
    pub fn take() -> Option<Board> {
        static ETHERNET: ConstStaticCell<Ethernet> = ConstStaticCell::new(Ethernet::new());
        let core = cortex_m::Peripherals::take()?;
        Some(Board {
            clock: Clock::start(core.SYST),
            ethernet: ETHERNET.try_take()?,
            uart: Uart::start(),
        })
    }
}
