//! What an endpoint owes an engine, and what a raw peer sees: the contract of
//! `tofu_core::Transport`, without an engine.
#![allow(missing_docs)]

use core::task::Poll;
use core::time::Duration;
use tofu_core::{Address, Close, Instant, Link, Ready, Status, Transport};
use tofu_loopback::{Chance, Direction, Endpoint, Faults, Network, RawPipe};

const HERE: Address<'static> = Address::Mem { name: "here" };
const LISTENER: Link = Link(0);
const LINK: Link = Link(1);

fn events(io: &mut Endpoint) -> Vec<(Link, Ready)> {
    std::iter::from_fn(|| io.next_ready()).collect()
}

/// An endpoint with an accepted connection, whose events were taken, and the peer of it.
fn accepted(network: &Network) -> (Endpoint, RawPipe) {
    let mut io = network.endpoint();
    io.listen(LISTENER, &HERE).unwrap();
    let peer = network.raw_connect("here").unwrap();
    assert_eq!(events(&mut io), [(LISTENER, Ready::Opened), (LISTENER, Ready::Readable)]);
    assert_eq!(io.accept(LISTENER, LINK), Poll::Ready(Ok(())));
    (io, peer)
}

fn clean() -> Network {
    Network::new(1, Faults::default()).with_capacity(8)
}

fn read(io: &mut Endpoint, room: usize) -> Poll<Result<Vec<u8>, Status>> {
    let mut bytes = vec![0; room];
    io.recv(LINK, &mut [&mut bytes]).map_ok(|count| bytes[..count].to_vec())
}

#[test]
fn only_mem_addresses_are_carried() {
    let mut io = clean().endpoint();
    let tcp = Address::parse("tcp||1").unwrap();
    assert_eq!(io.listen(LINK, &tcp), Err(Status::InvalidAddress));
    assert_eq!(io.connect(LINK, &tcp), Err(Status::InvalidAddress));
    assert_eq!(io.connect(LINK, &HERE), Err(Status::ConnectFailed));
}

#[test]
fn a_name_is_taken_until_its_listener_closes() {
    let network = clean();
    let (mut io, _peer) = accepted(&network);
    let mut address = String::new();
    io.local_address(LISTENER, &mut address).unwrap();
    assert_eq!(address, "mem|here");
    assert_eq!(network.endpoint().listen(LINK, &HERE), Err(Status::ListenFailed));
    assert!(network.raw_listen("here").is_none());
    io.close(LISTENER, Close::Graceful);
    assert!(network.raw_listen("here").is_some());
}

#[test]
fn readable_follows_what_was_pending_or_short_and_nothing_else() {
    let (mut io, mut peer) = accepted(&clean());
    assert_eq!(read(&mut io, 4), Poll::Pending);
    assert_eq!(peer.write(b"abcdef"), 6);
    assert_eq!(events(&mut io), [(LINK, Ready::Readable)]);
    assert_eq!(read(&mut io, 4), Poll::Ready(Ok(b"abcd".to_vec())));
    peer.write(b"g");
    assert_eq!(events(&mut io), [], "a full read owes nothing");
    assert_eq!(read(&mut io, 4), Poll::Ready(Ok(b"efg".to_vec())));
    assert_eq!(events(&mut io), []);
    peer.close();
    assert_eq!(events(&mut io), [(LINK, Ready::Readable)]);
    assert_eq!(read(&mut io, 4), Poll::Ready(Ok(Vec::new())));
}

#[test]
fn an_end_that_is_already_there_is_told_after_a_short_read() {
    let (mut io, mut peer) = accepted(&clean());
    peer.write(b"abc");
    peer.close();
    assert_eq!(events(&mut io), [(LINK, Ready::Readable)]);
    assert_eq!(read(&mut io, 8), Poll::Ready(Ok(b"abc".to_vec())));
    assert_eq!(events(&mut io), [(LINK, Ready::Readable)]);
    assert_eq!(read(&mut io, 8), Poll::Ready(Ok(Vec::new())));
}

#[test]
fn no_room_to_read_into_is_no_end_of_stream() {
    let (mut io, mut peer) = accepted(&clean());
    peer.write(b"x");
    assert_eq!(read(&mut io, 0), Poll::Pending);
    assert_eq!(io.recv(LINK, &mut []), Poll::Pending);
    assert_eq!(io.send(LINK, &[]), Poll::Ready(Ok(0)));
    assert_eq!(read(&mut io, 1), Poll::Ready(Ok(b"x".to_vec())));
}

#[test]
fn writable_is_told_when_there_is_room_and_it_was_asked_for() {
    let (mut io, mut peer) = accepted(&clean());
    let mut received = Vec::new();
    assert_eq!(io.send(LINK, &[b"0123", b"456789"]), Poll::Ready(Ok(8)));
    assert_eq!(io.send(LINK, &[b"89"]), Poll::Pending);
    peer.read(&mut received);
    assert_eq!(events(&mut io), [], "nobody asked");
    io.want_write(LINK, true);
    assert_eq!(events(&mut io), [(LINK, Ready::Writable)]);
    assert_eq!(io.send(LINK, &[b"89"]), Poll::Ready(Ok(2)));
    assert_eq!(io.send(LINK, &[b"abcdefghi"]), Poll::Ready(Ok(6)));
    peer.read(&mut received);
    assert_eq!(events(&mut io), [(LINK, Ready::Writable)], "still wanted");
    io.want_write(LINK, false);
    assert_eq!(io.send(LINK, &[b"ghijklmnopq"]), Poll::Ready(Ok(8)));
    peer.read(&mut received);
    assert_eq!(events(&mut io), []);
    assert_eq!(received, b"0123456789abcdefghijklmn");
}

#[test]
fn a_graceful_close_loses_nothing_and_discards_what_still_comes() {
    let (mut io, mut peer) = accepted(&clean());
    assert_eq!(io.send(LINK, &[b"last"]), Poll::Ready(Ok(4)));
    io.close(LINK, Close::Graceful);
    assert!(!peer.is_eof());
    for _ in 0..5 {
        assert_eq!(peer.write(b"ignored!"), 8);
    }
    let mut received = Vec::new();
    peer.read(&mut received);
    assert_eq!(received, b"last");
    assert!(peer.is_eof() && !peer.is_lost());
}

#[test]
fn an_abort_loses_what_was_not_read() {
    let network = clean();
    let (mut io, mut peer) = accepted(&network);
    assert_eq!(io.send(LINK, &[b"unread"]), Poll::Ready(Ok(6)));
    io.close(LINK, Close::Abort);
    let mut received = Vec::new();
    peer.read(&mut received);
    assert!(received.is_empty() && peer.is_lost() && !peer.is_eof());

    let mut peer = network.raw_connect("here").unwrap();
    assert_eq!(io.accept(LISTENER, LINK), Poll::Ready(Ok(())));
    peer.write(b"unread");
    peer.abort();
    assert_eq!(read(&mut io, 8), Poll::Ready(Err(Status::PeerDisconnected)));
    assert_eq!(io.send(LINK, &[b"x"]), Poll::Ready(Err(Status::PeerDisconnected)));
}

#[test]
fn a_cut_is_told_to_both_ends_after_what_arrived() {
    for bytes in 0..=6 {
        let network = clean();
        network.cut_after(0, Direction::ToListener, bytes);
        let (mut io, mut peer) = accepted(&network);
        peer.write(b"abcdef");
        let (arrived, full) = (&b"abcdef"[..bytes as usize], bytes as usize);
        assert!(peer.is_lost());
        if full > 0 {
            assert_eq!(read(&mut io, full), Poll::Ready(Ok(arrived.to_vec())));
        }
        assert_eq!(read(&mut io, 8), Poll::Ready(Err(Status::PeerDisconnected)));
    }
}

#[test]
fn a_cut_loses_what_is_on_its_way() {
    let delay = Duration::from_millis(5);
    let faults = Faults { min_delay: delay, max_delay: delay, ..Faults::default() };
    let network = Network::new(1, faults);
    let mut io = network.endpoint();
    io.listen(LISTENER, &HERE).unwrap();
    let mut peer = network.raw_connect("here").unwrap();
    network.advance(delay);
    assert_eq!(io.accept(LISTENER, LINK), Poll::Ready(Ok(())));
    peer.write(b"first");
    assert_eq!(read(&mut io, 8), Poll::Pending);
    events(&mut io);
    assert_eq!(network.next_event(), Some(network.now().after(delay)));
    network.advance(delay);
    assert_eq!(events(&mut io), [(LINK, Ready::Readable)]);
    peer.write(b"second");
    network.cut(0);
    assert_eq!(read(&mut io, 8), Poll::Ready(Ok(b"first".to_vec())));
    assert_eq!(events(&mut io), [(LINK, Ready::Readable)]);
    assert_eq!(read(&mut io, 8), Poll::Ready(Err(Status::PeerDisconnected)));
}

#[test]
fn a_full_backlog_keeps_connections_pending() {
    let network = clean().with_backlog(1);
    let listener = network.raw_listen("here").unwrap();
    let mut io = network.endpoint();
    io.connect(Link(5), &HERE).unwrap();
    io.connect(Link(6), &HERE).unwrap();
    assert_eq!(events(&mut io), [(Link(5), Ready::Opened)]);
    let _first = listener.accept().unwrap();
    assert_eq!(events(&mut io), [(Link(6), Ready::Opened)]);
    io.connect(Link(7), &HERE).unwrap();
    drop(listener);
    let failed = Ready::Failed(Status::ConnectFailed);
    assert!(events(&mut io).contains(&(Link(7), failed)));
    assert_eq!(io.send(Link(6), &[b"x"]), Poll::Ready(Err(Status::PeerDisconnected)));
}

#[test]
fn a_reused_link_has_no_events_of_the_old_connection() {
    let network = clean();
    let (mut io, mut peer) = accepted(&network);
    peer.write(b"old");
    io.close(LINK, Close::Graceful);
    let _new = network.raw_connect("here").unwrap();
    assert_eq!(io.accept(LISTENER, LINK), Poll::Ready(Ok(())));
    peer.write(b"older");
    peer.close();
    assert_eq!(events(&mut io), []);
    assert_eq!(read(&mut io, 8), Poll::Pending);
}

#[test]
fn what_a_fault_held_up_is_told_later_and_gets_on() {
    let always = Chance::one_in(1);
    let faults = Faults {
        partial_read: always,
        partial_write: always,
        spurious_pending: always,
        spurious_ready: always,
        ..Faults::default()
    };
    for seed in 0..200 {
        let network = clean();
        let (mut io, mut peer) = accepted(&network);
        network.set_faults(Faults { max_delay: Duration::from_micros(seed % 3), ..faults });
        io.want_write(LINK, true);
        let message = b"every byte of it, whatever happens";
        let (mut sent, mut received) = (0, Vec::new());
        let mut echoed = Vec::new();
        let mut offset = 0;
        // Only events drive it, as they do an engine.
        while let Some(next) = network.next_event() {
            network.advance(next.since(network.now()));
            for (link, ready) in events(&mut io) {
                match ready {
                    Ready::Readable if link == LINK => {
                        if let Poll::Ready(Ok(bytes)) = read(&mut io, 64) {
                            received.extend(bytes);
                        }
                    }
                    Ready::Writable if link == LINK && sent < message.len() => {
                        if let Poll::Ready(Ok(count)) = io.send(LINK, &[&message[sent..]]) {
                            sent += count;
                        }
                    }
                    _ => {}
                }
            }
            peer.read(&mut echoed);
            offset += peer.write(&message[offset..]);
        }
        assert_eq!((&received[..], &echoed[..]), (&message[..], &message[..]), "seed {seed}");
    }
}

#[test]
fn a_dropped_endpoint_takes_its_connections_along() {
    let network = clean();
    let (io, peer) = accepted(&network);
    drop(io);
    assert!(peer.is_lost());
    assert!(network.raw_connect("here").is_none());
    assert_eq!(network.next_event(), None);
}

#[test]
fn only_the_one_fault_asked_for_happens() {
    let faults = Faults {
        partial_read: Chance::one_in(1),
        spurious_pending: Chance::one_in(1),
        ..Faults::default()
    };
    // Two decisions for a read of several bytes: would it block, and is it partial.
    let run = |nth, length| {
        let network = clean();
        let (mut io, mut peer) = accepted(&network);
        let before = network.decisions();
        network.set_faults(faults);
        network.fault_once(before + nth, length);
        peer.write(b"four");
        let first = read(&mut io, 8);
        network.advance(Duration::ZERO);
        (first, read(&mut io, 8), network.decisions() - before)
    };
    let all = || Poll::Ready(Ok(b"four".to_vec()));
    assert_eq!(run(0, 1), (Poll::Pending, all(), 2), "it would block, once");
    for length in 1..4 {
        let (head, tail) = b"four".split_at(length);
        let (first, second, _) = run(1, length);
        let both = (Poll::Ready(Ok(head.to_vec())), Poll::Ready(Ok(tail.to_vec())));
        assert_eq!((first, second), both, "it is partial, by so many bytes");
    }
    assert_eq!(run(1, 9), (all(), Poll::Pending, 2), "there is no more than there is");
    assert_eq!(run(99, 1), (all(), Poll::Pending, 2), "no decision, no fault");
}

#[test]
fn an_ignored_connection_reaches_nobody() {
    let network = clean();
    let faults = Faults { ignore_connect: Chance::one_in(1), ..Faults::default() };
    let listener = network.raw_listen("there").unwrap();
    network.set_faults(faults);
    let mut io = network.endpoint();
    io.connect(LINK, &Address::Mem { name: "there" }).unwrap();
    network.advance(Duration::from_secs(3_600));
    assert_eq!((events(&mut io), network.next_event()), (vec![], None));
    assert!(listener.accept().is_none());
    assert_eq!(io.connection(LINK), Some((0, Direction::ToListener)));
    assert_eq!(network.room(0, Direction::ToListener), None);
    io.close(LINK, Close::Graceful);
    network.set_faults(Faults::default());
    io.connect(LINK, &Address::Mem { name: "there" }).unwrap();
    assert!(io.has_news());
    assert_eq!(events(&mut io), [(LINK, Ready::Opened)]);
    assert!(!io.has_news());
    assert!(listener.accept().is_some());
}

#[test]
fn listening_fails_and_leaves_the_name_free() {
    let network = clean();
    network.set_faults(Faults { fail_listen: Chance::one_in(1), ..Faults::default() });
    let mut io = network.endpoint();
    let at = Address::Mem { name: "here" };
    match io.listen(LINK, &at) {
        Ok(()) => {
            assert_eq!(events(&mut io), [(LINK, Ready::Failed(Status::ListenFailed))]);
            io.close(LINK, Close::Graceful);
        }
        Err(status) => assert_eq!(status, Status::ListenFailed),
    }
    network.set_faults(Faults::default());
    assert_eq!(io.listen(LINK, &at), Ok(()));
}

#[test]
fn a_connections_state_can_be_asked_for() {
    let network = clean().with_capacity(10);
    let (mut io, mut peer) = accepted(&network);
    assert_eq!(io.connection(LINK), Some((0, Direction::ToClient)));
    assert_eq!(io.connection(LISTENER), None);
    peer.write(b"unread");
    assert_eq!(network.unread(0, Direction::ToListener), Some(6));
    assert_eq!(network.room(0, Direction::ToClient), Some(10));
    assert_eq!(io.send(LINK, &[b"abc"]), Poll::Ready(Ok(3)));
    assert_eq!(network.room(0, Direction::ToClient), Some(7));
    assert_eq!(network.cut_at(0), None);
    network.advance(Duration::from_millis(5));
    network.cut(0);
    network.advance(Duration::from_millis(5));
    network.cut(0);
    assert_eq!(network.cut_at(0), Some(Instant::from_millis(5)), "it is cut once");
}
