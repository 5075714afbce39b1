//! One direction of opening: the session in it, how it began, flows and ends (PROTOCOL, sections 3 to 6).

use crate::Options;
use crate::buffer::Inbox;
use crate::packet::{Header, Kind};
use tofu_core::{Close, Instant, Link, Ready, Status};

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is none.
    Free,
    /// We knock.
    Opening,
    /// Bytes flow. Without a link, the peer opened it and the engine has not accepted it yet.
    Open,
    /// No more comes or goes, but what arrived before can be read. `Success`: the peer closed it.
    Over(Status),
}

/// An opening that waits for the end of the session before it.
#[derive(Clone, Copy)]
struct Knock {
    session: u32,
    limit: u16,
}

/// What the engine was not told yet.
#[derive(Default)]
struct News {
    outcome: Option<Ready>,
    readable: bool,
    writable: bool,
}

/// The session of one direction of opening. Packets are numbered, so that a missing one is
/// noticed; bytes are counted, so that no more are sent than the other end has room for.
pub(crate) struct Session<const RX: usize> {
    /// Whether this side opens.
    opener: bool,
    number: u32,
    phase: Phase,
    link: Option<Link>,
    news: News,
    wants_write: bool,
    /// The engine was told that no more can be sent now.
    blocked: bool,
    inbox: Inbox<RX>,
    /// Numbered packets sent and received.
    packets_out: u16,
    packets_in: u16,
    /// Bytes sent, and how many the peer takes; modulo 65,536.
    sent: u16,
    sent_limit: u16,
    /// How many bytes we take, and what of it the peer was told.
    limit: u16,
    told_limit: u16,
    /// An Open or OpenAck is to be sent.
    answer: bool,
    /// The last word of this session or of one before it, not sent yet.
    farewell: Option<Header>,
    knock: Option<Knock>,
    spoke: Instant,
    heard: Instant,
}

impl<const RX: usize> Session<RX> {
    /// The receive buffer as a count of bytes. Checked when the line is made.
    const WINDOW: u16 = RX as u16;

    pub(crate) const fn new(opener: bool) -> Self {
        Session {
            opener,
            number: 0,
            phase: Phase::Free,
            link: None,
            news: News { outcome: None, readable: false, writable: false },
            wants_write: false,
            blocked: false,
            inbox: Inbox::new(),
            packets_out: 0,
            packets_in: 0,
            sent: 0,
            sent_limit: 0,
            limit: Self::WINDOW,
            told_limit: Self::WINDOW,
            answer: false,
            farewell: None,
            knock: None,
            spoke: Instant::ZERO,
            heard: Instant::ZERO,
        }
    }

    pub(crate) fn is_free(&self) -> bool {
        self.phase == Phase::Free
    }

    /// Whether the engine should accept it.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.is_free() && self.link.is_none()
    }

    pub(crate) fn is_of(&self, link: Link) -> bool {
        self.link == Some(link)
    }

    fn is_live(&self) -> bool {
        self.phase == Phase::Open
    }

    // Beginning.

    fn begin(&mut self, number: u32, phase: Phase, now: Instant) {
        self.number = number;
        self.phase = phase;
        self.link = None;
        self.news = News::default();
        self.wants_write = false;
        self.blocked = false;
        self.inbox.clear();
        (self.packets_out, self.packets_in) = (0, 0);
        (self.sent, self.sent_limit) = (0, 0);
        (self.limit, self.told_limit) = (Self::WINDOW, Self::WINDOW);
        self.answer = true;
        (self.spoke, self.heard) = (now, now);
    }

    /// Opens a session for the engine.
    pub(crate) fn open(&mut self, link: Link, number: u32, now: Instant) {
        self.begin(number, Phase::Opening, now);
        self.link = Some(link);
    }

    /// Gives a session that arrived to the engine.
    pub(crate) fn accept(&mut self, link: Link) {
        self.link = Some(link);
    }

    /// The peer opens a session.
    pub(crate) fn take_open(&mut self, packet: &Header, listening: bool, now: Instant) {
        let repeated = packet.session == self.number && self.packets_in == 0;
        if self.is_live() && repeated {
            // Our answer was lost, or is on its way.
            self.answer = true;
            self.heard = now;
            return;
        }
        if self.is_live() {
            // Whoever opens anew has forgotten the session before.
            self.end(Status::CommunicationFailed);
        }
        let knock = Knock { session: packet.session, limit: packet.limit };
        if self.is_free() {
            self.arrive(knock, listening, now);
        } else {
            self.knock = Some(knock);
        }
    }

    fn arrive(&mut self, knock: Knock, listening: bool, now: Instant) {
        if listening {
            self.begin(knock.session, Phase::Open, now);
            self.sent_limit = knock.limit;
        } else {
            self.farewell = Some(self.word(Kind::Refuse, knock.session));
        }
    }

    /// The peer took the session we opened. False when it is none of ours.
    pub(crate) fn take_open_ack(&mut self, packet: &Header, now: Instant) -> bool {
        if self.phase == Phase::Free || packet.session != self.number {
            return false;
        }
        if self.phase == Phase::Opening {
            self.phase = Phase::Open;
            self.answer = false;
            self.packets_in = packet.number;
            self.sent_limit = packet.limit;
            self.heard = now;
            self.news.outcome = Some(Ready::Opened);
        }
        true
    }

    // Flowing.

    /// Takes a numbered packet. False when its session is not known.
    pub(crate) fn take(&mut self, packet: &Header, payload: &[u8], now: Instant) -> bool {
        if self.phase == Phase::Free || packet.session != self.number {
            return false;
        }
        if !self.is_live() {
            // What comes while we still knock will be missed once the answer is here.
            return true;
        }
        self.heard = now;
        if packet.number != self.packets_in || !self.inbox.push(payload) {
            self.fail(Status::CommunicationFailed);
            return true;
        }
        self.packets_in = self.packets_in.wrapping_add(1);
        self.sent_limit = packet.limit;
        self.news.readable |= !payload.is_empty();
        if packet.kind == Kind::Close {
            self.end(Status::Success);
        }
        true
    }

    /// Reads what arrived.
    pub(crate) fn recv(
        &mut self,
        bufs: &mut [&mut [u8]],
    ) -> core::task::Poll<Result<usize, Status>> {
        use core::task::Poll::{Pending, Ready};
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        let count = bufs.iter_mut().map(|buf| self.inbox.pop(buf)).sum::<usize>();
        // Never more than the inbox holds, which the window bounds.
        self.limit = self.limit.wrapping_add(u16::try_from(count).unwrap_or(u16::MAX));
        match self.phase {
            _ if count > 0 => {
                // A count below the room promises news of an end that is already here.
                self.news.readable |= count < offered && matches!(self.phase, Phase::Over(_));
                Ready(Ok(count))
            }
            Phase::Over(Status::Success) if offered > 0 => Ready(Ok(0)),
            Phase::Over(status) if !status.is_success() => Ready(Err(status)),
            _ => Pending,
        }
    }

    /// How many bytes the peer has room for; the status of a session to which nothing can be sent.
    pub(crate) fn window(&self) -> Result<usize, Status> {
        match self.phase {
            Phase::Over(Status::Success) => Err(Status::PeerDisconnected),
            Phase::Over(status) => Err(status),
            Phase::Open => {
                let window = self.sent_limit.wrapping_sub(self.sent);
                // A peer that takes back what it granted has no room.
                Ok(if window > i16::MAX as u16 { 0 } else { usize::from(window) })
            }
            Phase::Free | Phase::Opening => Ok(0),
        }
    }

    /// The header of the next packet of data.
    pub(crate) fn data(&self) -> Header {
        Header {
            number: self.packets_out,
            limit: self.limit_to_tell(),
            ..self.word(Kind::Data, self.number)
        }
    }

    /// So many bytes went out in a packet of data.
    pub(crate) fn note_data(&mut self, header: &Header, count: usize, now: Instant) {
        self.sent = self.sent.wrapping_add(u16::try_from(count).unwrap_or(u16::MAX));
        self.note_sent(header, now);
    }

    fn note_sent(&mut self, header: &Header, now: Instant) {
        self.packets_out = self.packets_out.wrapping_add(u16::from(header.kind.is_numbered()));
        self.told_limit = header.limit;
        self.spoke = now;
        self.answer = false;
    }

    /// Grows in steps of half a buffer, so that a slow reader does not make its peer send in crumbs.
    fn limit_to_tell(&self) -> u16 {
        let step = self.limit.wrapping_sub(self.told_limit);
        if step >= Self::WINDOW / 2 { self.limit } else { self.told_limit }
    }

    pub(crate) fn want_write(&mut self, on: bool) {
        self.wants_write = on;
        // What was asked for before asking was refused.
        self.blocked |= on;
    }

    pub(crate) fn block(&mut self) {
        self.blocked = true;
    }

    /// Says so if the engine waits to send and now can.
    pub(crate) fn unblock(&mut self) {
        if self.blocked && self.wants_write && self.window() != Ok(0) {
            self.blocked = false;
            self.news.writable = true;
        }
    }

    // Speaking.

    fn word(&self, kind: Kind, session: u32) -> Header {
        Header { kind, from_opener: self.opener, session, number: 0, limit: 0 }
    }

    /// The next packet without data that is due.
    pub(crate) fn due(&self, now: Instant, options: &Options) -> Option<Header> {
        if let Some(farewell) = self.farewell {
            return Some(farewell);
        }
        let silent = now >= self.spoke.after(options.keep_alive);
        let kind = match self.phase {
            Phase::Opening if self.answer || silent => Kind::Open,
            Phase::Open if self.answer => Kind::OpenAck,
            Phase::Open if silent || self.limit_to_tell() != self.told_limit => Kind::Alive,
            _ => return None,
        };
        Some(Header { kind, ..self.data() })
    }

    /// What was due is on its way.
    pub(crate) fn note_due(&mut self, header: &Header, now: Instant) {
        match self.farewell.take() {
            Some(_) => {}
            None => self.note_sent(header, now),
        }
    }

    /// Ends a session whose peer was silent for too long.
    pub(crate) fn expire(&mut self, now: Instant, options: &Options) {
        if self.is_live() && now >= self.heard.after(options.silence) {
            self.fail(Status::CommunicationFailed);
        }
    }

    /// When [`Session::due`] or [`Session::expire`] is to be asked again. A packet that waits for
    /// room in the outbox needs no deadline.
    pub(crate) fn deadline(&self, options: &Options, has_room: bool) -> Option<Instant> {
        let speak = self.spoke.after(options.keep_alive);
        let expire = self.heard.after(options.silence);
        match self.phase {
            Phase::Opening => has_room.then_some(speak),
            Phase::Open if has_room => Some(speak.min(expire)),
            Phase::Open => Some(expire),
            Phase::Free | Phase::Over(_) => None,
        }
    }

    // Ending.

    /// Something of this session was lost: it ends, and the peer is told.
    pub(crate) fn fail(&mut self, status: Status) {
        if self.is_live() {
            self.farewell = Some(self.word(Kind::Lost, self.number));
            self.end(status);
        }
    }

    /// The peer has dropped or refused a session.
    pub(crate) fn take_end(&mut self, session: u32, status: Status) {
        if self.knock.is_some_and(|knock| knock.session == session) {
            self.knock = None;
        }
        if session != self.number {
            return;
        }
        if self.phase == Phase::Opening {
            self.phase = Phase::Over(Status::ConnectFailed);
            self.news.outcome = Some(Ready::Failed(Status::ConnectFailed));
        } else if self.is_live() {
            self.end(status);
        }
    }

    /// Tells a peer that the session it speaks of is not known here.
    pub(crate) fn disown(&mut self, session: u32) {
        let word = self.word(Kind::Lost, session);
        self.farewell.get_or_insert(word);
    }

    fn end(&mut self, status: Status) {
        if self.is_waiting() && self.inbox.is_empty() {
            return self.forget();
        }
        self.phase = Phase::Over(status);
        self.news.readable = true;
    }

    fn forget(&mut self) {
        self.phase = Phase::Free;
        self.link = None;
        self.news = News::default();
        self.inbox.clear();
    }

    /// The engine has closed its link.
    pub(crate) fn close(&mut self, how: Close, listening: bool, now: Instant) {
        let kind = match (self.phase, how) {
            // The peer has not heard of it.
            (Phase::Opening, _) if self.answer => None,
            (Phase::Opening, _) | (Phase::Open, Close::Abort) => Some(Kind::Abort),
            (Phase::Open, Close::Graceful | Close::Done)
                if self.answer && self.packets_out == 0 =>
            {
                Some(Kind::Abort)
            }
            (Phase::Open, Close::Graceful | Close::Done) => Some(Kind::Close),
            (Phase::Free | Phase::Over(_), _) => None,
        };
        if let Some(kind) = kind {
            self.farewell = Some(Header { kind, ..self.data() });
        }
        self.forget();
        if let Some(knock) = self.knock.take() {
            self.arrive(knock, listening, now);
        }
    }

    /// The next thing the engine was not told yet.
    pub(crate) fn take_news(&mut self) -> Option<(Link, Ready)> {
        let link = self.link?;
        let news = &mut self.news;
        let ready = if let Some(outcome) = news.outcome.take() {
            outcome
        } else if core::mem::take(&mut news.readable) {
            Ready::Readable
        } else if core::mem::take(&mut news.writable) {
            Ready::Writable
        } else {
            return None;
        };
        Some((link, ready))
    }

    pub(crate) fn has_news(&self) -> bool {
        let News { outcome, readable, writable } = &self.news;
        self.link.is_some() && (outcome.is_some() || *readable || *writable)
    }
}
