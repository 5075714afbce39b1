//! Room in the process's table of file descriptors.

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit};
use std::os::unix::net::UnixDatagram;

/// Makes room for descriptors up to this number, as far as the process may have so many. Nobody depends
/// on it.
///
/// Linux doubles the table when it is full, and whoever needed the next descriptor in a process of several
/// threads waits until all processors have let go of the old one: 10 to 20 ms in which the thread that
/// accepts serves nobody, and that several times on the way to thousands of connections.
pub(crate) fn reserve(number: u16) {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let last = u64::from(number).min(limit.saturating_sub(1));
    if let (Ok(socket), Ok(last)) = (UnixDatagram::unbound(), i32::try_from(last)) {
        // The table keeps its size after this one is closed.
        drop(fcntl_dupfd_cloexec(&socket, last));
    }
}
