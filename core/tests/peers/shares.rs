//! Nobody starves the others: who sends all the time, who never reads, who brings a byte at a time.

use super::{BUDGET, Peers, Rig, frame};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tofu_core::{Engine, Instant, LocalLock, Message, Opcode, Options, Pool, Received, Status};

const SECOND: Duration = Duration::from_secs(1);
/// Peers beside one that asks and waits.
const CROWD: usize = 62;

#[test]
fn who_asks_and_waits_comes_before_who_sends_all_the_time() {
    let mut rig = Rig::new(1_000, 9);
    let request = frame(Opcode::Request, 7, b"again");
    for peer in 0..8 {
        rig.io.peers[peer].floods = true;
        rig.io.send(peer, &request.repeat(8));
    }
    // Each had its turn.
    for _ in 0..8 {
        rig.turn();
        while rig.receive().is_some() {}
    }
    rig.io.send(8, &frame(Opcode::Request, 7, b"once"));
    rig.turn();
    assert_eq!(rig.peers_message().body(), b"once");
    // And those are not forgotten.
    rig.turn();
    assert_eq!(rig.peers_message().body(), b"again");
}

#[test]
fn a_byte_from_each_of_a_crowd_keeps_nobody_waiting() {
    let mut rig = Rig::new(1_000, CROWD + 1);
    let request = frame(Opcode::Request, 7, b"bit by bit");
    for (nth, byte) in request.iter().enumerate() {
        for peer in 0..CROWD {
            rig.io.send(peer, &[*byte]);
        }
        rig.io.send(CROWD, &frame(Opcode::Request, 8, b"at once"));
        let before: usize = rig.io.peers.iter().map(|peer| peer.reads).sum();
        rig.turn();
        let reads = rig.io.peers.iter().map(|peer| peer.reads).sum::<usize>() - before;
        assert!(reads <= 2 * BUDGET as usize, "{reads} reads in one turn");
        // The first byte told us nothing about who is slow.
        while nth == 0 && !rig.engine.has_received(rig.group) {
            rig.turn();
        }
        assert_eq!(rig.peers_message().body(), b"at once");
        rig.settle();
    }
    for _ in 0..CROWD {
        assert_eq!(rig.peers_message().body(), b"bit by bit");
    }
}

#[test]
fn reading_does_not_run_far_ahead_of_the_receiver() {
    let mut rig = Rig::new(1_000, 2);
    for peer in 0..2 {
        rig.io.peers[peer].floods = true;
        rig.io.send(peer, &frame(Opcode::Signal, 7, b"more"));
    }
    rig.settle();
    let waiting = 1_000 - rig.engine.pool().free();
    assert!((256..=256 + BUDGET as usize).contains(&waiting), "{waiting} messages wait");
    let mut received = 0;
    while !rig.engine.has_work() {
        rig.peers_message();
        received += 1;
    }
    assert!((128..200).contains(&received), "it goes on after {received} are received");
}

#[test]
fn who_never_reads_leaves_a_message_for_each_of_the_others() {
    let mut rig = Rig::new(200, CROWD + 1);
    let request = frame(Opcode::Request, 7, b"an answer, please");
    for peer in 0..CROWD {
        let peer_state = &mut rig.io.peers[peer];
        (peer_state.floods, peer_state.deaf) = (true, true);
        rig.io.send(peer, &request.repeat(20));
        // The first of them have all the pool to themselves.
        loop {
            let more = rig.turn();
            while let Some(Received::Peer(message)) = rig.receive() {
                rig.answer(message);
            }
            if !more && !rig.engine.has_received(rig.group) {
                break;
            }
        }
    }
    let free = rig.engine.pool().free();
    assert!(free > 0, "all 200 messages are answers nobody reads");
    rig.io.send(CROWD, &frame(Opcode::Request, 8, b"me too"));
    rig.settle();
    assert_eq!(rig.peers_message().body(), b"me too");
}

#[test]
fn what_cannot_be_sent_makes_room_for_what_was_received_before() {
    let mut rig = Rig::new(1, 1);
    rig.io.peers[0].deaf = true;
    rig.io.send(0, &frame(Opcode::Request, 7, b"first"));
    rig.settle();
    let first = rig.peers_message();
    rig.answer(first);
    rig.settle();
    rig.io.send(0, &frame(Opcode::Signal, 8, b"last"));
    rig.settle();
    rig.io.leave(0);
    rig.settle();
    let answer = loop {
        match rig.receive() {
            Some(Received::Notice(notice)) => assert_eq!(notice.status, Status::PoolEmpty),
            Some(Received::Returned(message, Status::PeerDisconnected)) => break message,
            other => panic!("instead of the answer came {other:?}"),
        }
    };
    assert_eq!(answer.opcode(), Opcode::Response);
    let refused = rig.engine.post(rig.group, answer).unwrap_err();
    assert_eq!(refused.status, Status::ChannelClosed);
    drop(refused);
    rig.settle();
    assert_eq!(rig.peers_message().body(), b"last");
    // That nothing follows is still to be read.
    rig.io.send(0, b"");
    rig.settle();
    let Some(Received::Notice(notice)) = rig.receive() else { panic!("no last word") };
    assert_eq!(notice.status, Status::ChannelClosed);
    assert_eq!(notice.reason, Status::PeerDisconnected);
}

tofu_core::platform! {
    struct Small {
        buffer: Box<[u8]>,
        pool: Rc<Pool<Small>>,
        lock: LocalLock,
        classes: 2,
        messages: 64,
        channels: 4,
        groups: 2,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

fn small_engine(classes: &[(usize, u16)]) -> Engine<Small> {
    let pool = Pool::new();
    for &(size, count) in classes {
        pool.add_class(size, count);
    }
    Engine::new(Rc::new(pool), &Options::DEFAULT)
}

fn settle(engine: &mut Engine<Small>, io: &mut Peers) {
    while engine.turn(Instant::ZERO, io, BUDGET).more || !io.ready.is_empty() {}
}

/// How much is received from two peers that have always more to say, on channels of so many groups, by an application
/// that holds on to the last `held` messages.
fn race(messages: u16, held: usize, groups: usize) -> [u32; 2] {
    let mut engine = small_engine(&[(512, messages)]);
    let groups: Vec<_> =
        (0..groups).map(|_| engine.open_group(vec![0; 64].into_boxed_slice()).unwrap()).collect();
    let mut io = Peers::new(2);
    let channels = [0, 1].map(|nth| {
        let mut hello = engine.get().unwrap();
        hello.connect_to("mem|peer").unwrap();
        let channel = engine.post(groups[nth % groups.len()], hello).unwrap().channel;
        settle(&mut engine, &mut io);
        channel
    });
    for peer in 0..2 {
        io.peers[peer].floods = true;
        io.send(peer, &frame(Opcode::Signal, 7, &[1; 40]));
    }
    let (mut count, mut kept) = ([0; 2], VecDeque::new());
    for _ in 0..2_000 {
        engine.turn(Instant::ZERO, &mut io, BUDGET);
        for &group in &groups {
            while let Some(received) = engine.receive(group) {
                let Received::Peer(message) = received else { continue };
                count[usize::from(message.channel() == channels[1])] += 1;
                kept.push_back(message);
            }
        }
        kept.drain(..kept.len().saturating_sub(held));
    }
    count
}

#[test]
fn who_waits_for_a_message_gets_what_comes_back_before_who_does_not() {
    for groups in [1, 2] {
        for messages in 1..=8 {
            for held in 0..usize::from(messages) {
                let count = race(messages, held, groups);
                let [less, more] = [count.iter().min(), count.iter().max()].map(Option::unwrap);
                let case = format!("{groups} groups, {messages} messages, {held} held");
                assert!(less * 4 >= *more, "{case}: {less} and {more}");
            }
        }
    }
}

#[test]
fn answers_to_hello_count_in_the_size_they_grow_to() {
    let mut engine = small_engine(&[(64, 16), (512, 16)]);
    let group = engine.open_group(vec![0; 64].into_boxed_slice()).unwrap();
    let mut io = Peers::new(1);
    let mut welcome = engine.get().unwrap();
    welcome.listen_on("mem|here").unwrap();
    engine.post(group, welcome).unwrap();
    settle(&mut engine, &mut io);
    io.peers[0].deaf = true;
    io.send(0, &frame(Opcode::HelloRequest, 1, b""));
    settle(&mut engine, &mut io);
    let channel = std::iter::from_fn(|| engine.receive(group)).last().unwrap().channel();
    let mut answers = 0;
    loop {
        // It has no room for what the engine adds.
        let mut answer: Message<Small> = engine.get().unwrap();
        answer.prepare(Opcode::HelloResponse, channel).set_id(1);
        answer.set_body([0; 48]).unwrap();
        if engine.post(group, answer).is_err() {
            break;
        }
        answers += 1;
    }
    assert!(answers <= 8, "{answers} of 16 large messages are one channel's");
}

#[test]
fn a_message_that_comes_back_lets_one_group_read_on_and_then_the_other() {
    let mut engine = small_engine(&[(512, 1)]);
    let groups = [(); 2].map(|()| engine.open_group(vec![0; 64].into_boxed_slice()).unwrap());
    let mut io = Peers::new(2);
    for group in groups {
        let mut hello = engine.get().unwrap();
        hello.connect_to("mem|peer").unwrap();
        engine.post(group, hello).unwrap();
        settle(&mut engine, &mut io);
    }
    let mut held = engine.get();
    for peer in 0..2 {
        io.send(peer, &frame(Opcode::Signal, 7, b"").repeat(4));
    }
    settle(&mut engine, &mut io);
    for group in groups {
        let Some(Received::Notice(notice)) = engine.receive(group) else { panic!("no notice") };
        assert_eq!(notice.status, Status::PoolEmpty);
    }
    let (mut readers, mut has_read) = (vec![], [false; 2]);
    for _ in 0..8 {
        drop(held.take());
        settle(&mut engine, &mut io);
        for (reader, group) in groups.into_iter().enumerate() {
            while let Some(received) = engine.receive(group) {
                match received {
                    Received::Peer(message) => {
                        readers.push(reader);
                        has_read[reader] = true;
                        held = Some(message);
                    }
                    Received::Notice(_) => {
                        let has_read = std::mem::take(&mut has_read[reader]);
                        assert!(has_read, "it is told again that the pool is empty");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(held.is_some());
        settle(&mut engine, &mut io);
    }
    assert!(readers.chunks(2).all(|two| two[0] != two[1]), "{readers:?}");
}

/// After how many turns the request of a quiet peer is received beside so many that flood, by an application that takes
/// `take` messages between two turns and holds on to the last `held`.
fn turns_until_heard(pool: u16, floods: usize, budget: u32, take: usize, held: usize) -> usize {
    let mut rig = Rig::new(pool, floods + 1);
    for peer in 0..floods {
        rig.io.peers[peer].floods = true;
        rig.io.send(peer, &frame(Opcode::Signal, 7, b"").repeat(64));
    }
    let mut kept = VecDeque::new();
    for turn in 0..3_000 {
        if turn == 200 {
            rig.io.send(floods, &frame(Opcode::Request, 7, b"quiet"));
        }
        rig.engine.turn(Instant::ZERO, &mut rig.io, budget);
        for _ in 0..take {
            match rig.receive() {
                Some(Received::Peer(message)) if message.body() == b"quiet" => return turn - 200,
                Some(Received::Peer(message)) => kept.push_back(message),
                Some(_) => {}
                None => break,
            }
        }
        kept.drain(..kept.len().saturating_sub(held));
    }
    panic!("never: {pool} messages, {floods} floods, {budget} a turn, {take} taken, {held} held")
}

#[test]
fn who_is_quiet_is_heard_beside_floods_that_wait_for_messages() {
    let mut most = 0;
    for pool in [20, 64, 132, 500] {
        for floods in [2, 8, 16, 100] {
            for (budget, take, held) in [
                (1, 4, 0),
                (4, 1, 8),
                (4, 4, 8),
                (16, 4, 8),
                (16, 16, 0),
                (64, 64, 0),
                (64, 1_000, 8),
            ] {
                most = most.max(turns_until_heard(pool, floods, budget, take, held));
            }
        }
    }
    assert!(most < 500, "after {most} turns");
}

#[test]
fn what_came_back_for_a_channel_that_ends_is_anothers() {
    let options = Options { send_timeout: Some(5 * SECOND), ..Options::DEFAULT };
    let pool = Pool::new();
    pool.add_class(128, 2);
    let mut engine = Engine::<Small>::new(Rc::new(pool), &options);
    let groups = [(); 2].map(|()| engine.open_group(vec![0; 256].into_boxed_slice()).unwrap());
    let mut io = Peers::new(3);
    // The first takes nothing of what waits for it, and of the third's frame half is here: both messages are taken.
    let channels = [groups[0], groups[1], groups[1]].map(|group| {
        let mut hello = engine.get().unwrap();
        hello.connect_to("mem|peer").unwrap();
        let channel = engine.post(group, hello).unwrap().channel;
        settle(&mut engine, &mut io);
        channel
    });
    io.peers[0].deaf = true;
    let mut signal = engine.get().unwrap();
    signal.prepare(Opcode::Signal, channels[0]);
    engine.post(groups[0], signal).unwrap();
    io.send(2, &frame(Opcode::Signal, 1, b"half")[..18]);
    settle(&mut engine, &mut io);
    for peer in [0, 1] {
        io.send(peer, &frame(Opcode::Signal, 2, b"whole"));
        settle(&mut engine, &mut io);
    }
    // The half frame's message comes back, and the first channel, which would be the next to have it, is late.
    io.leave(2);
    let late = Instant::ZERO.after(6 * SECOND);
    let _kept: Vec<_> = loop {
        let turn = engine.turn(late, &mut io, BUDGET);
        if !turn.more && io.ready.is_empty() {
            break std::iter::from_fn(|| engine.receive(groups[0])).collect();
        }
    };
    while engine.has_work() {
        engine.turn(late, &mut io, BUDGET);
    }
    let mut second = std::iter::from_fn(|| engine.receive(groups[1]));
    assert!(second.any(|received| matches!(received, Received::Peer(_))));
}
