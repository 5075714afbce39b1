//! What an image holds of tofu: named once, here.

use core::time::Duration;
use static_cell::{ConstStaticCell, StaticCell};
use tofu_core::{Engine, GroupId, HEADER_LEN, Limits, LocalLock, Options, Pool};

/// Connections at once.
pub const CONNECTIONS: usize = 4;
/// Messages in the pool.
pub const MESSAGES: usize = 16;
/// Bytes of one message: header, text headers and body.
pub const MESSAGE: usize = 512;
/// Bytes that may be read ahead, so that small messages are read several at once.
const STAGING: usize = 256;

/// Bytes of text headers a peer may send.
const TEXT: u16 = 128;
/// Bytes of body a peer may send: what is left.
const BODY: u16 = MESSAGE as u16 - HEADER_LEN as u16 - TEXT;

/// What a peer is told, and how long it may take.
pub const OPTIONS: Options = Options {
    send_timeout: Some(Duration::from_secs(30)),
    limits: Limits { headers: TEXT, body: BODY },
    ..Options::DEFAULT
};

tofu_core::platform! {
    /// 16 messages; a listener and 4 connections.
    pub struct Tofu {
        buffer: &'static mut [u8],
        pool: &'static Pool<Tofu>,
        lock: LocalLock,
        classes: 1,
        messages: MESSAGES,
        channels: 1 + CONNECTIONS,
        groups: 1,
    }
}

/// Bytes that begin at a word: most copies of them then go word by word.
#[repr(align(8))]
pub struct Aligned<T>(pub T);

/// A message of this firmware.
pub type Message = tofu_core::Message<Tofu>;
/// What its engine hands out.
pub type Received = tofu_core::Received<Tofu>;

/// An engine with a full pool, and its group; once. Not inlined: what it takes of the stack is free again then.
#[inline(never)]
pub fn engine(options: &Options) -> Option<(&'static mut Engine<Tofu>, GroupId)> {
    static POOL: StaticCell<Pool<Tofu>> = StaticCell::new();
    static ENGINE: StaticCell<Engine<Tofu>> = StaticCell::new();
    static BUFFERS: ConstStaticCell<Aligned<[[u8; MESSAGE]; MESSAGES]>> =
        ConstStaticCell::new(Aligned([[0; MESSAGE]; MESSAGES]));
    static STAGED: ConstStaticCell<Aligned<[u8; STAGING]>> =
        ConstStaticCell::new(Aligned([0; STAGING]));

    let pool = &*POOL.try_init_with(Pool::new)?;
    for buffer in &mut BUFFERS.try_take()?.0 {
        pool.donate(buffer).ok()?;
    }
    let engine = ENGINE.try_init_with(|| Engine::new(pool, options))?;
    let group = engine.open_group(&mut STAGED.try_take()?.0).ok()?;
    Some((engine, group))
}
