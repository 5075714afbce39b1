//! Who waits for a message or for room, and what others do meanwhile.

mod support;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::*;
use tofu_std::testing::unique_mem_address;
use tofu_std::{Engine, Opcode, Options, Received, SizeClass, Status};

#[test]
fn who_waits_for_a_large_message_bears_posts_in_a_row() {
    let small = SizeClass { size: 1_088, count: 512 };
    let large = SizeClass { size: 66_112, count: 2 };
    let options = Options { pool: vec![small, large], ..Options::default() };
    let engine = Engine::with_options(options).unwrap();
    let group = engine.group().unwrap();
    let server = Engine::new().unwrap();
    let server_group = server.group().unwrap();
    let (_, address) = listen(&server_group, "tcp|127.0.0.1|0");
    let (channel, _) = pair(&group, &server_group, &address);
    let reader = thread::spawn(move || while server_group.wait_receive(None).is_ok() {});
    let held = engine.get_sized(60_000).unwrap();
    let waiter = {
        let engine = engine.clone();
        thread::spawn(move || engine.get_sized_wait(60_000, SOON).is_some())
    };
    for _ in 0..200 {
        for _ in 0..20 {
            let Some(mut signal) = engine.get() else { break };
            signal.prepare(Opcode::Signal, channel);
            if let Err(refused) = group.post(signal) {
                assert_eq!(refused.status, Status::PoolEmpty);
            }
        }
        thread::yield_now();
    }
    drop(held);
    assert!(waiter.join().unwrap());
    server.stop();
    reader.join().unwrap();
}

#[test]
fn a_post_that_waits_hears_of_room_that_channels_leave() {
    const OTHERS: usize = 100;
    let server = Engine::with_options(Options::with_pool(1_024, 2)).unwrap();
    let server_group = server.group().unwrap();
    let (_, address) = listen(&server_group, &unique_mem_address());
    let engine = Engine::with_options(Options::with_pool(1_024, 300)).unwrap();
    let (group, others) = (engine.group().unwrap(), engine.group().unwrap());
    // For each of them a message is kept.
    let listeners: Vec<_> = (0..OTHERS).map(|_| listen(&others, &unique_mem_address()).0).collect();
    let (channel, _) = pair(&group, &server_group, &address);
    let signal = || {
        let mut signal = engine.get_always();
        signal.prepare(Opcode::Signal, channel);
        signal.set_body([0; 700]).unwrap();
        signal
    };
    // Nobody receives what is sent: it fills up.
    while group.post_wait(signal(), Duration::from_millis(200)).is_ok() {}
    for listener in listeners {
        let mut bye = engine.get_always();
        bye.prepare(Opcode::ByeSignal, listener);
        others.post(bye).unwrap();
    }
    let (sender, posted) = mpsc::channel();
    let waiter = {
        let (group, signal) = (group.clone(), signal());
        thread::spawn(move || sender.send(group.post_wait(signal, None).is_ok()))
    };
    let early = posted.recv_timeout(Duration::from_millis(100));
    assert!(early.is_err(), "there is no room before their end is received: {early:?}");
    for _ in 0..OTHERS {
        assert_eq!(notice(&others, Status::ChannelClosed), Status::ChannelClosed);
    }
    assert_eq!(posted.recv_timeout(SOON), Ok(true));
    waiter.join().unwrap().unwrap();
}

#[test]
fn a_message_that_came_back_is_not_forgotten_though_somebody_was_refused_since() {
    const POOL: u16 = 12;
    let [client, server] =
        [POOL, 256].map(|count| Engine::with_options(Options::with_pool(256, count)).unwrap());
    let [waits, posts, to] = [&client, &client, &server].map(|engine| engine.group().unwrap());
    let (_, address) = listen(&to, &unique_mem_address());
    let (_, at_server) = pair(&waits, &to, &address);
    let (channel, _) = pair(&posts, &to, &address);
    // A row of posts: where more waits to be received, the next is put off.
    for _ in 0..POOL {
        posts.post(message(&client, Opcode::Signal, channel)).unwrap();
    }
    assert!(posts.wait_receive(Duration::from_millis(50)).unwrap().is_none());
    posts.update_receiver(None).unwrap();
    let mut held: Vec<_> = std::iter::from_fn(|| client.get()).collect();
    to.post(message(&server, Opcode::Signal, at_server)).unwrap();
    held.push(peer(&waits));
    to.post(message(&server, Opcode::Signal, at_server)).unwrap();
    notice(&waits, Status::PoolEmpty);
    assert_eq!(client.free_messages(), 0);
    let mut signal = held.swap_remove(0);
    signal.prepare(Opcode::Signal, channel);
    posts.post(signal).unwrap();
    // It is written, and comes back, but is kept for receiving.
    assert!(client.get().is_none());
    assert_eq!(client.free_messages(), 1);
    let start = Instant::now();
    assert!(matches!(receive(&waits), Received::Peer(_)));
    assert!(start.elapsed() < SOON / 2, "it came when the wait was over");
}
