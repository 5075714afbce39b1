//! What another process says, line by line.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// Reads lines for as long as there are any, so that whoever writes them never waits. The receiver learns
/// of the end by an error.
pub fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let mut all = BufReader::new(pipe).lines().map_while(Result::ok);
    thread::spawn(move || all.all(|line| sender.send(line).is_ok()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_comes_and_then_the_end() {
        let lines = lines(&b"one\n\ntwo"[..]);
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["one", "", "two"]);
        assert!(lines.recv().is_err());
    }
}
