//! Conversions into std's error types, where std is there.

use crate::{AddressError, MessageError, Platform, PostError, Status};
use std::io;

impl From<Status> for io::Error {
    fn from(status: Status) -> Self {
        let kind = match status {
            Status::WrongAddress
            | Status::InvalidAddress
            | Status::InvalidOpCode
            | Status::InvalidHeadersLen
            | Status::InvalidBodyLen
            | Status::InvalidMoreUsage
            | Status::InvalidChannelNumber
            | Status::InvalidGroup
            | Status::InvalidMessageId => io::ErrorKind::InvalidInput,
            Status::InvalidMessage => io::ErrorKind::InvalidData,
            Status::UdsPathNotFound => io::ErrorKind::NotFound,
            Status::ConnectFailed => io::ErrorKind::ConnectionRefused,
            Status::PeerDisconnected => io::ErrorKind::ConnectionReset,
            Status::ChannelClosed | Status::ShutdownStarted => io::ErrorKind::NotConnected,
            Status::PoolEmpty => io::ErrorKind::WouldBlock,
            Status::AllocationFailed => io::ErrorKind::OutOfMemory,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, status)
    }
}

impl From<AddressError> for io::Error {
    fn from(error: AddressError) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

impl From<MessageError> for io::Error {
    fn from(error: MessageError) -> Self {
        error.status().into()
    }
}

impl<P: Platform> From<PostError<P>> for io::Error {
    /// Drops the message.
    fn from(error: PostError<P>) -> Self {
        error.reason.into()
    }
}
