//! What no model shows: a panic under the lock, which it cannot unwind; what is left of dropped tasks; lateness.

use super::Driver;
use crate::poller::EVENTS;
use crate::{
    ChannelGroup, ChannelNumber, Engine, LISTEN_ON, Opcode, Options, Received, Status, Stopped,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes; reaching it is a failure.
const SOON: Duration = Duration::from_secs(20);

/// One thread waits, another panics; the first has to learn that the engine is gone.
fn assert_all_return(panic: impl FnOnce(&Driver) + Send + 'static) {
    let engine = Engine::new().unwrap();
    let (waits, other) = (engine.group().unwrap(), engine.group().unwrap());
    let (ended, end) = mpsc::channel();
    let waiter = thread::spawn(move || ended.send(waits.wait_receive(None).err()));
    let panicking = {
        let engine = engine.clone();
        thread::spawn(move || catch_unwind(AssertUnwindSafe(|| panic(engine.driver()))))
    };
    while !panicking.is_finished() {
        // Wakes who drives.
        let _ = other.update_receiver(None);
        engine.driver().waker.wake();
        thread::yield_now();
    }
    assert!(panicking.join().unwrap().is_err());
    assert_eq!(end.recv_timeout(SOON), Ok(Some(Stopped)));
    waiter.join().unwrap().unwrap();

    let mut message = engine.get_always();
    message.listen_on("tcp|127.0.0.1|0").unwrap();
    assert_eq!(other.post(message).unwrap_err().status, Status::ShutdownStarted);
    assert_eq!(other.try_receive().err(), Some(Stopped));
    let refused = other.update_receiver(engine.get()).unwrap_err();
    assert_eq!((refused.status, refused.message.is_some()), (Status::ShutdownStarted, true));
    assert_eq!(engine.group().err(), Some(Status::ShutdownStarted));
    assert!(engine.get_wait(Duration::ZERO).is_some(), "the pool is whole");
}

#[test]
fn a_panic_of_who_only_looks_in_lets_everybody_return() {
    assert_all_return(|driver| driver.with(|_| panic!("on purpose")));
}

#[test]
fn a_panic_of_who_drives_lets_everybody_return() {
    assert_all_return(|driver| {
        let mut drove = false;
        driver.wait(driver.room(), None, |_| {
            assert!(!std::mem::replace(&mut drove, true), "on purpose");
            None::<()>
        });
    });
}

/// After so long without a byte a channel ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with that patience, and the channels of so many connections to it, which their group has.
fn crowd(count: usize) -> (ChannelGroup, ChannelGroup, Vec<ChannelNumber>) {
    let mut options = Options::default();
    options.protocol.idle_timeout = Some(PATIENCE);
    options.protocol.listener_channels = u16::MAX;
    let server = Engine::with_options(options).unwrap().group().unwrap();
    let mut welcome = server.engine().get().unwrap();
    welcome.listen_on("tcp|127.0.0.1|0").unwrap();
    server.post(welcome).unwrap();
    let Ok(Some(Received::Returned(welcome, _))) = server.wait_receive(SOON) else { panic!() };
    let address = welcome.text().get_str(LISTEN_ON).unwrap();
    let group = Engine::new().unwrap().group().unwrap();
    let connect = |_| {
        let mut hello = group.engine().get().unwrap();
        hello.connect_to(address).unwrap();
        let channel = group.post(hello).unwrap().channel;
        assert!(matches!(server.wait_receive(SOON), Ok(Some(Received::Peer(_)))));
        channel
    };
    let channels = (0..count).map(connect).collect();
    (server, group, channels)
}

/// A turn of the server that comes too late for all of these, each of which has said something by then; while somebody
/// `polls`, or nobody does. None of them ends.
fn assert_nobody_is_late(count: usize, polls: bool) {
    let (server, group, channels) = crowd(count);
    let driver = server.engine().driver();
    let mut held = loop {
        // Who looks in asks the background thread to leave the poll; left alone, it comes back.
        if !polls {
            assert!(server.try_receive().unwrap().is_none());
        }
        let held = driver.lock();
        if held.seat.polling_until().is_some() == polls {
            break held;
        }
        drop(held);
        thread::yield_now();
    };
    for channel in channels {
        let mut signal = group.engine().get().unwrap();
        signal.prepare(Opcode::Signal, channel);
        group.post_wait(signal, SOON).unwrap();
    }
    group.engine().driver().flush();
    driver.turn_at(&mut held, Instant::now() + 2 * PATIENCE);
    drop(held);
    for _ in 0..count {
        let received = server.wait_receive(SOON);
        assert!(matches!(received, Ok(Some(Received::Peer(_)))), "{received:?}");
    }
}

#[test]
fn nobody_is_late_whose_news_are_not_taken_yet() {
    /// More connections than one poll has events for.
    const CROWD: usize = EVENTS + 200;
    rlimit::increase_nofile_limit(4 * CROWD as u64).unwrap();
    assert_nobody_is_late(CROWD, false);
}

#[test]
fn nobody_is_late_for_who_turns_while_another_polls() {
    assert_nobody_is_late(16, true);
}

#[test]
fn a_dropped_wait_leaves_nothing() {
    let engine = Engine::new().unwrap();
    let group = engine.group().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(group.receive_async())).collect();
    for wait in &mut waits {
        // Twice, as an executor may.
        assert!(wait.as_mut().poll(&mut context).is_pending());
        assert!(wait.as_mut().poll(&mut context).is_pending());
    }
    let is_empty = || engine.driver().lock().seat.tasks.is_empty();
    drop(waits.pop());
    assert!(!is_empty());
    drop(waits);
    assert!(is_empty());
}

#[test]
fn a_panic_elsewhere_is_not_taken_for_one_under_the_lock() {
    struct CallsIn(Engine);
    impl Drop for CallsIn {
        fn drop(&mut self) {
            assert_eq!(self.0.channels(), 0);
        }
    }
    let engine = Engine::new().unwrap();
    let calls_in = CallsIn(engine.clone());
    let result = catch_unwind(AssertUnwindSafe(move || {
        let _calls_in = calls_in;
        panic!("on purpose");
    }));
    assert!(result.is_err());
    assert!(engine.group().is_ok(), "the engine goes on");
}
