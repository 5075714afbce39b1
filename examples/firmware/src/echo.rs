//! The echo service, as `tofu serve` is one: every message is answered by itself.
//!
//! It knows no transport; the images give it one.

use crate::answers::Answers;
use crate::host;
use crate::memory::{Message, Received, Tofu};
use tofu_core::{Engine, GroupId, LISTEN_ON, Notice, Opcode, Status};

/// The service.
pub struct Echo {
    group: GroupId,
    answers: Answers,
}

impl Echo {
    /// A service that listens on `address`.
    pub fn listen(engine: &mut Engine<Tofu>, group: GroupId, address: &str) -> Option<Echo> {
        let mut welcome = engine.get()?;
        // What `listen_on` does, less the code that displays any address.
        welcome.set_opcode(Opcode::WelcomeRequest);
        welcome.add_header(LISTEN_ON, address).ok()?;
        engine.post(group, welcome).ok()?;
        Some(Echo { group, answers: Answers::new(group) })
    }

    /// Answers what was received. True if something was.
    pub fn serve(&mut self, engine: &mut Engine<Tofu>) -> bool {
        let mut served = self.answers.retry(engine);
        while let Some(received) = engine.receive(self.group) {
            served = true;
            match received {
                Received::Peer(message) => self.answer(engine, message),
                Received::Returned(message, status) => report_returned(engine, message, status),
                Received::Notice(notice) => report_notice(engine, &notice),
            }
        }
        served
    }

    /// A Signal is answered where it is the last of its id, and without what it carried.
    fn answer(&mut self, engine: &mut Engine<Tofu>, mut message: Message) {
        if message.opcode() == Opcode::Signal {
            if message.more() {
                return;
            }
            message.clear();
        }
        self.answers.answer(engine, message);
    }
}

/// The listener listens, or does not. Else it is an answer to somebody who is gone.
fn report_returned(engine: &Engine<Tofu>, message: Message, status: Status) {
    if message.opcode() == Opcode::WelcomeResponse {
        drop(message);
        host::say("listening", status.code().into());
        host::report(engine.pool().free());
    }
}

fn report_notice(engine: &Engine<Tofu>, notice: &Notice) {
    host::say("notice", notice.status.code().into());
    if notice.status == Status::ChannelClosed {
        host::report(engine.pool().free());
    }
}
