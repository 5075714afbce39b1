//! A port is used again at once, and a port is taken. That a client does not meet itself at a free one is in
//! `own_port`.

use tofu_faults::side::Side;
use tofu_faults::stage::Stage;
use tofu_std::{Options, Status};

/// How often a listener is closed and opened again.
const TIMES: usize = 10;

#[test]
fn a_listener_comes_back_at_once_beside_connections_old_and_over() {
    let mut stage = Stage::tcp();
    let open = stage.pair();
    for _ in 0..TIMES {
        // Whoever closes first keeps the port for a while; here it is each in turn.
        let over = stage.pair();
        stage.say_goodbye(over);
        let dropped = stage.pair();
        stage.server.close(dropped.1);
        assert_eq!(stage.client.receive_until_end(dropped.0).reason, Status::PeerDisconnected);

        stage.server.close(stage.listener);
        let refused = stage.client.connect(&stage.address);
        assert_eq!(stage.client.expect_refused(refused), Status::ConnectFailed);
        let (listener, address) = stage.server.listen(&stage.address, None);
        assert_eq!(address, stage.address);
        stage.listener = listener;
        stage.assert_answers(open);
    }
    stage.say_goodbye(open);
    stage.end();
}

#[test]
fn a_port_that_is_taken_is_refused_to_another_engine_and_to_the_same() {
    let mut stage = Stage::tcp();
    let address = stage.address.clone();
    let mut other = Side::new(Options::default());
    for _ in 0..TIMES {
        for side in [&mut other, &mut stage.server] {
            let posted = side.ask_to_listen(&address, None);
            assert_eq!(side.expect_refused(posted), Status::ListenFailed);
        }
    }
    other.assert_at_rest(0);
    drop(other);
    stage.end();
}
