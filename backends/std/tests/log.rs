//! With the feature `log`, what the system said about a failure is told.

use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;
use tofu_std::{Engine, Received, Status};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Lines;

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        LINES.lock().unwrap().push(record.args().to_string());
    }
    fn flush(&self) {}
}

#[test]
fn port_that_is_taken_is_told_of() {
    log::set_logger(&Lines).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let reason = TcpListener::bind(address).unwrap_err();
    let group = Engine::new().unwrap().group().unwrap();
    let mut welcome = group.engine().get().unwrap();
    welcome.listen_on(format_args!("tcp|127.0.0.1|{}", address.port())).unwrap();
    group.post(welcome).unwrap();
    let received = group.wait_receive(Duration::from_secs(10)).unwrap();
    assert!(matches!(received, Some(Received::Returned(_, Status::ListenFailed))));
    assert!(LINES.lock().unwrap().contains(&format!("{address}: {reason}")));
}
