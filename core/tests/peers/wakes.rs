//! Who has to do something learns of it.

use super::{BUDGET, connected_engine, engine, frame, settle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use tofu_core::{Instant, Opcode, Received, Status};

#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Bell {
    fn has_rung(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The loop of the crate's documentation, without a waker: an application that keeps what it receives until it is
/// told that the pool is empty, and a peer that says nothing more.
#[test]
fn a_loop_does_not_sleep_while_a_channel_waits_for_messages_that_came_back() {
    let (mut engine, group, mut io, _) = connected_engine(2);
    io.send(0, &frame(Opcode::Signal, 7, b"all of it is here").repeat(5));
    let (mut count, mut kept) = (0, vec![]);
    loop {
        let turn = engine.turn(Instant::ZERO, &mut io, BUDGET);
        while let Some(received) = engine.receive(group) {
            match received {
                Received::Peer(message) => {
                    count += 1;
                    kept.push(message);
                }
                Received::Notice(notice) if notice.status == Status::PoolEmpty => kept.clear(),
                other => panic!("{other:?}"),
            }
        }
        if !turn.more && !engine.has_work() && io.ready.is_empty() {
            break;
        }
    }
    assert_eq!(count, 5);
}

#[test]
fn a_loop_sleeps_while_a_channel_waits_for_messages_that_do_not_come_back() {
    let (mut engine, group, mut io, _) = connected_engine(1);
    io.send(0, &frame(Opcode::Signal, 7, b"").repeat(2));
    settle(&mut engine, &mut io, BUDGET);
    let held = engine.receive(group);
    settle(&mut engine, &mut io, BUDGET);
    assert!(!engine.has_work() && engine.pool().free() == 0);
    drop(held);
    assert!(engine.has_work());
}

#[test]
fn messages_that_are_added_wake_who_waits_for_one() {
    let (mut engine, group, mut io, _) = connected_engine(1);
    let bell = Arc::new(Bell::default());
    engine.pool().set_waker(bell.clone().into());
    io.send(0, &frame(Opcode::Signal, 1, b"first").repeat(2));
    settle(&mut engine, &mut io, BUDGET);
    let held = engine.receive(group);
    settle(&mut engine, &mut io, BUDGET);
    assert!(held.is_some() && !bell.has_rung());
    engine.pool().add_class(512, 8);
    assert!(bell.has_rung());
    settle(&mut engine, &mut io, BUDGET);
    let next = std::iter::from_fn(|| engine.receive(group)).last();
    assert!(matches!(next, Some(Received::Peer(_))), "{next:?}");
}

#[test]
fn who_waits_for_a_group_learns_that_it_is_gone() {
    let (mut engine, group) = engine(4);
    let bell = Arc::new(Bell::default());
    engine.set_waker(group, bell.clone().into()).unwrap();
    engine.close_group(group).unwrap();
    assert!(bell.has_rung());
}

#[test]
fn a_loop_does_not_sleep_though_somebody_was_refused_since_a_message_came_back() {
    let (mut engine, group, mut io, _) = connected_engine(2);
    io.send(0, &frame(Opcode::Signal, 7, b"").repeat(3));
    let mut held = vec![];
    while held.len() < 2 {
        settle(&mut engine, &mut io, BUDGET);
        held.extend(engine.receive(group).filter(|it| matches!(it, Received::Peer(_))));
    }
    settle(&mut engine, &mut io, BUDGET);
    assert!(!engine.has_work() && engine.pool().free() == 0);
    held.pop();
    assert!(engine.get().is_none(), "the last is kept for receiving");
    assert!(engine.has_work(), "a turn would read the third");
}
