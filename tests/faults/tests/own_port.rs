//! A client connects to a free port of its own host, and goes out from that very port: the kernel connects the
//! socket with itself. In a network of one port that happens at once.

use libtest_mimic::{Failed, Trial};
use std::fs;
use std::net::TcpStream;
use std::process::ExitCode;
use tofu_conformance::namespace::{enter, prepare};
use tofu_conformance::skip::Needy;
use tofu_faults::fault::Fault;
use tofu_faults::stage::Stage;
use tofu_std::Status;

/// What ports a client goes out from.
const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Those that are tried, one after the other: outside the usual range, where this test has sockets itself.
const PORTS: std::ops::Range<u16> = 20_000..20_020;

fn main() -> ExitCode {
    let tests = Needy { name: "the test with one port", variable: "TOFU_FAULTS", threads: 1 };
    tests.run(prepare, vec![Trial::test("a_client_never_meets_itself", itself)])
}

fn itself() -> Result<(), Failed> {
    enter()?;
    let mut stage = Stage::tcp();
    let usual = fs::read(RANGE)?;
    for port in PORTS {
        fs::write(RANGE, format!("{port} {port}"))?;
        let meets = TcpStream::connect(("127.0.0.1", port))?;
        assert_eq!(meets.local_addr()?, meets.peer_addr()?, "it does happen here");
        Fault::Reset.strike(&meets);
        drop(meets);
        let posted = stage.client.connect(&format!("tcp|127.0.0.1|{port}"));
        assert_eq!(stage.client.expect_refused(posted), Status::ConnectFailed);
    }
    fs::write(RANGE, usual)?;
    stage.end();
    Ok(())
}
