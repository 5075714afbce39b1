//! What `ip` would do, without a process for it: one that starts holds, until it has begun, every socket of
//! this one, and so listeners that are closed meanwhile would keep their ports.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::net::if_::if_nametoindex;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

/// `ip link set DEVICE up`, or `down`
pub(crate) fn set_link(device: &str, up: bool) -> io::Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = if_nametoindex(device)?;
    link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    link.header.change_mask = LinkFlags::Up;
    ask(RouteNetlinkMessage::SetLink(link), 0)
}

/// `ip link add NEAR type veth peer name FAR netns NETWORK`
pub(crate) fn add_cable(near: &str, far: &str, network: &File) -> io::Result<()> {
    let mut other = LinkMessage::default();
    other.attributes =
        vec![LinkAttribute::IfName(far.into()), LinkAttribute::NetNsFd(network.as_raw_fd())];
    let ends = InfoData::Veth(InfoVeth::Peer(other));
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(near.into()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(ends)]),
    ];
    ask(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL)
}

/// `ip address add ADDRESS/PREFIX dev DEVICE`
pub(crate) fn add_address(device: &str, own: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let mut address = AddressMessage::default();
    address.header.family = AddressFamily::Inet;
    address.header.prefix_len = prefix;
    address.header.index = if_nametoindex(device)?;
    address.attributes =
        vec![AddressAttribute::Local(own.into()), AddressAttribute::Address(own.into())];
    ask(RouteNetlinkMessage::NewAddress(address), NLM_F_CREATE | NLM_F_EXCL)
}

/// `ip route add TO dev DEVICE src OWN`
pub(crate) fn add_route(device: &str, to: Ipv4Addr, own: Ipv4Addr) -> io::Result<()> {
    let mut route = RouteMessage::default();
    route.header = RouteHeader {
        address_family: AddressFamily::Inet,
        destination_prefix_length: 32,
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Static,
        scope: RouteScope::Link,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    route.attributes = vec![
        RouteAttribute::Destination(std::net::IpAddr::from(to).into()),
        RouteAttribute::PrefSource(std::net::IpAddr::from(own).into()),
        RouteAttribute::Oif(if_nametoindex(device)?),
    ];
    ask(RouteNetlinkMessage::NewRoute(route), NLM_F_CREATE | NLM_F_EXCL)
}

/// Asks the kernel for something, in this thread's namespace, and waits for its answer.
fn ask(what: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut request = NetlinkMessage::from(what);
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);

    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&bytes, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer);
    match answer.map_err(io::Error::other)?.payload {
        NetlinkPayload::Error(answer) if answer.code.is_some() => Err(answer.to_io()),
        _ => Ok(()),
    }
}
