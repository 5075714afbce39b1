//! SysTick as a clock.

use core::sync::atomic::{AtomicU32, Ordering};
use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m_rt::exception;
use tofu_core::Instant;

/// The core's clock after reset, in ticks a second.
const FREQUENCY: u32 = 12_500_000;
/// SysTick wakes the core so often: what a deadline may be late by.
const PERIOD_MICROS: u32 = 10_000;
const PERIOD_TICKS: u32 = FREQUENCY / (1_000_000 / PERIOD_MICROS);

/// Periods since the start, and how often they have come round: they do after 497 days.
static PERIODS: AtomicU32 = AtomicU32::new(0);
static ROUNDS: AtomicU32 = AtomicU32::new(0);

/// A clock that counts microseconds since its start.
pub struct Clock(());

impl Clock {
    /// Starts SysTick.
    pub fn start(mut systick: SYST) -> Clock {
        systick.set_reload(PERIOD_TICKS - 1);
        systick.clear_current();
        systick.set_clock_source(SystClkSource::Core);
        systick.enable_counter();
        systick.enable_interrupt();
        Clock(())
    }

    /// The time since the start.
    pub fn now(&self) -> Instant {
        loop {
            let (rounds, periods) = count();
            let left = SYST::get_current();
            if (rounds, periods) == count() {
                // 12.5 ticks a microsecond; narrow, since a wide division takes a function.
                let passed = (PERIOD_TICKS - 1 - left) * 2 / 25;
                let periods = u64::from(rounds) << 32 | u64::from(periods);
                let periods = periods * u64::from(PERIOD_MICROS);
                return Instant::from_micros(periods + u64::from(passed));
            }
        }
    }
}

fn count() -> (u32, u32) {
    (ROUNDS.load(Ordering::Relaxed), PERIODS.load(Ordering::Relaxed))
}

#[exception]
fn SysTick() {
    if PERIODS.fetch_add(1, Ordering::Relaxed) == u32::MAX {
        ROUNDS.fetch_add(1, Ordering::Relaxed);
    }
}
