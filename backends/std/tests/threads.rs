//! What threads may expect of an engine: who drives, who is woken, and how it ends.

mod support;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::*;
use tofu_std::testing::unique_mem_address;
use tofu_std::{ChannelGroup, Engine, Opcode, Options, Received, SizeClass, Status, Stopped};

const TCP: &str = "tcp|127.0.0.1|0";

/// Keeps the CPU without calling in.
fn compute(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn engine_and_group() -> (Engine, ChannelGroup) {
    let engine = Engine::new().unwrap();
    let group = engine.group().unwrap();
    (engine, group)
}

#[test]
fn requests_are_answered_between_threads() {
    let (server, server_group) = engine_and_group();
    let (_, address) = listen(&server_group, TCP);
    let echo_thread = thread::spawn(move || echo(&server_group));
    let (client, group) = engine_and_group();
    let channel = connect(&group, &address);
    assert_eq!(peer(&group).opcode(), Opcode::HelloResponse);
    for number in 0..1_000u32 {
        let mut request = message(&client, Opcode::Request, channel);
        request.set_body(number.to_be_bytes()).unwrap();
        let id = group.post(request).unwrap().id;
        let response = peer(&group);
        assert_eq!((response.id(), response.body()), (id, &number.to_be_bytes()[..]));
    }
    server.stop();
    echo_thread.join().unwrap();
}

#[test]
fn a_flush_an_accept_and_an_answer_progress_while_the_application_computes() {
    let (_server, server_group) = engine_and_group();
    let (_, address) = listen(&server_group, TCP);
    let (client, group) = engine_and_group();
    let channel = connect(&group, &address);
    // More than the sockets hold, so that it cannot all go out with the posts; and no more
    // than a channel's share of what the server has not received.
    const SIGNALS: u64 = 40;
    let body = vec![7; 60_000];
    for _ in 0..SIGNALS {
        let mut signal = message(&client, Opcode::Signal, channel);
        signal.set_body(&body).unwrap();
        group.post(signal).unwrap();
    }
    // Neither side calls in; the background threads connect, accept, send and read.
    let start = Instant::now();
    while server_group.engine().stats().moved < 1 + SIGNALS {
        compute(Duration::from_millis(20));
        assert!(start.elapsed() < SOON, "nothing moved while the application computed");
    }
}

#[test]
fn heartbeats_arrive_on_time_while_the_application_computes() {
    /// From one to the next at most: much more than two intervals, for a busy machine; much less
    /// than it takes when they wait for the application, or for one another.
    const GAP: Duration = Duration::from_millis(500);
    // A machine holds everybody up now and then; who waits for the application does so each time.
    let gaps: Vec<_> = (0..3).map(|_| greatest_gap()).take_while(|&gap| gap >= GAP).collect();
    assert!(gaps.len() < 3, "{gaps:?} without a heartbeat");
}

/// The longest time from one heartbeat to the next, while the application computes.
fn greatest_gap() -> Duration {
    /// One every 20 ms for 2 seconds.
    const BEATS: u32 = 100;
    const INTERVAL: Duration = Duration::from_millis(20);
    let (_server, server_group) = engine_and_group();
    let (_, address) = listen(&server_group, TCP);
    let (client, group) = engine_and_group();
    let (channel, _) = pair(&group, &server_group, &address);
    let (arrivals, monitor) = mpsc::channel();
    let listener = thread::spawn(move || {
        for _ in 0..BEATS {
            let signal = peer(&server_group);
            assert_eq!((signal.opcode(), signal.body()), (Opcode::Signal, &[][..]));
            arrivals.send(Instant::now()).unwrap();
        }
    });
    let start = Instant::now();
    let heart = thread::spawn(move || {
        for beat in 0..BEATS {
            thread::sleep((start + INTERVAL * beat).saturating_duration_since(Instant::now()));
            group.post(message(group.engine(), Opcode::Signal, channel)).unwrap();
        }
        group
    });
    compute(INTERVAL * BEATS);
    listener.join().unwrap();
    let arrivals: Vec<_> = [start].into_iter().chain(monitor).collect();
    drop((heart.join().unwrap(), client));
    arrivals.windows(2).map(|two| two[1] - two[0]).max().unwrap()
}

#[test]
fn posts_in_a_row_go_out_although_nobody_waits_at_their_engine() {
    let (_server, server_group) = engine_and_group();
    let (_, address) = listen(&server_group, TCP);
    let (client, group) = engine_and_group();
    let (channel, _) = pair(&group, &server_group, &address);
    for round in 0..20u32 {
        for number in 0..20u32 {
            let mut signal = message(&client, Opcode::Signal, channel);
            signal.set_body((round * 20 + number).to_be_bytes()).unwrap();
            group.post(signal).unwrap();
        }
        for number in 0..20u32 {
            assert_eq!(peer(&server_group).body(), (round * 20 + number).to_be_bytes());
        }
    }
}

#[test]
fn posts_in_a_row_go_out_while_another_thread_polls() {
    let (_server, server_group) = engine_and_group();
    let (_, address) = listen(&server_group, TCP);
    let (client, group) = engine_and_group();
    let (channel, _) = pair(&group, &server_group, &address);
    let other = client.group().unwrap();
    let waiter = {
        let other = other.clone();
        thread::spawn(move || receive(&other))
    };
    for number in 0..100u32 {
        let mut signal = message(&client, Opcode::Signal, channel);
        signal.set_body(number.to_be_bytes()).unwrap();
        group.post(signal).unwrap();
    }
    for number in 0..100u32 {
        assert_eq!(peer(&server_group).body(), number.to_be_bytes());
    }
    other.update_receiver(None).unwrap();
    waiter.join().unwrap();
}

#[test]
fn what_a_put_off_post_brings_is_received_at_once() {
    let engine = Engine::new().unwrap();
    for _ in 0..50 {
        let group = engine.group().unwrap();
        let mut welcome = engine.get().unwrap();
        welcome.listen_on("tcp|no host|1|2").unwrap();
        group.post(welcome).unwrap();
        let start = Instant::now();
        assert!(matches!(receive(&group), Received::Returned(_, Status::InvalidAddress)));
        assert!(start.elapsed() < SOON / 2, "it was there, and nobody was told");
    }
}

#[test]
fn a_timeout_fires_while_nobody_waits() {
    let mut options = Options::default();
    options.protocol.hello_timeout = Duration::from_millis(50);
    let server = Engine::with_options(options).unwrap();
    let group = server.group().unwrap();
    let (_, address) = listen(&group, TCP);
    let port = address.rsplit('|').next().unwrap().parse::<u16>().unwrap();
    let silent = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let start = Instant::now();
    while server.stats().closed_unannounced == 0 {
        compute(Duration::from_millis(10));
        assert!(start.elapsed() < SOON, "the hello timeout did not fire");
    }
    drop(silent);
}

#[test]
fn many_waiters_all_get_their_own() {
    let engine = Engine::new().unwrap();
    let groups: Vec<_> = (0..8).map(|_| engine.group().unwrap()).collect();
    thread::scope(|scope| {
        for group in &groups {
            scope.spawn(|| {
                for _ in 0..500 {
                    assert_eq!(notice(group, Status::ReceiverUpdate), Status::ReceiverUpdate);
                }
            });
        }
        for _ in 0..500 {
            for group in &groups {
                group.update_receiver(None).unwrap();
            }
        }
    });
}

#[test]
fn update_receiver_wakes_with_and_without_a_message() {
    let (engine, group) = engine_and_group();
    let waiter = {
        let group = group.clone();
        thread::spawn(move || (receive(&group), receive(&group)))
    };
    let mut message = engine.get().unwrap();
    message.set_body("for myself").unwrap();
    group.update_receiver(Some(message)).unwrap();
    group.update_receiver(None).unwrap();
    let (first, second) = waiter.join().unwrap();
    match first {
        Received::Returned(message, Status::ReceiverUpdate) => {
            assert_eq!(message.body(), b"for myself");
        }
        other => panic!("{other:?}"),
    }
    match second {
        Received::Notice(notice) => assert_eq!(notice.status, Status::ReceiverUpdate),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_who_waits_for_a_message_is_woken_when_one_comes_back() {
    let engine = Engine::with_options(Options::with_pool(64, 1)).unwrap();
    let held = engine.get().unwrap();
    assert!(engine.get_wait(Duration::from_millis(1)).is_none());
    let waiter = {
        let engine = engine.clone();
        thread::spawn(move || engine.get_wait(SOON).is_some())
    };
    drop(held);
    assert!(waiter.join().unwrap());
}

/// The next thing received, without ever waiting for it.
fn look_for(group: &ChannelGroup) -> Received {
    let start = Instant::now();
    loop {
        if let Some(received) = group.try_receive().unwrap() {
            return received;
        }
        assert!(start.elapsed() < SOON, "nothing comes");
    }
}

#[test]
fn who_only_looks_in_is_answered_and_told_of_timeouts() {
    let (_server, server_group) = engine_and_group();
    let (_, address) = listen(&server_group, TCP);
    let mut options = Options::default();
    options.protocol.idle_timeout = Some(Duration::from_secs(2));
    let client = Engine::with_options(options).unwrap();
    let group = client.group().unwrap();
    let mut hello = client.get().unwrap();
    hello.connect_to(address).unwrap();
    group.post(hello).unwrap();
    let Received::Peer(mut hello) = look_for(&server_group) else { panic!("no hello") };
    hello.reply().unwrap();
    server_group.post(hello).unwrap();
    assert!(matches!(look_for(&group), Received::Peer(_)));
    let Received::Notice(notice) = look_for(&group) else { panic!("no notice") };
    assert_eq!(
        (notice.status, notice.reason),
        (Status::ChannelClosed, Status::CommunicationFailed)
    );
}

#[test]
fn one_who_waits_for_a_large_message_gets_that_and_no_small_one() {
    let mut options = Options::with_pool(64, 8);
    options.pool.push(SizeClass { size: 4_096, count: 1 });
    let engine = Engine::with_options(options).unwrap();
    let held = engine.get_sized(1_000).unwrap();
    assert!(engine.get().is_some(), "small ones are free");
    assert!(engine.get_sized_wait(1_000, Duration::from_millis(1)).is_none());
    let waiter = {
        let engine = engine.clone();
        thread::spawn(move || engine.get_sized_wait(1_000, SOON).unwrap().set_body([7; 1_000]))
    };
    drop(held);
    assert_eq!(waiter.join().unwrap(), Ok(()));
    assert!(engine.get_sized_wait(4_081, None).is_none(), "there is none so large, ever");
}

#[test]
fn a_post_waits_for_room_and_gives_up_in_time() {
    let address = unique_mem_address();
    let (_server, server_group) = engine_and_group();
    listen(&server_group, &address);
    let client = Engine::with_options(Options::with_pool(1_024, 8)).unwrap();
    let group = client.group().unwrap();
    let (channel, _) = pair(&group, &server_group, &address);
    // Nobody receives: pipe, pool and shares fill up.
    let refused = loop {
        let mut signal = client.get_wait(SOON).unwrap();
        signal.prepare(Opcode::Signal, channel).set_body([0; 1_000]).unwrap();
        if let Err(error) = group.post_wait(signal, Duration::from_millis(100)) {
            break error;
        }
    };
    assert_eq!(refused.status, Status::PoolEmpty);
    assert_eq!(refused.message.body().len(), 1_000);
    let receiver = thread::spawn(move || {
        let end = |received: &Received| matches!(received, Received::Notice(_));
        while !end(&receive(&server_group)) {}
    });
    group.post_wait(refused.message, SOON).unwrap();
    group.post_wait(message(&client, Opcode::ByeSignal, channel), SOON).unwrap();
    receiver.join().unwrap();
}

/// Stops an engine, some time into another thread's posts in a row.
fn stop_after(time: Duration) {
    let address = unique_mem_address();
    let (engine, group) = engine_and_group();
    listen(&group, &address);
    let (channel, _) = pair(&group, &group, &address);
    let posting = {
        let group = group.clone();
        thread::spawn(move || {
            loop {
                let Some(mut signal) = group.engine().get() else { continue };
                signal.prepare(Opcode::Signal, channel);
                let refused = group.post(signal).err().map(|error| error.status);
                if refused.is_some_and(|status| status != Status::PoolEmpty) {
                    return;
                }
            }
        })
    };
    thread::sleep(time);
    engine.stop();
    posting.join().unwrap();
    let mut ends = 0;
    while let Ok(Some(received)) = group.wait_receive(None) {
        if let Received::Notice(notice) = received {
            let ended = notice.status == Status::ChannelClosed && notice.channel == channel;
            ends += u32::from(ended);
        }
    }
    assert_eq!(ends, 1);
}

#[test]
fn stopping_ends_each_channel_once_while_another_thread_posts() {
    for round in 0..100 {
        stop_after(Duration::from_micros(20 * round));
    }
}

#[test]
fn stopping_wakes_everybody_and_hands_everything_back() {
    let (engine, group) = engine_and_group();
    listen(&group, TCP);
    let (ready, waits) = mpsc::channel();
    let waiter = {
        let group = group.clone();
        thread::spawn(move || {
            ready.send(()).unwrap();
            let mut last = None;
            while let Ok(received) = group.wait_receive(None) {
                last = received;
            }
            last
        })
    };
    waits.recv().unwrap();
    engine.stop();
    match waiter.join().unwrap() {
        Some(Received::Notice(notice)) => {
            assert_eq!(notice.status, Status::ChannelClosed);
            assert_eq!(notice.reason, Status::ShutdownStarted);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(group.try_receive().err(), Some(Stopped));
    let mut hello = engine.get().unwrap();
    hello.connect_to(TCP).unwrap();
    assert_eq!(group.post(hello).unwrap_err().status, Status::ShutdownStarted);
    assert!(engine.group().is_err());
    assert_eq!(engine.channels(), 0);
}

#[test]
fn dropping_a_group_closes_its_channels_and_loses_nothing() {
    let (_server, server_group) = engine_and_group();
    let (_, address) = listen(&server_group, TCP);
    let (client, group) = engine_and_group();
    let (channel, _) = pair(&group, &server_group, &address);
    for number in 0..100u8 {
        let mut signal = message(&client, Opcode::Signal, channel);
        signal.set_body([number; 5_000]).unwrap();
        group.post_wait(signal, SOON).unwrap();
    }
    drop(group);
    for number in 0..100u8 {
        assert_eq!(peer(&server_group).body(), [number; 5_000]);
    }
    assert_eq!(notice(&server_group, Status::ChannelClosed), Status::PeerDisconnected);
    let start = Instant::now();
    while client.channels() > 0 {
        thread::yield_now();
        assert!(start.elapsed() < SOON, "the channel of a dropped group lives on");
    }
}

#[test]
fn dropping_engines_leaves_no_thread_behind() {
    for _ in 0..20 {
        let (engine, group) = engine_and_group();
        listen(&group, TCP);
        drop(engine);
        drop(group);
    }
    let (engine, group) = engine_and_group();
    let message = engine.get().unwrap();
    drop((group, engine));
    // A message outlives its engine.
    assert!(message.body().is_empty());
}
