//! Names: resolved by the set's DNS socket; every address a name has is tried.

use crate::slot::{Role, Slot, forget};
use crate::{Stack, time};
use core::time::Duration;
use smoltcp::config::DNS_MAX_RESULT_COUNT;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::dns::{self, GetQueryResultError, QueryHandle, StartQueryError};
use smoltcp::socket::{Socket, tcp};
use smoltcp::wire::{DnsQueryType, IpAddress};
use tofu_core::{Link, Status};

/// One question for each version of IP.
const MAX_QUERIES: usize = QUERIES.len();
/// The most addresses of one name that are tried: as many as smoltcp keeps of the answers.
const MAX_ADDRESSES: usize = MAX_QUERIES * DNS_MAX_RESULT_COUNT;
/// How long an address that does not answer is tried while there is another. A lost packet is sent
/// again after one second, which this leaves room for; and the engine's default timeout leaves room for five.
const ATTEMPT: Duration = Duration::from_secs(2);

const QUERIES: &[DnsQueryType] = &[
    #[cfg(feature = "ipv4")]
    DnsQueryType::A,
    #[cfg(feature = "ipv6")]
    DnsQueryType::Aaaa,
];

/// Where a connection to a name may go.
pub(crate) struct Targets {
    queries: [Option<QueryHandle>; MAX_QUERIES],
    /// Those not tried yet.
    addresses: [Option<IpAddress>; MAX_ADDRESSES],
    /// The name is not at fault: it has addresses, or nobody could be asked for them.
    blameless: bool,
    port: u16,
}

impl Targets {
    pub(crate) const NONE: Targets = Targets {
        queries: [None; MAX_QUERIES],
        addresses: [None; MAX_ADDRESSES],
        blameless: false,
        port: 0,
    };

    fn is_asking(&self) -> bool {
        self.queries.iter().any(Option::is_some)
    }

    fn has_more(&self) -> bool {
        self.addresses.iter().any(Option::is_some)
    }

    /// Why there is nothing to connect to, once that is clear.
    pub(crate) fn failure(&self) -> Option<Status> {
        match self.is_asking() || self.has_more() {
            true => None,
            false if self.blameless => Some(Status::ConnectFailed),
            false => Some(Status::InvalidAddress),
        }
    }

    fn add(&mut self, address: IpAddress) {
        self.blameless = true;
        if let Some(free) = self.addresses.iter_mut().find(|address| address.is_none()) {
            *free = Some(address);
        }
    }

    fn next(&mut self) -> Option<IpAddress> {
        self.addresses.iter_mut().find_map(Option::take)
    }

    /// Takes the answers that have come. There are none while we have no address ourselves.
    fn collect(&mut self, dns: &mut dns::Socket<'_>, nowhere: bool) {
        for index in 0..MAX_QUERIES {
            let Some(Some(query)) = self.queries.get(index).copied() else { continue };
            match dns.get_query_result(query) {
                Err(GetQueryResultError::Pending) => continue,
                Err(GetQueryResultError::Failed) => self.blameless |= nowhere,
                Ok(found) => found.into_iter().for_each(|address| self.add(address)),
            }
            if let Some(query) = self.queries.get_mut(index) {
                *query = None;
            }
        }
    }
}

/// The set's DNS socket, if it holds one.
pub(crate) fn find_socket(sockets: &SocketSet<'_>) -> Option<SocketHandle> {
    let mut all = sockets.iter();
    all.find(|(_, socket)| matches!(socket, Socket::Dns(_))).map(|(handle, _)| handle)
}

impl Stack<'_> {
    /// Asks for the addresses of a name, to connect to one of them.
    pub(crate) fn resolve(&mut self, link: Link, name: &str, port: u16) -> Result<(), Status> {
        let dns = self.dns.ok_or(Status::InvalidAddress)?;
        let index = self.slot_to_connect()?;
        let slot = self.slots.get_mut(index).ok_or(Status::ConnectFailed)?;
        let dns = self.sockets.get_mut::<dns::Socket<'_>>(dns);
        slot.targets = Targets { port, ..Targets::NONE };
        let Targets { queries, blameless, .. } = &mut slot.targets;
        for (query, kind) in queries.iter_mut().zip(QUERIES) {
            let started = dns.start_query(self.interface.context(), name, *kind);
            *blameless |= matches!(started, Err(StartQueryError::NoFreeSlot));
            *query = started.ok();
        }
        if let Some(status) = slot.targets.failure() {
            return Err(status);
        }
        slot.role = Role::Resolving(link);
        Ok(())
    }

    /// Goes on with connections to names: from the first answer to an address, from one that
    /// does not answer to the next.
    pub(crate) fn follow_names(&mut self) {
        let Some(dns) = self.dns else { return };
        let nowhere = self.interface.ip_addrs().is_empty();
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { return };
            slot.targets.collect(self.sockets.get_mut(dns), nowhere);
            let socket = slot.tcp_mut(&mut self.sockets);
            if let Role::Connecting(link) = slot.role
                && socket.state() == tcp::State::Closed
                && slot.targets.failure().is_none()
            {
                forget(socket);
                slot.role = Role::Resolving(link);
            }
            if let Role::Resolving(link) = slot.role {
                self.try_next(index, link);
            }
            self.limit_attempt(index);
        }
    }

    fn try_next(&mut self, index: usize, link: Link) {
        while let Some(slot) = self.slots.get_mut(index) {
            let port = slot.targets.port;
            let Some(address) = slot.targets.next() else { return };
            if self.connect_with(index, link, (address, port).into()).is_ok() {
                return;
            }
        }
    }

    /// While there is another address, this one has its time; it may be that only now there is one.
    fn limit_attempt(&mut self, index: usize) {
        let Some(slot) = self.slots.get(index) else { return };
        if let Role::Connecting(_) = slot.role {
            let limit = slot.targets.has_more().then(|| time::duration(ATTEMPT));
            self.sockets.get_mut::<tcp::Socket<'_>>(slot.handle()).set_timeout(limit);
        }
    }

    /// A connection is made, or given up.
    pub(crate) fn forget_name(&mut self, link: Link) {
        let found = self.slots.iter_mut().find(|slot| slot.link() == Some(link));
        let (Some(slot), Some(dns)) = (found, self.dns) else { return };
        slot.forget_targets(self.sockets.get_mut(dns));
    }

    /// Where names are asked for from now on.
    #[cfg(feature = "dhcpv4")]
    pub(crate) fn use_name_servers(&mut self, servers: &[smoltcp::wire::Ipv4Address]) {
        let Some(dns) = self.dns else { return };
        let mut addresses = [IpAddress::Ipv4(smoltcp::wire::Ipv4Address::UNSPECIFIED); 4];
        let mut count = 0;
        for (place, server) in addresses.iter_mut().zip(servers) {
            *place = IpAddress::Ipv4(*server);
            count += 1;
        }
        let addresses = addresses.get(..count).unwrap_or_default();
        self.sockets.get_mut::<dns::Socket<'_>>(dns).update_servers(addresses);
    }
}

impl Slot {
    fn forget_targets(&mut self, dns: &mut dns::Socket<'_>) {
        let targets = core::mem::replace(&mut self.targets, Targets::NONE);
        targets.queries.into_iter().flatten().for_each(|query| dns.cancel_query(query));
    }
}
