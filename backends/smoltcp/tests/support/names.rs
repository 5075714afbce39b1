//! A name server.

use super::service::Server;
use std::collections::HashMap;
use tofu_smoltcp::smoltcp::socket::udp::UdpMetadata;
use tofu_smoltcp::smoltcp::wire::{DnsQueryType, IpAddress, IpEndpoint};

pub const PORT: u16 = 53;
const HEADER: usize = 12;
/// A response, and recursion was desired and is available.
const FLAGS: u16 = 0x8180;
const NO_SUCH_NAME: u16 = 3;
/// The name stands behind the header, in the question.
const SAME_NAME: [u8; 2] = [0xc0, HEADER as u8];

/// Knows names, and the addresses of each.
#[derive(Default)]
pub struct NameServer {
    names: HashMap<&'static str, Vec<IpAddress>>,
    /// Questions of these types are not answered.
    pub ignores: Vec<DnsQueryType>,
    /// What it was asked, answered or not.
    pub asked: Vec<(String, DnsQueryType)>,
}

impl NameServer {
    pub fn add(&mut self, name: &'static str, addresses: &[IpAddress]) {
        self.names.insert(name, addresses.to_vec());
    }

    /// Answers nothing any more.
    pub fn silence(&mut self) {
        self.ignores = vec![DnsQueryType::A, DnsQueryType::Aaaa];
    }
}

/// The data of a record of this type, if the address goes there.
fn record(kind: DnsQueryType, address: IpAddress) -> Option<Vec<u8>> {
    match (kind, address) {
        (DnsQueryType::A, IpAddress::Ipv4(address)) => Some(address.octets().to_vec()),
        (DnsQueryType::Aaaa, IpAddress::Ipv6(address)) => Some(address.octets().to_vec()),
        _ => None,
    }
}

/// The name in a question, its type, and where the question ends.
fn read_question(packet: &[u8]) -> (String, DnsQueryType, usize) {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    while packet[at] > 0 {
        let end = at + 1 + usize::from(packet[at]);
        labels.push(String::from_utf8_lossy(&packet[at + 1..end]).into_owned());
        at = end;
    }
    let kind = u16::from_be_bytes([packet[at + 1], packet[at + 2]]);
    (labels.join("."), kind.into(), at + 5)
}

impl Server for NameServer {
    fn answer(&mut self, asked: &[u8], by: UdpMetadata) -> Option<(Vec<u8>, IpEndpoint)> {
        let (name, kind, end) = read_question(asked);
        self.asked.push((name.clone(), kind));
        if self.ignores.contains(&kind) {
            return None;
        }
        let known = self.names.get(name.as_str());
        let addresses = known.into_iter().flatten();
        let records: Vec<_> = addresses.filter_map(|address| record(kind, *address)).collect();
        let flags = if known.is_some() { FLAGS } else { FLAGS | NO_SUCH_NAME };
        let mut answer = asked[..2].to_vec();
        for number in [flags, 1, records.len() as u16, 0, 0] {
            answer.extend(number.to_be_bytes());
        }
        answer.extend(&asked[HEADER..end]);
        for data in records {
            answer.extend(SAME_NAME);
            answer.extend(u16::from(kind).to_be_bytes());
            // Of the Internet, for a minute.
            answer.extend([0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
            answer.extend(data);
        }
        Some((answer, by.endpoint))
    }
}
