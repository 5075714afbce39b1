//! Statuses: the one byte in which tofu says what became of something.

use core::fmt;

macro_rules! statuses {
    ($($code:literal $variant:ident $name:literal $doc:literal;)*) => {
        /// What became of a message or a channel ([PROTOCOL, section 5](crate::protocol#5-statuses)).
        ///
        /// ```
        /// use tofu_core::Status;
        /// assert_eq!(Status::from(19), Status::PoolEmpty);
        /// assert_eq!(Status::PoolEmpty.name(), "pool_empty");
        /// assert_eq!(Status::from(200), Status::UnknownError);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum Status {
            $(#[doc = $doc] $variant = $code,)*
        }

        impl Status {
            /// Every status, in the order of its code.
            pub const ALL: &'static [Status] = &[$(Status::$variant),*];

            /// The name used in logs and by tools, for instance `pool_empty`.
            pub const fn name(self) -> &'static str {
                match self { $(Status::$variant => $name,)* }
            }
        }

        impl From<u8> for Status {
            /// A value above 31 reads as [`Status::UnknownError`].
            fn from(code: u8) -> Self {
                match code { $($code => Status::$variant,)* _ => Status::UnknownError }
            }
        }
    };
}

statuses! {
    0 Success "success" "All is well.";
    1 NotImplementedYet "not_implemented_yet" "This build does not offer the operation. For other engines and applications: this engine never says it.";
    2 WrongAddress "wrong_address" "A Hello or Welcome without an address header.";
    3 NotAllowed "not_allowed" "The operation makes no sense on this channel. Beside `accept_failed`: the listener has all the channels it may have.";
    4 NullMessage "null_message" "No message where one was needed. For other engines and applications: this engine never says it.";
    5 InvalidMessage "invalid_message" "The peer broke the protocol; or a text header or bounds of one's own that cannot be read.";
    6 InvalidOpCode "invalid_op_code" "An opcode that may not be posted.";
    7 InvalidHeadersLen "invalid_headers_len" "Text headers longer than the limit.";
    8 InvalidBodyLen "invalid_body_len" "A body longer than the limit.";
    9 InvalidMoreUsage "invalid_more_usage" "`more` on a message that is not regular.";
    10 InvalidChannelNumber "invalid_channel_number" "No such channel.";
    11 InvalidGroup "invalid_group" "The channel belongs to another group, or the group is gone.";
    12 InvalidMessageId "invalid_message_id" "A response with message id 0.";
    13 InvalidAddress "invalid_address" "An address that cannot be parsed, resolved or used.";
    14 UdsPathNotFound "uds_path_not_found" "No socket at this path.";
    15 NotificationDisabled "notification_disabled" "Notifications are switched off. For other engines and applications: this engine never says it.";
    16 NotificationFailed "notification_failed" "A notification could not be delivered. For other engines and applications: this engine never says it.";
    17 PeerDisconnected "peer_disconnected" "The peer is gone.";
    18 CommunicationFailed "communication_failed" "A timeout fired, or the link is broken.";
    19 PoolEmpty "pool_empty" "No free message, more than a channel's share, no free channel, or no place for a message from elsewhere.";
    20 AllocationFailed "allocation_failed" "The platform has no memory left. For other engines and applications: this engine never says it.";
    21 ReceiverUpdate "receiver_update" "Somebody woke this group's receiver.";
    22 ChannelClosed "channel_closed" "The channel is closed or closing.";
    23 ShutdownStarted "shutdown_started" "The engine is stopping.";
    24 ConnectFailed "connect_failed" "No connection could be made.";
    25 ListenFailed "listen_failed" "The listener could not be opened.";
    26 AcceptFailed "accept_failed" "A connection could not be accepted; the listener goes on.";
    27 SendFailed "send_failed" "The transport failed while sending.";
    28 RecvFailed "recv_failed" "The transport failed while receiving.";
    29 SetsockoptFailed "setsockopt_failed" "A socket option could not be set. For other engines and applications: this engine never says it.";
    30 ProcessingFailed "processing_failed" "The engine could not go on with this. For other engines and applications: this engine never says it.";
    31 UnknownError "unknown_error" "A status this version does not know.";
}

// The macro's variants carry no `#[default]`.
#[allow(clippy::derivable_impls)]
impl Default for Status {
    fn default() -> Self {
        Status::Success
    }
}

impl Status {
    /// The code on the wire and in [`Header`](crate::Header).
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Whether this is [`Status::Success`].
    pub const fn is_success(self) -> bool {
        matches!(self, Status::Success)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl core::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_round_trip() {
        assert_eq!(Status::ALL.len(), 32);
        for (code, status) in Status::ALL.iter().enumerate() {
            assert_eq!(usize::from(status.code()), code);
            assert_eq!(Status::from(status.code()), *status);
        }
    }

    #[test]
    fn codes_above_the_last_read_as_unknown() {
        assert!((32..=255).all(|code| Status::from(code) == Status::UnknownError));
    }
}
