//! Posts: what was accepted has to get a fate, and what was refused has to deserve it.

use super::{Kind, Oracle, wire_of, wire_with};
use crate::oracle::End;
use crate::oracle::end::header_of;
use crate::platform::{CHANNELS, Sim};
use crate::scenario::Goodbye;
use tofu_core::{Header, LIMITS, Limits, Opcode, PostError, Status};

impl Oracle {
    /// A post was accepted: `wire` is the message as it was posted, `header` what post returned.
    pub fn posted(&mut self, engine: usize, group: usize, wire: &[u8], header: Header) {
        let number = header.channel.get();
        let before = header_of(wire);
        self.trace.note(|| {
            let Header { opcode, id, more, .. } = header;
            let more = if more { " more" } else { "" };
            format!("e{engine} post {opcode} {id:#x}{more} on {number}, {} bytes", wire.len())
        });
        let fresh = before.id != 0 || self.engines[engine].ids.insert(header.id);
        self.check(header.id != 0 && fresh, "fresh ids", || format!("{header:?}"));
        self.check(before.id == 0 || before.id == header.id, "fresh ids", || {
            format!("posted {before:?}, got {header:?}")
        });
        let wire = self.on_the_wire(engine, wire, header);
        match header.opcode {
            Opcode::HelloRequest => self.opened(engine, group, Kind::Client, wire),
            Opcode::WelcomeRequest => self.opened(engine, group, Kind::Listener, wire),
            _ => self.queued(engine, group, number, wire),
        }
    }

    /// The bytes a post must have on the wire: with its number, its id, and its engine's limits.
    fn on_the_wire(&self, engine: usize, wire: &[u8], header: Header) -> Vec<u8> {
        let posted = header_of(wire);
        let (_, payload) = wire.split_at(tofu_core::HEADER_LEN);
        let (text, body) = payload.split_at(usize::from(posted.text_len));
        let text = match header.opcode {
            Opcode::HelloRequest | Opcode::HelloResponse => {
                announced(text, self.engines[engine].limits)
            }
            _ => text.to_vec(),
        };
        let lengths = (text.len() as u16, body.len() as u16);
        let header = Header {
            channel: header.channel,
            id: header.id,
            text_len: lengths.0,
            body_len: lengths.1,
            ..posted
        };
        wire_with(&header, &text, body)
    }

    fn opened(&mut self, engine: usize, group: usize, kind: Kind, wire: Vec<u8>) {
        let header = header_of(&wire);
        let number = header.channel.get();
        let born = self.engines[engine].now;
        self.numbered(engine, number);
        let mut end = End::new(kind, engine, group, header.id, born);
        end.out.push(wire);
        self.engines[engine].channels.insert(number, self.ends.len());
        self.ends.push(end);
    }

    /// A channel got its number. There are far more than a run has channels, and the one that was free
    /// for the shortest time comes last: none comes twice.
    pub(super) fn numbered(&mut self, engine: usize, number: u16) {
        let fresh = self.engines[engine].numbers.insert(number);
        self.check(fresh && number != 0 && number != u16::MAX, "channel numbers", || {
            format!("e{engine} gives out {number}, which it has used")
        });
    }

    /// The end that was opened last connects to, or listens at, what nobody can.
    pub fn opened_in_vain(&mut self) {
        if let Some(end) = self.ends.last_mut() {
            end.bad_address = true;
        }
    }

    fn queued(&mut self, engine: usize, group: usize, number: u16, wire: Vec<u8>) {
        let header = header_of(&wire);
        let Some(&index) = self.engines[engine].channels.get(&number) else {
            return self.fail("refusals", || {
                format!("e{engine} accepts a post on {number}, which is closed or no channel")
            });
        };
        let peers_limits = self.limits_of_peer(index);
        let end = &mut self.ends[index];
        let signal = header.opcode == Opcode::ByeSignal;
        // A ByeSignal may still cut short what is closing anyway.
        let closing = end.signalled || (!signal && (end.doomed || end.bye.is_some()));
        let foreign = end.group != group;
        let too_long =
            end.knows_limits && peers_limits.is_some_and(|limits| exceeds(limits, &header));
        match header.opcode {
            Opcode::ByeSignal => end.signalled = true,
            Opcode::ByeRequest => end.bye = Some(Goodbye::Ask),
            Opcode::ByeResponse => {
                end.bye = Some(Goodbye::Answer);
                end.answered_unasked = !end.asked;
            }
            _ => {}
        }
        // It does what it says and is gone: nothing is sent.
        if !signal {
            end.out.push(wire);
        }
        let refuse = closing || foreign || too_long;
        self.check(!refuse, "refusals", || {
            format!("e{engine} accepts {:?}; closing {closing}, too long {too_long}", header)
        });
    }

    fn limits_of_peer(&self, end: usize) -> Option<Limits> {
        let peer = &self.ends[self.ends[end].peer?];
        Some(self.engines[peer.engine].limits)
    }

    /// A post was refused: `wire` is the message as it was posted. `deserved` are the statuses it
    /// may be refused with, where the application knew that it would be.
    pub fn refused(
        &mut self,
        engine: usize,
        wire: &[u8],
        refused: &PostError<Sim>,
        deserved: &[Status],
    ) {
        let status = refused.status;
        let header = header_of(wire);
        self.coverage.refused(status);
        self.trace.note(|| {
            format!("e{engine} refuses {} on {}: {status}", header.opcode, header.channel)
        });
        self.check(wire_of(&refused.message) == wire, "refused posts are unchanged", || {
            format!("{header:?} became {:?}", refused.message.header())
        });
        if !deserved.is_empty() {
            return self.check(deserved.contains(&status), "refusals", || {
                format!("e{engine} refuses {header:?} with {status}, not {deserved:?}")
            });
        }
        let just = self.deserves(engine, &header, status);
        self.check(just, "refusals", || format!("e{engine} refuses {header:?} with {status}"));
        if status == Status::ChannelClosed
            && let Some(&index) = self.engines[engine].channels.get(&header.channel.get())
        {
            self.ends[index].doomed |= self.ends[index].bye.is_none();
        }
    }

    /// Whether its engine's limits may need a larger message than it has.
    fn may_outgrow(&self, engine: usize, header: &Header) -> bool {
        matches!(header.opcode, Opcode::HelloRequest | Opcode::HelloResponse)
            && self.engines[engine].limits != Limits::MAX
    }

    /// Whether a post without fault of its own may be refused like this.
    fn deserves(&self, engine: usize, header: &Header, status: Status) -> bool {
        let view = &self.engines[engine];
        let index = view.channels.get(&header.channel.get()).copied();
        match (status, index) {
            (Status::ShutdownStarted, _) => view.stopping,
            (Status::InvalidChannelNumber, None) => !header.channel.is_none(),
            // No channel is free.
            (Status::PoolEmpty, None) => {
                self.channels_taken(engine, false) >= CHANNELS || self.may_outgrow(engine, header)
            }
            // A share is at least one message.
            (Status::PoolEmpty, Some(index)) => {
                !self.ends[index].out.unresolved().is_empty() || self.may_outgrow(engine, header)
            }
            (Status::InvalidHeadersLen | Status::InvalidBodyLen, Some(index)) => {
                let hello = header.opcode == Opcode::HelloResponse;
                let limits = self.limits_of_peer(index);
                limits.is_some_and(|limits| hello || exceeds(limits, header))
            }
            // That it closes has to be said in time; see `rest`.
            (Status::ChannelClosed, Some(_)) => true,
            _ => false,
        }
    }
}

/// Whether a frame is longer than these limits.
pub(super) fn exceeds(limits: Limits, header: &Header) -> bool {
    header.text_len > limits.headers || header.body_len > limits.body
}

/// Text headers with an engine's own limits in place of any other.
fn announced(text: &[u8], limits: Limits) -> Vec<u8> {
    let prefix = format!("{LIMITS}:");
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    let mut kept: Vec<u8> =
        lines.filter(|line| !line.starts_with(prefix.as_bytes())).flatten().copied().collect();
    if limits != Limits::MAX {
        kept.extend_from_slice(format!("{prefix}{limits}\r\n").as_bytes());
    }
    kept
}
