//! Bytes over connections of every kind.

use super::rig::{CLIENT, Rig, SERVER};
use crate::testing::{TempSocketPath, unique_mem_address};
use crate::transport::linger;
use std::task::Poll;
use std::time::{Duration, Instant};
use tofu_core::{Close, Link, Ready, Status, Transport};

const MEBI: usize = 1 << 20;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 + index / 251) as u8).collect()
}

/// Runs a scenario for every kind, between two polls and within one.
fn on_every_kind(scenario: impl Fn(&mut Rig, &str)) {
    on_every_socket(&scenario);
    for nodes in [1, 2] {
        scenario(&mut Rig::with_nodes(nodes), &unique_mem_address());
    }
}

/// The same for those that the system knows of.
fn on_every_socket(scenario: impl Fn(&mut Rig, &str)) {
    for nodes in [1, 2] {
        scenario(&mut Rig::with_nodes(nodes), "tcp|127.0.0.1|0");
        if cfg!(unix) {
            let path = TempSocketPath::new();
            scenario(&mut Rig::with_nodes(nodes), &path.address());
        }
    }
}

#[test]
fn bytes_go_both_ways_and_a_graceful_close_delivers_all_of_them() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        assert_eq!(rig.transfer(client, server, b"hello"), b"hello");
        assert_eq!(rig.transfer(server, client, b"hello yourself"), b"hello yourself");
        let large = pattern(8 * MEBI);
        assert!(rig.transfer(client, server, &large) == large);
        assert!(rig.transfer(server, client, &large) == large);
        let last = pattern(30_000);
        rig.send(client, &last);
        rig.node(CLIENT).close(client.1, Close::Graceful);
        let (bytes, end) = rig.read_to_end(server);
        assert!(bytes == last, "{} of {} bytes", bytes.len(), last.len());
        assert_eq!(end, Ok(()));
    });
}

#[test]
fn a_close_when_all_is_said_waits_for_nothing_and_delivers_all() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        assert_eq!(rig.transfer(client, server, b"goodbye"), b"goodbye");
        // As much as goes in while nobody reads.
        let mut sent = Vec::new();
        let block = pattern(100_000);
        while let Poll::Ready(Ok(count)) = rig.sockets(SERVER).send(server.1, &[&block]) {
            sent.extend_from_slice(&block[..count]);
        }
        assert!(sent.len() > 1_000);
        rig.node(SERVER).close(server.1, Close::Done);
        assert_eq!(rig.sockets(SERVER).lingering.len(), 0);
        let (bytes, end) = rig.read_to_end(client);
        assert!(bytes == sent, "{} of {} bytes", bytes.len(), sent.len());
        assert_eq!(end, Ok(()));
    });
}

#[test]
fn an_end_that_came_with_the_last_bytes_is_reported() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.send(client, b"last words");
        rig.node(CLIENT).close(client.1, Close::Graceful);
        // Bytes and end are both here before the first read, and their event is used up.
        rig.expect(server, Ready::Readable);
        for _ in 0..20 {
            rig.node(SERVER).pump(Duration::from_millis(1));
        }
        rig.node(SERVER).forget();
        let mut room = [0; 100];
        assert_eq!(rig.sockets(SERVER).recv(server.1, &mut [&mut room]), Poll::Ready(Ok(10)));
        rig.expect(server, Ready::Readable);
        assert_eq!(rig.sockets(SERVER).recv(server.1, &mut [&mut room]), Poll::Ready(Ok(0)));
    });
}

#[test]
fn unread_input_does_not_cost_what_was_sent_before_the_close() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.send(client, &pattern(20_000));
        rig.expect(server, Ready::Readable);
        let answer = pattern(50_000);
        rig.send(server, &answer);
        rig.node(SERVER).close(server.1, Close::Graceful);
        let (bytes, end) = rig.read_to_end(client);
        assert!(bytes == answer, "{} of {} bytes", bytes.len(), answer.len());
        assert_eq!(end, Ok(()));
    });
}

#[test]
fn what_comes_after_the_close_is_thrown_away_without_a_reset() {
    // More than any socket buffers: somebody must be reading it.
    let more = pattern(16 * MEBI);
    on_every_socket(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.node(SERVER).stop_time(Instant::now());
        rig.send(server, b"goodbye");
        rig.node(SERVER).close(server.1, Close::Graceful);
        rig.send(client, &more);
        assert_eq!(rig.read_to_end(client), (b"goodbye".to_vec(), Ok(())));
        rig.node(CLIENT).close(client.1, Close::Graceful);
        rig.until(|rig| (rig.sockets(SERVER).lingering.len() == 0).then_some(()));
        assert_eq!(rig.sockets(SERVER).deadline(), None);
    });
}

#[test]
fn a_closed_connection_lingers_for_a_bounded_time_only() {
    on_every_socket(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.node(SERVER).close(server.1, Close::Graceful);
        let sockets = rig.sockets(SERVER);
        let due = sockets.deadline().expect("the client has not closed yet");
        assert!(due <= Instant::now() + linger::TIME);
        sockets.expire(due - Duration::from_millis(1));
        assert_eq!(sockets.lingering.len(), 1);
        sockets.expire(due);
        assert_eq!((sockets.lingering.len(), sockets.deadline()), (0, None));
        assert_eq!(rig.read_to_end(client), (Vec::new(), Ok(())));
    });
}

#[test]
fn what_its_peer_says_lets_a_closed_connection_linger_on_but_not_for_ever() {
    on_every_socket(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.node(SERVER).close(server.1, Close::Graceful);
        let due = rig.sockets(SERVER).lingering.first_until().expect("the client has not closed");
        let closed = due - linger::TIME;
        let last = closed + linger::LONGEST;
        let mut now = closed;
        while now + linger::TIME < last {
            now += linger::TIME - Duration::from_secs(1);
            rig.node(SERVER).stop_time(now);
            rig.send(client, b"still here");
            let until = Some(last.min(now + linger::TIME));
            rig.until(|rig| (rig.sockets(SERVER).lingering.first_until() == until).then_some(()));
        }
        rig.sockets(SERVER).expire(last - Duration::from_millis(1));
        assert_eq!(rig.sockets(SERVER).lingering.len(), 1);
        rig.sockets(SERVER).expire(last);
        assert_eq!(rig.sockets(SERVER).lingering.len(), 0);
    });
}

#[test]
fn only_so_many_linger() {
    let rig = &mut Rig::with_nodes(2);
    let address = rig.listen(Link(0), "tcp|127.0.0.1|0");
    rig.node(SERVER).stop_time(Instant::now());
    for index in 0..linger::MOST as u16 + 3 {
        let (_, server) = rig.connected(Link(0), &address, Link(index), Link(1));
        rig.node(SERVER).close(server.1, Close::Graceful);
    }
    assert_eq!(rig.sockets(SERVER).lingering.len(), linger::MOST);
    assert_eq!(rig.read_to_end((CLIENT, Link(0))), (Vec::new(), Ok(())));
}

#[test]
fn an_abort_ends_the_peer_at_once() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.node(CLIENT).close(client.1, Close::Abort);
        let (bytes, end) = rig.read_to_end(server);
        assert_eq!(bytes, []);
        let is_uds = address.starts_with("uds");
        assert_eq!(end, if is_uds { Ok(()) } else { Err(Status::PeerDisconnected) });
        assert_eq!(rig.sockets(CLIENT).lingering.len(), 0);
    });
}

#[test]
fn sending_to_a_peer_that_is_gone_is_an_error() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.node(CLIENT).close(client.1, Close::Abort);
        let error = rig.until(|rig| match rig.sockets(SERVER).send(server.1, &[b"x"]) {
            Poll::Ready(Err(status)) => Some(status),
            _ => None,
        });
        assert_eq!(error, Status::PeerDisconnected);
    });
}

#[test]
fn a_link_used_again_hears_nothing_of_its_predecessor() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        let address = rig.node(SERVER).local_address(Link(0));
        // Something to report about both ends, which nobody fetched yet.
        rig.send(client, b"for the old one");
        rig.send(server, b"for the old one");
        rig.node(CLIENT).close(client.1, Close::Graceful);
        rig.node(SERVER).close(server.1, Close::Graceful);
        rig.node(SERVER).forget();
        rig.node(CLIENT).forget();
        rig.connected(Link(0), &address, client.1, server.1);
        for _ in 0..20 {
            rig.node(SERVER).pump(Duration::from_millis(1));
            rig.node(CLIENT).pump(Duration::from_millis(1));
        }
        // At most the hints of the new ones' own registration.
        for end in [client, server] {
            let mut room = [0; 100];
            let told = rig.sockets(end.0).recv(end.1, &mut [&mut room]);
            assert_eq!(told, Poll::Pending);
        }
        assert_eq!(rig.transfer(client, server, b"for the new one"), b"for the new one");
    });
}

#[test]
fn a_closed_link_reports_nothing() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.send(client, b"unheard");
        rig.expect(server, Ready::Readable);
        rig.node(SERVER).close(server.1, Close::Graceful);
        rig.node(SERVER).forget();
        // Memory refuses it, sockets throw it away.
        let sent = rig.sockets(CLIENT).send(client.1, &[b"unheard"]);
        let in_memory = address.starts_with("mem");
        let refused = Poll::Ready(Err(Status::PeerDisconnected));
        assert_eq!(sent, if in_memory { refused } else { Poll::Ready(Ok(7)) });
        rig.node(CLIENT).close(client.1, Close::Abort);
        for _ in 0..20 {
            rig.node(SERVER).pump(Duration::from_millis(1));
        }
        assert_eq!(rig.node(SERVER).told_about(server.1), []);
    });
}

#[test]
fn writable_is_told_only_to_who_asks() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.transfer(server, client, b"x");
        assert!(!rig.node(CLIENT).told_about(client.1).contains(&Ready::Writable));
        rig.sockets(CLIENT).want_write(client.1, true);
        rig.expect(client, Ready::Writable);
        rig.sockets(CLIENT).want_write(client.1, false);
        rig.transfer(server, client, b"x");
        assert!(!rig.node(CLIENT).told_about(client.1).contains(&Ready::Writable));
    });
}

#[test]
fn no_room_is_not_the_end() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        rig.send(client, b"x");
        rig.expect(server, Ready::Readable);
        assert_eq!(rig.sockets(SERVER).recv(server.1, &mut []), Poll::Pending);
        assert_eq!(rig.sockets(SERVER).recv(server.1, &mut [&mut []]), Poll::Pending);
        rig.expect(server, Ready::Readable);
        assert_eq!(rig.read(server, 1), b"x");
        assert_eq!(rig.sockets(CLIENT).send(client.1, &[]), Poll::Ready(Ok(0)));
        assert_eq!(rig.sockets(CLIENT).send(client.1, &[&[], &[]]), Poll::Ready(Ok(0)));
    });
}

#[test]
fn more_buffers_than_fit_one_system_call_all_count() {
    on_every_kind(|rig, address| {
        let (client, server) = rig.pair(address);
        let bytes = pattern(100);
        let slices: Vec<&[u8]> = bytes.chunks(1).collect();
        rig.sockets(CLIENT).want_write(client.1, true);
        let mut sent = 0;
        rig.until(|rig| {
            if let Poll::Ready(count) = rig.sockets(CLIENT).send(client.1, &slices[sent..]) {
                sent += count.unwrap();
            }
            (sent == 100).then_some(())
        });
        let mut received: Vec<u8> = Vec::new();
        rig.until(|rig| {
            let mut room = [[0; 1]; 100];
            let mut bufs: Vec<&mut [u8]> = room.iter_mut().map(|byte| &mut byte[..]).collect();
            if let Poll::Ready(count) = rig.sockets(SERVER).recv(server.1, &mut bufs) {
                received.extend(room.as_flattened().iter().take(count.unwrap()));
            }
            (received.len() == 100).then_some(())
        });
        assert_eq!(received, bytes);
    });
}

#[test]
fn opening_and_closing_leaves_nothing_behind() {
    on_every_kind(|rig, address| {
        let address = rig.listen(Link(0), address);
        let mut before = None;
        for round in 0..500 {
            let (client, server) = rig.connected(Link(0), &address, Link(1), Link(2));
            if round % 2 == 0 {
                rig.send(client, b"bye");
                rig.node(CLIENT).close(client.1, Close::Graceful);
                assert_eq!(rig.read_to_end(server).0, b"bye");
                rig.node(SERVER).close(server.1, Close::Graceful);
            } else {
                rig.node(CLIENT).close(client.1, Close::Abort);
                rig.node(SERVER).close(server.1, Close::Graceful);
            }
            rig.node(SERVER).forget();
            rig.node(CLIENT).forget();
            rig.until(|rig| {
                let lingering =
                    rig.sockets(SERVER).lingering.len() + rig.sockets(CLIENT).lingering.len();
                (lingering == 0).then_some(())
            });
            let now = (rig.sockets(SERVER).links.len(), rig.sockets(CLIENT).links.len());
            assert_eq!(*before.get_or_insert(now), now);
        }
    });
}

/// In a process of its own, since other tests open files too.
#[cfg(target_os = "linux")]
#[test]
fn opening_and_closing_leaves_no_file_open() {
    const CHILD: &str = "TOFU_COUNT_FILES";
    let name = "transport::tests::streams::opening_and_closing_leaves_no_file_open";
    if std::env::var_os(CHILD).is_none() {
        let test = std::env::current_exe().unwrap();
        let mut child = std::process::Command::new(test);
        let status = child.args(["--exact", name]).env(CHILD, "1").status().unwrap();
        return assert!(status.success());
    }
    let open_files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open_files();
    opening_and_closing_leaves_nothing_behind();
    assert_eq!(open_files(), before);
}
