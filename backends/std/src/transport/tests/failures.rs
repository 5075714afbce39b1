//! What cannot be opened, and what is left alone.

use super::rig::{CLIENT, Rig, SERVER};
use crate::testing::{free_tcp_port, unique_mem_address};
use tofu_core::{Close, Link, Ready, Status};

/// Why connecting fails, whether at once or later.
#[track_caller]
fn connect_fails(address: &str) -> Status {
    let rig = &mut Rig::with_nodes(1);
    match rig.node(CLIENT).connect(Link(3), address) {
        Err(status) => status,
        Ok(()) => match rig.outcome((CLIENT, Link(3))) {
            Ready::Failed(status) => status,
            ready => panic!("{address}: {ready:?}"),
        },
    }
}

/// Why listening fails, whether at once or later.
#[track_caller]
fn listen_fails(address: &str) -> Status {
    let rig = &mut Rig::with_nodes(1);
    match rig.node(SERVER).listen(Link(3), address) {
        Err(status) => status,
        Ok(()) => match rig.outcome((SERVER, Link(3))) {
            Ready::Failed(status) => status,
            ready => panic!("{address}: {ready:?}"),
        },
    }
}

#[test]
fn connecting_where_nobody_listens_fails() {
    let port = free_tcp_port().unwrap();
    assert_eq!(connect_fails(&format!("tcp|127.0.0.1|{port}")), Status::ConnectFailed);
    assert_eq!(connect_fails(&format!("tcp|localhost|{port}")), Status::ConnectFailed);
    assert_eq!(connect_fails(&unique_mem_address()), Status::ConnectFailed);
}

#[test]
fn addresses_that_cannot_be_used_are_invalid() {
    let long_path = format!("uds|/tmp/{}", "x".repeat(200));
    for address in ["tcp|127.0.0.1|0", "tcp|localhost|0", "serial|ttyS0", "tcp|[]|1", &long_path] {
        assert_eq!(connect_fails(address), Status::InvalidAddress, "{address}");
    }
    for address in ["serial|ttyS0", "tcp|[]|0", &long_path] {
        assert_eq!(listen_fails(address), Status::InvalidAddress, "{address}");
    }
    // No name service has these: a label is at most 63 bytes.
    let name = format!("tcp|{}.invalid|7", "x".repeat(64));
    assert_eq!(connect_fails(&name), Status::InvalidAddress);
    assert_eq!(listen_fails(&name), Status::InvalidAddress);
}

#[test]
fn an_address_in_use_is_not_shared() {
    let rig = &mut Rig::with_nodes(1);
    for (link, address) in [(0, "tcp|127.0.0.1|0"), (1, "tcp||0")] {
        let address = rig.listen(Link(link), address);
        assert_eq!(listen_fails(&address), Status::ListenFailed);
    }
}

#[test]
fn a_link_whose_opening_failed_can_be_used_again() {
    let rig = &mut Rig::with_nodes(1);
    let port = free_tcp_port().unwrap();
    rig.node(CLIENT).connect(Link(0), &format!("tcp|localhost|{port}")).unwrap();
    assert_eq!(rig.outcome((CLIENT, Link(0))), Ready::Failed(Status::ConnectFailed));
    rig.node(CLIENT).close(Link(0), Close::Graceful);
    let address = rig.listen(Link(1), "tcp|127.0.0.1|0");
    rig.connected(Link(1), &address, Link(0), Link(2));
}

#[test]
fn an_opening_that_is_given_up_says_nothing() {
    let rig = &mut Rig::with_nodes(1);
    let address = rig.listen(Link(0), "tcp|127.0.0.1|0");
    for how in [Close::Graceful, Close::Abort] {
        rig.node(CLIENT).connect(Link(1), &address).unwrap();
        rig.node(CLIENT).close(Link(1), how);
        rig.connected(Link(0), &address, Link(2), Link(3));
        assert_eq!(rig.node(CLIENT).told_about(Link(1)), []);
        rig.node(CLIENT).close(Link(2), Close::Abort);
        rig.node(SERVER).close(Link(3), Close::Abort);
    }
}

#[test]
fn connections_that_were_not_accepted_end_with_their_listener() {
    for address in ["tcp|127.0.0.1|0".to_owned(), unique_mem_address()] {
        let rig = &mut Rig::with_nodes(1);
        let address = rig.listen(Link(0), &address);
        rig.node(CLIENT).connect(Link(1), &address).unwrap();
        assert_eq!(rig.outcome((CLIENT, Link(1))), Ready::Opened);
        rig.node(SERVER).close(Link(0), Close::Graceful);
        let (bytes, end) = rig.read_to_end((CLIENT, Link(1)));
        assert_eq!((bytes, end), (Vec::new(), Err(Status::PeerDisconnected)));
        assert_eq!(connect_fails(&address), Status::ConnectFailed);
    }
}

#[cfg(unix)]
mod unix {
    use super::super::rig::Node;
    use super::*;
    use crate::testing::TempSocketPath;
    use std::os::unix::net::UnixListener;
    use std::{fs, io};

    #[test]
    fn connecting_to_no_path_says_so() {
        let path = TempSocketPath::new();
        assert_eq!(connect_fails(&path.address()), Status::UdsPathNotFound);
        fs::write(path.path(), "a file").unwrap();
        let below = format!("{}/below", path.address());
        assert_eq!(connect_fails(&below), Status::UdsPathNotFound);
        assert_eq!(connect_fails(&path.address()), Status::ConnectFailed);
    }

    #[test]
    fn a_stale_socket_file_is_replaced() {
        let path = TempSocketPath::new();
        drop(UnixListener::bind(path.path()).unwrap());
        assert!(path.path().exists());
        assert_eq!(connect_fails(&path.address()), Status::ConnectFailed);
        let rig = &mut Rig::with_nodes(1);
        let (client, server) = rig.pair(&path.address());
        assert_eq!(rig.transfer(client, server, b"x"), b"x");
    }

    #[test]
    fn a_path_on_which_somebody_answers_is_refused() {
        let path = TempSocketPath::new();
        let theirs = UnixListener::bind(path.path()).unwrap();
        assert_eq!(listen_fails(&path.address()), Status::ListenFailed);
        theirs.set_nonblocking(true).unwrap();
        theirs.accept().expect("it was asked");
        let rig = &mut Rig::with_nodes(1);
        assert_eq!(rig.node(CLIENT).connect(Link(0), &path.address()), Ok(()));
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let path = TempSocketPath::new();
        fs::write(path.path(), "precious").unwrap();
        assert_eq!(listen_fails(&path.address()), Status::ListenFailed);
        assert_eq!(fs::read_to_string(path.path()).unwrap(), "precious");
    }

    #[test]
    fn a_directory_someone_keeps_locked_is_not_listened_in() {
        // Its path is as good for a directory.
        let place = TempSocketPath::new();
        fs::create_dir(place.path()).unwrap();
        let address = format!("{}/socket", place.address());
        let locked = fs::File::open(place.path()).unwrap();
        locked.lock().unwrap();
        assert_eq!(listen_fails(&address), Status::ListenFailed);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        drop(locked);
        let rig = &mut Rig::with_nodes(1);
        rig.listen(Link(0), &address);
        rig.node(SERVER).close(Link(0), Close::Graceful);
        fs::remove_dir(place.path()).unwrap();
    }

    #[test]
    fn a_listener_removes_its_file_when_it_closes() {
        for drop_all in [false, true] {
            let path = TempSocketPath::new();
            let mut node = Node::new();
            node.listen(Link(0), &path.address()).unwrap();
            assert!(path.path().exists());
            match drop_all {
                true => drop(node),
                false => node.close(Link(0), Close::Graceful),
            }
            assert!(!path.path().exists());
        }
    }

    #[test]
    fn a_listener_leaves_a_file_that_is_not_its_own() {
        let path = TempSocketPath::new();
        let mut node = Node::new();
        node.listen(Link(0), &path.address()).unwrap();
        fs::remove_file(path.path()).unwrap();
        let _theirs = UnixListener::bind(path.path()).unwrap();
        node.close(Link(0), Close::Graceful);
        assert!(path.path().exists());
    }

    #[test]
    fn a_path_below_a_pipe_is_refused_at_once() -> io::Result<()> {
        let pipe = TempSocketPath::new();
        let made = std::process::Command::new("mkfifo").arg(pipe.path()).status()?;
        assert!(made.success());
        assert_eq!(listen_fails(&format!("{}/sock", pipe.address())), Status::ListenFailed);
        Ok(())
    }

    #[test]
    fn without_a_free_descriptor_accepting_fails_and_the_listener_stays() -> io::Result<()> {
        const CHILD: &str = "TOFU_NO_DESCRIPTORS";
        let name = "transport::tests::failures::unix::\
                    without_a_free_descriptor_accepting_fails_and_the_listener_stays";
        if std::env::var_os(CHILD).is_none() {
            // In a process of its own, with few of them.
            let test = std::env::current_exe()?;
            let script = "ulimit -n 64 && exec \"$0\" --exact \"$1\"";
            let mut child = std::process::Command::new("sh");
            let child = child.args(["-c", script]).arg(test).arg(name).env(CHILD, "1");
            assert!(child.status()?.success());
            return Ok(());
        }
        run_out_of_descriptors();
        Ok(())
    }

    fn run_out_of_descriptors() {
        use std::task::Poll;
        use tofu_core::Transport;
        let rig = &mut Rig::with_nodes(1);
        let address = rig.listen(Link(0), "tcp|127.0.0.1|0");
        rig.node(CLIENT).connect(Link(1), &address).unwrap();
        assert_eq!(rig.outcome((CLIENT, Link(1))), Ready::Opened);
        let mut hogs = Vec::new();
        while let Ok(file) = fs::File::open("/dev/null") {
            hogs.push(file);
        }
        let failed = Poll::Ready(Err(Status::AcceptFailed));
        assert_eq!(rig.sockets(SERVER).accept(Link(0), Link(2)), failed);
        assert_eq!(rig.sockets(SERVER).accept(Link(0), Link(2)), failed);
        assert_eq!(connect_fails_here(rig, &address), Err(Status::ConnectFailed));
        drop(hogs);
        rig.accept(Link(0), Link(2));
        assert_eq!(rig.transfer((CLIENT, Link(1)), (SERVER, Link(2)), b"x"), b"x");
    }

    fn connect_fails_here(rig: &mut Rig, address: &str) -> Result<(), Status> {
        rig.node(CLIENT).connect(Link(9), address)
    }
}
