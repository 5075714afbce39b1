//! The Ethernet MAC as a smoltcp device.

use crate::clock::Clock;
use crate::registers::{Interrupt, Registers};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time;
use smoltcp::wire::EthernetAddress;
use tofu_core::Instant;

const MAC: Registers = Registers::MAC;

/// Interrupt status; writing acknowledges.
const STATUS: usize = 0x00;
const INTERRUPT_MASK: usize = 0x04;
const RECEIVE_CONTROL: usize = 0x08;
const TRANSMIT_CONTROL: usize = 0x0c;
/// Frames go in and out here, word by word.
const DATA: usize = 0x10;
const ADDRESS_LOW: usize = 0x14;
const ADDRESS_HIGH: usize = 0x18;
const THRESHOLD: usize = 0x1c;
/// How many frames wait to be read.
const WAITING: usize = 0x34;
const TRANSMIT_REQUEST: usize = 0x38;

const RECEIVED: u32 = 1 << 0;
const RECEIVE_ON: u32 = 1 << 0;
/// Transmitter on, padding short frames, appending the checksum, in full duplex.
const TRANSMIT_ON: u32 = 0b1_0111;
/// Sends a frame when asked to, not when so many bytes of it are there.
const WHOLE_FRAMES: u32 = 0x3f;

/// An Ethernet header and 1,500 bytes.
const MAX_FRAME: usize = 1514;
const HEADER: usize = 14;
/// The MAC counts a frame's length and checksum to its bytes.
const LENGTH: usize = 2;
const CHECKSUM: usize = 4;
/// The longest frame with both, in whole words.
const BUFFER: usize = (LENGTH + MAX_FRAME + CHECKSUM).next_multiple_of(4);

/// The MAC, with room for a frame in each direction. The words of their payloads are whole.
#[repr(align(4))]
pub struct Ethernet {
    received: [u8; BUFFER],
    sent: [u8; BUFFER],
}

impl Ethernet {
    /// A device that is still off.
    pub const fn new() -> Self {
        Ethernet { received: [0; BUFFER], sent: [0; BUFFER] }
    }

    /// Switches receiver and transmitter on.
    pub fn start(&mut self, address: EthernetAddress) {
        let [a, b, c, d, e, f] = address.0;
        MAC.write(ADDRESS_LOW, u32::from_le_bytes([a, b, c, d]));
        MAC.write(ADDRESS_HIGH, u32::from_le_bytes([e, f, 0, 0]));
        MAC.write(THRESHOLD, WHOLE_FRAMES);
        MAC.write(TRANSMIT_CONTROL, TRANSMIT_ON);
        MAC.write(RECEIVE_CONTROL, RECEIVE_ON);
        MAC.write(INTERRUPT_MASK, RECEIVED);
    }

    /// Sleeps until a frame waits, or a time has come: that is noticed at the clock's next tick.
    pub fn sleep_until(&mut self, deadline: Option<Instant>, clock: &Clock) {
        while MAC.read(WAITING) == 0 && deadline.is_none_or(|deadline| clock.now() < deadline) {
            MAC.write(STATUS, RECEIVED);
            Interrupt::ETHERNET.sleep_if(|| MAC.read(WAITING) == 0);
        }
    }

    /// Reads a frame into `received`; its length. A frame too long for it is thrown away.
    fn read_frame(&mut self) -> Option<usize> {
        if MAC.read(WAITING) == 0 {
            return None;
        }
        let first = MAC.read(DATA).to_le_bytes();
        let length = usize::from(u16::from_le_bytes([first[0], first[1]]));
        let mut words = self.received.chunks_exact_mut(4);
        if let Some(word) = words.next() {
            word.copy_from_slice(&first);
        }
        // Every word has to be read, or the next frame would begin in the middle of this one.
        for _ in 1..length.div_ceil(4) {
            let data = MAC.read(DATA).to_le_bytes();
            if let Some(word) = words.next() {
                word.copy_from_slice(&data);
            }
        }
        let frame = length.checked_sub(LENGTH + CHECKSUM)?;
        (HEADER..=MAX_FRAME).contains(&frame).then_some(frame)
    }
}

impl Default for Ethernet {
    fn default() -> Self {
        Self::new()
    }
}

/// Hands the bytes of `sent` to the MAC, as a frame of this length.
fn write_frame(sent: &mut [u8; BUFFER], frame: usize) {
    let length = u16::try_from(frame.saturating_sub(HEADER)).unwrap_or_default();
    sent[..LENGTH].copy_from_slice(&length.to_le_bytes());
    for word in sent.chunks_exact(4).take((LENGTH + frame).div_ceil(4)) {
        let data = word.try_into().map(u32::from_le_bytes).unwrap_or_default();
        MAC.write(DATA, data);
    }
    MAC.write(TRANSMIT_REQUEST, 1);
}

impl Device for Ethernet {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _: time::Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let frame = self.read_frame()?;
        let received = self.received.get(LENGTH..LENGTH + frame)?;
        Some((RxToken(received), TxToken { sent: &mut self.sent }))
    }

    fn transmit(&mut self, _: time::Instant) -> Option<TxToken<'_>> {
        Some(TxToken { sent: &mut self.sent })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities.max_burst_size = Some(1);
        capabilities
    }
}

/// A frame that was received.
pub struct RxToken<'a>(&'a [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame to be sent.
pub struct TxToken<'a> {
    sent: &'a mut [u8; BUFFER],
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let len = len.min(MAX_FRAME);
        let result = f(&mut self.sent[LENGTH..LENGTH + len]);
        write_frame(self.sent, len);
        result
    }
}
