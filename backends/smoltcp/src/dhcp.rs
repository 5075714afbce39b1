//! An address leased from a DHCP server.

use crate::Stack;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::{Socket, dhcpv4};
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv4Cidr};

/// What the DHCP socket of a stack has configured.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    socket: Option<SocketHandle>,
    address: Option<IpCidr>,
}

impl Lease {
    /// The lease of the set's DHCP socket, if it holds one.
    pub(crate) fn of(sockets: &SocketSet<'_>) -> Self {
        let mut all = sockets.iter();
        let dhcp = all.find(|(_, socket)| matches!(socket, Socket::Dhcpv4(_)));
        Lease { socket: dhcp.map(|(handle, _)| handle), address: None }
    }
}

impl Stack<'_> {
    /// Configures the interface as the DHCP server says.
    pub(crate) fn follow_lease(&mut self) {
        let Some(handle) = self.lease.socket else { return };
        let dhcp = self.sockets.get_mut::<dhcpv4::Socket<'_>>(handle);
        let (address, router) = match dhcp.poll() {
            None => return,
            // smoltcp panics where it asks nobody for more time.
            Some(dhcpv4::Event::Configured(config)) if config.server.address.is_unspecified() => {
                return dhcp.reset();
            }
            Some(dhcpv4::Event::Deconfigured) => (None, None),
            Some(dhcpv4::Event::Configured(config)) => {
                #[cfg(feature = "dns")]
                let servers = config.dns_servers.clone();
                let configured = (Some(config.address), config.router);
                #[cfg(feature = "dns")]
                self.use_name_servers(&servers);
                configured
            }
        };
        self.set_lease(address, router);
    }

    fn set_lease(&mut self, address: Option<Ipv4Cidr>, router: Option<Ipv4Address>) {
        let old = self.lease.address.take();
        // smoltcp panics on an address that no host can have.
        let new = address.map(IpCidr::Ipv4).filter(|cidr| cidr.address().is_unicast());
        self.interface.update_ip_addrs(|addresses| {
            addresses.retain(|cidr| Some(*cidr) != old);
            if let Some(new) = new
                && addresses.push(new).is_ok()
            {
                self.lease.address = Some(new);
            }
        });
        let routes = self.interface.routes_mut();
        // smoltcp panics on a router that no host can be, too.
        let router = router.filter(|router| IpAddress::Ipv4(*router).is_unicast());
        // A full route table leaves the router away.
        let _ = match router {
            Some(router) => routes.add_default_ipv4_route(router).map(|_| ()),
            None => {
                routes.remove_default_ipv4_route();
                Ok(())
            }
        };
    }
}
