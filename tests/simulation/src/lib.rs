//! Deterministic simulation of tofu: whole networks of engines under a virtual clock, everything from
//! one seed, and an oracle that knows what must hold.
//!
//! # The map
//!
//! | module | concept |
//! |---|---|
//! | `scenario`, `weather`, `random` | what one seed stands for: engines, steps, faults |
//! | `world` | one run of a scenario, from its first step to its last channel |
//! | `host`, `tap` | an engine where it lives; the seam to its transport, watched |
//! | `app`, `content` | the applications, and what their messages hold |
//! | `oracle` | what must hold |
//! | `coverage`, `trace` | what was reached; what happened |
//! | `campaign` | many seeds |
//! | `shrink` | what is left of a failing seed |
//! | `exhaustive` | two engines, every interleaving, every single fault |
//! | `prove` | that bugs put in on purpose are found |
//! | `platform` | the memory of the simulated engines, counted |
#![forbid(unsafe_code)]

pub mod app;
pub mod campaign;
pub mod content;
pub mod coverage;
pub mod exhaustive;
pub mod host;
pub mod oracle;
pub mod platform;
#[cfg(feature = "sabotage")]
pub mod prove;
pub mod random;
pub mod scenario;
pub mod shrink;
pub mod tap;
pub mod trace;
pub mod weather;
pub mod world;
