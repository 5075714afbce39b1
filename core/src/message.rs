//! Messages: owned buffers that are their own wire image.

use crate::address::{CONNECT_TO, LISTEN_ON};
use crate::bytes::{self, fill};
use crate::header::{ChannelNumber, HEADER_LEN, Header, Opcode, Origin, wire};
use crate::limits::LIMITS;
use crate::platform::Platform;
use crate::pool::{Pool, known_class};
use crate::text::{self, TextError, TextHeaders};
use crate::{Limits, Status};
use core::fmt;
use core::ops::Range;

/// Why a message could not be filled in. It is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MessageError {
    /// A text header's name or value.
    Text(TextError),
    /// The text headers outgrow 65,535 bytes or the pool's largest message.
    HeadersTooLong,
    /// The body outgrows 65,535 bytes or the pool's largest message.
    BodyTooLong,
    /// A larger message is needed and none is free.
    PoolEmpty,
    /// The message is one that takes no answer.
    NoAnswer,
}

impl From<MessageError> for Status {
    /// As [`MessageError::status`].
    fn from(error: MessageError) -> Status {
        error.status()
    }
}

impl MessageError {
    /// The status that says the same.
    pub const fn status(self) -> Status {
        match self {
            MessageError::Text(_) => Status::InvalidMessage,
            MessageError::HeadersTooLong => Status::InvalidHeadersLen,
            MessageError::BodyTooLong => Status::InvalidBodyLen,
            MessageError::PoolEmpty => Status::PoolEmpty,
            MessageError::NoAnswer => Status::InvalidOpCode,
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageError::Text(error) => fmt::Display::fmt(error, f),
            MessageError::HeadersTooLong => f.write_str("the text headers are too long"),
            MessageError::BodyTooLong => f.write_str("the body is too long"),
            MessageError::PoolEmpty => f.write_str("no larger message is free"),
            MessageError::NoAnswer => f.write_str("this message takes no answer"),
        }
    }
}

impl core::error::Error for MessageError {}

impl From<TextError> for MessageError {
    fn from(error: TextError) -> Self {
        MessageError::Text(error)
    }
}

/// A message: what an application fills in, posts and receives.
///
/// It owns its buffer, in which header, text headers and body lie as they are sent, and gives
/// it back to the pool when dropped. A fresh one is an empty Request without channel and id.
/// It moves to a larger buffer of the pool when it outgrows its own.
pub struct Message<P: Platform> {
    /// Begins with the header as it is sent, always; but while the engine hands a message back, origin
    /// and status say so.
    buffer: P::Buffer,
    pool: P::PoolRef,
    pooled: bool,
    /// The size class it counts in, for the engine that holds it.
    class: u8,
}

impl<P: Platform> Message<P> {
    pub(crate) fn pooled(buffer: P::Buffer, pool: P::PoolRef) -> Self {
        let mut message = Message { buffer, pool, pooled: true, class: 0 };
        message.reset();
        message
    }

    pub(crate) fn unpooled(buffer: P::Buffer, pool: P::PoolRef) -> Self {
        let mut message = Message::pooled(buffer, pool);
        message.pooled = false;
        message
    }

    /// The header as it would be sent.
    pub fn header(&self) -> Header {
        let head = self.head();
        Header {
            channel: wire::channel(head),
            opcode: wire::opcode(head).unwrap_or_default(),
            origin: Origin::Application,
            more: wire::more(head),
            status: Status::Success,
            id: wire::id(head),
            text_len: wire::text_len(head),
            body_len: wire::body_len(head),
        }
    }

    /// What the message does.
    pub fn opcode(&self) -> Opcode {
        wire::opcode(self.head()).unwrap_or_default()
    }

    /// Says what the message does.
    pub fn set_opcode(&mut self, opcode: Opcode) {
        self.edit(|head| wire::set_opcode(head, opcode));
    }

    /// The channel it came from or goes to.
    pub fn channel(&self) -> ChannelNumber {
        wire::channel(self.head())
    }

    /// Says which channel it goes to.
    pub fn set_channel(&mut self, channel: ChannelNumber) {
        self.edit(|head| wire::set_channel(head, channel));
    }

    /// The correlation id; 0 asks the engine for a fresh one.
    pub fn id(&self) -> u64 {
        wire::id(self.head())
    }

    /// Sets the correlation id.
    pub fn set_id(&mut self, id: u64) {
        self.edit(|head| wire::set_id(head, id));
    }

    /// Whether more messages of this id follow.
    pub fn more(&self) -> bool {
        wire::more(self.head())
    }

    /// Says whether more messages of this id follow.
    pub fn set_more(&mut self, more: bool) {
        self.edit(|head| wire::set_more(head, more));
    }

    /// Sets opcode and channel in one go.
    pub fn prepare(&mut self, opcode: Opcode, channel: ChannelNumber) -> &mut Self {
        self.set_opcode(opcode);
        self.set_channel(channel);
        self
    }

    /// Makes it a fresh, empty Request again.
    pub fn reset(&mut self) {
        self.edit(|head| *head = [0; HEADER_LEN]);
    }

    /// Turns a peer's message into its own answer: Request and Signal become Response, HelloRequest
    /// HelloResponse, ByeRequest ByeResponse. Channel, id, `more`, text headers and body stay.
    ///
    /// # Errors
    /// [`MessageError::NoAnswer`] for what takes none.
    pub fn reply(&mut self) -> Result<(), MessageError> {
        self.set_opcode(self.opcode().answer().ok_or(MessageError::NoAnswer)?);
        Ok(())
    }

    /// Makes it a HelloRequest to this address (`tcp|HOST|PORT`, an
    /// [`Address`](crate::Address), …).
    ///
    /// The address is looked at when the engine acts on the message: one that makes no sense comes back with
    /// `invalid_address`. Of what else a message holds, its channel is forgotten; id, `more`, other text headers and body
    /// stay.
    ///
    /// # Errors
    /// As [`Message::add_header_display`].
    pub fn connect_to(&mut self, address: impl fmt::Display) -> Result<(), MessageError> {
        self.set_header_display(CONNECT_TO, address)?;
        self.prepare(Opcode::HelloRequest, ChannelNumber::NONE);
        Ok(())
    }

    /// Makes it a WelcomeRequest for this address, which is looked at as that of [`Message::connect_to`].
    ///
    /// # Errors
    /// As [`Message::add_header_display`].
    pub fn listen_on(&mut self, address: impl fmt::Display) -> Result<(), MessageError> {
        self.set_header_display(LISTEN_ON, address)?;
        self.prepare(Opcode::WelcomeRequest, ChannelNumber::NONE);
        Ok(())
    }

    /// The text headers.
    #[inline(never)] // Once, for a board.
    pub fn text(&self) -> TextHeaders<'_> {
        let end = HEADER_LEN + self.text_len();
        TextHeaders::new(self.buffer.get(HEADER_LEN..end).unwrap_or_default())
    }

    /// Appends a text header.
    ///
    /// # Errors
    /// [`MessageError::Text`] for a name or value that would smuggle a line; the other variants for want of room.
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), MessageError> {
        let value = value.as_ref();
        text::check_name(name)?;
        text::check_value(value)?;
        let gap = self.insert_line(name, value.len())?;
        bytes::copy(gap, value);
        Ok(())
    }

    /// Appends a text header whose value is what `value` displays, for instance a number
    /// or `format_args!("{done}:{all}")`.
    ///
    /// # Errors
    /// As [`Message::add_header`].
    pub fn add_header_display(
        &mut self,
        name: &str,
        value: impl fmt::Display,
    ) -> Result<(), MessageError> {
        self.add_displayed(name, &value)
    }

    /// Not generic, so that there is one of it.
    fn add_displayed(&mut self, name: &str, value: &dyn fmt::Display) -> Result<(), MessageError> {
        text::check_name(name)?;
        let len = Sink::display(value, &mut []).ok_or(TextError::InvalidValue)?;
        let before = self.text_len();
        let room = self.insert_line(name, len)?;
        if Sink::display(value, room) == Some(len) {
            return Ok(());
        }
        // It displayed differently the second time: take the line back.
        self.cut_text(before);
        Err(TextError::InvalidValue.into())
    }

    /// Removes every text header of this name.
    pub fn remove_headers(&mut self, name: &str) {
        let (mut read, mut kept) = (0, 0);
        while let Some((start, len)) = self.find_line(name, read) {
            self.move_payload(read..start, kept);
            kept += start - read;
            read = start + len;
        }
        if read > kept {
            // The body follows the text headers.
            self.move_payload(read..self.payload_len(), kept);
            self.set_text_len(self.text_len() - (read - kept));
        }
    }

    /// The first line of this name from `from` on: where it starts, and its length.
    fn find_line(&self, name: &str, from: usize) -> Option<(usize, usize)> {
        let rest = TextHeaders::new(self.text().as_bytes().get(from..)?);
        rest.find_line(name).map(|(start, len)| (from + start, len))
    }

    /// Moves a part of the payload.
    fn move_payload(&mut self, part: Range<usize>, to: usize) {
        let payload = self.buffer.get_mut(HEADER_LEN..).unwrap_or_default();
        bytes::shift(payload, part, to);
    }

    /// Replaces every text header of this name by one.
    ///
    /// # Errors
    /// As [`Message::add_header`]; nothing is removed then, but for a value that is not displayed alike twice.
    pub fn set_header_display(
        &mut self,
        name: &str,
        value: impl fmt::Display,
    ) -> Result<(), MessageError> {
        self.set_displayed(name, &value, u16::MAX)
    }

    /// Nothing changes where that would make the text headers longer than `most`.
    fn set_displayed(
        &mut self,
        name: &str,
        value: &dyn fmt::Display,
        most: u16,
    ) -> Result<(), MessageError> {
        let len = Sink::display(value, &mut []).ok_or(TextError::InvalidValue)?;
        let kept = self.text_len() - self.text().len_of(name);
        let text_len = kept.saturating_add(self.line_len(name, len));
        if text_len > most.into() {
            return Err(MessageError::HeadersTooLong);
        }
        // Once there is room, what is replaced can make it.
        let frame_len = HEADER_LEN + text_len + self.body_len();
        self.reserve(frame_len, MessageError::HeadersTooLong)?;
        self.remove_headers(name);
        self.add_displayed(name, value)
    }

    /// The bytes that a line of text headers adds.
    fn line_len(&self, name: &str, value_len: usize) -> usize {
        // A peer may have left the last line end away.
        let end = if self.is_open() { 2 } else { 0 };
        name.len().saturating_add(value_len).saturating_add(":\r\n".len() + end)
    }

    fn is_open(&self) -> bool {
        !self.text().is_empty() && !self.text().as_bytes().ends_with(b"\r\n")
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.buffer.get(self.body_range()).unwrap_or_default()
    }

    /// The body, to change in place.
    pub fn body_mut(&mut self) -> &mut [u8] {
        let range = self.body_range();
        self.buffer.get_mut(range).unwrap_or_default()
    }

    /// Replaces the body.
    ///
    /// # Errors
    /// [`MessageError::BodyTooLong`] or [`MessageError::PoolEmpty`]; the old body stays.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) -> Result<(), MessageError> {
        let body = body.as_ref();
        self.set_body_len(body.len())?;
        bytes::copy(self.body_mut(), body);
        Ok(())
    }

    /// Adds to the body.
    ///
    /// # Errors
    /// As [`Message::set_body`].
    pub fn append_body(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), MessageError> {
        let added = bytes.as_ref();
        let before = self.body_len();
        self.set_body_len(before.saturating_add(added.len()))?;
        fill(self.body_mut().get_mut(before..).unwrap_or_default(), added);
        Ok(())
    }

    /// Gives the body `len` bytes, to be filled through [`Message::body_mut`]. What it gains holds
    /// zeros.
    ///
    /// # Errors
    /// As [`Message::set_body`].
    pub fn resize_body(&mut self, len: usize) -> Result<(), MessageError> {
        let before = self.body_len();
        self.set_body_len(len)?;
        if let Some(gained) = self.body_mut().get_mut(before..) {
            gained.fill(0);
        }
        Ok(())
    }

    /// As [`Message::resize_body`], but what the body gains holds whatever was there.
    fn set_body_len(&mut self, len: usize) -> Result<(), MessageError> {
        let section = u16::try_from(len).map_err(|_| MessageError::BodyTooLong)?;
        self.reserve(HEADER_LEN + self.text_len() + len, MessageError::BodyTooLong)?;
        self.edit(|head| wire::set_body_len(head, section));
        Ok(())
    }

    /// Removes text headers and body.
    pub fn clear(&mut self) {
        self.edit(|head| {
            wire::set_text_len(head, 0);
            wire::set_body_len(head, 0);
        });
    }

    fn body_range(&self) -> Range<usize> {
        HEADER_LEN + self.text_len()..self.frame_len()
    }

    /// Appends the line `name:value` and returns the room for the value.
    fn insert_line(&mut self, name: &str, value_len: usize) -> Result<&mut [u8], MessageError> {
        let (open, line_len) = (self.is_open(), self.line_len(name, value_len));
        let start = HEADER_LEN + self.text_len();
        let text_len = self.text_len().saturating_add(line_len);
        let section = u16::try_from(text_len).map_err(|_| MessageError::HeadersTooLong)?;
        let frame_len = HEADER_LEN + text_len + self.body_len();
        self.reserve(frame_len, MessageError::HeadersTooLong)?;
        let before = self.text_len();
        self.move_payload(before..self.payload_len(), text_len);
        self.edit(|head| wire::set_text_len(head, section));
        let line = self.buffer.get_mut(start..start + line_len).unwrap_or_default();
        let line = if open { fill(line, b"\r\n") } else { line };
        let line = fill(fill(line, name.as_bytes()), b":");
        let (value, end) = line.split_at_mut_checked(value_len).unwrap_or_default();
        fill(end, b"\r\n");
        Ok(value)
    }

    /// Takes the text headers from `len` on away.
    fn cut_text(&mut self, len: usize) {
        self.move_payload(self.text_len()..self.payload_len(), len);
        self.set_text_len(len);
    }

    /// Makes room for a frame of this length, moving to a larger buffer if need be.
    fn reserve(&mut self, frame_len: usize, too_long: MessageError) -> Result<(), MessageError> {
        if frame_len <= self.buffer.len() {
            return Ok(());
        }
        if frame_len > self.pool.largest().max(HEADER_LEN) {
            return Err(too_long);
        }
        let larger = if self.pooled {
            self.pool.take_for_application(frame_len)
        } else {
            P::allocate(frame_len)
        };
        let mut larger = larger.ok_or(MessageError::PoolEmpty)?;
        let used = self.frame_len();
        bytes::copy(&mut larger, self.buffer.get(..used).unwrap_or_default());
        let old = core::mem::replace(&mut self.buffer, larger);
        if self.pooled {
            self.pool.give_back(old);
        }
        Ok(())
    }

    // What the engine does with a message.

    fn head(&self) -> &[u8; HEADER_LEN] {
        self.buffer.first_chunk().unwrap_or(&[0; HEADER_LEN])
    }

    fn edit(&mut self, change: impl FnOnce(&mut [u8; HEADER_LEN])) {
        if let Some(head) = self.buffer.first_chunk_mut() {
            change(head);
        }
    }

    fn wire_header(&self) -> Header {
        Header::decode(self.head()).unwrap_or_default()
    }

    pub(crate) fn text_len(&self) -> usize {
        wire::text_len(self.head()).into()
    }

    pub(crate) fn body_len(&self) -> usize {
        wire::body_len(self.head()).into()
    }

    /// Text headers and body together, in bytes.
    fn payload_len(&self) -> usize {
        self.text_len() + self.body_len()
    }

    /// The whole frame, in bytes.
    pub(crate) fn frame_len(&self) -> usize {
        wire::frame_len(self.head())
    }

    /// Which limit it breaks.
    pub(crate) fn check(&self, limits: Limits) -> Result<(), Status> {
        limits.check(wire::text_len(self.head()), wire::body_len(self.head()))
    }

    /// For a length that is shorter than before.
    fn set_text_len(&mut self, len: usize) {
        let len = u16::try_from(len).unwrap_or_default();
        self.edit(|head| wire::set_text_len(head, len));
    }

    /// Begins to receive a frame: takes its header, as one from a peer on this channel.
    pub(crate) fn receive_header(&mut self, header: &[u8; HEADER_LEN], channel: ChannelNumber) {
        self.edit(|head| {
            wire::copy(head, header);
            wire::set_channel(head, channel);
            wire::clear_mark(head);
        });
    }

    /// Marks it as handed back by the engine.
    pub(crate) fn mark_returned(&mut self, status: Status) {
        self.edit(|head| {
            wire::set_origin(head, Origin::Engine);
            wire::set_status(head, status);
        });
    }

    /// Clears the mark; the status if there was one.
    pub(crate) fn take_mark(&mut self) -> Option<Status> {
        let head = self.head();
        let returned = wire::origin(head) == Origin::Engine;
        let status = returned.then_some(wire::status(head));
        self.edit(wire::clear_mark);
        status
    }

    /// The frame as it is sent.
    pub(crate) fn wire(&self) -> &[u8] {
        self.buffer.get(..self.frame_len()).unwrap_or_default()
    }

    /// The bytes from `filled` to the frame's end, to be read into.
    #[inline(never)] // Once, for a board.
    pub(crate) fn unfilled(&mut self, filled: usize) -> &mut [u8] {
        let end = self.frame_len();
        self.buffer.get_mut(filled..end).unwrap_or_default()
    }

    /// Puts the engine's own announcement in place of any in the message, where its text headers are
    /// `most` bytes then at most.
    pub(crate) fn announce(&mut self, limits: Limits, most: u16) -> Result<(), MessageError> {
        if limits == Limits::MAX {
            self.remove_headers(LIMITS);
            return Ok(());
        }
        self.set_displayed(LIMITS, &limits, most)
    }

    /// The size class it counts in; see `Pool::admit`.
    pub(crate) fn class(&self) -> usize {
        known_class::<P>(self.class.into())
    }

    pub(crate) fn set_class(&mut self, class: usize) {
        self.class = u8::try_from(class).unwrap_or_default();
    }

    /// Whether its buffer is this pool's.
    pub(crate) fn is_of(&self, pool: &Pool<P>) -> bool {
        self.pooled && core::ptr::eq(&raw const *self.pool, pool)
    }

    /// Its buffer, if that is this pool's.
    pub(crate) fn surrender(mut self, pool: &Pool<P>) -> Result<P::Buffer, Self> {
        if !self.is_of(pool) {
            return Err(self);
        }
        self.pooled = false;
        Ok(core::mem::take(&mut self.buffer))
    }

    /// The bytes of its buffer, which decide its size class.
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.len()
    }
}

impl<P: Platform> Drop for Message<P> {
    fn drop(&mut self) {
        if self.pooled {
            self.pool.give_back(core::mem::take(&mut self.buffer));
        }
    }
}

impl<P: Platform> fmt::Debug for Message<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("header", &self.wire_header()).finish_non_exhaustive()
    }
}

/// What is displayed: copied as far as there is room, and measured whole.
struct Sink<'a> {
    room: &'a mut [u8],
    len: usize,
    valid: bool,
}

impl<'a> Sink<'a> {
    /// How many bytes a value displays; `None` if it can't, or if they are no text header's value.
    fn display(value: &dyn fmt::Display, room: &'a mut [u8]) -> Option<usize> {
        let mut sink = Sink { room, len: 0, valid: true };
        fmt::write(&mut sink, format_args!("{value}")).ok()?;
        sink.valid.then_some(sink.len)
    }
}

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = self.room.get_mut(self.len..).unwrap_or_default();
        fill(room, part.as_bytes());
        self.len = self.len.saturating_add(part.len());
        self.valid &= text::check_value(part.as_bytes()).is_ok();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Pool;
    use crate::test_platform::{Test, TestPool, pool};

    fn message(pool: &TestPool) -> Message<Test> {
        Pool::<Test>::get(pool).unwrap()
    }

    #[test]
    fn is_its_own_wire_image() {
        let pool = pool(&[(64, 1)]);
        let mut message = message(&pool);
        message.set_body(b"body").unwrap();
        message.add_header("a", "1").unwrap();
        message.add_header_display("n", 42).unwrap();
        message.prepare(Opcode::Signal, ChannelNumber::new(3)).set_id(7);
        message.set_more(true);
        let header = message.header().encode();
        assert_eq!(message.wire(), [&header[..], b"a:1\r\nn:42\r\nbody"].concat());
        assert_eq!(message.header().text_len, 11);
    }

    #[test]
    fn moves_to_a_larger_buffer_and_returns_the_smaller() {
        let pool = pool(&[(32, 1), (100, 1)]);
        let mut message = message(&pool);
        message.add_header("name", "v").unwrap();
        assert_eq!((pool.free(), message.capacity()), (1, 32));
        message.set_body([7; 60]).unwrap();
        assert_eq!((pool.free(), message.capacity()), (1, 100));
        assert_eq!(message.text().get_str("name"), Some("v"));
        assert_eq!(message.body(), [7; 60]);
        drop(message);
        assert_eq!(pool.free(), 2);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let pool = pool(&[(32, 2), (100, 1)]);
        let mut message = message(&pool);
        message.set_body(b"kept").unwrap();
        assert_eq!(message.set_body([0; 85]), Err(MessageError::BodyTooLong));
        assert_eq!(message.add_header("n", [b'x'; 90]), Err(MessageError::HeadersTooLong));
        let _large = Pool::<Test>::get_sized(&pool, 100).unwrap();
        assert_eq!(message.set_body([0; 60]), Err(MessageError::PoolEmpty));
        assert_eq!(message.body(), b"kept");
        assert!(message.text().is_empty());
    }

    #[test]
    fn smuggled_lines_are_refused() {
        let pool = pool(&[(64, 1)]);
        let mut message = message(&pool);
        let refused = |result: Result<(), MessageError>| match result {
            Err(MessageError::Text(error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(message.add_header("", "v")), TextError::EmptyName);
        assert_eq!(refused(message.add_header("a:b", "v")), TextError::InvalidName);
        assert_eq!(refused(message.add_header("a\r", "v")), TextError::InvalidName);
        assert_eq!(refused(message.add_header("a", "v\nb:1")), TextError::InvalidValue);
        assert_eq!(refused(message.add_header_display("a", "v\r")), TextError::InvalidValue);
        assert!(message.text().is_empty());
    }

    #[test]
    fn a_value_that_displays_differently_each_time_is_refused() {
        struct Fickle(core::cell::Cell<usize>);
        impl fmt::Display for Fickle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.set(self.0.get() + 1);
                (0..self.0.get()).try_for_each(|_| f.write_str("x"))
            }
        }
        let pool = pool(&[(64, 1)]);
        let mut message = message(&pool);
        message.set_body(b"body").unwrap();
        let result = message.add_header_display("a", Fickle(core::cell::Cell::new(0)));
        assert_eq!(result, Err(TextError::InvalidValue.into()));
        assert!(message.text().is_empty());
        assert_eq!(message.body(), b"body");
    }

    #[test]
    fn headers_are_removed_and_replaced_without_touching_the_rest() {
        let pool = pool(&[(128, 1)]);
        let mut message = message(&pool);
        for (name, value) in [("a", "1"), ("b", "2"), ("a", "3")] {
            message.add_header(name, value).unwrap();
        }
        message.set_body(b"body").unwrap();
        message.set_header_display("a", "new").unwrap();
        assert_eq!(message.text().as_bytes(), b"b:2\r\na:new\r\n");
        message.remove_headers("b");
        assert_eq!(message.text().as_bytes(), b"a:new\r\n");
        assert_eq!(message.body(), b"body");
    }

    #[test]
    fn a_header_added_after_an_open_line_does_not_join_it() {
        let pool = pool(&[(64, 1)]);
        let mut message = message(&pool);
        message.set_text_len(3);
        message.unfilled(HEADER_LEN).copy_from_slice(b"a:1");
        message.add_header("b", "2").unwrap();
        assert_eq!(message.text().get_str("a"), Some("1"));
        assert_eq!(message.text().get_str("b"), Some("2"));
    }

    #[test]
    fn reply_keeps_all_but_the_opcode() {
        let pool = pool(&[(64, 1)]);
        let mut message = message(&pool);
        message.prepare(Opcode::ByeRequest, ChannelNumber::new(9)).set_id(4);
        message.set_body(b"x").unwrap();
        message.reply().unwrap();
        let header = message.header();
        assert_eq!((header.opcode, header.channel.get(), header.id), (Opcode::ByeResponse, 9, 4));
        assert_eq!(message.body(), b"x");
        assert_eq!(message.reply(), Err(MessageError::NoAnswer));
    }

    #[test]
    fn an_announcement_that_is_too_long_changes_nothing() {
        let pool = pool(&[(128, 1)]);
        let mut message = message(&pool);
        message.set_body(b"a:1\r\n~limits:headers=7,body=8\r\nb:2kept").unwrap();
        // From a peer: the last line is open.
        message.edit(|head| {
            wire::set_text_len(head, 34);
            wire::set_body_len(head, 4);
        });
        let (before, limits) = (message.wire().to_vec(), Limits { headers: 10, body: 9 });
        let after = b"a:1\r\nb:2\r\n~limits:headers=10,body=9\r\n";
        assert_eq!(message.announce(limits, 36), Err(MessageError::HeadersTooLong));
        assert_eq!(message.wire(), before);
        assert_eq!(message.announce(limits, 37), Ok(()));
        assert_eq!((message.text().as_bytes(), message.body()), (&after[..], &b"kept"[..]));
    }
}
