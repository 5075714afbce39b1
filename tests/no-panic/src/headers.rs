//! Headers, opcodes, statuses, limits, time: the plain values.

use crate::any::{any, see};
use tofu_core::{Bounds, ChannelNumber, Header, Instant, Limits, Link, Opcode, Status};

pub(crate) fn reach() -> Option<()> {
    see(ChannelNumber::new(any()?));
    see(ChannelNumber::get(any()?));
    see(ChannelNumber::is_none(any()?));
    see(Header::decode(any()?));
    see(Header::encode(any()?));
    see(Header::payload_len(any()?));
    see(Header::frame_len(any()?));
    see(Opcode::from_code(any()?));
    see(Opcode::code(any()?));
    see(Opcode::kind(any()?));
    see(Opcode::role(any()?));
    see(Opcode::crosses_the_wire(any()?));
    see(Opcode::may_carry_more(any()?));
    see(Opcode::answer(any()?));
    see(Status::name(any()?));
    see(Status::code(any()?));
    see(Status::is_success(any()?));
    see(Limits::parse(any()?));
    see(Bounds::parse(any()?, any()?));
    see(Link::index(any()?));
    see(Instant::from_micros(any()?));
    see(Instant::from_millis(any()?));
    see(Instant::as_micros(any()?));
    see(Instant::after(any()?, any()?));
    see(Instant::since(any()?, any()?));
    Some(())
}
