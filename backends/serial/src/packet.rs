//! What crosses the line: packets, each stuffed (COBS), ended by a zero byte and checked (CRC-32C) (PROTOCOL, sections 1 and 2).

use cobs::{CobsEncoder, DecodeResult, DecoderState};
use crc::{CRC_32_ISCSI, Crc};

/// The most bytes one packet carries: so many that stuffing adds a single byte.
pub(crate) const PAYLOAD: usize = 240;
/// The longest packet on the line: a zero before it, the stuffing, and the zero that ends it.
pub(crate) const LONGEST: usize = 1 + 1 + DECODED + 1;
/// The longest packet without payload on the line.
pub(crate) const SHORTEST: usize = LONGEST - PAYLOAD;

const HEADER: usize = 9;
const CHECK: usize = 4;
const DECODED: usize = HEADER + PAYLOAD + CHECK;
const FROM_OPENER: u8 = 0x10;

// The table costs 1 KiB of flash, and makes checking several times faster.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A session begins. Repeated until it is answered.
    Open = 1,
    /// It is taken. The number is that of the next numbered packet.
    OpenAck = 2,
    /// Nobody listens.
    Refuse = 3,
    /// Bytes. Numbered.
    Data = 4,
    /// Here, and no more. Numbered.
    Alive = 5,
    /// All was sent, and the session is forgotten. Numbered.
    Close = 6,
    /// The session was dropped.
    Abort = 7,
    /// Something of the session was lost, or it is not known.
    Lost = 8,
}

impl Kind {
    fn from_bits(bits: u8) -> Option<Kind> {
        Some(match bits {
            1 => Kind::Open,
            2 => Kind::OpenAck,
            3 => Kind::Refuse,
            4 => Kind::Data,
            5 => Kind::Alive,
            6 => Kind::Close,
            7 => Kind::Abort,
            8 => Kind::Lost,
            _ => return None,
        })
    }

    /// Whether a missing packet of this kind is noticed at the next.
    pub(crate) fn is_numbered(self) -> bool {
        matches!(self, Kind::Data | Kind::Alive | Kind::Close)
    }
}

/// All of a packet but its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) from_opener: bool,
    pub(crate) session: u32,
    pub(crate) number: u16,
    pub(crate) limit: u16,
}

impl Header {
    fn encode(&self) -> [u8; HEADER] {
        let first = self.kind as u8 | if self.from_opener { FROM_OPENER } else { 0 };
        let [s0, s1, s2, s3] = self.session.to_be_bytes();
        let [n0, n1] = self.number.to_be_bytes();
        let [l0, l1] = self.limit.to_be_bytes();
        [first, s0, s1, s2, s3, n0, n1, l0, l1]
    }

    fn decode(bytes: &[u8; HEADER]) -> Option<Header> {
        let [first, s0, s1, s2, s3, n0, n1, l0, l1] = *bytes;
        Some(Header {
            kind: Kind::from_bits(first & !FROM_OPENER)?,
            from_opener: first & FROM_OPENER != 0,
            session: u32::from_be_bytes([s0, s1, s2, s3]),
            number: u16::from_be_bytes([n0, n1]),
            limit: u16::from_be_bytes([l0, l1]),
        })
    }

    /// Writes a packet with this payload, in pieces, as it crosses the line; its length. `None`
    /// when `out` is too short.
    pub(crate) fn write<'a>(
        &self,
        payload: impl Iterator<Item = &'a [u8]>,
        out: &mut [u8],
    ) -> Option<usize> {
        // What is not numbered may come after noise, which a zero keeps apart. Noise before
        // a numbered one ends the session anyway.
        let lead = usize::from(!self.kind.is_numbered());
        if lead > 0 {
            *out.first_mut()? = 0;
        }
        let mut encoder = CobsEncoder::new(out.get_mut(lead..)?);
        let mut digest = CRC.digest();
        let header = self.encode();
        digest.update(&header);
        encoder.push(&header).ok()?;
        for piece in payload {
            digest.update(piece);
            encoder.push(piece).ok()?;
        }
        encoder.push(&digest.finalize().to_be_bytes()).ok()?;
        let end = lead + encoder.finalize();
        *out.get_mut(end)? = 0;
        Some(end + 1)
    }
}

/// What arrived is no packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

/// Finds packets in what comes over the line.
pub(crate) struct Assembler {
    state: DecoderState,
    bytes: [u8; DECODED],
    len: usize,
    too_long: bool,
}

impl Assembler {
    pub(crate) fn new() -> Self {
        Assembler { state: DecoderState::Idle, bytes: [0; DECODED], len: 0, too_long: false }
    }

    /// Takes the next byte of the line; what a packet that ends with it says. Its payload is
    /// [`Assembler::payload`].
    pub(crate) fn feed(&mut self, byte: u8) -> Option<Result<Header, Damaged>> {
        match self.state.feed(byte) {
            Ok(DecodeResult::NoData) => None,
            Ok(DecodeResult::DataStart) => {
                self.len = 0;
                self.too_long = false;
                None
            }
            Ok(DecodeResult::DataContinue(byte)) => {
                match self.bytes.get_mut(self.len) {
                    Some(place) => {
                        *place = byte;
                        self.len += 1;
                    }
                    None => self.too_long = true,
                }
                None
            }
            Ok(DecodeResult::DataComplete) => Some(self.check().ok_or(Damaged)),
            Err(_) => Some(Err(Damaged)),
        }
    }

    fn check(&self) -> Option<Header> {
        let bytes = self.bytes.get(..self.len).filter(|_| !self.too_long)?;
        let (checked, sum) = bytes.split_last_chunk::<CHECK>()?;
        if CRC.checksum(checked) != u32::from_be_bytes(*sum) {
            return None;
        }
        let (header, payload) = checked.split_first_chunk::<HEADER>()?;
        let header = Header::decode(header)?;
        (payload.is_empty() != (header.kind == Kind::Data)).then_some(header)
    }

    /// The payload of the packet that was found last.
    pub(crate) fn payload(&self) -> &[u8] {
        let end = self.len.saturating_sub(CHECK);
        self.bytes.get(HEADER..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind) -> Header {
        Header { kind, from_opener: true, session: 0x0100_00ff, number: 256, limit: 512 }
    }

    fn encoded(header: Header, payload: &[u8]) -> Vec<u8> {
        let mut out = [0xee; LONGEST];
        // Cut anywhere: pieces make no difference.
        let len = header.write(payload.chunks(7), &mut out).unwrap();
        out[..len].to_vec()
    }

    fn decoded(bytes: &[u8]) -> Vec<Result<(Header, Vec<u8>), Damaged>> {
        let mut assembler = Assembler::new();
        let mut found = Vec::new();
        for &byte in bytes {
            if let Some(packet) = assembler.feed(byte) {
                found.push(packet.map(|header| (header, assembler.payload().to_vec())));
            }
        }
        found
    }

    #[test]
    fn packets_of_every_length_arrive_as_they_were() {
        for len in 1..=PAYLOAD {
            for byte in [0, 1, 0xff] {
                let payload = vec![byte; len];
                let bytes = encoded(header(Kind::Data), &payload);
                assert!(bytes.len() < LONGEST);
                assert_eq!(decoded(&bytes), [Ok((header(Kind::Data), payload))]);
            }
        }
        for kind in (0..16).filter_map(Kind::from_bits).filter(|kind| *kind != Kind::Data) {
            let bytes = encoded(header(kind), &[]);
            assert!(bytes.len() <= SHORTEST);
            assert_eq!(decoded(&bytes), [Ok((header(kind), vec![]))]);
        }
    }

    #[test]
    fn the_example_of_the_protocol_is_right() {
        let header =
            Header { kind: Kind::Open, from_opener: true, session: 1, number: 0, limit: 512 };
        let bytes: Vec<_> =
            encoded(header, &[]).into_iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(include_str!("../PROTOCOL.md").contains(&format!("`{}`", bytes.join(" "))));
    }

    #[test]
    fn a_changed_or_missing_byte_is_found() {
        let bytes =
            [encoded(header(Kind::Data), b"\x00one\x00two"), encoded(header(Kind::Alive), &[])]
                .concat();
        let whole = decoded(&bytes);
        for at in 0..bytes.len() {
            for flip in (0..8).map(|bit| 1 << bit).chain([bytes[at]]).filter(|flip| *flip > 0) {
                let mut flipped = bytes.clone();
                flipped[at] ^= flip;
                // At the very end, the packet still waits for its last byte.
                let found = decoded(&flipped);
                assert!(found.iter().all(|it| *it == Err(Damaged) || whole.contains(it)));
                assert!(found.contains(&Err(Damaged)) || at == bytes.len() - 1, "byte {at}");
            }
            let mut dropped = bytes.clone();
            dropped.remove(at);
            let found = decoded(&dropped);
            assert!(found.iter().all(|it| *it == Err(Damaged) || whole.contains(it)));
            assert!(found.contains(&Err(Damaged)) || at == bytes.len() - 1, "byte {at}");
        }
    }

    #[test]
    fn endless_noise_is_one_damaged_packet() {
        let mut noise = vec![0xff; 10_000];
        noise.push(0);
        noise.extend(encoded(header(Kind::Open), &[]));
        assert_eq!(decoded(&noise), [Err(Damaged), Ok((header(Kind::Open), vec![]))]);
    }

    #[test]
    fn a_packet_that_does_not_fit_is_not_written() {
        let mut short = [0; SHORTEST];
        assert_eq!(header(Kind::Data).write([&[1; 20][..]].into_iter(), &mut short), None);
    }
}
