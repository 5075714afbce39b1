//! Reaches everything that `tofu-core` offers, with arguments of which the compiler knows nothing but the
//! type. Its panic handler calls a function that nobody wrote: it links only if the compiler
//! could show that no panic is ever reached. It is not meant to run. `run` beside it builds it.
#![no_std]
#![no_main]

mod addresses;
mod any;
mod engine;
mod headers;
mod message;
mod platforms;
mod pool;
mod text;
mod traits;
mod wire;

use core::panic::PanicInfo;
use platforms::{Board, Host};

#[allow(unsafe_code, reason = "a symbol that is not there is the proof")]
mod symbols {
    #[cfg(not(feature = "linked"))]
    unsafe extern "C" {
        /// Written by nobody.
        pub(super) safe fn a_panic_can_be_reached() -> !;
    }

    #[cfg(feature = "linked")]
    #[inline(never)]
    pub(super) fn a_panic_can_be_reached() -> ! {
        loop {
            core::hint::spin_loop();
        }
    }

    /// Where the linker begins to look for what is used.
    #[unsafe(no_mangle)]
    extern "C" fn _start() {
        super::reach_all();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    symbols::a_panic_can_be_reached()
}

fn reach_all() {
    headers::reach();
    text::reach();
    addresses::reach();
    traits::reach();
    reach_with::<Board>();
    reach_with::<Host>();
}

fn reach_with<P: tofu_core::Platform>() {
    message::reach::<P>();
    pool::reach::<P>();
    engine::reach::<P>();
    platforms::reach::<P>();
    traits::reach_with::<P>();
}
