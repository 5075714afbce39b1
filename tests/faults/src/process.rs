//! A peer in a process of its own, so that it can be killed and stopped.

use crate::SOON;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// A process; killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts `program`, which ends with its stdin.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(program: &str, arguments: &[&str]) -> Process {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        Process(command.spawn().expect("it starts"))
    }

    /// The next line it says; its stdout is closed then.
    ///
    /// # Panics
    /// When it says nothing in time.
    pub fn line(&mut self) -> String {
        let stdout = self.0.stdout.take().expect("it was not read yet");
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            sender.send(read.map(|_| line))
        });
        let line = lines.recv_timeout(SOON).expect("it says something in time");
        reader.join().expect("it was read").expect("it is waited for");
        line.expect("it can be read").trim_end().to_owned()
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it is there");
    }

    /// Kills it, without a chance to say goodbye.
    ///
    /// # Panics
    /// When it is gone.
    pub fn kill(mut self) {
        self.0.kill().expect("it is there");
        self.0.wait().expect("it was killed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
