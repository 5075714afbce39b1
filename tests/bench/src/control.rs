//! The other end's process: it is this program again, and the two talk in lines over its standard
//! input and output. It ends when its input does, so that it never outlives this one.
//!
//! | line | direction | meaning |
//! |---|---|---|
//! | `ready ADDRESS` | up | it listens there |
//! | `done COUNT` | up | a stream of so many messages was received to its end |
//! | `heap` | down | asks for the next |
//! | `heap ALLOCATIONS LIVE` | up | see [`Heap`] |

use crate::Outcome;
use crate::heap::Heap;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{self, Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

/// The process with the other end. Ends when dropped.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: String,
}

impl Peer {
    /// Starts this program with other arguments.
    pub(crate) fn start(arguments: &[&str]) -> Outcome<Peer> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a process without pipes".into());
        };
        Ok(Peer { child, input, output: BufReader::new(output), line: String::new() })
    }

    /// Waits for the address it listens on.
    pub(crate) fn address(&mut self) -> Outcome<String> {
        Ok(self.expect("ready")?.to_owned())
    }

    /// Waits for a stream to end; how many messages were received.
    pub(crate) fn done(&mut self) -> Outcome<u64> {
        Ok(self.expect("done")?.parse()?)
    }

    /// What it has on its heap.
    pub(crate) fn heap(&mut self) -> Outcome<Heap> {
        self.input.write_all(b"heap\n")?;
        let words = self.expect("heap")?;
        let (allocations, live) = words.split_once(' ').ok_or("half an answer")?;
        Ok(Heap { allocations: allocations.parse()?, live: live.parse()? })
    }

    fn expect(&mut self, word: &str) -> Outcome<&str> {
        self.line.clear();
        self.output.read_line(&mut self.line)?;
        let rest = self.line.trim_end().strip_prefix(word);
        rest.map(str::trim_start).ok_or_else(|| match self.line.as_str() {
            "" => "the other end's process ended".into(),
            line => format!("instead of `{word}` the other end says `{}`", line.trim_end()).into(),
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers the process that started this one, in the background; ends this one when it is gone.
pub(crate) fn attend() {
    thread::spawn(|| {
        let mut input = io::stdin().lock();
        let mut line = String::with_capacity(64);
        loop {
            line.clear();
            match input.read_line(&mut line) {
                Ok(0) | Err(_) => process::exit(0),
                Ok(_) => {
                    let Heap { allocations, live } = Heap::now();
                    say(format_args!("heap {allocations} {live}"));
                }
            }
        }
    });
}

/// Tells the process that started this one.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    if writeln!(io::stdout(), "{line}").is_err() {
        process::exit(0);
    }
}
