//! A fast peer and a slow receiver. Alone in its process, whose heap it counts.

mod support;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use support::*;
use tofu_std::testing::unique_mem_address;
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Message, Opcode, Options, Status};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Each engine's pool. A message has room for the body and a Hello's text headers.
const SIZE: usize = 2_048;
const COUNT: u16 = 64;
const POOL: usize = SIZE * COUNT as usize;
/// What is offered: 32 MiB, hundreds of times a pool.
const BODY: usize = 1_024;
const SIGNALS: u32 = 32 * 1_024;
/// A pipe of a connection in memory: 64 KiB under way, in a buffer that may have doubled for them.
const PIPE: usize = 2 * 64 * 1_024;
/// An engine's queues: a place for each message, no larger than two of them, in a table that may
/// have doubled.
const QUEUES: usize = 2 * COUNT as usize * 2 * size_of::<Message>();
/// What else comes and goes: the thread of the peer, the channel between it and the test.
const REST: usize = 4 * 1_024;
/// Two engines are in this process, the kernel's buffers are not.
const MOST: usize = 2 * (POOL + QUEUES) + PIPE + REST;

fn heap() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// Posts as fast as it can, then says goodbye. Says so when there is no room for a while.
fn flood(group: &ChannelGroup, channel: ChannelNumber, stalled: &mpsc::Sender<u32>) {
    for number in 0..SIGNALS {
        let mut signal = message(group.engine(), Opcode::Signal, channel);
        signal.resize_body(BODY).unwrap();
        signal.body_mut()[..4].copy_from_slice(&number.to_be_bytes());
        if let Err(refused) = group.post_wait(signal, Duration::from_millis(200)) {
            assert_eq!(refused.status, Status::PoolEmpty);
            stalled.send(number).unwrap();
            group.post_wait(refused.message, SOON).unwrap();
        }
    }
    group.post_wait(message(group.engine(), Opcode::ByeRequest, channel), SOON).unwrap();
}

/// Offers everything to a receiver that does not receive before the peer has come to a stand, and
/// then one by one.
fn assert_a_flood_is_held_back(address: &str) {
    let engine = || Engine::with_options(Options::with_pool(SIZE, COUNT)).unwrap();
    let (server_engine, client_engine) = (engine(), engine());
    let (server, client) = (server_engine.group().unwrap(), client_engine.group().unwrap());
    let (_, address) = listen(&server, address);
    let (here, there) = pair(&client, &server, &address);
    let before = heap();
    let assert_bounded = || {
        let grown = heap().saturating_sub(before);
        assert!(grown <= MOST, "{grown} bytes more on the heap, {MOST} allowed");
        // A group has at most as many unread messages as stay free; another is in the test's hand.
        let free = server_engine.free_messages();
        assert!(free >= usize::from(COUNT / 2 - 1), "{free} messages left of {COUNT}");
    };

    let (stalled, stall) = mpsc::channel();
    let flooding = client.clone();
    let peer_thread = thread::spawn(move || flood(&flooding, here, &stalled));
    let posted = stall.recv_timeout(SOON).unwrap();
    assert!(posted >= u32::from(COUNT), "{posted} posted");
    eventually("a good part of the pool is in use", || {
        server_engine.free_messages() < usize::from(COUNT) * 3 / 4
    });
    assert_bounded();

    for number in 0..SIGNALS {
        let signal = peer(&server);
        assert_eq!((signal.opcode(), signal.channel()), (Opcode::Signal, there));
        assert_eq!(signal.body()[..4], number.to_be_bytes());
        assert_eq!(signal.body().len(), BODY);
        assert_bounded();
    }
    peer_thread.join().unwrap();
    let mut bye = peer(&server);
    assert_eq!(bye.opcode(), Opcode::ByeRequest);
    bye.reply().unwrap();
    server.post(bye).unwrap();
    assert_eq!(notice(&server, Status::ChannelClosed), Status::Success);
    assert_eq!(peer(&client).opcode(), Opcode::ByeResponse);
    assert_eq!(notice(&client, Status::ChannelClosed), Status::Success);
    for engine in [server_engine, client_engine] {
        assert_eq!(engine.free_messages(), usize::from(COUNT));
    }
}

#[test]
fn memory_stays_at_the_pools_size_while_32_mib_are_offered() {
    assert_a_flood_is_held_back("tcp|127.0.0.1|0");
    assert_a_flood_is_held_back(&unique_mem_address());
}
