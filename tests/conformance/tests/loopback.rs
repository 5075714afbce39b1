//! Every promise over the simulated network, calm and rough.

use tofu_conformance::conformance;
use tofu_conformance::loopback::LoopbackWorld;

conformance!(calm, LoopbackWorld::new());
conformance!(rough, LoopbackWorld::rough(7));
conformance!(rougher, LoopbackWorld::rough(14));
conformance!(without_read_ahead, LoopbackWorld::without_read_ahead());
