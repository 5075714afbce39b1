//! Every promise over serial lines.

use tofu_conformance::conformance;
use tofu_conformance::serial::SerialWorld;

conformance!(whole, SerialWorld::new());
conformance!(choppy, SerialWorld::choppy(7));
