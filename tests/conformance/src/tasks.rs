//! [`HostWorld`], whose groups are received from by async tasks.

use crate::host::{HostRaw, HostRawListener, HostWorld};
use crate::world::{Group, Peer, RawWorld, Setup, World};
use std::sync::LazyLock;
use std::time::Duration;
use tofu_core::{Header, Limits, Stats, Status};
use tofu_std::{ChannelGroup, Engine, Host, Message, PostError, Received};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// For its clock: each test runs its tasks on its own thread.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime")
});

/// Engines of this process, received from by tasks.
pub struct TaskWorld(pub HostWorld);

impl World for TaskWorld {
    type Platform = Host;
    type Peer = TaskEngine;

    const QUIET: Duration = HostWorld::QUIET;

    fn peer(&self, setup: &Setup) -> TaskEngine {
        TaskEngine(self.0.peer(setup))
    }

    fn address(&self) -> String {
        self.0.address()
    }

    fn nowhere(&self) -> (String, Status) {
        self.0.nowhere()
    }

    fn pass(&self, time: Duration) {
        self.0.pass(time);
    }
}

impl RawWorld for TaskWorld {
    type Raw = HostRaw;
    type RawListener = HostRawListener;

    fn raw_address(&self) -> String {
        self.0.raw_address()
    }

    fn raw_connect(&self, address: &str) -> HostRaw {
        self.0.raw_connect(address)
    }

    fn raw_listen(&self) -> HostRawListener {
        self.0.raw_listen()
    }
}

/// An engine whose groups are received from by tasks.
pub struct TaskEngine(Engine);

impl Peer for TaskEngine {
    type Platform = Host;
    type Group = TaskGroup;

    fn get(&self) -> Option<Message> {
        self.0.get()
    }

    fn group(&self) -> TaskGroup {
        TaskGroup(Peer::group(&self.0))
    }

    fn stop(&self) {
        self.0.stop();
    }

    fn free_messages(&self) -> usize {
        self.0.free_messages()
    }

    fn channels(&self) -> usize {
        self.0.channels()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    fn stats(&self) -> Stats {
        self.0.stats()
    }
}

/// A group that is received from by tasks.
pub struct TaskGroup(ChannelGroup);

impl Group for TaskGroup {
    type Platform = Host;

    fn post(&self, message: Message) -> Result<Header, PostError> {
        self.0.post(message)
    }

    fn receive(&self, time: Duration) -> Option<Received> {
        let received = RUNTIME.block_on(async { timeout(time, self.0.receive_async()).await });
        received.ok()?.ok()
    }

    fn update_receiver(&self, message: Option<Message>) -> Result<(), Status> {
        Group::update_receiver(&self.0, message)
    }
}
