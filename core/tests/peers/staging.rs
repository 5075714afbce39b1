//! Who waits while the bytes of another are in the staging buffer, and whose bytes they are.

use super::{Host, Rig, frame};
use tofu_core::{Engine, Message, Opcode, Received, Status};

/// All that the pool gives to an application.
fn take_all(engine: &Engine<Host>) -> Vec<Message<Host>> {
    std::iter::from_fn(|| engine.get()).collect()
}

/// One channel has read as far ahead of its receiver as it may, and the rest of its bytes is staged. The receiver
/// takes some, and keeps the whole pool; then comes a stranger, who may not use up those bytes.
#[test]
fn channel_that_reads_no_further_keeps_its_place_while_others_come_and_it_ends() {
    let mut rig = Rig::with_strangers(1_000, 1, 1);
    rig.io.peers[0].floods = true;
    rig.io.send(0, &frame(Opcode::Signal, 7, b"more"));
    rig.settle();
    let mut kept = take_all(&rig.engine);
    kept.extend((0..40).map(|_| rig.peers_message()));
    let hello = frame(Opcode::HelloRequest, 1, b"");
    rig.io.send(1, &hello[..4]);
    rig.settle();
    let mut bye = kept.pop().unwrap();
    bye.reset();
    bye.prepare(Opcode::ByeSignal, rig.channels[0]);
    rig.engine.post(rig.group, bye).unwrap();
    drop(kept);
    rig.io.send(1, &hello[4..]);
    let (mut closed, mut hellos) = (0, 0);
    rig.settle();
    while let Some(received) = rig.receive() {
        match received {
            Received::Notice(notice) => closed += u32::from(notice.status == Status::ChannelClosed),
            Received::Peer(message) => {
                hellos += u32::from(message.opcode() == Opcode::HelloRequest)
            }
            Received::Returned(..) => {}
        }
        rig.settle();
    }
    assert_eq!((closed, hellos), (1, 1));
    assert_eq!(rig.engine.pool().free(), 1_000);
}
