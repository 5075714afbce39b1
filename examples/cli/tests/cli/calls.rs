//! `tofu serve`, `tofu call`, `tofu bench` and `tofu demo`.

use crate::common::{Serve, failure, noise, run, run_failing, run_ok, stalled_client, tofu};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tofu_std::testing::free_tcp_port;
use tofu_std::{ChannelGroup, Engine, LISTEN_ON, Message, Opcode, Options, Received};

const ANY_PORT: &str = "tcp|127.0.0.1|0";

#[test]
fn serve_says_the_port_it_really_has() {
    let serve = Serve::start(&[ANY_PORT], &[]);
    assert_ne!(serve.port(), 0);
    assert_eq!(run_ok(&["call", serve.address(), "--body", "hi"]), b"hi");
}

#[test]
fn call_brings_the_body_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("body");
    let serve = Serve::start(&[ANY_PORT], &[]);
    for len in [0, 1, 4096, 65_535] {
        let body = noise(len, 7);
        fs::write(&file, &body).unwrap();
        let path = file.to_str().unwrap();
        let args = ["call", serve.address(), "--header", "a: b:c", "--file", path];
        assert!(run_ok(&args) == body, "{len} bytes");
    }
}

#[cfg(unix)]
#[test]
fn one_server_listens_on_tcp_and_unix_sockets() {
    let socket = tofu_std::testing::TempSocketPath::new();
    let serve = Serve::start(&[ANY_PORT, &socket.address()], &[]);
    for address in &serve.addresses {
        assert_eq!(run_ok(&["call", address, "--body", "x"]), b"x");
    }
    assert_eq!(serve.addresses[1], socket.address());
    assert_eq!(serve.signal("-TERM"), Some(0));
    assert!(!socket.path().exists(), "the socket is cleared away");
}

#[test]
fn failures_are_named() {
    let nobody = format!("tcp|127.0.0.1|{}", free_tcp_port().unwrap());
    assert_eq!(run_failing(&["call", &nobody]), "connect_failed");
    assert_eq!(
        run_failing(&["bench", &nobody, "--mode=rtt", "--size=1", "--count=1"]),
        "connect_failed"
    );
    assert_eq!(run_failing(&["get", &nobody, "x"]), "connect_failed");
    assert_eq!(run_failing(&["call", "pigeon|x"]), "invalid_address");
    assert_eq!(run_failing(&["call", &nobody, "--file", "/no/such/file"]), "processing_failed");
    let serve = Serve::start(&[ANY_PORT], &[]);
    assert_eq!(run_failing(&["serve", ANY_PORT, serve.address()]), "listen_failed");
    assert_eq!(run_failing(&["get", serve.address(), "x"]), "not_allowed");
}

#[test]
fn a_body_too_long_for_a_message_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("body");
    fs::write(&file, noise(65_536, 1)).unwrap();
    let nobody = format!("tcp|127.0.0.1|{}", free_tcp_port().unwrap());
    let args = ["call", &nobody, "--file", file.to_str().unwrap()];
    let line = failure(&run(&args));
    assert!(line.starts_with("invalid_body_len: ") && line.contains("65535 bytes"), "{line}");
}

#[test]
fn what_a_server_takes_at_most_is_said_where_it_is_less() {
    let address = server(Options::with_pool(1024, 64), |mut message, group| {
        if message.reply().is_ok() {
            let _ = group.post_wait(message, None);
        }
    });
    let (longest, long) = ("x".repeat(752), "x".repeat(753));
    assert_eq!(run_ok(&["call", &address, "--body", &longest]), longest.as_bytes());
    assert_eq!(
        failure(&run(&["call", &address, "--body", &long])),
        "invalid_body_len: the server takes 752 bytes of body at most"
    );
    assert_eq!(
        failure(&run(&["call", &address, "--header", &format!("name:{long}")])),
        "invalid_headers_len: the server takes 256 bytes of text headers at most"
    );
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let (_listener, address) = stranger();
    for args in [
        &["call", &address, "--timeout", "0.2"][..],
        &["get", &address, "x", "--patience", "0.2"],
        &["put", &address, env!("CARGO_MANIFEST_PATH"), "--patience", "0.2"],
        &["bench", &address, "--mode=rtt", "--size=1", "--count=1", "--patience", "0.2"],
    ] {
        let start = Instant::now();
        assert_eq!(run_failing(args), "communication_failed", "{args:?}");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
}

/// A listener that is no tofu server, and its address.
fn stranger() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp|127.0.0.1|{}", listener.local_addr().unwrap().port());
    (listener, address)
}

#[test]
fn a_server_that_is_no_tofu_is_found_out() {
    for (says, named) in [
        ("SSH-2.0-OpenSSH_9.6\r\n", "invalid_message"),
        ("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "peer_disconnected"),
        ("", "peer_disconnected"),
    ] {
        let (listener, address) = stranger();
        let talks = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Some of the hello, so that this is an answer to it.
            stream.read_exact(&mut [0; 16]).unwrap();
            stream.write_all(says.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // With all of it read there is no reset, which would take away what was said.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        assert_eq!(run_failing(&["call", &address]), named, "{says:?}");
        talks.join().unwrap();
    }
}

#[test]
fn what_the_system_said_is_told_to_who_asks() {
    let nobody = format!("tcp|127.0.0.1|{}", free_tcp_port().unwrap());
    // Too long for a name, so that no name server is asked.
    let nowhere = format!("tcp|{}.invalid|1", "x".repeat(64));
    let serve = Serve::start(&[ANY_PORT], &[]);
    for (args, status) in [
        (["call", &nobody], "connect_failed"),
        (["serve", serve.address()], "listen_failed"),
        (["call", &nowhere], "invalid_address"),
    ] {
        let line = format!("{status}: {}", args[1]);
        assert_eq!(failure(&run(&args)), format!("{line} (-v tells more)"));
        let told = run(&[&args[..], &["-v"]].concat());
        assert_eq!(told.status.code(), Some(1));
        let told = String::from_utf8(told.stderr).unwrap();
        let (log, last) = told.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(last, line);
        assert!(log.lines().all(|line| line.starts_with("log: ")), "{log}");
    }
}

#[test]
fn memory_is_of_no_use_between_processes() {
    for args in [&["serve", ANY_PORT, "mem|x"][..], &["call", "mem|x"], &["get", "mem|x", "y"]] {
        let line = failure(&run(args));
        assert!(line.starts_with("invalid_address: mem|x: memory is within"), "{line}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in [
        &["call"][..],
        &["serve"],
        &["call", "mem|x", "--header", "no colon"],
        &["call", "mem|x", "--timeout", "0"],
        &["call", "mem|x", "--timeout", "1e300"],
        &["put", "mem|x", "y", "--patience", "-1"],
        &["call", "mem|x", "--body", "a", "--file", "b"],
        &["bench", "mem|x", "--mode", "rtt", "--size", "65536", "--count", "1"],
        &["bench", "mem|x", "--mode", "rtt", "--size", "1", "--count", "0"],
        &["dance"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_reader_that_had_enough_makes_nobody_panic() {
    let serve = Serve::start(&[ANY_PORT], &[]);
    for args in [&["demo"][..], &["call", serve.address(), "--body", "x"]] {
        let mut child = tofu(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn signals_end_it_with_0() {
    for signal in ["-TERM", "-INT"] {
        let serve = Serve::start(&[ANY_PORT], &[]);
        assert_eq!(run_ok(&["call", serve.address(), "--body", "x"]), b"x");
        assert_eq!(serve.signal(signal), Some(0), "{signal}");
    }
}

#[cfg(unix)]
#[test]
fn a_client_that_never_reads_does_not_keep_it_from_ending() {
    let serve = Serve::start(&[ANY_PORT], &[]);
    let _stalled = stalled_client(serve.port(), &[("", b"x")]);
    assert_eq!(run_ok(&["call", serve.address(), "--body", "x"]), b"x");
    assert_eq!(serve.signal("-TERM"), Some(0));
}

#[test]
fn more_clients_than_it_may_have_wait() {
    let serve = Serve::start(&[ANY_PORT], &["--clients", "1"]);
    let only = stalled_client(serve.port(), &[]);
    assert!(serve.complaint().contains("all the clients it may have"));
    let mut call = tofu(&["call", serve.address(), "--body", "hi"]);
    let waiting = call.stdout(Stdio::piped()).spawn().unwrap();
    drop(only);
    assert_eq!(waiting.wait_with_output().unwrap().stdout, b"hi");
}

#[test]
fn bench_measures_both_modes() {
    let serve = Serve::start(&[ANY_PORT], &[]);
    for (mode, size, count) in
        [("rtt", 64, 200), ("rtt", 0, 1), ("stream", 65_535, 300), ("stream", 0, 1)]
    {
        let (size, count) = (size.to_string(), count.to_string());
        let args = ["bench", serve.address(), "--mode", mode, "--size", &size, "--count", &count];
        assert_eq!(String::from_utf8(run_ok(&args)).unwrap().lines().count(), 1);
        let json = run_ok(&[&args[..], &["--json"]].concat());
        assert_eq!(json.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let object: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!((&object["mode"], object["size"].to_string()), (&mode.into(), size));
        assert_eq!(object["count"].to_string(), count);
        assert_eq!(object.as_object().unwrap().len(), 8);
        for key in ["p50_ns", "p99_ns", "mean_ns"] {
            assert_eq!(object[key].is_u64(), mode == "rtt", "{key}");
            assert_eq!(object[key].is_null(), mode == "stream", "{key}");
        }
        for key in ["msgs_per_s", "mb_per_s"] {
            assert!(object[key].as_f64().is_some(), "{key}");
        }
    }
}

#[test]
fn demo_passes_on_every_transport() {
    let out = String::from_utf8(run_ok(&["demo"])).unwrap();
    let transports = if cfg!(unix) { 3 } else { 2 };
    assert_eq!(out.lines().filter(|line| line.contains(" ok ")).count(), 12 * transports, "{out}");
}

#[test]
fn help_shows_examples() {
    for command in ["demo", "serve", "call", "put", "get", "bench"] {
        let help = String::from_utf8(run_ok(&[command, "--help"])).unwrap();
        assert!(help.contains(&format!("tofu {command}")) && help.contains("Example"), "{help}");
    }
    let mut child = tofu(&["--help"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    child.wait().unwrap();
}

/// Whether a paragraph's line could have held the word that begins the next.
fn breaks_early(line: &str, next: &str, width: usize) -> bool {
    let is_text = |line: &str| !line.is_empty() && !line.starts_with(' ');
    let word = next.split(' ').next().unwrap_or_default();
    is_text(line) && is_text(next) && line.chars().count() + 1 + word.chars().count() <= width
}

#[test]
fn help_fits_the_terminal() {
    for (columns, width) in [("80", 80), ("100", 100), ("140", 100)] {
        for command in ["demo", "serve", "call", "put", "get", "bench", "help"] {
            let help = tofu(&[command, "--help"]).env("COLUMNS", columns).output().unwrap();
            let help = String::from_utf8(help.stdout).unwrap();
            let lines: Vec<_> = help.lines().collect();
            for line in &lines {
                assert!(line.chars().count() <= width, "{command} at {columns}: {line}");
            }
            for pair in lines.windows(2) {
                assert!(!breaks_early(pair[0], pair[1], width), "{command} at {columns}: {pair:?}");
            }
        }
    }
}

/// A server in this process that does as it is told with every message; its address.
fn server(
    options: Options,
    mut answer: impl FnMut(Message, &ChannelGroup) + Send + 'static,
) -> String {
    let engine = Engine::with_options(options).unwrap();
    let group = engine.group().unwrap();
    let mut welcome = engine.get().unwrap();
    welcome.listen_on(ANY_PORT).unwrap();
    group.post(welcome).unwrap();
    let Ok(Some(Received::Returned(listening, _))) = group.wait_receive(None) else { panic!() };
    let address = listening.text().get_str(LISTEN_ON).unwrap().to_owned();
    drop(listening);
    std::thread::spawn(move || {
        while let Ok(Some(received)) = group.wait_receive(None) {
            if let Received::Peer(message) = received {
                answer(message, &group);
            }
        }
    });
    address
}

/// A server that answers a Request with Signals, for ever; its address.
fn talker() -> String {
    server(Options::default(), |message, group| {
        if message.opcode() != Opcode::Request {
            return;
        }
        let channel = message.channel();
        while let Some(mut signal) = group.engine().get_wait(None) {
            signal.prepare(Opcode::Signal, channel);
            if group.post_wait(signal, None).is_err() {
                return;
            }
        }
    })
}

#[test]
fn a_server_that_talks_for_ever_is_given_up() {
    let start = Instant::now();
    let args = ["call", &talker(), "--body", "x", "--timeout", "1"];
    assert_eq!(run_failing(&args), "communication_failed");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
