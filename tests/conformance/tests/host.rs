//! Every promise over real sockets and memory.

use tofu_conformance::conformance;
use tofu_conformance::host::HostWorld;
use tofu_conformance::tasks::TaskWorld;

conformance!(tcp, HostWorld::tcp());
#[cfg(unix)]
conformance!(uds, HostWorld::uds());
conformance!(mem, HostWorld::mem(), ignore_bare_bytes = "nothing but engines speaks over memory");
#[cfg(unix)]
conformance!(mixed, HostWorld::mixed());
conformance!(tasks, TaskWorld(HostWorld::tcp()));
