//! The 16-byte frame header and the opcodes (PROTOCOL, section 1).

use crate::Status;
use core::fmt;

/// Length of a frame header in bytes.
pub const HEADER_LEN: usize = 16;
/// The most bytes of text headers, and the most bytes of body, a frame can carry.
pub const MAX_SECTION_LEN: usize = u16::MAX as usize;
/// The largest frame: header, text headers and body at their most.
pub const MAX_FRAME_LEN: usize = HEADER_LEN + 2 * MAX_SECTION_LEN;

/// The number of a channel, local to one engine ([PROTOCOL, section 2](crate::protocol#2-channels-and-groups)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// "Not assigned yet": what a Hello or Welcome is posted with.
    pub const NONE: ChannelNumber = ChannelNumber(0);
    /// The largest number an engine gives out.
    pub const MAX: ChannelNumber = ChannelNumber(65_534);

    /// Wraps a number as it stands in a header.
    pub const fn new(number: u16) -> Self {
        ChannelNumber(number)
    }

    /// The bare number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether no channel is named.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a message does ([PROTOCOL, section 1](crate::protocol#1-frame)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Opcode {
    /// Asks the peer for something.
    #[default]
    Request = 0,
    /// Answers a [`Opcode::Request`] or [`Opcode::Signal`] of the same message id.
    Response = 1,
    /// Says something that needs no answer.
    Signal = 2,
    /// Connects, and is the first frame of a connection.
    HelloRequest = 3,
    /// Greets back: a courtesy, not a gate.
    HelloResponse = 4,
    /// Closes once everything posted before has arrived. Who receives one answers it, or the other end waits until
    /// its timeout.
    ByeRequest = 5,
    /// Answers a [`Opcode::ByeRequest`] and closes.
    ByeResponse = 6,
    /// Closes at once, without a word to the peer. What was sent and the peer has not read may be lost too: on TCP the
    /// connection is reset.
    ByeSignal = 7,
    /// Starts a listener.
    WelcomeRequest = 8,
    /// The engine's answer to [`Opcode::WelcomeRequest`].
    WelcomeResponse = 9,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The application's own traffic.
    Regular,
    /// Opens a connection.
    Hello,
    /// Closes a connection or a listener.
    Bye,
    /// Opens a listener.
    Welcome,
}

/// Which part in an exchange a message plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Expects an answer.
    Request,
    /// Is an answer.
    Response,
    /// Expects none.
    Signal,
}

impl Opcode {
    /// Every opcode, in the order of its code.
    pub const ALL: [Opcode; 10] = [
        Opcode::Request,
        Opcode::Response,
        Opcode::Signal,
        Opcode::HelloRequest,
        Opcode::HelloResponse,
        Opcode::ByeRequest,
        Opcode::ByeResponse,
        Opcode::ByeSignal,
        Opcode::WelcomeRequest,
        Opcode::WelcomeResponse,
    ];

    /// Reads a code; 10 to 15 and everything above name no opcode.
    pub const fn from_code(code: u8) -> Option<Opcode> {
        Some(match code {
            0 => Opcode::Request,
            1 => Opcode::Response,
            2 => Opcode::Signal,
            3 => Opcode::HelloRequest,
            4 => Opcode::HelloResponse,
            5 => Opcode::ByeRequest,
            6 => Opcode::ByeResponse,
            7 => Opcode::ByeSignal,
            8 => Opcode::WelcomeRequest,
            9 => Opcode::WelcomeResponse,
            _ => return None,
        })
    }

    /// The code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the message is about.
    pub const fn kind(self) -> Kind {
        match self {
            Opcode::Request | Opcode::Response | Opcode::Signal => Kind::Regular,
            Opcode::HelloRequest | Opcode::HelloResponse => Kind::Hello,
            Opcode::ByeRequest | Opcode::ByeResponse | Opcode::ByeSignal => Kind::Bye,
            Opcode::WelcomeRequest | Opcode::WelcomeResponse => Kind::Welcome,
        }
    }

    /// Which part in an exchange the message plays.
    pub const fn role(self) -> Role {
        match self {
            Opcode::Request
            | Opcode::HelloRequest
            | Opcode::ByeRequest
            | Opcode::WelcomeRequest => Role::Request,
            Opcode::Response
            | Opcode::HelloResponse
            | Opcode::ByeResponse
            | Opcode::WelcomeResponse => Role::Response,
            Opcode::Signal | Opcode::ByeSignal => Role::Signal,
        }
    }

    /// Whether a peer may send it. The others are words between an
    /// application and its own engine.
    pub const fn crosses_the_wire(self) -> bool {
        !matches!(self.kind(), Kind::Welcome) && !matches!(self, Opcode::ByeSignal)
    }

    /// Whether the message may announce that more of the same id follow.
    pub const fn may_carry_more(self) -> bool {
        matches!(self.kind(), Kind::Regular)
    }

    /// The opcode that answers this one; `None` for what takes no answer.
    ///
    /// A [`Opcode::Signal`] needs none, but may be answered by a Response.
    pub const fn answer(self) -> Option<Opcode> {
        match self {
            Opcode::Request | Opcode::Signal => Some(Opcode::Response),
            Opcode::HelloRequest => Some(Opcode::HelloResponse),
            Opcode::ByeRequest => Some(Opcode::ByeResponse),
            Opcode::WelcomeRequest => Some(Opcode::WelcomeResponse),
            _ => None,
        }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Who a message speaks for. Never believed when read from the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Origin {
    /// An application.
    #[default]
    Application,
    /// The local engine.
    Engine,
}

/// A frame header in memory. [`Header::encode`] and [`Header::decode`] are
/// the wire form.
///
/// ```
/// use tofu_core::{ChannelNumber, Header, Opcode};
/// let header = Header { channel: ChannelNumber::new(7), opcode: Opcode::Request, id: 1, ..Header::default() };
/// assert_eq!(Header::decode(&header.encode()), Ok(header));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// The sender's local channel number.
    pub channel: ChannelNumber,
    /// What the message does.
    pub opcode: Opcode,
    /// Who the message speaks for.
    pub origin: Origin,
    /// Whether more messages of this id follow.
    pub more: bool,
    /// What became of the message; success from an application.
    pub status: Status,
    /// The correlation id.
    pub id: u64,
    /// Length of the text headers in bytes.
    pub text_len: u16,
    /// Length of the body in bytes.
    pub body_len: u16,
}

impl Header {
    /// The 16 bytes of the header. Reserved bits are 0.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        wire::set_channel(&mut bytes, self.channel);
        wire::set_opcode(&mut bytes, self.opcode);
        wire::set_more(&mut bytes, self.more);
        wire::set_origin(&mut bytes, self.origin);
        wire::set_status(&mut bytes, self.status);
        wire::set_id(&mut bytes, self.id);
        wire::set_text_len(&mut bytes, self.text_len);
        wire::set_body_len(&mut bytes, self.body_len);
        bytes
    }

    /// Reads 16 bytes. Reserved bits are ignored; origin and status are
    /// what the bytes say, and for the caller to distrust.
    ///
    /// # Errors
    /// [`Status::InvalidOpCode`] for opcodes 10 to 15.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Header, Status> {
        Ok(Header {
            channel: wire::channel(bytes),
            opcode: wire::opcode(bytes).ok_or(Status::InvalidOpCode)?,
            origin: wire::origin(bytes),
            more: wire::more(bytes),
            status: wire::status(bytes),
            id: wire::id(bytes),
            text_len: wire::text_len(bytes),
            body_len: wire::body_len(bytes),
        })
    }

    /// Text headers and body together, in bytes.
    pub fn payload_len(&self) -> usize {
        usize::from(self.text_len) + usize::from(self.body_len)
    }

    /// The whole frame, in bytes.
    pub fn frame_len(&self) -> usize {
        HEADER_LEN + self.payload_len()
    }
}

/// The fields of a header where they lie in a frame: a message is its own wire image.
pub(crate) mod wire {
    use super::*;

    type Bytes = [u8; HEADER_LEN];

    const OPCODE_MASK: u8 = 0x0f;
    const ORIGIN_BIT: u8 = 0x10;
    const MORE_BIT: u8 = 0x20;

    /// Takes all of another header: as a number, since for so many bytes the compiler calls a function
    /// where it is told to be brief.
    pub(crate) fn copy(bytes: &mut Bytes, from: &Bytes) {
        *bytes = u128::from_ne_bytes(*from).to_ne_bytes();
    }

    pub(crate) fn channel(&[c0, c1, ..]: &Bytes) -> ChannelNumber {
        ChannelNumber::new(u16::from_be_bytes([c0, c1]))
    }

    pub(crate) fn set_channel([c0, c1, ..]: &mut Bytes, channel: ChannelNumber) {
        [*c0, *c1] = channel.get().to_be_bytes();
    }

    /// `None` for the codes 10 to 15.
    pub(crate) fn opcode(&[_, _, proto, ..]: &Bytes) -> Option<Opcode> {
        Opcode::from_code(proto & OPCODE_MASK)
    }

    pub(crate) fn set_opcode([_, _, proto, ..]: &mut Bytes, opcode: Opcode) {
        *proto = *proto & !OPCODE_MASK | opcode.code();
    }

    pub(crate) fn more(&[_, _, proto, ..]: &Bytes) -> bool {
        proto & MORE_BIT != 0
    }

    pub(crate) fn set_more([_, _, proto, ..]: &mut Bytes, more: bool) {
        *proto = *proto & !MORE_BIT | if more { MORE_BIT } else { 0 };
    }

    pub(crate) fn origin(&[_, _, proto, ..]: &Bytes) -> Origin {
        if proto & ORIGIN_BIT == 0 { Origin::Application } else { Origin::Engine }
    }

    pub(crate) fn set_origin([_, _, proto, ..]: &mut Bytes, origin: Origin) {
        *proto = *proto & !ORIGIN_BIT | if origin == Origin::Engine { ORIGIN_BIT } else { 0 };
    }

    pub(crate) fn status(&[_, _, _, status, ..]: &Bytes) -> Status {
        Status::from(status)
    }

    pub(crate) fn set_status([_, _, _, code, ..]: &mut Bytes, status: Status) {
        *code = status.code();
    }

    /// Leaves of origin, status and reserved bits what an application sends: nothing.
    pub(crate) fn clear_mark([_, _, proto, code, ..]: &mut Bytes) {
        *proto &= OPCODE_MASK | MORE_BIT;
        *code = Status::Success.code();
    }

    pub(crate) fn id(&[_, _, _, _, i0, i1, i2, i3, i4, i5, i6, i7, ..]: &Bytes) -> u64 {
        u64::from_be_bytes([i0, i1, i2, i3, i4, i5, i6, i7])
    }

    pub(crate) fn set_id([_, _, _, _, bytes @ .., _, _, _, _]: &mut Bytes, id: u64) {
        *bytes = id.to_be_bytes();
    }

    pub(crate) fn text_len(&[.., t0, t1, _, _]: &Bytes) -> u16 {
        u16::from_be_bytes([t0, t1])
    }

    pub(crate) fn set_text_len([.., t0, t1, _, _]: &mut Bytes, len: u16) {
        [*t0, *t1] = len.to_be_bytes();
    }

    pub(crate) fn body_len(&[.., b0, b1]: &Bytes) -> u16 {
        u16::from_be_bytes([b0, b1])
    }

    pub(crate) fn set_body_len([.., b0, b1]: &mut Bytes, len: u16) {
        [*b0, *b1] = len.to_be_bytes();
    }

    /// The whole frame, in bytes.
    pub(crate) fn frame_len(bytes: &Bytes) -> usize {
        HEADER_LEN + usize::from(text_len(bytes)) + usize::from(body_len(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_the_protocols() {
        let header = Header {
            channel: ChannelNumber::new(0x9c0b),
            opcode: Opcode::Signal,
            origin: Origin::Engine,
            more: true,
            status: Status::ChannelClosed,
            id: 0x1122_3344_5566_7788,
            text_len: 0x0102,
            body_len: 0xfffe,
        };
        let bytes = [
            0x9c, 0x0b, 0x32, 22, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 1, 2, 0xff, 0xfe,
        ];
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(&bytes), Ok(header));
    }

    #[test]
    fn reserved_bits_are_ignored() {
        let mut bytes = Header::default().encode();
        bytes[2] |= 0xc0;
        assert_eq!(Header::decode(&bytes), Ok(Header::default()));
    }

    #[test]
    fn unknown_opcodes_are_refused() {
        for code in 10..16 {
            let mut bytes = Header::default().encode();
            bytes[2] = code;
            assert_eq!(Header::decode(&bytes), Err(Status::InvalidOpCode));
        }
    }

    #[test]
    fn opcode_table_is_the_protocols() {
        use Opcode::*;
        for (code, opcode) in Opcode::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(opcode.code()), code);
            assert_eq!(Opcode::from_code(opcode.code()), Some(opcode));
        }
        let crossing = Opcode::ALL.map(Opcode::crosses_the_wire);
        assert_eq!(crossing, [true, true, true, true, true, true, true, false, false, false]);
        let more = Opcode::ALL.map(Opcode::may_carry_more);
        assert_eq!(more, [true, true, true, false, false, false, false, false, false, false]);
        assert_eq!(ByeRequest.answer(), Some(ByeResponse));
        assert_eq!(ByeSignal.answer(), None);
    }
}
