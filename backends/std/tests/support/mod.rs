//! What the tests of this crate share: connecting two groups, and looking at this process.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tofu_std::{
    ChannelGroup, ChannelNumber, Engine, Header, LISTEN_ON, Message, Opcode, Options, Received,
    Status,
};

/// Longer than anything here takes; reaching it is a failure.
pub const SOON: Duration = Duration::from_secs(20);

/// A channel's number at the client and at the server.
pub type Pair = (ChannelNumber, ChannelNumber);

/// The next thing a group receives.
pub fn receive(group: &ChannelGroup) -> Received {
    group.wait_receive(SOON).expect("the engine runs").expect("something comes in time")
}

/// The next thing, which must be a peer's message.
pub fn peer(group: &ChannelGroup) -> Message {
    match receive(group) {
        Received::Peer(message) => message,
        other => panic!("expected a peer's message, got {other:?}"),
    }
}

/// The next thing, which must be this notice; its reason.
pub fn notice(group: &ChannelGroup, status: Status) -> Status {
    match receive(group) {
        Received::Notice(notice) if notice.status == status => notice.reason,
        other => panic!("expected the notice {status}, got {other:?}"),
    }
}

/// An engine whose listeners may have every channel there is.
pub fn engine_for_many() -> Engine {
    let mut options = Options::default();
    options.protocol.listener_channels = u16::MAX;
    Engine::with_options(options).unwrap()
}

/// Starts a listener; its channel, and the address it really has.
pub fn listen(group: &ChannelGroup, address: &str) -> (ChannelNumber, String) {
    let mut welcome = group.engine().get().unwrap();
    welcome.listen_on(address).unwrap();
    group.post(welcome).unwrap();
    match receive(group) {
        Received::Returned(message, Status::Success) => {
            assert_eq!(message.opcode(), Opcode::WelcomeResponse);
            let address = message.text().get_str(LISTEN_ON).unwrap().to_owned();
            (message.channel(), address)
        }
        other => panic!("expected a WelcomeResponse, got {other:?}"),
    }
}

/// Connects; the client's channel.
pub fn connect(group: &ChannelGroup, address: &str) -> ChannelNumber {
    post_hello(group, address).channel
}

fn post_hello(group: &ChannelGroup, address: &str) -> Header {
    let mut hello = group.engine().get().unwrap();
    hello.connect_to(address).unwrap();
    group.post(hello).unwrap()
}

/// The channel of the HelloRequest that comes next.
pub fn hello(server: &ChannelGroup) -> ChannelNumber {
    let hello = peer(server);
    assert_eq!(hello.opcode(), Opcode::HelloRequest);
    hello.channel()
}

/// Connects, and takes the HelloRequest on the other side.
pub fn pair(client: &ChannelGroup, server: &ChannelGroup, address: &str) -> Pair {
    (connect(client, address), hello(server))
}

/// Connects so many times before the other side takes a HelloRequest. These come in any order, but
/// each with its id.
pub fn pairs_at_once(
    client: &ChannelGroup,
    server: &ChannelGroup,
    address: &str,
    count: usize,
) -> Vec<Pair> {
    let posted: Vec<_> = (0..count).map(|_| post_hello(client, address)).collect();
    let mut arrived = BTreeMap::new();
    for _ in 0..count {
        let hello = peer(server);
        assert_eq!(hello.opcode(), Opcode::HelloRequest);
        arrived.insert(hello.id(), hello.channel());
    }
    posted.iter().map(|hello| (hello.channel, arrived[&hello.id])).collect()
}

/// A request over this connection is answered over it.
pub fn assert_answers(client: &ChannelGroup, server: &ChannelGroup, (here, there): Pair) {
    let id = client.post(message(client.engine(), Opcode::Request, here)).unwrap().id;
    let mut request = peer(server);
    assert_eq!(request.channel(), there);
    request.reply().unwrap();
    server.post(request).unwrap();
    let response = peer(client);
    assert_eq!(
        (response.opcode(), response.channel(), response.id()),
        (Opcode::Response, here, id)
    );
}

/// Closes a connection, both ends knowing.
pub fn say_goodbye(client: &ChannelGroup, server: &ChannelGroup, (here, there): Pair) {
    client.post(message(client.engine(), Opcode::ByeRequest, here)).unwrap();
    let mut bye = peer(server);
    assert_eq!((bye.opcode(), bye.channel()), (Opcode::ByeRequest, there));
    bye.reply().unwrap();
    server.post(bye).unwrap();
    assert_eq!(peer(client).opcode(), Opcode::ByeResponse);
    for group in [client, server] {
        assert_eq!(notice(group, Status::ChannelClosed), Status::Success);
    }
}

/// A message of this kind for a channel.
pub fn message(engine: &Engine, opcode: Opcode, channel: ChannelNumber) -> Message {
    let mut message = engine.get_wait(SOON).expect("a message comes back in time");
    message.prepare(opcode, channel);
    message
}

/// Answers everything until the engine stops.
pub fn echo(group: &ChannelGroup) {
    while let Ok(Some(received)) = group.wait_receive(None) {
        if let Received::Peer(mut message) = received
            && message.reply().is_ok()
        {
            // The channel may have closed meanwhile.
            let _ = group.post_wait(message, None);
        }
    }
}

/// Waits until something holds that no event tells of.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many file descriptors this process has open.
#[cfg(target_os = "linux")]
pub fn open_files() -> usize {
    // The one it is read with is among them.
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// The CPU time of this process. Opened once, so that it can be read while no file can be opened.
#[cfg(target_os = "linux")]
pub struct CpuTime(std::fs::File);

#[cfg(target_os = "linux")]
impl CpuTime {
    pub fn open() -> CpuTime {
        CpuTime(std::fs::File::open("/proc/self/stat").unwrap())
    }

    /// So far, in clock ticks.
    pub fn ticks(&self) -> u64 {
        use std::os::unix::fs::FileExt;
        let mut stat = [0; 1024];
        let len = self.0.read_at(&mut stat, 0).unwrap();
        let stat = std::str::from_utf8(&stat[..len]).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // utime and stime are fields 14 and 15 of proc(5); two stand before the bracket.
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}
