//! Messages of another engine's pool: they take no place that the engine's own need.

use super::{Peers, frame};
use std::rc::Rc;
use tofu_core::{
    ChannelNumber, Engine, GroupId, Instant, LocalLock, Message, Opcode, Options, Pool, PostError,
    Received, Status,
};

const MESSAGES: u16 = 64;
/// As many of those wait to be sent as the platform has room for beside the engine's own.
const FOREIGN: u16 = 16;
/// Messages that one turn moves.
const BUDGET: u32 = 8;

tofu_core::platform! {
    struct Gateway {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Gateway>>,
        lock: LocalLock,
        classes: 1,
        messages: MESSAGES as usize,
        channels: 3,
        groups: 1,
    }
    foreign: FOREIGN as usize,
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

fn pool() -> Rc<Pool<Gateway>> {
    let pool = Pool::new();
    pool.add_class(512, MESSAGES);
    Rc::new(pool)
}

fn settle(engine: &mut Engine<Gateway>, io: &mut Peers) {
    while engine.turn(Instant::ZERO, io, BUDGET).more || !io.ready.is_empty() {}
}

/// How many of another pool's messages are taken, on two channels in turn; the one that is not.
fn post_all(
    engine: &mut Engine<Gateway>,
    group: GroupId,
    channels: [ChannelNumber; 2],
) -> (u16, PostError<Gateway>) {
    let other = pool();
    for count in 0.. {
        let mut message: Message<Gateway> = Pool::get(&other).expect("the other pool has more");
        message.prepare(Opcode::Signal, channels[usize::from(count % 2)]);
        message.set_body(count.to_string()).unwrap();
        if let Err(refused) = engine.post(group, message) {
            return (count, refused);
        }
    }
    unreachable!()
}

/// An engine with two connections to peers that take nothing.
fn connected() -> (Engine<Gateway>, GroupId, Peers, [ChannelNumber; 2]) {
    let mut engine = Engine::new(pool(), &Options::DEFAULT);
    let group = engine.open_group(vec![0; 4096].into_boxed_slice()).unwrap();
    let mut io = Peers::new(2);
    let channels = [(); 2].map(|()| {
        let mut hello = engine.get().unwrap();
        hello.connect_to("mem|peer").unwrap();
        engine.post(group, hello).unwrap().channel
    });
    settle(&mut engine, &mut io);
    io.peers.iter_mut().for_each(|peer| peer.deaf = true);
    (engine, group, io, channels)
}

#[test]
fn what_is_received_has_its_place_however_many_foreign_messages_wait() {
    let (mut engine, group, mut io, channels) = connected();
    let (posted, refused) = post_all(&mut engine, group, channels);
    assert_eq!((posted, refused.status), (FOREIGN, Status::PoolEmpty));
    assert_eq!(refused.message.body(), FOREIGN.to_string().as_bytes());
    for peer in 0..2 {
        io.send(peer, &frame(Opcode::Signal, 1, b"").repeat(8));
    }
    settle(&mut engine, &mut io);
    engine.shutdown();
    settle(&mut engine, &mut io);
    let (mut received, mut returned, mut closed) = (0, 0, 0);
    while let Some(next) = engine.receive(group) {
        match next {
            Received::Peer(_) => received += 1,
            Received::Returned(..) => returned += 1,
            Received::Notice(notice) => closed += u32::from(notice.status == Status::ChannelClosed),
        }
    }
    assert_eq!((received, returned, closed), (16, FOREIGN, 2));
    assert_eq!(engine.channels(), 0);
}

#[test]
fn notices_that_wait_take_no_place_of_a_foreign_message() {
    let (mut engine, group, _, channels) = connected();
    engine.update_receiver(group, None).unwrap();
    assert_eq!(post_all(&mut engine, group, channels).0, FOREIGN);
}
