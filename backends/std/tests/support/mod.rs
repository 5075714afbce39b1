//! What the tests of this crate share: connecting two groups.
#![allow(dead_code, unreachable_pub)]

use std::time::Duration;
use tofu_std::{ChannelGroup, ChannelNumber, Engine, LISTEN_ON, Message, Opcode, Received, Status};

/// Longer than anything here takes; reaching it is a failure.
pub const SOON: Duration = Duration::from_secs(20);

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
    let mut hello = group.engine().get().unwrap();
    hello.connect_to(address).unwrap();
    group.post(hello).unwrap().channel
}

/// Connects, and takes the HelloRequest on the other side; the channel's number at each end.
pub fn pair(
    client: &ChannelGroup,
    server: &ChannelGroup,
    address: &str,
) -> (ChannelNumber, ChannelNumber) {
    let here = connect(client, address);
    let hello = peer(server);
    assert_eq!(hello.opcode(), Opcode::HelloRequest);
    (here, hello.channel())
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
