//! A line in memory that can be cut, and that changes or drops a byte when told to.

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use tofu_loopback::Rng;

/// How many bytes are on their way at most.
const CAPACITY: usize = 48;

/// What happens to one byte.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Its bits change.
    Flip(u8),
    /// It is missing.
    Drop,
}

#[derive(Default)]
struct Channel {
    bytes: VecDeque<u8>,
    /// Everything that was written.
    written: Vec<u8>,
    fault: Option<(usize, Fault)>,
}

struct State {
    channels: [Channel; 2],
    cut: bool,
    /// The next read of this end fails.
    overrun: Option<usize>,
    rng: Rng,
}

/// The line between two ends.
#[derive(Clone)]
pub struct Wire(Rc<RefCell<State>>);

impl Wire {
    /// A line, and its ends. Reads and writes are cut into pieces by `seed`.
    pub fn new(seed: u64) -> (Wire, [End; 2]) {
        let state =
            State { channels: Default::default(), cut: false, overrun: None, rng: Rng::new(seed) };
        let wire = Wire(Rc::new(RefCell::new(state)));
        let ends = [0, 1].map(|side| End { wire: wire.clone(), side });
        (wire, ends)
    }

    /// The same place on the line, for a peer that restarts.
    pub fn end(&self, side: usize) -> End {
        End { wire: self.clone(), side }
    }

    /// Whether no byte is on its way.
    pub fn is_idle(&self) -> bool {
        self.0.borrow().channels.iter().all(|channel| channel.bytes.is_empty())
    }

    /// What `side` has written so far.
    pub fn written(&self, side: usize) -> Vec<u8> {
        self.0.borrow().channels[side].written.clone()
    }

    /// Something happens to the byte of `side` that follows so many others.
    pub fn damage(&self, side: usize, after: usize, fault: Fault) {
        self.0.borrow_mut().channels[side].fault = Some((after, fault));
    }

    /// Bytes that nobody wrote arrive at the other end of `side`.
    pub fn inject(&self, side: usize, bytes: &[u8]) {
        self.0.borrow_mut().channels[side].bytes.extend(bytes);
    }

    /// Pulls the cable, or puts it back. What is on its way is gone.
    pub fn cut(&self, cut: bool) {
        let mut state = self.0.borrow_mut();
        state.cut = cut;
        state.channels.iter_mut().for_each(|channel| channel.bytes.clear());
    }

    /// The next read of `side` fails.
    pub fn overrun(&self, side: usize) {
        self.0.borrow_mut().overrun = Some(side);
    }
}

/// One end of a [`Wire`].
pub struct End {
    wire: Wire,
    side: usize,
}

impl ErrorType for End {
    type Error = ErrorKind;
}

impl ReadReady for End {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        let state = &mut *self.wire.0.borrow_mut();
        let waits = !state.channels[1 - self.side].bytes.is_empty();
        Ok(state.overrun == Some(self.side) || (waits && state.rng.below(4) > 0))
    }
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let state = &mut *self.wire.0.borrow_mut();
        if state.overrun == Some(self.side) {
            state.overrun = None;
            return Err(ErrorKind::Other);
        }
        let bytes = &mut state.channels[1 - self.side].bytes;
        let count = state.rng.length(buf.len().min(bytes.len()));
        assert!(count > 0, "a read that would block");
        for (to, from) in buf.iter_mut().zip(bytes.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

impl WriteReady for End {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        let state = &mut *self.wire.0.borrow_mut();
        let room = state.channels[self.side].bytes.len() < CAPACITY;
        Ok(room && state.rng.below(4) > 0)
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let state = &mut *self.wire.0.borrow_mut();
        let channel = &mut state.channels[self.side];
        let count = state.rng.length(buf.len().min(CAPACITY - channel.bytes.len()));
        assert!(count > 0, "a write that would block");
        for &byte in &buf[..count] {
            let at = channel.written.len();
            channel.written.push(byte);
            let arrives = match channel.fault {
                Some((fault_at, Fault::Flip(mask))) if fault_at == at => Some(byte ^ mask),
                Some((fault_at, Fault::Drop)) if fault_at == at => None,
                _ => Some(byte),
            };
            channel.bytes.extend(arrives.filter(|_| !state.cut));
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        panic!("a flush blocks");
    }
}
