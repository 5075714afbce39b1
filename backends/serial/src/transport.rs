//! The line as the engine's transport.

use crate::Serial;
use crate::line::Listener;
use crate::packet::{LONGEST, PAYLOAD};
use crate::session::Session;
use core::fmt;
use core::task::Poll;
use tofu_core::{Address, Close, Link, Ready, Status, Transport};

impl<IO, const RX: usize, const TX: usize> Serial<IO, RX, TX> {
    fn check_name(&self, address: &Address<'_>) -> Result<(), Status> {
        match address {
            Address::Serial { name } if *name == self.name => Ok(()),
            _ => Err(Status::InvalidAddress),
        }
    }

    fn session(&mut self, link: Link) -> Option<&mut Session<RX>> {
        [&mut self.opened, &mut self.accepted].into_iter().find(|session| session.is_of(link))
    }

    fn listener(&mut self, link: Link) -> Option<&mut Listener> {
        self.listener.as_mut().filter(|listener| listener.link == link)
    }
}

impl<IO, const RX: usize, const TX: usize> Transport for Serial<IO, RX, TX> {
    fn listen(&mut self, link: Link, at: &Address<'_>) -> Result<(), Status> {
        self.check_name(at)?;
        if self.listener.is_some() {
            return Err(Status::ListenFailed);
        }
        self.listener = Some(Listener { link, opened_told: false, readable: false });
        Ok(())
    }

    fn connect(&mut self, link: Link, to: &Address<'_>) -> Result<(), Status> {
        self.check_name(to)?;
        if !self.opened.is_free() {
            return Err(Status::ConnectFailed);
        }
        self.opened.open(link, self.next_session, self.now);
        self.next_session = self.next_session.wrapping_add(1);
        Ok(())
    }

    fn local_address(&self, _listener: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{}", Address::Serial { name: self.name })
    }

    fn accept(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        if self.listener(listener).is_none() || !self.accepted.is_waiting() {
            return Poll::Pending;
        }
        self.accepted.accept(link);
        Poll::Ready(Ok(()))
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        match self.session(link) {
            Some(session) => session.recv(bufs),
            None => Poll::Ready(Err(Status::RecvFailed)),
        }
    }

    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        let now = self.now;
        let session = [&mut self.opened, &mut self.accepted].into_iter().find(|it| it.is_of(link));
        let Some(session) = session else { return Poll::Ready(Err(Status::SendFailed)) };
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        let mut sent = 0;
        while sent < offered && self.outbox.room() >= LONGEST {
            let count = match session.window() {
                Ok(window) => window.min(PAYLOAD).min(offered - sent),
                Err(_) if sent > 0 => break,
                Err(status) => return Poll::Ready(Err(status)),
            };
            let header = session.data();
            let payload = part(bufs, sent, count);
            if count == 0 || !self.outbox.append(|room| header.write(payload, room)) {
                break;
            }
            session.note_data(&header, count, now);
            sent += count;
        }
        if sent < offered {
            session.block();
        }
        if sent > 0 {
            // So that neither keeps the outbox to itself.
            self.accepted_first = self.opened.is_of(link);
        }
        if sent == 0 && offered > 0 { Poll::Pending } else { Poll::Ready(Ok(sent)) }
    }

    fn want_write(&mut self, link: Link, on: bool) {
        if let Some(session) = self.session(link) {
            session.want_write(on);
        }
    }

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        if let Some(listener) = &mut self.listener {
            if !core::mem::replace(&mut listener.opened_told, true) {
                return Some((listener.link, Ready::Opened));
            }
            if core::mem::take(&mut listener.readable) {
                return Some((listener.link, Ready::Readable));
            }
        }
        let (first, second) = match self.accepted_first {
            true => (&mut self.accepted, &mut self.opened),
            false => (&mut self.opened, &mut self.accepted),
        };
        first.take_news().or_else(|| second.take_news())
    }

    fn close(&mut self, link: Link, how: Close) {
        if self.listener(link).is_some() {
            self.listener = None;
            if self.accepted.is_waiting() {
                self.accepted.close(Close::Abort, false, self.now);
            }
            return;
        }
        let (now, listening) = (self.now, self.listener.is_some());
        if let Some(session) = self.session(link) {
            session.close(how, listening, now);
        }
        self.wake_listener();
    }
}

/// `count` bytes of what `bufs` hold together, after the first `skip`.
fn part<'a>(
    bufs: &'a [&'a [u8]],
    mut skip: usize,
    mut count: usize,
) -> impl Iterator<Item = &'a [u8]> {
    bufs.iter().filter_map(move |buf| {
        let rest = buf.get(skip..).unwrap_or_default();
        skip = skip.saturating_sub(buf.len());
        let piece = rest.get(..count.min(rest.len())).unwrap_or_default();
        count -= piece.len();
        (!piece.is_empty()).then_some(piece)
    })
}
