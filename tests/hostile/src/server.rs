//! The server that is attacked: an echo in a process of its own, which counts what it was told.

use crate::{Outcome, processors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tofu_std::{
    ChannelGroup, ChannelNumber, Engine, Header, LISTEN_ON, Message, Notice, Opcode, Options,
    Origin, Received, SizeClass, Status,
};

/// The pool: 4,096 · 1 KiB, as by default, and few of the larger ones: 8 MiB in all.
const POOL: [SizeClass; 4] = [
    SizeClass { size: 1_088, count: 4_096 },
    SizeClass { size: 8_256, count: 128 },
    SizeClass { size: 66_112, count: 32 },
    SizeClass { size: 131_136, count: 8 },
];

/// How the server is made.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// How long a connection may say no hello, and a frame may take.
    pub(crate) patience: Duration,
    /// How long a channel may be silent, and take none of its answers.
    pub(crate) idle: Duration,
    /// The channels of the listener.
    pub(crate) channels: u16,
    /// Lines of text headers in a frame.
    pub(crate) lines: u16,
    /// The longest body.
    pub(crate) body: u16,
}

impl Setting {
    /// Short timeouts, and otherwise what is usual.
    pub(crate) const USUAL: Setting = Setting {
        patience: Duration::from_secs(2),
        idle: Duration::from_secs(5),
        channels: 1_024,
        lines: 1_024,
        body: u16::MAX,
    };

    fn options(&self) -> Options {
        let mut options = Options { pool: POOL.to_vec(), ..Options::default() };
        options.protocol.hello_timeout = self.patience;
        options.protocol.frame_timeout = self.patience;
        options.protocol.send_timeout = Some(self.idle);
        options.protocol.idle_timeout = Some(self.idle);
        options.protocol.listener_channels = self.channels;
        options.protocol.header_lines = self.lines;
        options.protocol.limits.body = self.body;
        options
    }

    /// What all the messages of the pool take.
    pub(crate) fn pool_bytes() -> u64 {
        POOL.iter().map(|class| class.size as u64 * u64::from(class.count)).sum()
    }
}

/// What the server has seen so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Channels that exist, the listener among them.
    pub(crate) channels: usize,
    /// Messages of the pool that are not free.
    pub(crate) held: usize,
    /// Peers' messages.
    pub(crate) received: u64,
    /// Its own, handed back.
    pub(crate) returned: u64,
    /// Its own, refused.
    pub(crate) refused: u64,
    /// Frames thrown away with a notice.
    pub(crate) too_long: u64,
    /// Times the pool ran dry.
    pub(crate) pool_empty: u64,
    /// Times the listener was full.
    pub(crate) full: u64,
    /// Channels that ended after their hello.
    pub(crate) closed: u64,
    /// Connections that ended before.
    pub(crate) unannounced: u64,
    /// What an application must never be told, in words.
    pub(crate) forged: Vec<String>,
}

/// Runs the server until its stdin ends. Says its address first, then a report for each line it reads.
pub(crate) fn run(setting: &str, processor: Option<usize>) -> Outcome {
    if let Some(number) = processor {
        processors::stay_on(number)?;
    }
    rlimit::increase_nofile_limit(u64::MAX)?;
    let setting: Setting = serde_json::from_str(setting)?;
    let engine = Engine::with_options(setting.options())?;
    let group = engine.group()?;
    let mut welcome = engine.get().ok_or(Status::PoolEmpty)?;
    welcome.listen_on("tcp||0")?;
    group.post(welcome)?;
    let ended = answer_stdin(&group);
    let mut echo = Echo { group, report: Report::default(), open: BTreeSet::new() };
    while let Some(received) = echo.group.wait_receive(None)? {
        echo.handle(received)?;
        if ended.load(Ordering::SeqCst) {
            break;
        }
    }
    Ok(())
}

/// Wakes the receiver for each line, and for the end.
fn answer_stdin(group: &ChannelGroup) -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    let (raised, group) = (ended.clone(), group.clone());
    thread::spawn(move || {
        for _ in io::stdin().lines().map_while(Result::ok) {
            // It fails only where the engine has stopped.
            let _ = group.update_receiver(None);
        }
        raised.store(true, Ordering::SeqCst);
        let _ = group.update_receiver(None);
    });
    ended
}

struct Echo {
    group: ChannelGroup,
    report: Report,
    /// Channels that said hello and were not closed.
    open: BTreeSet<ChannelNumber>,
}

impl Echo {
    fn handle(&mut self, received: Received) -> Outcome {
        match received {
            Received::Peer(message) => self.peer(message),
            Received::Returned(message, status) => self.returned(&message, status)?,
            Received::Notice(notice) if notice.status == Status::ReceiverUpdate => self.tell()?,
            Received::Notice(notice) => self.notice(&notice),
        }
        Ok(())
    }

    fn peer(&mut self, mut message: Message) {
        self.report.received += 1;
        let header = message.header();
        if header.origin != Origin::Application || header.status != Status::Success {
            self.forged(format!("a peer's message is marked: {header:?}"));
        }
        let is_new = header.opcode == Opcode::HelloRequest && self.open.insert(header.channel);
        if !is_new && !self.open.contains(&header.channel) {
            self.forged(format!("a message on a channel that is not open: {header:?}"));
        }
        let asks =
            matches!(header.opcode, Opcode::HelloRequest | Opcode::Request | Opcode::ByeRequest);
        if !asks {
            return;
        }
        let answered = message.reply().is_ok() && self.group.post(message).is_ok();
        self.report.refused += u64::from(!answered);
    }

    fn returned(&mut self, message: &Message, status: Status) -> Outcome {
        let Header { opcode, channel, .. } = message.header();
        if opcode == Opcode::WelcomeResponse {
            let address = message.text().get_str(LISTEN_ON).ok_or(status)?;
            println!("{}", address.rsplit('|').next().unwrap_or_default());
            return Ok(());
        }
        self.report.returned += 1;
        let mine = matches!(opcode, Opcode::HelloResponse | Opcode::Response | Opcode::ByeResponse);
        if !mine || status.is_success() || !self.open.contains(&channel) {
            self.forged(format!("{opcode} on {channel} came back with {status}"));
        }
        Ok(())
    }

    fn notice(&mut self, notice: &Notice) {
        match notice.status {
            Status::PoolEmpty => self.report.pool_empty += 1,
            Status::AcceptFailed => self.report.full += 1,
            Status::ChannelClosed if self.open.remove(&notice.channel) => self.report.closed += 1,
            Status::InvalidHeadersLen | Status::InvalidBodyLen
                if self.open.contains(&notice.channel) =>
            {
                self.report.too_long += 1;
            }
            _ => self.forged(format!("{notice:?}")),
        }
    }

    /// Keeps the first few.
    fn forged(&mut self, what: String) {
        if self.report.forged.len() < 10 {
            self.report.forged.push(what);
        }
    }

    fn tell(&mut self) -> Outcome {
        let engine = self.group.engine();
        let messages: usize = POOL.iter().map(|class| usize::from(class.count)).sum();
        self.report.channels = engine.channels();
        self.report.held = messages - engine.free_messages();
        self.report.unannounced = engine.stats().closed_unannounced;
        println!("{}", serde_json::to_string(&self.report)?);
        Ok(())
    }
}
