//! Frames by hand: written from the protocol's table, not with the codec under test.

use crate::app::{App, PATIENCE};
use crate::world::{Raw, RawListener, RawWorld, Setup};
use std::time::Duration;
use tofu_core::{ChannelNumber, Opcode};

/// A frame as it stands on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The sender's channel number.
    pub channel: u16,
    /// Opcode, origin, more and reserved bits.
    pub proto: u8,
    /// The status byte.
    pub status: u8,
    /// The message id.
    pub id: u64,
    /// Text headers.
    pub text: Vec<u8>,
    /// Body.
    pub body: Vec<u8>,
}

/// Opcodes as the protocol numbers them.
pub mod code {
    #![allow(missing_docs)]
    pub const REQUEST: u8 = 0;
    pub const RESPONSE: u8 = 1;
    pub const SIGNAL: u8 = 2;
    pub const HELLO_REQUEST: u8 = 3;
    pub const HELLO_RESPONSE: u8 = 4;
    pub const BYE_REQUEST: u8 = 5;
    pub const BYE_RESPONSE: u8 = 6;
    pub const BYE_SIGNAL: u8 = 7;
    pub const WELCOME_REQUEST: u8 = 8;
    pub const WELCOME_RESPONSE: u8 = 9;
    /// The origin bit.
    pub const ORIGIN: u8 = 0x10;
    /// The more bit.
    pub const MORE: u8 = 0x20;
    /// The reserved bits.
    pub const RESERVED: u8 = 0xc0;
}

impl Frame {
    /// A frame without payload, from channel 7.
    pub fn new(proto: u8, id: u64) -> Self {
        Frame { channel: 7, proto, id, ..Frame::default() }
    }

    /// A HelloRequest.
    pub fn hello() -> Self {
        Frame::new(code::HELLO_REQUEST, 1).text("~connect_to:raw\r\n")
    }

    /// With these text headers.
    pub fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        self.text = text.as_ref().to_vec();
        self
    }

    /// With this body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// The bytes of the frame.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.channel.to_be_bytes().to_vec();
        bytes.extend([self.proto, self.status]);
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(length(&self.text).to_be_bytes());
        bytes.extend(length(&self.body).to_be_bytes());
        bytes.extend(&self.text);
        bytes.extend(&self.body);
        bytes
    }
}

fn length(section: &[u8]) -> u16 {
    section.len().try_into().expect("a section has at most 65,535 bytes")
}

/// A bare connection that knows where frames end.
pub struct Wire<R: Raw> {
    raw: R,
    ahead: Vec<u8>,
}

impl<R: Raw> Wire<R> {
    /// Connects to an engine.
    pub fn connect<W: RawWorld<Raw = R>>(world: &W, address: &str) -> Self {
        Wire { raw: world.raw_connect(address), ahead: Vec::new() }
    }

    /// Takes the next connection from an engine.
    pub fn accept(listener: &mut impl RawListener<Raw = R>) -> Self {
        Wire { raw: listener.accept(), ahead: Vec::new() }
    }

    /// Sends all of these bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        assert_eq!(self.raw.send(bytes, PATIENCE), bytes.len(), "the engine reads what is sent");
    }

    /// Sends what the connection takes within `timeout`.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>, timeout: Duration) -> usize {
        self.raw.send(bytes.as_ref(), timeout)
    }

    /// Sends a frame.
    #[track_caller]
    pub fn frame(&mut self, frame: &Frame) {
        self.send(frame.bytes());
    }

    /// Reads a number of bytes.
    #[track_caller]
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        while self.ahead.len() < len {
            let got = self.raw.recv(PATIENCE).expect("the engine sends in time");
            assert!(!got.is_empty(), "the engine closed after {:x?} of {len} bytes", self.ahead);
            self.ahead.extend(got);
        }
        self.ahead.drain(..len).collect()
    }

    /// Reads a frame.
    #[track_caller]
    pub fn read(&mut self) -> Frame {
        let header = self.bytes(16);
        let number = |from: usize| u16::from_be_bytes([header[from], header[from + 1]]);
        let id = header[4..12].iter().fold(0, |id, &byte| id << 8 | u64::from(byte));
        let text = self.bytes(number(12).into());
        let body = self.bytes(number(14).into());
        Frame { channel: number(0), proto: header[2], status: header[3], id, text, body }
    }

    /// Reads a frame if it arrives whole within `timeout`; what arrived of it is kept.
    #[track_caller]
    pub fn try_read(&mut self, timeout: Duration) -> Option<Frame> {
        while self.ahead.len() < self.frame_len() {
            let got = self.raw.recv(timeout)?;
            assert!(!got.is_empty(), "the engine closed after {:x?}", self.ahead);
            self.ahead.extend(got);
        }
        Some(self.read())
    }

    /// How long the next frame is, as far as that is known.
    fn frame_len(&self) -> usize {
        match self.ahead.get(12..16) {
            Some(&[t0, t1, b0, b1]) => {
                16 + usize::from(u16::from_be_bytes([t0, t1]))
                    + usize::from(u16::from_be_bytes([b0, b1]))
            }
            _ => 16,
        }
    }

    /// Reads a frame of this opcode, without any other bit.
    #[track_caller]
    pub fn expect(&mut self, proto: u8) -> Frame {
        let frame = self.read();
        assert_eq!(frame.proto, proto, "{frame:?}");
        frame
    }

    /// Everything until the engine closes.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        loop {
            let got = self.raw.recv(PATIENCE).expect("the engine closes in time");
            if got.is_empty() {
                return std::mem::take(&mut self.ahead);
            }
            self.ahead.extend(got);
        }
    }

    /// Checks that the engine closes without another byte.
    #[track_caller]
    pub fn closed(&mut self) {
        assert_eq!(self.rest(), b"", "nothing comes before the close");
    }

    /// Checks that the engine sends nothing and does not close.
    #[track_caller]
    pub fn quiet<W: RawWorld<Raw = R>>(&mut self) {
        assert_eq!(self.ahead, b"");
        assert_eq!(self.raw.recv(W::QUIET), None, "the engine sends nothing");
    }
}

/// A server and a bare client after hello.
pub struct RawClient<W: RawWorld> {
    /// The application that listens.
    pub server: App<W>,
    /// Its address.
    pub address: String,
    /// The client.
    pub wire: Wire<W::Raw>,
    /// The connection, as the server numbers it.
    pub channel: ChannelNumber,
}

impl<W: RawWorld> RawClient<W> {
    /// A server with a roomy pool.
    #[track_caller]
    pub fn new(world: &W) -> Self {
        RawClient::with(world, &Setup::default())
    }

    /// A server with this setup.
    #[track_caller]
    pub fn with(world: &W, setup: &Setup) -> Self {
        let server = App::with(world, setup);
        let (_, address) = server.listen(&world.raw_address());
        let (wire, channel) = raw_join(world, &server, &address);
        RawClient { server, address, wire, channel }
    }

    /// Checks that another client is served.
    #[track_caller]
    pub fn another_works(&self, world: &W) {
        another_works(world, &self.server, &self.address);
    }
}

/// Connects a bare client and says hello.
#[track_caller]
pub fn raw_join<W: RawWorld>(
    world: &W,
    server: &App<W>,
    address: &str,
) -> (Wire<W::Raw>, ChannelNumber) {
    let mut wire = Wire::connect(world, address);
    wire.frame(&Frame::hello());
    let hello = server.peers(Opcode::HelloRequest);
    (wire, hello.channel())
}

/// Checks that a new client is served, and leaves nothing of it behind.
#[track_caller]
pub fn another_works<W: RawWorld>(world: &W, server: &App<W>, address: &str) {
    let client = App::new(world);
    let (at_server, at_client) = crate::app::join(server, &client, address);
    crate::app::exchange(&client, at_client, server);
    client.send(Opcode::ByeRequest, at_client, 0, b"");
    server.answer(server.peers(Opcode::ByeRequest));
    server.closed_now(at_server);
    client.peers(Opcode::ByeResponse);
    client.closed_now(at_client);
}

/// A client of a bare server, after its HelloRequest.
pub struct RawServer<W: RawWorld> {
    /// The application that connected.
    pub client: App<W>,
    /// The server.
    pub wire: Wire<W::Raw>,
    /// The HelloRequest as it came.
    pub hello: Frame,
    /// The connection, as the client numbers it.
    pub channel: ChannelNumber,
    /// Where other clients can connect to.
    pub listener: W::RawListener,
}

impl<W: RawWorld> RawServer<W> {
    /// A client with a roomy pool.
    #[track_caller]
    pub fn new(world: &W) -> Self {
        RawServer::with(world, &Setup::default())
    }

    /// A client with this setup.
    #[track_caller]
    pub fn with(world: &W, setup: &Setup) -> Self {
        let mut listener = world.raw_listen();
        let client = App::with(world, setup);
        let channel = client.connect(&listener.address()).channel;
        let mut wire = Wire::accept(&mut listener);
        let hello = wire.expect(code::HELLO_REQUEST);
        RawServer { client, wire, hello, channel, listener }
    }
}
