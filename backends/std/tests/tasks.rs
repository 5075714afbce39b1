//! What async tasks may expect of an engine: on any runtime, beside threads, and dropped at any time.

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use support::*;
use tofu_std::testing::unique_mem_address;
use tofu_std::{ChannelGroup, ChannelNumber, Engine, Opcode, Options, Received, Status, Stopped};
use tokio::task::JoinSet;
use tokio::time::timeout;

const TCP: &str = "tcp|127.0.0.1|0";

/// Answers every request, as a task, until the engine stops.
async fn serve(group: ChannelGroup) {
    while let Ok(received) = group.receive_async().await {
        if let Received::Peer(mut message) = received
            && message.reply().is_ok()
        {
            // Its client may have gone.
            let _ = group.post_async(message).await;
        }
    }
}

/// Requests in a row, on a group and a channel of its own.
async fn ask(engine: Engine, address: String, count: u32) {
    let group = engine.group().unwrap();
    let channel = connect(&group, &address);
    let Ok(Received::Peer(hello)) = group.receive_async().await else { panic!("no answer") };
    assert_eq!(hello.opcode(), Opcode::HelloResponse);
    for number in 0..count {
        let mut request = engine.get_async().await.unwrap();
        request.prepare(Opcode::Request, channel).set_body(number.to_be_bytes()).unwrap();
        let id = group.post_async(request).await.unwrap().id;
        match group.receive_async().await {
            Ok(Received::Peer(response)) => {
                assert_eq!((response.id(), response.body()), (id, &number.to_be_bytes()[..]));
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn assert_all_are_answered() {
    let server = Engine::new().unwrap();
    let group = server.group().unwrap();
    let (_, address) = listen(&group, TCP);
    // Two workers share the group.
    let servers = [group.clone(), group].map(|group| tokio::spawn(serve(group)));
    let client = Engine::new().unwrap();
    let mut asking: JoinSet<_> =
        (0..50).map(|_| ask(client.clone(), address.clone(), 100)).collect();
    while let Some(asked) = timeout(SOON, asking.join_next()).await.expect("in time") {
        asked.unwrap();
    }
    server.stop();
    for served in servers {
        timeout(SOON, served).await.expect("in time").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn requests_of_many_tasks_are_answered() {
    assert_all_are_answered().await;
}

#[tokio::test(flavor = "current_thread")]
async fn requests_of_many_tasks_of_one_thread_are_answered() {
    assert_all_are_answered().await;
}

#[tokio::test(flavor = "current_thread")]
async fn tasks_and_threads_share_an_engine() {
    let engine = Engine::new().unwrap();
    let (tasks, threads) = (engine.group().unwrap(), engine.group().unwrap());
    let (_, address) = listen(&tasks, TCP);
    tokio::spawn(serve(tasks));
    let asking = std::thread::spawn(move || {
        let channel = connect(&threads, &address);
        assert_eq!(peer(&threads).opcode(), Opcode::HelloResponse);
        for number in 0..1_000u32 {
            let request = message(threads.engine(), Opcode::Request, channel);
            let id = threads.post(request).unwrap().id;
            // Waits, or looks in now and then.
            let response = match number % 2 {
                0 => peer(&threads),
                _ => loop {
                    match threads.try_receive().unwrap() {
                        Some(Received::Peer(message)) => break message,
                        Some(other) => panic!("{other:?}"),
                        None => std::thread::yield_now(),
                    }
                },
            };
            assert_eq!(response.id(), id);
        }
    });
    let asked = tokio::task::spawn_blocking(move || asking.join());
    timeout(SOON, asked).await.expect("in time").unwrap().unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_dropped_wait_takes_nothing() {
    let engine = Engine::new().unwrap();
    let group = engine.group().unwrap();
    for _ in 0..1_000 {
        // Asked once, and dropped.
        let mut wait = pin!(group.receive_async());
        let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending));
    }
    let waiting = tokio::spawn({
        let group = group.clone();
        async move { group.receive_async().await }
    });
    // It is woken, and aborted before it looks again.
    tokio::task::yield_now().await;
    group.update_receiver(None).unwrap();
    waiting.abort();
    let received = timeout(SOON, group.receive_async()).await.expect("in time");
    assert!(
        matches!(received, Ok(Received::Notice(notice)) if notice.status == Status::ReceiverUpdate)
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_task_waits_for_a_message_that_comes_back() {
    let engine = Engine::with_options(Options::with_pool(256, 2)).unwrap();
    let held = engine.get().unwrap();
    assert!(timeout(Duration::from_millis(20), engine.get_async()).await.is_err());
    let getting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.get_async().await }
    });
    tokio::task::yield_now().await;
    drop(held);
    let got = timeout(SOON, getting).await.expect("in time").unwrap();
    assert!(got.is_some());
    assert!(engine.get_sized_async(100_000).await.is_none(), "the pool has none so large");
}

#[tokio::test(flavor = "current_thread")]
async fn a_task_waits_for_room() {
    let address = unique_mem_address();
    let [client, server] =
        [(); 2].map(|()| Engine::with_options(Options::with_pool(1_024, 8)).unwrap());
    let (from, to) = (client.group().unwrap(), server.group().unwrap());
    listen(&to, &address);
    let (channel, _) = pair(&from, &to, &address);
    let posting = tokio::spawn(async move {
        for number in 0..1_000u32 {
            let mut signal = from.engine().get_async().await.unwrap();
            signal.prepare(Opcode::Signal, channel).set_body(number.to_be_bytes()).unwrap();
            from.post_async(signal).await.unwrap();
        }
        from
    });
    for number in 0..1_000u32 {
        let received = timeout(SOON, to.receive_async()).await.expect("in time");
        match received.unwrap() {
            Received::Peer(signal) => assert_eq!(signal.body(), number.to_be_bytes()),
            other => panic!("{other:?}"),
        }
    }
    posting.await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn stopping_ends_every_wait() {
    let engine = Engine::with_options(Options::with_pool(256, 2)).unwrap();
    let (held, group) = (engine.get().unwrap(), engine.group().unwrap());
    let receiving = tokio::spawn(async move { group.receive_async().await.err() });
    let getting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.get_async().await.is_none() }
    });
    tokio::task::yield_now().await;
    engine.stop();
    assert_eq!(timeout(SOON, receiving).await.expect("in time").unwrap(), Some(Stopped));
    assert!(timeout(SOON, getting).await.expect("in time").unwrap());
    drop(held);
}

/// What a waker does when it is called, once.
struct Calls<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        let call = self.0.lock().unwrap().take();
        if let Some(call) = call {
            call();
        }
    }
}

/// A task of this group waits, and its waker does this.
fn wait_with(
    group: &ChannelGroup,
    call: impl FnOnce() + Send + 'static,
) -> impl Future<Output = Result<Received, Stopped>> {
    let waker = Waker::from(Arc::new(Calls(Mutex::new(Some(call)))));
    let mut wait = Box::pin(group.receive_async());
    assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    wait
}

#[test]
fn a_waker_may_drop_a_group() {
    let engine = Engine::new().unwrap();
    // Runtimes drop tasks where they are woken, and tasks have groups.
    let [group, other] = [(); 2].map(|()| engine.group().unwrap());
    let (told, dropped) = mpsc::channel();
    let mut wait = pin!(wait_with(&group, move || {
        drop(other);
        told.send(()).unwrap();
    }));
    group.update_receiver(None).unwrap();
    assert_eq!(dropped.try_recv(), Ok(()));
    let again = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(again, Poll::Ready(Ok(Received::Notice(_)))));
}

/// A server, and two groups that are connected to it; their channels there.
fn two_connected(engine: &Engine, server: &ChannelGroup) -> [(ChannelGroup, ChannelNumber); 2] {
    let (_, address) = listen(server, TCP);
    [(); 2].map(|()| {
        let group = engine.group().unwrap();
        let (_, at_server) = pair(&group, server, &address);
        (group, at_server)
    })
}

#[test]
fn a_waker_may_wait() {
    let (engine, server) = (Engine::new().unwrap(), Engine::new().unwrap());
    let server = server.group().unwrap();
    let [(group, first), (other, second)] = two_connected(&engine, &server);
    let (told, received) = mpsc::channel();
    let _wait = wait_with(&group, move || {
        told.send(None).unwrap();
        told.send(Some(receive(&other).channel())).unwrap();
    });
    // The background thread calls it.
    server.post(message(server.engine(), Opcode::Signal, first)).unwrap();
    assert_eq!(received.recv_timeout(SOON), Ok(None));
    server.post(message(server.engine(), Opcode::Signal, second)).unwrap();
    assert!(matches!(received.recv_timeout(SOON), Ok(Some(_))));
}

#[test]
fn a_waker_that_panics_ends_no_engine() {
    let (engine, server) = (Engine::new().unwrap(), Engine::new().unwrap());
    let server = server.group().unwrap();
    let [(group, first), (other, second)] = two_connected(&engine, &server);
    let (told, called) = mpsc::channel();
    let _wait = wait_with(&group, move || {
        told.send(()).unwrap();
        panic!("on purpose");
    });
    server.post(message(server.engine(), Opcode::Signal, first)).unwrap();
    assert_eq!(called.recv_timeout(SOON), Ok(()));
    server.post(message(server.engine(), Opcode::Signal, second)).unwrap();
    assert!(matches!(receive(&other), Received::Peer(_)));
}

#[test]
fn waits_can_move_between_threads() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let engine = Engine::new().unwrap();
    let group = engine.group().unwrap();
    drop(assert_send(group.receive_async()));
    drop(assert_send(group.post_async(engine.get().unwrap())));
    drop(assert_send(engine.get_async()));
}
