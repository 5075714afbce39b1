//! A client connects to a free port of its own host, and goes out from that very port: the kernel connects the
//! socket with itself. In a network of two ports that happens at once.

use libtest_mimic::{Failed, Trial};
use std::fs;
use std::net::TcpStream;
use std::process::ExitCode;
use tofu_conformance::namespace::{enter, prepare};
use tofu_conformance::skip::Needy;
use tofu_faults::stage::Stage;
use tofu_std::Status;

/// How often a client tries to connect to where nobody listens.
const TRIES: usize = 200;
/// What ports a client goes out from.
const PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// One of the ports that it may go out from.
const PORT: u16 = 40_000;

fn main() -> ExitCode {
    let tests = Needy { name: "the test with two ports", variable: "TOFU_FAULTS", threads: 1 };
    tests.run(prepare, vec![Trial::test("a_client_never_meets_itself", itself)])
}

fn itself() -> Result<(), Failed> {
    enter()?;
    let mut stage = Stage::tcp();
    let usual = fs::read(PORTS)?;
    fs::write(PORTS, format!("{PORT} {}", PORT + 1))?;
    for _ in 0..TRIES {
        let posted = stage.client.connect(&format!("tcp|127.0.0.1|{PORT}"));
        assert_eq!(stage.client.expect_refused(posted), Status::ConnectFailed);
    }
    // It does happen here.
    let meets = (0..TRIES).filter_map(|_| TcpStream::connect(("127.0.0.1", PORT)).ok()).next();
    assert!(meets.is_some_and(|it| it.local_addr().ok() == it.peer_addr().ok()));
    fs::write(PORTS, usual)?;
    stage.end();
    Ok(())
}
