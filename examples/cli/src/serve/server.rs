//! The receive loop.

use super::peer::{Flow, Peer};
use super::root::Root;
use crate::failure::{Failure, Result};
use crate::{client, output};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tofu_std::{
    ChannelGroup, ChannelNumber, LISTEN_ON, Message, Notice, Opcode, Received, Status, TextHeaders,
};

/// Messages taken in a row before those who wait for room get their turn.
const BATCH: usize = 64;
/// Room appears without a word: how often to look, at first and at last.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(16);
/// How long a graceful stop may take.
const STOP_TIME: Duration = Duration::from_secs(3);

/// What the one thread of `tofu serve` knows.
pub(super) struct Server {
    group: ChannelGroup,
    root: Option<Root>,
    listeners: HashSet<ChannelNumber>,
    peers: HashMap<ChannelNumber, Peer>,
    /// Peers with something that waits for room.
    busy: BTreeSet<ChannelNumber>,
    /// How long to wait for something to be received before looking for room again.
    pause: Duration,
    stop: Arc<AtomicBool>,
    stop_by: Option<Instant>,
}

impl Server {
    pub(super) fn new(group: ChannelGroup, root: Option<Root>, stop: Arc<AtomicBool>) -> Server {
        Server {
            group,
            root,
            listeners: HashSet::new(),
            peers: HashMap::new(),
            busy: BTreeSet::new(),
            pause: SHORTEST_WAIT,
            stop,
            stop_by: None,
        }
    }

    /// Asks for the listeners.
    pub(super) fn listen(&mut self, addresses: &[String]) -> Result {
        for address in addresses {
            let mut welcome = client::message(self.group.engine())?;
            welcome.listen_on(address)?;
            self.listeners.insert(self.group.post(welcome)?.channel);
        }
        Ok(())
    }

    /// Serves until a signal comes, or a listener fails.
    pub(super) fn run(&mut self) -> Result {
        while !self.is_over() {
            if let Some(received) = self.group.wait_receive(self.wait())? {
                self.handle(received)?;
                for _ in 1..BATCH {
                    let Some(received) = self.group.try_receive()? else {
                        break;
                    };
                    self.handle(received)?;
                }
            }
            self.pump_busy();
            if self.stop.load(Ordering::SeqCst) {
                self.say_goodbye();
            }
        }
        Ok(())
    }

    fn wait(&self) -> Option<Duration> {
        let waits_for_room = (!self.busy.is_empty()).then_some(self.pause);
        let watches = self.stop_by.map(|_| LONGEST_WAIT);
        waits_for_room.into_iter().chain(watches).min()
    }

    fn handle(&mut self, received: Received) -> Result {
        match received {
            Received::Peer(message) => self.handle_message(message),
            Received::Returned(message, status) => return self.handle_returned(&message, status),
            Received::Notice(notice) => self.handle_notice(notice),
        }
        Ok(())
    }

    fn handle_message(&mut self, message: Message) {
        let channel = message.channel();
        let peer = self.peers.entry(channel).or_insert_with(|| Peer::new(channel));
        if !peer.take(message, self.root.as_ref()) {
            return self.cut_off(channel);
        }
        if peer.pump(&self.group) != Flow::Idle {
            self.busy.insert(channel);
        }
    }

    fn handle_returned(&self, message: &Message, status: Status) -> Result {
        if message.opcode() != Opcode::WelcomeResponse {
            // An answer to somebody who is gone.
            return Ok(());
        }
        let address = listener_address(message.text());
        if status.is_success() {
            // Whoever started us may have stopped reading; we go on serving.
            let _ = output::line(&format!("listening {address}"));
            return Ok(());
        }
        Err(Failure::at(status, address))
    }

    fn handle_notice(&mut self, notice: Notice) {
        match notice.status {
            Status::ChannelClosed => {
                if notice.reason == Status::CommunicationFailed {
                    output::complain(&format!("channel {} is cut off", notice.channel));
                }
                self.peers.remove(&notice.channel);
                self.busy.remove(&notice.channel);
                self.listeners.remove(&notice.channel);
            }
            Status::AcceptFailed if notice.reason == Status::NotAllowed => {
                output::complain("a listener has all the clients it may have: others wait");
            }
            Status::AcceptFailed => output::complain(notice.status.name()),
            _ => {}
        }
    }

    /// Gives everybody who waits for room another try.
    fn pump_busy(&mut self) {
        let (mut more, mut progress) = (false, false);
        for &channel in &self.busy {
            let Some(peer) = self.peers.get_mut(&channel) else {
                continue;
            };
            match peer.pump(&self.group) {
                Flow::Idle => {}
                Flow::More => more = true,
                Flow::Refused { posted } => progress |= posted,
            }
        }
        let peers = &self.peers;
        self.busy.retain(|channel| peers.get(channel).is_some_and(|peer| !peer.is_quiet()));
        self.pause = match (more, progress) {
            (true, _) => Duration::ZERO,
            (false, true) => SHORTEST_WAIT,
            (false, false) => (self.pause * 2).clamp(SHORTEST_WAIT, LONGEST_WAIT),
        };
    }

    /// Drops a connection at once: its client asks for more than anybody may.
    fn cut_off(&mut self, channel: ChannelNumber) {
        output::complain(&format!("channel {channel} is cut off"));
        self.busy.remove(&channel);
        self.peers.remove(&channel);
        self.post_bye(channel, Opcode::ByeSignal);
    }

    fn post_bye(&self, channel: ChannelNumber, opcode: Opcode) {
        let mut bye = self.group.engine().get_always();
        bye.prepare(opcode, channel);
        // Refused where the channel is closing anyway.
        let _ = self.group.post(bye);
    }

    /// Closes the listeners, and each connection once nothing waits for it.
    fn say_goodbye(&mut self) {
        if self.stop_by.is_none() {
            self.stop_by = Some(Instant::now() + STOP_TIME);
            for &listener in &self.listeners {
                self.post_bye(listener, Opcode::ByeRequest);
            }
        }
        let done = self.peers.values_mut().filter_map(Peer::dismiss);
        for channel in done.collect::<Vec<_>>() {
            self.post_bye(channel, Opcode::ByeRequest);
        }
    }

    fn is_over(&self) -> bool {
        self.stop_by.is_some_and(|by| {
            (self.peers.is_empty() && self.listeners.is_empty()) || by <= Instant::now()
        })
    }
}

fn listener_address(text: TextHeaders<'_>) -> &str {
    text.get_str(LISTEN_ON).unwrap_or_default()
}
