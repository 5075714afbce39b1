//! Every promise over smoltcp, on a good network and on a bad one.

use tofu_conformance::conformance;
use tofu_conformance::smoltcp::SmoltcpWorld;

conformance!(clean, SmoltcpWorld::new());
conformance!(lossy, SmoltcpWorld::lossy(10));
