//! A DHCP server with one address to lease.

use super::service::Server;
use tofu_smoltcp::smoltcp::socket::udp::UdpMetadata;
use tofu_smoltcp::smoltcp::wire::{
    DHCP_CLIENT_PORT, DhcpMessageType, DhcpPacket, DhcpRepr, IpAddress, IpEndpoint, Ipv4Address,
};

/// Its own address.
pub const SERVER: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const MASK: Ipv4Address = Ipv4Address::new(255, 255, 255, 0);

/// How it treats clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Grants,
    /// No address for whoever asks for one that he has or was offered.
    Refuses,
    Silent,
}

/// What a client asked for, and whether it asked this server alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub kind: DhcpMessageType,
    pub directly: bool,
}

pub struct DhcpServer {
    /// The address it leases.
    pub address: Ipv4Address,
    pub router: Option<Ipv4Address>,
    pub name_servers: Vec<Ipv4Address>,
    pub seconds: u32,
    pub mood: Mood,
    /// What it was asked, whatever its mood.
    pub asked: Vec<Asked>,
}

impl DhcpServer {
    /// Leases this address for so long, and is router and name server itself.
    pub fn new(address: Ipv4Address, seconds: u32) -> Self {
        let (router, name_servers) = (Some(SERVER), vec![SERVER]);
        DhcpServer { address, router, name_servers, seconds, mood: Mood::Grants, asked: Vec::new() }
    }

    fn answer_to(&self, asked: DhcpMessageType) -> Option<DhcpMessageType> {
        match (self.mood, asked) {
            (Mood::Silent, _) => None,
            (_, DhcpMessageType::Discover) => Some(DhcpMessageType::Offer),
            (Mood::Grants, DhcpMessageType::Request) => Some(DhcpMessageType::Ack),
            (Mood::Refuses, DhcpMessageType::Request) => Some(DhcpMessageType::Nak),
            _ => None,
        }
    }
}

impl Server for DhcpServer {
    fn answer(&mut self, asked: &[u8], by: UdpMetadata) -> Option<(Vec<u8>, IpEndpoint)> {
        let packet = DhcpPacket::new_checked(asked).expect("a DHCP packet");
        let asked = DhcpRepr::parse(&packet).expect("a DHCP message");
        let directly = by.local_address == Some(SERVER.into());
        self.asked.push(Asked { kind: asked.message_type, directly });
        let message_type = self.answer_to(asked.message_type)?;
        let granted = message_type != DhcpMessageType::Nak;
        let answer = DhcpRepr {
            message_type,
            your_ip: if granted { self.address } else { Ipv4Address::UNSPECIFIED },
            server_identifier: Some(SERVER),
            subnet_mask: granted.then_some(MASK),
            router: self.router.filter(|_| granted),
            dns_servers: granted.then(|| self.name_servers.iter().copied().collect()),
            lease_duration: granted.then_some(self.seconds),
            client_identifier: None,
            requested_ip: None,
            parameter_request_list: None,
            max_size: None,
            ..asked
        };
        let mut bytes = vec![0; answer.buffer_len()];
        answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes)).expect("room for all of it");
        // Who has no address yet hears only what everybody does.
        let knows_itself = granted && !asked.client_ip.is_unspecified();
        let to = if knows_itself { asked.client_ip } else { Ipv4Address::BROADCAST };
        Some((bytes, IpEndpoint::new(IpAddress::Ipv4(to), DHCP_CLIENT_PORT)))
    }
}
