//! A port that is used again at once, one that is taken, and one on which nobody listens.

use std::net::TcpListener;
use tofu_faults::side::Side;
use tofu_faults::stage::Stage;
use tofu_std::testing::free_tcp_port;
use tofu_std::{Opcode, Options, Received, Status};

/// Connections of the old listener: half of them said goodbye, on the server's side first, half stay.
const OLD: usize = 20;
/// Each picks its own port among some 28,000. To meet the one it goes to, one of these is odd enough.
const TO_ITSELF: usize = 3_000;

#[test]
fn a_listener_comes_back_at_once_to_a_port_with_old_connections() {
    let mut stage = Stage::tcp();
    for _ in 0..3 {
        let pairs: Vec<_> = (0..OLD).map(|_| stage.pair()).collect();
        let (leaving, staying) = pairs.split_at(OLD / 2);
        for &(here, there) in leaving {
            // Who closes first keeps the port in TIME_WAIT.
            stage.server.say(Opcode::ByeRequest, there, b"");
            let bye = stage.client.expect(Opcode::ByeRequest);
            stage.client.answer(bye);
            stage.server.expect(Opcode::ByeResponse);
            assert_eq!(stage.server.expect_end(there).reason, Status::Success);
            assert_eq!(stage.client.expect_end(here).reason, Status::Success);
        }
        stage.server.say(Opcode::ByeSignal, stage.listener, b"");
        stage.server.expect_end(stage.listener);
        let (listener, address) = stage.server.listen(&stage.address, None);
        assert_eq!(address, stage.address);
        stage.listener = listener;
        for &pair in staying {
            stage.assert_answers(pair);
            stage.say_goodbye(pair);
        }
        stage.assert_recovered();
    }
    stage.end();
}

#[test]
fn a_second_engine_is_refused_the_port() {
    let mut stage = Stage::tcp();
    let pair = stage.pair();
    let mut second = Side::new(Options::default());
    let listener = second.try_listen(&stage.address, None);
    match second.receive() {
        Received::Returned(message, Status::ListenFailed) => {
            assert_eq!(message.opcode(), Opcode::WelcomeResponse);
        }
        other => panic!("expected the WelcomeResponse of the engine, got {other:?}"),
    }
    assert_eq!(second.expect_end(listener).reason, Status::ListenFailed);
    second.assert_at_rest(0);
    drop(second);
    stage.assert_answers(pair);
    stage.say_goodbye(pair);
    stage.end();
}

#[test]
fn nobody_is_connected_with_himself() {
    let mut stage = Stage::tcp();
    let port = free_tcp_port().expect("a port");
    let address = format!("tcp|127.0.0.1|{port}");
    for _ in 0..TO_ITSELF {
        let channel = stage.client.connect(&address).channel;
        assert_eq!(stage.client.expect_end(channel).reason, Status::ConnectFailed);
    }
    // It is still anybody's.
    drop(TcpListener::bind(("127.0.0.1", port)).expect("it is free"));
    stage.end();
}
