//! What applications receive: in order, at most once, whole, intact; and the last word is the last.

use super::end::{Flow, Kind, Post};
use super::post::exceeds;
use super::{End, Oracle, wire_of};
use crate::content;
use crate::coverage::Situation;
use crate::platform::{Message, Received};
use crate::scenario::Goodbye;
use tofu_core::{HEADER_LEN, Header, Instant, Notice, Opcode, Origin, Status};

impl Oracle {
    /// An application received this.
    pub fn received(&mut self, engine: usize, group: usize, received: &Received) {
        self.trace.note(|| match received {
            Received::Peer(message) => format!("e{engine} gets {}", show(message)),
            Received::Returned(message, status) => {
                format!("e{engine} gets back {}: {status}", show(message))
            }
            Received::Notice(notice) => {
                let Notice { channel, status, reason, .. } = notice;
                format!("e{engine} gets notice {status} ({reason}) on {channel}")
            }
        });
        match received {
            Received::Peer(message) => self.peer(engine, group, message),
            Received::Returned(message, Status::ReceiverUpdate) => {
                self.wake_returned(engine, group, message);
            }
            Received::Returned(message, status) => {
                self.returned(engine, group, message, *status);
            }
            Received::Notice(notice) => self.notice(engine, group, notice),
        }
    }

    /// The end a channel is; a promise is broken if the application was not told of it, or was told
    /// that it is closed.
    fn known(&mut self, engine: usize, group: usize, number: u16, what: &str) -> Option<usize> {
        let end = self.engines[engine].channels.get(&number).copied();
        let right = end.is_some_and(|end| self.ends[end].group == group);
        self.check(right, "nothing follows channel_closed", || {
            format!(
                "e{engine} gets {what} on {number}, which is closed, unknown or another group's"
            )
        });
        end.filter(|_| right)
    }

    fn peer(&mut self, engine: usize, group: usize, message: &Message) {
        let header = message.header();
        let local = header.origin != Origin::default() || header.status != Status::Success;
        self.check(!local, "a peer's message is no word of the engine", || format!("{header:?}"));
        let known = self.engines[engine].channels.contains_key(&header.channel.get());
        if header.opcode == Opcode::HelloRequest && !known {
            return self.greeted(engine, group, message);
        }
        let Some(end) = self.known(engine, group, header.channel.get(), "a message") else {
            return;
        };
        match header.opcode {
            Opcode::ByeRequest => self.ends[end].asked = true,
            Opcode::HelloResponse => self.ends[end].knows_limits = true,
            _ => {}
        }
        match self.ends[end].peer {
            Some(peer) => self.delivered(end, peer, message),
            None => self.check(self.ends[end].kind == Kind::Accepted, "delivery", || {
                format!("e{engine} gets {} from nobody", show(message))
            }),
        }
    }

    /// A HelloRequest makes its channel known.
    fn greeted(&mut self, engine: usize, group: usize, message: &Message) {
        let header = message.header();
        let number = header.channel.get();
        // Nobody knows since when a stranger's connection is there.
        let mut end = End::new(Kind::Accepted, engine, group, header.id, Instant::ZERO);
        end.knows_limits = true;
        let index = self.ends.len();
        let client = content::conversation(message.body()).map(|number| number as usize);
        self.numbered(engine, number);
        self.engines[engine].channels.insert(number, index);
        if content::is_strangers(message.body()) {
            return self.ends.push(end);
        }
        let free = client.filter(|&client| {
            let end = self.ends.get(client);
            end.is_some_and(|end| end.kind == Kind::Client && end.peer.is_none())
        });
        let Some(client) = free else {
            self.ends.push(end);
            return self
                .fail("delivery", || format!("e{engine} gets a hello nobody said, or twice"));
        };
        end.peer = Some(client);
        end.connection = self.ends[client].connection;
        if let Some(known) = end.connection.and_then(|number| self.connections.get_mut(&number)) {
            known.ends[1] = Some(index);
            end.born = known.since[1];
        }
        self.ends.push(end);
        self.ends[client].peer = Some(index);
        self.delivered(index, client, message);
    }

    /// The next message of `from` arrived at `end`.
    fn delivered(&mut self, end: usize, from: usize, message: &Message) {
        self.pass_too_long(end, from, None);
        let flow = &mut self.ends[from].out;
        let next = flow.delivered;
        let right = next < flow.sent && is_same(&flow.posts[next], message, None);
        if right {
            flow.delivered += 1;
            return;
        }
        let what = explain(flow, message);
        let promise = match flow.posts.iter().any(|post| is_same(post, message, None)) {
            true => "delivery is in order and at most once",
            false => "delivery is intact",
        };
        self.fail(promise, || format!("{}: {what}", show(message)));
    }

    /// Messages too long for the receiver were thrown away; each says so by a notice, which came
    /// before what follows. With `id`, this is that notice.
    fn pass_too_long(&mut self, end: usize, from: usize, id: Option<(u64, Status)>) {
        let engine = &self.engines[self.ends[end].engine];
        let (limits, header_lines) = (engine.limits, engine.header_lines);
        let flow = &mut self.ends[from].out;
        let post = flow.posts.get(flow.delivered);
        let next = post.map(Post::header);
        let too_long = next.is_some_and(|header| exceeds(limits, &header))
            || post.is_some_and(|post| post.text_lines() > header_lines.into());
        match (id, next) {
            (None, _) => self.check(!too_long, "a frame too long has its notice", || {
                format!("message {next:?} was passed over without a notice")
            }),
            (Some((id, status)), Some(header)) if too_long && header.id == id => {
                // What is too long is seen first: its lines are not there yet.
                let headers = header.text_len > limits.headers || !exceeds(limits, &header);
                let expected =
                    if headers { Status::InvalidHeadersLen } else { Status::InvalidBodyLen };
                flow.delivered += 1;
                self.ends[end].asked |= header.opcode == Opcode::ByeRequest;
                self.check(status == expected, "a frame too long has its notice", || {
                    format!("{status} for {header:?}")
                });
            }
            (Some((id, status)), next) => self.fail("a frame too long has its notice", || {
                format!("{status} for {id:#x}, but the next message is {next:?}")
            }),
        }
    }

    /// An application's own message came back.
    fn returned(&mut self, engine: usize, group: usize, message: &Message, status: Status) {
        let number = message.channel().get();
        self.coverage.returned(message.opcode(), status);
        let Some(index) = self.known(engine, group, number, "its own message") else { return };
        let end = &mut self.ends[index];
        let flow = &mut end.out;
        let next = flow.sent + flow.returned;
        let answer = answered(end.kind, message.opcode(), status);
        let right = flow.posts.get(next).is_some_and(|post| is_same(post, message, Some(answer)));
        if !right {
            let sent_or_back = flow.posts[..next.min(flow.posts.len())]
                .iter()
                .any(|post| is_same(post, message, Some(answer)));
            let what = explain(flow, message);
            let promise = match sent_or_back {
                true => "each message has one fate",
                false => "what comes back is intact and in order",
            };
            return self.fail(promise, || format!("{} comes back: {what}", show(message)));
        }
        flow.returned += 1;
        if end.kind == Kind::Listener && status.is_success() {
            end.listens |= message.opcode() == Opcode::WelcomeResponse;
            return;
        }
        let before = end.returned_with.replace(status);
        let consistent = before.is_none_or(|before| before == status) && !status.is_success();
        self.check(consistent, "what comes back says why", || format!("{before:?}, then {status}"));
    }

    fn wake_returned(&mut self, engine: usize, group: usize, message: &Message) {
        let expected = self.engines[engine].wakes[group].0.pop_front();
        let wire = wire_of(message);
        let payload = |wire: &[u8]| wire.get(HEADER_LEN..).map(<[u8]>::to_vec);
        let same = expected.is_some_and(|expected| payload(&expected) == payload(&wire));
        self.check(same, "each wake-up is received once", || show(message));
    }

    fn notice(&mut self, engine: usize, group: usize, notice: &Notice) {
        let number = notice.channel.get();
        self.coverage.noticed(notice.status);
        match notice.status {
            Status::ReceiverUpdate => {
                let bare = &mut self.engines[engine].wakes[group].1;
                let owed = *bare > 0;
                *bare = bare.saturating_sub(1);
                self.check(owed, "each wake-up is received once", || format!("{notice:?}"));
            }
            Status::PoolEmpty => {}
            Status::ChannelClosed => {
                if let Some(end) = self.known(engine, group, number, "channel_closed") {
                    self.engines[engine].channels.remove(&number);
                    self.closed(end, notice);
                }
            }
            Status::AcceptFailed => {
                if let Some(end) = self.known(engine, group, number, "accept_failed") {
                    let listens = self.ends[end].listens;
                    self.check(listens, "notices", || format!("{notice:?} is of no listener"));
                }
            }
            Status::InvalidHeadersLen | Status::InvalidBodyLen => {
                let Some(end) = self.known(engine, group, number, "a notice") else { return };
                match self.ends[end].peer {
                    Some(from) => {
                        self.pass_too_long(end, from, Some((notice.id, notice.status)));
                    }
                    None => self.fail("notices", || format!("{notice:?} from a stranger")),
                }
            }
            _ => self.fail("notices", || format!("{notice:?}")),
        }
    }

    /// The last word about a channel.
    fn closed(&mut self, index: usize, notice: &Notice) {
        let end = &mut self.ends[index];
        end.closed = Some(notice.reason);
        let (kind, id) = (end.kind, end.id);
        self.coverage.closed(kind, notice.reason);
        self.note_goodbyes(index);
        self.check(notice.id == id, "channel_closed names its hello", || format!("{notice:?}"));
        self.check_fates(index);
        self.check_reason(index, notice.reason);
        self.check_nothing_lost(index, notice.reason);
    }

    fn note_goodbyes(&mut self, index: usize) {
        let end = &self.ends[index];
        let peers = end.peer.and_then(|peer| self.ends[peer].bye);
        let reached = [
            (
                Situation::GoodbyesCross,
                (end.bye, peers) == (Some(Goodbye::Ask), Some(Goodbye::Ask)),
            ),
            (Situation::GoodbyeUnasked, end.answered_unasked),
            (Situation::SignalBehindGoodbye, end.bye.is_some() && end.signalled),
        ];
        for (situation, _) in reached.into_iter().filter(|(_, reached)| *reached) {
            self.coverage.reach(situation);
        }
    }

    /// Each message was sent or came back.
    pub(super) fn check_fates(&mut self, index: usize) {
        let end = &self.ends[index];
        let (engine, flow) = (end.engine, &end.out);
        let unresolved = flow.unresolved().len();
        let first = flow.unresolved().first().map(Post::header);
        self.check(unresolved == 0, "each message has one fate", || {
            format!("e{engine}: {unresolved} have none, the first is {first:?}")
        });
    }
}

/// The opcode a message was posted with, if it comes back with this one.
fn answered(kind: Kind, returned: Opcode, status: Status) -> Opcode {
    match (kind, returned) {
        (_, Opcode::WelcomeResponse) => Opcode::WelcomeRequest,
        (Kind::Client, Opcode::HelloResponse) => Opcode::HelloRequest,
        (Kind::Listener, Opcode::ByeResponse) if status.is_success() => Opcode::ByeRequest,
        (_, opcode) => opcode,
    }
}

/// Whether a message is the one that was posted; `opcode` where it came back with another.
fn is_same(post: &Post, message: &Message, opcode: Option<Opcode>) -> bool {
    let posted = post.header();
    let header = message.header();
    let same = Header {
        channel: posted.channel,
        origin: posted.origin,
        status: posted.status,
        opcode: opcode.unwrap_or(header.opcode),
        ..header
    };
    let text = message.text();
    let (text, body) = (text.as_bytes(), message.body());
    let payload = &post.wire[HEADER_LEN..];
    same == posted
        && payload.len() == text.len() + body.len()
        && payload.starts_with(text)
        && payload.ends_with(body)
}

/// What is known of a message that should not be there.
fn explain(flow: &Flow, message: &Message) -> String {
    let at = flow.posts.iter().position(|post| is_same(post, message, None));
    let Flow { sent, delivered, returned, posts, .. } = flow;
    let next = posts.get(*delivered).map(Post::header);
    format!(
        "posted as number {at:?} of {}; {sent} sent, {delivered} delivered, {returned} came back; \
         next to deliver {next:?}",
        posts.len()
    )
}

fn show(message: &Message) -> String {
    let Header { opcode, id, more, channel, text_len, body_len, .. } = message.header();
    let more = if more { " more" } else { "" };
    let content = content::describe(message.body());
    format!("{opcode} {id:#x}{more} on {channel}, {text_len} + {body_len} bytes {content}")
}
