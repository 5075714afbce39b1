//! Frames of strangers, made by hand.

use tofu_smoltcp::smoltcp::phy::ChecksumCapabilities;
use tofu_smoltcp::smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress,
    EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr,
    TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

/// A stranger's hardware address.
const STRANGER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 99]);
const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const UDP_LEN: usize = 8;

/// A frame with an IPv4 packet whose payload of so many bytes `emit` writes.
fn packet(
    to: EthernetAddress,
    [from_ip, to_ip]: [Ipv4Address; 2],
    protocol: IpProtocol,
    len: usize,
    emit: impl FnOnce(&mut [u8], &ChecksumCapabilities),
) -> Vec<u8> {
    let mut bytes = vec![0; ETHERNET_LEN + IPV4_LEN + len];
    let ethernet =
        EthernetRepr { src_addr: STRANGER, dst_addr: to, ethertype: EthernetProtocol::Ipv4 };
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut bytes[..]));
    let ip = Ipv4Repr {
        src_addr: from_ip,
        dst_addr: to_ip,
        next_header: protocol,
        payload_len: len,
        hop_limit: 64,
    };
    let checksums = ChecksumCapabilities::default();
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut bytes[ETHERNET_LEN..]), &checksums);
    emit(&mut bytes[ETHERNET_LEN + IPV4_LEN..], &checksums);
    bytes
}

/// A SYN from a host and port to a node of the rig and its port.
pub fn syn((from, from_port): (Ipv4Address, u16), (node, to_port): (usize, u16)) -> Vec<u8> {
    let number = node as u8 + 1;
    let to = Ipv4Address::new(10, 0, 0, number);
    let syn = TcpRepr {
        src_port: from_port,
        dst_port: to_port,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(1_000),
        ack_number: None,
        window_len: 1_000,
        window_scale: None,
        max_seg_size: Some(1_460),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let hardware = EthernetAddress([2, 0, 0, 0, 0, number]);
    packet(hardware, [from, to], IpProtocol::Tcp, syn.buffer_len(), |bytes, checksums| {
        let mut packet = TcpPacket::new_unchecked(bytes);
        syn.emit(&mut packet, &from.into(), &to.into(), checksums);
    })
}

/// What a DHCP server says that claims to be at `from`, in answer to this frame: that the client may have `address`.
pub fn lease(
    kind: DhcpMessageType,
    asked: &[u8],
    from: Ipv4Address,
    address: Ipv4Address,
) -> Vec<u8> {
    let packet_asked = DhcpPacket::new_checked(&asked[ETHERNET_LEN + IPV4_LEN + UDP_LEN..]);
    let packet_asked = packet_asked.expect("a DHCP packet");
    let asked = DhcpRepr::parse(&packet_asked).expect("a DHCP message");
    let answer = DhcpRepr {
        message_type: kind,
        your_ip: address,
        server_identifier: Some(Ipv4Address::new(10, 0, 0, 1)),
        subnet_mask: Some(Ipv4Address::new(255, 255, 255, 0)),
        router: None,
        dns_servers: None,
        lease_duration: Some(60),
        client_identifier: None,
        requested_ip: None,
        parameter_request_list: None,
        max_size: None,
        ..asked
    };
    let udp = UdpRepr { src_port: DHCP_SERVER_PORT, dst_port: DHCP_CLIENT_PORT };
    let (to, len) = (Ipv4Address::BROADCAST, answer.buffer_len());
    let hardware = EthernetAddress::BROADCAST;
    packet(hardware, [from, to], IpProtocol::Udp, UDP_LEN + len, |bytes, checksums| {
        let mut packet = UdpPacket::new_unchecked(bytes);
        let emit = |bytes: &mut [u8]| {
            answer.emit(&mut DhcpPacket::new_unchecked(bytes)).expect("room for all of it");
        };
        udp.emit(&mut packet, &from.into(), &to.into(), len, emit, checksums);
    })
}
