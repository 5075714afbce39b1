//! A connection is lost at every byte of a short session, in both directions, by a reset and by an end.

use tofu_faults::fault::Fault;
use tofu_faults::proxy::{Cut, Proxy, Way};
use tofu_faults::stage::Stage;
use tofu_std::{Header, Opcode, Status};

/// Each is answered before the next is said.
const SESSION: [Opcode; 3] = [Opcode::HelloRequest, Opcode::Request, Opcode::ByeRequest];

/// What should pass on a line that is cut.
struct Line {
    cut: Option<Cut>,
    passed: [usize; 2],
}

impl Line {
    /// Whether a frame arrives whole.
    fn passes(&mut self, way: Way, frame: &Header) -> bool {
        let before = self.passed;
        self.passed[way as usize] += frame.frame_len();
        self.cut.is_none_or(|Cut { way: cut, after, .. }| {
            // Without any, the first one cuts it.
            let is_cut = after > 0 && before[cut as usize] >= after;
            !is_cut && (way != cut || self.passed[cut as usize] <= after)
        })
    }
}

/// Plays the session as far as it goes, and checks how it ends. How many bytes passed in each direction.
fn play(stage: &mut Stage, cut: Option<Cut>) -> [usize; 2] {
    let proxy = Proxy::start(&stage.address, cut);
    let mut line = Line { cut, passed: [0; 2] };
    let hello = stage.client.connect(proxy.address());
    let (mut heard, mut complete) = (None, false);
    for opcode in SESSION {
        let said = match opcode {
            Opcode::HelloRequest => Some(hello),
            opcode => stage.client.say(opcode, hello.channel, b"twenty bytes of text"),
        };
        if !said.is_some_and(|frame| line.passes(Way::Up, &frame)) {
            break;
        }
        let message = stage.server.expect(opcode);
        let channel = message.channel();
        let answer = stage.server.answer(message);
        heard = Some((channel, answer.map(|frame| frame.opcode)));
        if !answer.is_some_and(|frame| line.passes(Way::Down, &frame)) {
            break;
        }
        complete = stage.client.expect(opcode.answer().unwrap()).opcode() == Opcode::ByeResponse;
    }
    let client = stage.client.expect_end(hello.channel);
    let lost = Status::PeerDisconnected;
    assert_eq!(client.reason, if complete { Status::Success } else { lost });
    if let Some((channel, last)) = heard {
        let server = stage.server.expect_end(channel);
        server.assert_received_from(&client);
        client.assert_received_from(&server);
        // It has said all once it has answered the goodbye.
        let done = last == Some(Opcode::ByeResponse) && server.returned.is_empty();
        assert_eq!(server.reason, if done { Status::Success } else { lost });
    }
    line.passed
}

fn assert_each_byte_may_be_the_last(fault: Fault) {
    let mut stage = Stage::tcp();
    let passed = play(&mut stage, None);
    for way in [Way::Up, Way::Down] {
        for after in 0..=passed[way as usize] {
            play(&mut stage, Some(Cut { fault, way, after }));
            stage.assert_recovered();
        }
    }
    stage.end();
}

#[test]
fn a_reset_after_any_byte_is_told_to_both() {
    assert_each_byte_may_be_the_last(Fault::Reset);
}

#[test]
fn an_end_after_any_byte_is_told_to_both() {
    assert_each_byte_may_be_the_last(Fault::End);
}
