//! Where bytes go on a host: sockets on mio, and pipes in memory.
//!
//! | module | concept |
//! |---|---|
//! | `links` | the table of links, and who has something to report |
//! | `listener`, `stream` | what can stand behind a link, of every kind |
//! | `tcp`, `uds`, `mem` | the kinds |
//! | `connect`, `resolve` | openings that take more than one step; names |
//! | `linger` | closed connections whose last bytes are on their way |
//! | `inbox` | what other threads have to say |

mod connect;
mod inbox;
mod linger;
mod links;
mod listener;
mod mem;
mod resolve;
mod stream;
mod tcp;
#[cfg(unix)]
mod uds;
#[cfg(loom)]
mod wire;

#[cfg(test)]
mod tests;

#[cfg(loom)]
pub use wire::Wire;

use crate::log::failed;
use crate::poller::{WAKE, Waker};
use connect::Target;
use inbox::{Inbox, News};
use linger::Lingering;
use links::{Key, Links, Owner, State};
use resolve::Resolver;
use std::collections::VecDeque;
use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use tofu_core::{Address, Close, Link, Ready, Status, Transport};

/// The transport of a host: TCP, Unix sockets and memory.
///
/// Nothing here polls or blocks, so it can be used while another thread sleeps in the poll. What
/// it has to report without an event of the poll, [`Sockets::has_news`] says: look before sleeping.
///
/// Sockets are watched edge-triggered from the start. What an edge said is kept per link, so that
/// one that came before the engine asked is not lost.
///
/// Dropped, it ends everything without waiting: socket files and names are removed,
/// and the system still delivers what was sent, except on connections with unread input.
pub(crate) struct Sockets {
    registry: mio::Registry,
    links: Links,
    inbox: Arc<Inbox>,
    /// Empty between calls; swapped with the inbox's queue.
    news: VecDeque<News>,
    resolver: Resolver,
    lingering: Lingering,
    /// Where small messages are put together to be sent.
    joined: Box<[u8]>,
    /// Connections to be tried again, in order of time.
    retries: VecDeque<(Instant, Key)>,
    /// Connections under way that have another address to go to, in order of the time they do.
    attempts: VecDeque<(Instant, Link)>,
}

impl Sockets {
    /// A transport on the poll of `registry`. `waker` wakes that poll.
    pub(crate) fn new(registry: mio::Registry, waker: Arc<Waker>) -> Sockets {
        Sockets {
            registry,
            links: Links::default(),
            inbox: Inbox::new(waker),
            news: VecDeque::new(),
            resolver: Resolver::default(),
            lingering: Lingering::default(),
            joined: vec![0; stream::JOINED].into_boxed_slice(),
            retries: VecDeque::new(),
            attempts: VecDeque::new(),
        }
    }

    /// Takes note of what the poll found. How many events that were.
    pub(crate) fn take_events(&mut self, events: &mio::Events) -> usize {
        let mut count = 0;
        for event in events {
            count += 1;
            if event.token() == WAKE {
                continue;
            }
            match Owner::of(event.token()) {
                Owner::Link(key) => self.take_event(key, event),
                Owner::Lingering(key) => self.lingering.report(key),
            }
        }
        count
    }

    /// Whether [`next_ready`](Transport::next_ready) has something to tell.
    pub(crate) fn has_news(&self) -> bool {
        self.links.has_ready() || self.inbox.has_news()
    }

    /// When [`Sockets::expire`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let retry = self.retries.front().map(|&(due, _)| due);
        let attempt = self.attempts.front().map(|&(due, _)| due);
        self.lingering.deadline().into_iter().chain(retry).chain(attempt).min()
    }

    /// Sees to what lingers, tries again what is to be tried again, and gives up addresses that do
    /// not answer.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.lingering.tend(now, &self.registry);
        while let Some(&(due, key)) = self.retries.front()
            && due <= now
        {
            self.retries.pop_front();
            self.retry(key);
        }
        while let Some(&(due, link)) = self.attempts.front()
            && due <= now
        {
            self.attempts.pop_front();
            self.go_on_connecting(link, false);
        }
    }

    fn take_event(&mut self, key: Key, event: &mio::event::Event) {
        let link = key.link();
        match self.links.find(key).map(|slot| &slot.state) {
            Some(State::Connecting(_)) => self.go_on_connecting(link, true),
            Some(State::Listener(_)) => return self.links.readable(link),
            _ => {}
        }
        let Some(slot) = self.links.find(key) else {
            return;
        };
        if !matches!(slot.state, State::Stream(_)) {
            return;
        }
        let closed = event.is_read_closed() || event.is_error();
        slot.read_closed |= closed;
        if closed || event.is_readable() {
            self.links.readable(link);
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            self.links.writable(link);
        }
    }

    fn take_news(&mut self) {
        let mut news = std::mem::take(&mut self.news);
        self.inbox.take(&mut news);
        for item in news.drain(..) {
            match item {
                News::Resolved(key, addresses) => self.resolved(key, addresses),
                News::Ready(key, _) if self.links.find(key).is_none() => {}
                News::Ready(key, Ready::Writable) => self.links.writable(key.link()),
                News::Ready(key, _) => self.links.readable(key.link()),
            }
        }
        self.news = news;
    }
}

impl Transport for Sockets {
    fn listen(&mut self, link: Link, at: &Address<'_>) -> Result<(), Status> {
        match *at {
            Address::Tcp { host, port } => self.listen_tcp(link, host, port),
            #[cfg(unix)]
            Address::Uds { path } => {
                self.add_listener(link, listener::Listener::Uds(uds::listen(path)?))
            }
            Address::Mem { name } => {
                let listener = mem::listen(name, self.mailbox(link))?;
                self.add_listener(link, listener::Listener::Mem(listener))
            }
            _ => Err(Status::InvalidAddress),
        }
    }

    fn connect(&mut self, link: Link, to: &Address<'_>) -> Result<(), Status> {
        match *to {
            Address::Tcp { host, port } => self.connect_tcp(link, host, port),
            #[cfg(unix)]
            Address::Uds { path } => self.connect_local(link, Target::Uds(path.to_owned())),
            Address::Mem { name } => self.connect_local(link, Target::Mem(name.to_owned())),
            _ => Err(Status::InvalidAddress),
        }
    }

    fn local_address(&self, listener: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        match self.links.get(listener).map(|slot| &slot.state) {
            Some(State::Listener(listener)) => listener.write_address(out),
            _ => Err(fmt::Error),
        }
    }

    fn accept(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        let mailbox = self.mailbox(link);
        let accepted = match self.links.get(listener).map(|slot| &slot.state) {
            Some(State::Listener(listener)) => listener.accept(mailbox),
            _ => Err(ErrorKind::InvalidInput.into()),
        };
        match accepted.and_then(|stream| self.add_stream(link, stream)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(failed(Status::AcceptFailed, "accepting")(error))),
        }
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        let Some(slot) = self.links.get_mut(link) else {
            return Poll::Ready(Err(Status::RecvFailed));
        };
        let State::Stream(stream) = &slot.state else {
            return Poll::Ready(Err(Status::RecvFailed));
        };
        let room: usize = bufs.iter().map(|buf| buf.len()).sum();
        if room == 0 {
            // A system call would answer 0, as at the end of the stream.
            self.links.readable(link);
            return Poll::Pending;
        }
        let received = stream.recv(bufs);
        match received {
            Poll::Ready(Ok(0)) => slot.ended = true,
            Poll::Ready(Ok(count)) if count < room => {
                if slot.read_closed || !stream::recv_waits(bufs.len()) {
                    self.links.readable(link);
                }
            }
            // Whatever was said of an end, it isn't here.
            Poll::Pending => slot.read_closed = false,
            Poll::Ready(_) => {}
        }
        received
    }

    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        let Some(State::Stream(stream)) = self.links.get(link).map(|slot| &slot.state) else {
            return Poll::Ready(Err(Status::SendFailed));
        };
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        if offered == 0 {
            return Poll::Ready(Ok(0));
        }
        let sent = match stream.join(bufs, offered, &mut self.joined) {
            Some(bytes) => stream.send(&[bytes]),
            None => stream.send(bufs),
        };
        match sent {
            Poll::Pending => self.links.blocked(link),
            Poll::Ready(Ok(count)) if count < offered => {
                self.links.blocked(link);
                if !stream::send_waits(bufs.len()) {
                    self.links.writable(link);
                }
            }
            Poll::Ready(_) => {}
        }
        sent
    }

    fn want_write(&mut self, link: Link, on: bool) {
        self.links.want_write(link, on);
        let token = Owner::Link(self.links.key(link)).token();
        let Some(slot) = self.links.get_mut(link) else {
            return;
        };
        let State::Stream(stream) = &mut slot.state else {
            return;
        };
        let interest = stream.interest(on);
        if interest != stream.interest(!on)
            && let Some(source) = stream.source()
        {
            // Tells at once if there is room already. It cannot fail on an open socket.
            let _ = self.registry.reregister(source, token, interest);
        }
    }

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        if self.inbox.has_news() {
            self.take_news();
        }
        self.links.next_ready()
    }

    fn close(&mut self, link: Link, how: Close) {
        let Some(slot) = self.links.close(link) else {
            return;
        };
        match slot.state {
            State::Stream(stream) if how == Close::Graceful && !slot.ended => {
                self.lingering.add(stream, slot.read_closed, &self.registry, Instant::now());
            }
            // Dropped, it leaves the poll by itself.
            State::Stream(stream) => {
                if how == Close::Abort {
                    stream.abort();
                }
            }
            State::Listener(mut listener) => {
                listener.source().into_iter().for_each(|source| self.deregister(source));
            }
            State::Connecting(mut connecting) => {
                self.end_attempt(link);
                self.deregister(&mut connecting.stream);
            }
            State::Idle | State::Resolving(_) | State::Retrying(_) => {}
        }
    }
}
