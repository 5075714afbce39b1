//! What only an engine between threads can promise: who waits is woken.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tofu_conformance::app::{App, PATIENCE, Pair};
use tofu_conformance::host::HostWorld;
use tofu_conformance::world::{Setup, World};
use tofu_core::{Opcode, Received, Status};

/// Runs `wait` on another thread and `wake` on this, once the other had time to fall asleep. Fails
/// when the other is not woken well before its timeout.
fn wakes<T: Send>(wait: impl FnOnce() -> T + Send, wake: impl FnOnce()) -> T {
    thread::scope(|scope| {
        let (ready, waits) = mpsc::channel();
        let waiter = scope.spawn(move || {
            ready.send(()).expect("the test listens");
            let result = wait();
            (result, Instant::now())
        });
        waits.recv().expect("the waiter starts");
        thread::sleep(Duration::from_millis(50));
        let woken = Instant::now();
        wake();
        let (result, at) = waiter.join().expect("the waiter ends");
        assert!(at.saturating_duration_since(woken) < PATIENCE / 2, "woken, not timed out");
        result
    })
}

#[test]
fn receiver_is_woken_by_update() {
    let app = App::new(&HostWorld::mem());
    let group = app.group.clone();
    let received = wakes(
        || app.group.wait_receive(PATIENCE),
        || group.update_receiver(None).expect("the engine runs"),
    );
    let Ok(Some(Received::Notice(notice))) = received else { panic!("{received:?}") };
    assert_eq!(notice.status, Status::ReceiverUpdate);
}

#[test]
fn receiver_is_woken_by_a_message() {
    for world in [HostWorld::mem(), HostWorld::tcp()] {
        let pair = Pair::new(&world);
        let received = wakes(
            || pair.server.group.wait_receive(None),
            || {
                pair.client.send(Opcode::Signal, pair.at_client, 9, b"wake up");
            },
        );
        assert!(matches!(received, Ok(Some(Received::Peer(message))) if message.id() == 9));
    }
}

#[test]
fn receiver_is_woken_by_stop() {
    let app = App::new(&HostWorld::mem());
    let received = wakes(|| app.group.wait_receive(None), || app.engine.stop());
    assert!(received.is_err(), "{received:?}");
}

#[test]
fn who_waits_for_a_free_message_is_woken() {
    let app = App::with(&HostWorld::mem(), &Setup::with_pool(1_024, 2));
    let held: Vec<_> = std::iter::from_fn(|| app.engine.get()).collect();
    let message = wakes(|| app.engine.get_wait(PATIENCE), || drop(held));
    assert!(message.is_some());
}

#[test]
fn receiver_of_a_dry_pool_is_woken_when_a_message_returns() {
    for world in [HostWorld::mem(), HostWorld::tcp()] {
        let pair = Pair::with(&world, &Setup::with_pool(1_024, 4), &Setup::default());
        let held = pair.dry_out_server();
        pair.client.send(Opcode::Signal, pair.at_client, 9, b"");
        pair.server.notice(Status::PoolEmpty);
        let received = wakes(|| pair.server.group.wait_receive(PATIENCE), || drop(held));
        assert!(matches!(received, Ok(Some(Received::Peer(message))) if message.id() == 9));
    }
}

#[test]
fn who_waits_for_room_on_a_channel_is_woken() {
    let world = HostWorld::mem();
    let pair = Pair::with(&world, &Setup::with_pool(16_384, 8), &Setup::with_pool(16_384, 8));
    let fill = |id| {
        let message = pair.client.message(Opcode::Signal, pair.at_client, id, [1; 15_000]);
        pair.client.group.post(message)
    };
    let mut posted = 0;
    let refused = loop {
        match fill(posted + 1) {
            Ok(_) => posted += 1,
            Err(refused) => {
                world.pass(Duration::from_millis(20));
                if fill(posted + 1).is_err() {
                    break refused;
                }
                posted += 1;
            }
        }
    };
    assert_eq!(refused.status, Status::PoolEmpty);
    let posted = wakes(
        || pair.client.group.post_wait(refused.message, PATIENCE),
        || {
            for _ in 0..posted {
                pair.server.peers(Opcode::Signal);
            }
        },
    );
    assert!(posted.is_ok(), "{posted:?}");
}

#[test]
fn waits_end_in_time() {
    let app = App::with(&HostWorld::mem(), &Setup::with_pool(1_024, 1));
    let _held = app.get();
    let short = Duration::from_millis(50);
    let start = Instant::now();
    assert!(matches!(app.group.wait_receive(short), Ok(None)));
    assert!(app.engine.get_wait(short).is_none());
    assert!(start.elapsed() >= short * 2);
}

/// Posts from many threads at once: every message arrives once, in the order of its thread.
#[test]
fn posts_from_many_threads_arrive_in_their_order() {
    const THREADS: u64 = 4;
    const EACH: u64 = 500;
    for world in [HostWorld::mem(), HostWorld::tcp()] {
        let pair = Pair::new(&world);
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (group, engine) = (pair.client.group.clone(), pair.client.engine.clone());
                let channel = pair.at_client;
                scope.spawn(move || {
                    for index in 0..EACH {
                        let mut message = engine.get_wait(PATIENCE).expect("a message in time");
                        message.prepare(Opcode::Signal, channel).set_id(number * EACH + index + 1);
                        group.post_wait(message, PATIENCE).expect("room in time");
                    }
                });
            }
            let mut next: Vec<_> = (0..THREADS).map(|number| number * EACH + 1).collect();
            for _ in 0..THREADS * EACH {
                let id = pair.server.peers(Opcode::Signal).id();
                let due = &mut next[((id - 1) / EACH) as usize];
                assert_eq!(id, *due);
                *due += 1;
            }
        });
        pair.works();
    }
}
