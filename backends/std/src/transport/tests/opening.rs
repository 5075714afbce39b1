//! Addresses, and openings that succeed.

use super::rig::{CLIENT, Node, Rig, SERVER};
use crate::testing::{TempSocketPath, unique_mem_address};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};
use tofu_core::{Close, Link, Ready, Status, Transport};

/// Connects to where a listener says it is, with this host in place of its own.
fn reach(listen_on: &str, host: &str) -> String {
    let rig = &mut Rig::with_nodes(1);
    let told = rig.listen(Link(0), listen_on);
    let port = told.rsplit_once('|').unwrap().1;
    assert_ne!(port, "0");
    let (client, server) = rig.connected(Link(0), &format!("tcp|{host}|{port}"), Link(1), Link(2));
    assert_eq!(rig.transfer(client, server, b"here"), b"here");
    told.strip_suffix(port).unwrap().to_owned()
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind(("::1", 0)).is_ok()
}

#[test]
fn the_address_told_has_the_host_asked_for_and_the_real_port() {
    assert_eq!(reach("tcp|127.0.0.1|0", "127.0.0.1"), "tcp|127.0.0.1|");
    assert_eq!(reach("tcp|0.0.0.0|0", "127.0.0.1"), "tcp|0.0.0.0|");
    assert_eq!(reach("tcp|localhost|0", "localhost"), "tcp|localhost|");
    if has_ipv6() {
        assert_eq!(reach("tcp|::1|0", "[::1]"), "tcp|::1|");
        assert_eq!(reach("tcp|[::1]|0", "::1"), "tcp|[::1]|");
    }
}

#[test]
fn an_empty_host_listens_on_every_interface_and_connects_to_this_one() {
    assert_eq!(reach("tcp||0", "127.0.0.1"), "tcp||");
    assert_eq!(reach("tcp||0", ""), "tcp||");
    assert_eq!(reach("tcp||0", "localhost"), "tcp||");
    if has_ipv6() {
        assert_eq!(reach("tcp||0", "::1"), "tcp||");
    }
}

#[test]
fn every_address_of_a_name_is_tried() {
    // `localhost` may be ::1 first, where nobody listens.
    assert_eq!(reach("tcp|127.0.0.1|0", "localhost"), "tcp|127.0.0.1|");
}

/// Listens where nobody answers: the backlog is full, and the system drops what comes.
#[cfg(target_os = "linux")]
fn silent_listener() -> (socket2::Socket, Vec<std::net::TcpStream>) {
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    // One fits, however busy the machine is.
    let first = std::net::TcpStream::connect(address).unwrap();
    let connect =
        || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let more = std::iter::from_fn(connect);
    let waiting = std::iter::once(first).chain(more).take(100).collect::<Vec<_>>();
    assert!(waiting.len() < 100, "the backlog has an end");
    (listener, waiting)
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    let rig = &mut Rig::with_nodes(1);
    let (silent, _waiting) = silent_listener();
    let silent = silent.local_addr().unwrap().as_socket().unwrap();
    let told = rig.listen(Link(0), "tcp|127.0.0.1|0");
    let port = told.rsplit_once('|').unwrap().1.parse().unwrap();
    let live = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let connect = |rig: &mut Rig, addresses: &[std::net::SocketAddr]| {
        let addresses = Vec::from(addresses).into_iter();
        rig.sockets(CLIENT).connect_next(Link(1), addresses).unwrap();
        rig.sockets(CLIENT).deadline()
    };
    let due = connect(rig, &[silent, live]).expect("there is another one");
    assert!(due <= Instant::now() + super::super::connect::TRY);
    rig.sockets(CLIENT).expire(due - Duration::from_millis(1));
    assert_eq!(rig.sockets(CLIENT).deadline(), Some(due));
    rig.sockets(CLIENT).expire(due);
    assert_eq!(rig.sockets(CLIENT).deadline(), None, "the last has all the time left");
    assert_eq!(rig.outcome((CLIENT, Link(1))), Ready::Opened);
    let server = rig.accept(Link(0), Link(2));
    assert_eq!(rig.transfer((CLIENT, Link(1)), server, b"here"), b"here");

    rig.node(CLIENT).close(Link(1), Close::Abort);
    assert_eq!(connect(rig, &[silent]), None, "there is no other one");
    rig.node(CLIENT).close(Link(1), Close::Abort);
    assert!(connect(rig, &[silent, live]).is_some());
    rig.node(CLIENT).close(Link(1), Close::Abort);
    assert_eq!(rig.sockets(CLIENT).deadline(), None, "it was given up");
}

#[test]
fn names_are_resolved_while_others_go_on() {
    let rig = &mut Rig::with_nodes(1);
    let address = rig.listen(Link(0), "tcp|localhost|0");
    // More than are looked up at once, and some that nobody waits for any more.
    for index in 1..=100 {
        rig.node(CLIENT).connect(Link(index), &address).unwrap();
    }
    for index in 1..=10 {
        rig.node(CLIENT).close(Link(index), Close::Graceful);
    }
    for index in 11..=100 {
        assert_eq!(rig.outcome((CLIENT, Link(index))), Ready::Opened);
    }
    for index in 1..=10 {
        assert_eq!(rig.node(CLIENT).told_about(Link(index)), []);
    }
}

#[test]
fn a_listener_tells_the_address_it_was_given() {
    let rig = &mut Rig::with_nodes(1);
    let name = unique_mem_address();
    assert_eq!(rig.listen(Link(0), &name), name);
    if cfg!(unix) {
        let path = TempSocketPath::new();
        assert_eq!(rig.listen(Link(1), &path.address()), path.address());
    }
    let mut text = String::new();
    assert!(rig.sockets(SERVER).local_address(Link(7), &mut text).is_err());
}

#[test]
fn tcp_does_not_wait_to_fill_packets() {
    let rig = &mut Rig::with_nodes(1);
    let (client, server) = rig.pair("tcp|127.0.0.1|0");
    for end in [client, server] {
        match &rig.sockets(end.0).links.get(end.1).unwrap().state {
            super::super::State::Stream(super::super::stream::Stream::Tcp(socket)) => {
                assert!(socket.nodelay().unwrap());
            }
            state => panic!("{state:?}"),
        }
    }
}

#[test]
fn many_connections_are_all_accepted() {
    for address in ["tcp|127.0.0.1|0".to_owned(), unique_mem_address()] {
        let rig = &mut Rig::with_nodes(2);
        let address = rig.listen(Link(0), &address);
        for index in 0..200 {
            rig.node(CLIENT).connect(Link(index), &address).unwrap();
        }
        for index in 0..200 {
            assert_eq!(rig.outcome((CLIENT, Link(index))), Ready::Opened);
            rig.accept(Link(0), Link(index + 1));
        }
        assert_eq!(rig.sockets(SERVER).accept(Link(0), Link(500)), Poll::Pending);
    }
}

/// A full backlog is tried again, when [`Sockets::deadline`](crate::transport::Sockets::deadline)
/// says so.
fn waits_for_room(address: &str, most: u16) {
    let rig = &mut Rig::with_nodes(1);
    rig.listen(Link(0), address);
    let waiting = (1..most).find(|&index| {
        rig.node(CLIENT).connect(Link(index), address).unwrap();
        rig.sockets(CLIENT).deadline().is_some()
    });
    let waiting = Link(waiting.expect("the backlog has an end"));
    rig.node(CLIENT).pump(Duration::from_millis(30));
    assert_eq!(rig.node(CLIENT).told_about(waiting), []);
    for index in 1..waiting.0 {
        rig.accept(Link(0), Link(most + index));
    }
    assert_eq!(rig.outcome((CLIENT, waiting)), Ready::Opened);
    // One that is given up is not tried any more.
    rig.node(CLIENT).close(waiting, Close::Graceful);
    rig.sockets(CLIENT).expire(Instant::now() + Duration::from_secs(1));
    assert_eq!(rig.sockets(CLIENT).retries.len(), 0);
}

#[test]
fn a_full_backlog_is_waited_for() {
    waits_for_room(&unique_mem_address(), 2000);
    if cfg!(unix) {
        waits_for_room(&TempSocketPath::new().address(), 6000);
    }
}

#[test]
fn another_thread_that_sleeps_in_the_poll_is_woken_for_memory() {
    let address = unique_mem_address();
    let (listening, until_listening) = mpsc::channel();
    let theirs = address.clone();
    let server = thread::spawn(move || {
        let rig = &mut Rig::with_nodes(1);
        rig.listen(Link(0), &theirs);
        listening.send(()).unwrap();
        let end = rig.accept(Link(0), Link(1));
        let bytes = rig.read_to_end(end);
        assert_eq!(rig.sockets(SERVER).recv(Link(1), &mut [&mut [0]]), Poll::Ready(Ok(0)));
        bytes
    });
    until_listening.recv_timeout(Duration::from_secs(10)).unwrap();
    let rig = &mut Rig::with_nodes(1);
    rig.node(CLIENT).connect(Link(0), &address).unwrap();
    assert_eq!(rig.outcome((CLIENT, Link(0))), Ready::Opened);
    let bytes: Vec<u8> = (0..1 << 20).map(|index| (index % 253) as u8).collect();
    rig.send((CLIENT, Link(0)), &bytes);
    rig.node(CLIENT).close(Link(0), Close::Graceful);
    let (received, end) = server.join().unwrap();
    assert!(received == bytes);
    assert_eq!(end, Ok(()));
}

#[test]
fn who_sleeps_is_woken_once_for_many_news() {
    let mut rig = Rig::with_nodes(2);
    let (client, server) = rig.pair(&unique_mem_address());
    assert_eq!(rig.sockets(SERVER).recv(server.1, &mut [&mut [0; 8]]), Poll::Pending);
    rig.node(SERVER).forget();
    for _ in 0..100 {
        assert_eq!(rig.sockets(CLIENT).send(client.1, &[b"x"]), Poll::Ready(Ok(1)));
    }
    assert!(rig.sockets(SERVER).has_news());
    let told: Vec<_> = std::iter::from_fn(|| rig.sockets(SERVER).next_ready()).collect();
    assert_eq!(told, [(server.1, Ready::Readable)]);
    assert!(!rig.sockets(SERVER).has_news());
    assert_eq!(rig.sockets(SERVER).next_ready(), None);
}

#[test]
fn a_name_in_memory_is_free_again_once_its_listener_is_gone() {
    let address = unique_mem_address();
    let mut first = Node::new();
    first.listen(Link(0), &address).unwrap();
    let mut second = Node::new();
    assert_eq!(second.listen(Link(0), &address), Err(Status::ListenFailed));
    first.close(Link(0), Close::Graceful);
    second.listen(Link(0), &address).unwrap();
    drop(second);
    assert_eq!(first.listen(Link(0), &address), Ok(()));
}
