//! A server and a client, and the check that every test ends with.

use crate::eventually;
use crate::side::Side;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tofu_std::{ChannelNumber, Opcode, Options, Status};

/// How many descriptors are open without a stage. They are counted for the whole process, so that there is
/// one stage at a time.
static OUTSIDE: Mutex<Option<usize>> = Mutex::new(None);

/// A server that listens, and a client.
pub struct Stage {
    /// Has one listener.
    pub server: Side,
    /// Has nothing.
    pub client: Side,
    /// Where the server listens.
    pub address: String,
    /// The server's listener.
    pub listener: ChannelNumber,
    /// Descriptors that are open while nothing is under way.
    open: usize,
    alone: MutexGuard<'static, Option<usize>>,
}

impl Stage {
    /// Engines with these options; the server listens on `address`.
    ///
    /// # Panics
    /// When they cannot be had.
    pub fn new(server: Options, client: Options, address: &str) -> Stage {
        Stage::within(server, client, address, None)
    }

    /// The same, with bounds for the listener.
    ///
    /// # Panics
    /// When they cannot be had.
    pub fn within(server: Options, client: Options, address: &str, bounds: Option<&str>) -> Stage {
        let mut alone = OUTSIDE.lock().unwrap_or_else(PoisonError::into_inner);
        let outside = *alone.get_or_insert_with(open_descriptors);
        eventually("the stage before is gone", || open_descriptors() == outside);
        let (mut server, client) = (Side::new(server), Side::new(client));
        let (listener, address) = server.listen(address, bounds);
        let open = open_descriptors();
        Stage { server, client, address, listener, open, alone }
    }

    /// Over TCP, with the usual options.
    ///
    /// # Panics
    /// When the engines cannot be had.
    pub fn tcp() -> Stage {
        Stage::new(Options::default(), Options::default(), "tcp|127.0.0.1|0")
    }

    /// Connects the client, and takes its HelloRequest; both channels.
    ///
    /// # Panics
    /// When that does not work.
    pub fn pair(&mut self) -> (ChannelNumber, ChannelNumber) {
        let channel = self.client.connect(&self.address).channel;
        (channel, self.server.expect(Opcode::HelloRequest).channel())
    }

    /// A request over this connection is answered over it.
    ///
    /// # Panics
    /// When it isn't.
    pub fn assert_answers(&mut self, (here, there): (ChannelNumber, ChannelNumber)) {
        let posted = self.client.say(Opcode::Request, here, b"still there?").expect("it is open");
        let request = self.server.expect(Opcode::Request);
        assert_eq!(request.channel(), there);
        self.server.answer(request);
        let response = self.client.expect(Opcode::Response);
        assert_eq!((response.channel(), response.id()), (here, posted.id));
        assert_eq!(response.body(), b"still there?");
    }

    /// Closes a connection, both ends knowing.
    ///
    /// # Panics
    /// When something is lost.
    pub fn say_goodbye(&mut self, (here, there): (ChannelNumber, ChannelNumber)) {
        self.client.say(Opcode::ByeRequest, here, b"").expect("it is open");
        let bye = self.server.expect(Opcode::ByeRequest);
        self.server.answer(bye);
        self.client.expect(Opcode::ByeResponse);
        for (side, channel) in [(&mut self.client, here), (&mut self.server, there)] {
            let end = side.expect_end(channel);
            assert_eq!((end.reason, end.returned.len()), (Status::Success, 0));
        }
    }

    /// The fault is over: the next connection works, and then no channel, message or descriptor is
    /// left of anything.
    ///
    /// # Panics
    /// When it isn't so.
    pub fn assert_recovered(&mut self) {
        let pair = self.pair();
        self.assert_answers(pair);
        self.say_goodbye(pair);
        self.server.assert_at_rest(1);
        self.client.assert_at_rest(0);
        // A socket may stay a little to see its last bytes delivered.
        eventually("all descriptors are closed", || open_descriptors() == self.open);
    }

    /// The last thing in a test: all is well, and the engines leave nothing behind.
    ///
    /// # Panics
    /// When it isn't so.
    pub fn end(mut self) {
        self.assert_recovered();
        let Stage { server, client, alone, .. } = self;
        drop((server, client));
        eventually("the engines have ended", || Some(open_descriptors()) == *alone);
    }
}

/// How many descriptors this process has open.
fn open_descriptors() -> usize {
    let this = procfs::process::Process::myself().expect("this process is there");
    this.fd_count().expect("it may look at itself")
}
