//! The server's process, seen from outside.

use crate::Outcome;
use crate::server::{Report, Setting};
use procfs::process::Process;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};
use tofu_test_support::lines;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs; killed when dropped.
pub(crate) struct Target {
    child: Child,
    /// Until the server is told to end.
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    process: Process,
    port: u16,
    pub(crate) setting: Setting,
}

impl Target {
    /// Starts one, on this processor if it is to have its own, and waits until it listens.
    pub(crate) fn start(setting: Setting, processor: Option<usize>) -> Outcome<Target> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", &serde_json::to_string(&setting)?])
            .args(processor.map(|number| number.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = lines(child.stdout.take().ok_or("no stdout")?);
        let stderr = lines(child.stderr.take().ok_or("no stderr")?);
        let process = Process::new(i32::try_from(child.id())?)?;
        let port = stdout.recv_timeout(PATIENCE)?.parse()?;
        Ok(Target { child, stdin, stdout, stderr, process, port, setting })
    }

    /// Where to connect to. Attackers go to several addresses of this host, or the ports of one would
    /// not last.
    pub(crate) fn address(&self, nth: usize) -> SocketAddr {
        let host = u8::try_from(nth % 64).unwrap_or_default() + 1;
        (Ipv4Addr::new(127, 0, 0, host), self.port).into()
    }

    /// What the server has seen.
    pub(crate) fn report(&mut self) -> Outcome<Report> {
        self.stdin.as_mut().ok_or("it was told to end")?.write_all(b"\n")?;
        Ok(serde_json::from_str(&self.stdout.recv_timeout(PATIENCE)?)?)
    }

    /// Waits until the server has a report that satisfies.
    pub(crate) fn until(
        &mut self,
        what: &str,
        within: Duration,
        satisfies: impl Fn(&Report) -> bool,
    ) -> Outcome<Report> {
        let end = Instant::now() + within;
        loop {
            let report = self.report()?;
            if satisfies(&report) {
                return Ok(report);
            }
            if Instant::now() > end {
                return Err(format!("{what}: not within {within:?}: {report:?}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Bytes of memory in use, and the most there ever were.
    pub(crate) fn memory(&self) -> Outcome<(u64, u64)> {
        let status = self.process.status()?;
        let bytes = |kib: Option<u64>| kib.unwrap_or_default() * 1_024;
        Ok((bytes(status.vmrss), bytes(status.vmhwm)))
    }

    /// Descriptors that are open.
    pub(crate) fn descriptors(&self) -> Outcome<usize> {
        Ok(self.process.fd_count()?)
    }

    /// Time on the processor so far.
    pub(crate) fn processor_time(&self) -> Outcome<Duration> {
        let stat = self.process.stat()?;
        let ticks = stat.utime + stat.stime;
        Ok(Duration::from_millis(ticks * 1_000 / procfs::ticks_per_second()))
    }

    /// Ends the server, which must end well; what it said on stderr.
    pub(crate) fn end(mut self) -> Outcome<Vec<String>> {
        self.stdin = None;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                let said = self.stderr.try_iter().collect();
                return match status.success() {
                    true => Ok(said),
                    false => Err(format!("the server ended with {status}: {said:?}").into()),
                };
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("the server does not end".into())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
