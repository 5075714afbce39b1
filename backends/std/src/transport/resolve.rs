//! Names to addresses, on threads of their own: the system's resolver blocks.

use super::inbox::Mailbox;
use crate::sync::lock;
use std::collections::VecDeque;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::{Arc, Mutex, Weak};
use std::thread;

/// The most names that are looked up at once. A look-up no server answers takes its thread for many
/// seconds, so there are enough of them that a few such names do not hold up the others. They cost
/// nothing otherwise: a thread lives only as long as there are jobs.
const WORKERS: usize = 64;

/// Starts look-ups. Its threads live as long as there is something to look up.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    jobs: VecDeque<Job>,
    workers: usize,
}

#[derive(Debug)]
struct Job {
    host: String,
    port: u16,
    mailbox: Mailbox,
    wanted: Weak<()>,
}

/// A look-up that goes on; dropped, it is not begun any more.
#[derive(Debug)]
pub(super) struct Lookup {
    _wanted: Arc<()>,
}

impl Resolver {
    /// Looks a name up; what it stands for goes to `mailbox`.
    ///
    /// # Errors
    /// When there is no thread to do it.
    pub(super) fn start(&self, host: &str, port: u16, mailbox: Mailbox) -> io::Result<Lookup> {
        let wanted = Arc::new(());
        let job = Job { host: host.to_owned(), port, mailbox, wanted: Arc::downgrade(&wanted) };
        let mut shared = lock(&self.shared);
        if shared.workers < WORKERS {
            let theirs = self.shared.clone();
            let spawned =
                thread::Builder::new().name("tofu-resolver".into()).spawn(move || work(&theirs));
            match spawned {
                Ok(_) => shared.workers += 1,
                Err(error) if shared.workers == 0 => return Err(error),
                // The others will come to it.
                Err(_) => {}
            }
        }
        shared.jobs.push_back(job);
        Ok(Lookup { _wanted: wanted })
    }
}

fn work(shared: &Mutex<Shared>) {
    while let Some(job) = next_job(shared) {
        if job.wanted.strong_count() > 0 {
            let found = (job.host.as_str(), job.port).to_socket_addrs();
            job.mailbox.resolved(found.map(Iterator::collect));
        }
    }
}

/// The next job; without one, the worker has left.
fn next_job(shared: &Mutex<Shared>) -> Option<Job> {
    let mut shared = lock(shared);
    let job = shared.jobs.pop_front();
    if job.is_none() {
        shared.workers -= 1;
    }
    job
}
