//! Helpers for tests and examples: addresses nobody else uses.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A TCP port on 127.0.0.1 that is free now. Listening on port 0 is
/// better where the address can be passed on; this is for when it must be known before.
///
/// # Errors
/// When the system has no port left.
pub fn free_tcp_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A `mem|` address no other caller in this process gets.
pub fn unique_mem_address() -> String {
    format!("mem|test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A path for a Unix socket in a directory of its own, in the system's temporary directory; removed when dropped. Who
/// listens in a directory locks it for a moment: others are not to wait for that.
#[derive(Debug)]
pub struct TempSocketPath(PathBuf);

impl TempSocketPath {
    /// A path that no other caller gets.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("tofu-{}-{number}", std::process::id()));
        // Where it cannot be made, nobody can listen there, and is told.
        let _ = std::fs::create_dir(&directory);
        TempSocketPath(directory.join("sock"))
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path as a `uds|` address.
    pub fn address(&self) -> String {
        format!("uds|{}", self.0.display())
    }
}

impl Drop for TempSocketPath {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
        if let Some(directory) = self.0.parent() {
            let _ = std::fs::remove_dir(directory);
        }
    }
}
