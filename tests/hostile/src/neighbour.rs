//! The well-behaved client of the same server: it asks all the time, and notes how long each answer takes.

use crate::Outcome;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Opcode, Received, Status};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it has a question.
const PERIOD: Duration = Duration::from_millis(1);
/// Bytes of a question.
const BODY: [u8; 64] = [0x5a; 64];

/// A client that goes on until it is asked for what it has seen.
pub(crate) struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Duration>, String>>,
}

impl Neighbour {
    /// Connects, and asks from now on.
    pub(crate) fn start(server: SocketAddr) -> Outcome<Neighbour> {
        let stop = Arc::new(AtomicBool::new(false));
        let group = Engine::new()?.group()?;
        let channel = connect(&group, server)?;
        let stopped = stop.clone();
        let talk = move || {
            let times = ask(&group, channel, &stopped).map_err(|error| error.to_string());
            group.engine().stop();
            times
        };
        Ok(Neighbour { stop, thread: thread::spawn(talk) })
    }

    /// Whether it gave up.
    pub(crate) fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops it: how long the answers took.
    pub(crate) fn stop(self) -> Outcome<Vec<Duration>> {
        self.stop.store(true, Ordering::SeqCst);
        let times = self.thread.join().map_err(|_| "the neighbour panicked")?;
        Ok(times.map_err(|error| format!("the neighbour: {error}"))?)
    }

    /// How long answers take for a while.
    pub(crate) fn for_a_while(server: SocketAddr, time: Duration) -> Outcome<Vec<Duration>> {
        let neighbour = Neighbour::start(server)?;
        thread::sleep(time);
        neighbour.stop()
    }
}

fn connect(group: &ChannelGroup, server: SocketAddr) -> Outcome<ChannelNumber> {
    let mut hello = group.engine().get().ok_or(Status::PoolEmpty)?;
    hello.connect_to(format_args!("tcp|{}|{}", server.ip(), server.port()))?;
    let channel = group.post(hello)?.channel;
    match group.wait_receive(PATIENCE)? {
        Some(Received::Peer(message)) if message.opcode() == Opcode::HelloResponse => Ok(channel),
        other => Err(format!("instead of a HelloResponse came {other:?}").into()),
    }
}

/// Asks once a period. An answer that takes many periods counts for those who would have asked meanwhile, too:
/// it is one of thousands otherwise, and no percentile shows it.
fn ask(group: &ChannelGroup, channel: ChannelNumber, stop: &AtomicBool) -> Outcome<Vec<Duration>> {
    let mut times = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let asked = Instant::now();
        let mut request = group.engine().get().ok_or(Status::PoolEmpty)?;
        request.prepare(Opcode::Request, channel).set_body(BODY)?;
        let id = group.post(request)?.id;
        match group.wait_receive(PATIENCE)? {
            Some(Received::Peer(message)) if message.id() == id && message.body() == BODY => {
                let waits = std::iter::successors(Some(asked.elapsed()), |wait| {
                    wait.checked_sub(PERIOD).filter(|rest| !rest.is_zero())
                });
                times.extend(waits);
            }
            other => return Err(format!("instead of its answer came {other:?}").into()),
        }
        thread::sleep(PERIOD.saturating_sub(asked.elapsed()));
    }
    Ok(times)
}
