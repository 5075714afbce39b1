//! `tofu serve` as a process of its own, and what the kernel says of it.

use crate::{Outcome, PATIENCE};
use procfs::process::Process;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tofu_test_support::lines;

/// A running `tofu serve`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    process: Process,
    complaints: mpsc::Receiver<String>,
    /// Where it listens: TCP first.
    pub(crate) addresses: Vec<String>,
}

/// What a process takes at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// Bytes in memory. The kernel counts in steps of some dozens of pages for each core.
    pub(crate) rss: u64,
    pub(crate) threads: u64,
    pub(crate) fds: u64,
    /// Seconds of processor time since it began.
    pub(crate) cpu: f64,
}

impl Facts {
    pub(crate) fn of(process: &Process) -> Outcome<Facts> {
        let stat = process.stat()?;
        let ticks = (stat.utime + stat.stime) as f64;
        Ok(Facts {
            rss: stat.rss * procfs::page_size(),
            threads: u64::try_from(stat.num_threads)?,
            fds: process.fd_count()? as u64,
            cpu: ticks / procfs::ticks_per_second() as f64,
        })
    }
}

impl Server {
    /// Starts one over TCP and over this Unix socket, and waits until it listens.
    pub(crate) fn start(tofu: &Path, root: &Path, socket: &Path) -> Outcome<Server> {
        let uds = format!("uds|{}", socket.display());
        let mut child = Command::new(tofu)
            .args(["serve", "tcp|127.0.0.1|0", &uds, "--root"])
            .arg(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the soak alone, which then ends the server.
            .process_group(0)
            .spawn()?;
        let process = Process::new(i32::try_from(child.id())?)?;
        let stdout = lines(child.stdout.take().ok_or("a process without stdout")?);
        let complaints = lines(child.stderr.take().ok_or("a process without stderr")?);
        let mut server = Server { child, process, complaints, addresses: Vec::new() };
        for _ in 0..2 {
            let line = stdout.recv_timeout(PATIENCE).map_err(|_| "the server does not listen")?;
            let address =
                line.strip_prefix("listening ").ok_or("the server says something else")?;
            server.addresses.push(address.to_owned());
        }
        server.addresses.sort();
        Ok(server)
    }

    pub(crate) fn facts(&self) -> Outcome<Facts> {
        Facts::of(&self.process)
    }

    /// What it wrote on stderr since one last asked.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.try_iter().collect()
    }

    /// Sends a signal and waits for the end, which has to be a good one; how long it took.
    pub(crate) fn end(&mut self, signal: Signal) -> Outcome<Duration> {
        let begin = Instant::now();
        kill_process(Pid::from_child(&self.child), signal)?;
        while begin.elapsed() < PATIENCE {
            match self.child.try_wait()? {
                Some(status) if status.code() == Some(0) => return Ok(begin.elapsed()),
                Some(status) => return Err(format!("the server ends with {status}").into()),
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
        Err("the server does not end".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
