//! Nobody has said anything for far longer than any timeout: what one of them ends is over.

use super::Calm;
use super::{End, Kind, Oracle};

impl Oracle {
    /// All applications have been silent, and all timeouts could fire. `pipes` is what a direction of a
    /// connection holds.
    pub fn check_patience(&mut self, calm: &[Calm], pipes: usize) {
        for index in 0..self.ends.len() {
            let end = &self.ends[index];
            let over = end.crashed || end.orphaned || end.closed.is_some();
            if over || end.kind == Kind::Listener || self.engines[end.engine].jumped {
                continue;
            }
            let (engine, kind) = (end.engine, end.kind);
            for (overdue, what) in self.overdue(end, calm, pipes) {
                self.check(!overdue, "timeouts fire", || format!("e{engine} {kind:?}: {what}"));
            }
        }
        let silent = self.silent_strangers(calm, pipes);
        self.check(silent == 0, "timeouts fire", || {
            format!("{silent} connections of strangers are not closed")
        });
    }

    /// What should have ended this end by now.
    fn overdue(&self, end: &End, calm: &[Calm], pipes: usize) -> [(bool, &'static str); 4] {
        let engine = &self.engines[end.engine];
        let unsent = end.connection.is_some() && !end.out.unresolved().is_empty();
        let unconnected = end.kind == Kind::Client && end.connection.is_none();
        let waits = self.may_stop_reading(end, calm);
        [
            // Unless the application keeps it waiting.
            (end.bye.is_some() && calm[end.engine].drained, "its goodbye had no answer"),
            (engine.send_times_out && unsent, "its peer takes nothing"),
            (engine.idle_times_out && !waits, "no byte passes"),
            // Two bytes say whose connection it is.
            (unconnected && pipes >= 2, "it is not connected"),
        ]
    }

    /// Connections of strangers, who have all said something wrong, or too little.
    fn silent_strangers(&self, calm: &[Calm], pipes: usize) -> usize {
        let silent = |connection: &&super::Connection| {
            let ([None, Some(engine)], None) = (connection.engines, connection.closed[1]) else {
                return false;
            };
            let waits = !calm[engine].drained || self.may_be_dry(engine);
            !waits && !self.engines[engine].jumped
        };
        // A small pipe may let through a whole hello, and nothing after it: no more is wrong with that.
        if pipes < 64 { 0 } else { self.connections.values().filter(silent).count() }
    }
}
