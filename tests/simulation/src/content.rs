//! What messages hold: bytes that follow from the seed and from the message's place, so that each is
//! recognised.

use crate::random::{Purpose, Random};

/// How strangers begin their bodies.
pub const STRANGERS: [u8; 4] = [0xff; 4];
/// Conversation, side and sequence number.
pub const MARK_LEN: usize = 9;

/// The body of the `sequence`-th message of one side of a conversation: who it is, as far as it fits,
/// then noise.
pub fn body(seed: u64, conversation: u32, side: usize, sequence: u32, len: usize) -> Vec<u8> {
    let mut body = vec![0; len];
    let index = (u64::from(conversation) << 32) | (u64::from(sequence) << 1) | side as u64;
    Random::new(seed, Purpose::Content, index).fill(&mut body);
    let mut mark = [0; MARK_LEN];
    mark[..4].copy_from_slice(&conversation.to_le_bytes());
    mark[4] = side as u8;
    mark[5..].copy_from_slice(&sequence.to_le_bytes());
    let count = len.min(MARK_LEN);
    body[..count].copy_from_slice(&mark[..count]);
    body
}

/// The conversation a hello's body names.
pub fn conversation(body: &[u8]) -> Option<u32> {
    body.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Whether a stranger sent it.
pub fn is_strangers(body: &[u8]) -> bool {
    body.starts_with(&STRANGERS)
}

/// What a body says of itself.
pub fn describe(body: &[u8]) -> String {
    match body.first_chunk::<MARK_LEN>() {
        Some([a, b, c, d, side, rest @ ..]) => {
            let conversation = u32::from_le_bytes([*a, *b, *c, *d]);
            let sequence = u32::from_le_bytes(*rest);
            format!("(#{sequence} of side {side} in {conversation:#x})")
        }
        None => String::new(),
    }
}
