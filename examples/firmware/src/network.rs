//! The network the emulator offers, with smoltcp on it.

use crate::clock::Clock;
use crate::ethernet::Ethernet;
use crate::memory::{Aligned, CONNECTIONS};
use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv4Address};
use static_cell::{ConstStaticCell, StaticCell};
use tofu_smoltcp::{Options, Slot, Stack};

/// The port the images listen on.
pub const PORT: u16 = 7099;
/// Where tofu listens.
pub const LISTEN_ON: &str = "tcp||7099";
/// Bytes that a connection may have in flight, each way.
const SOCKET_BUFFER: usize = 2048;

/// One socket that waits for a client is enough: the next takes its place with the client's first packet.
const OPTIONS: Options = Options { backlog: 1, ..Options::DEFAULT };

const ETHERNET: EthernetAddress = EthernetAddress([0x02, 0, 0, 0, 0, 1]);
const ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
const PREFIX: u8 = 24;

/// Switches the device on and gives it its address.
pub fn interface(ethernet: &mut Ethernet) -> Interface {
    ethernet.start(ETHERNET);
    let config = Config::new(HardwareAddress::Ethernet(ETHERNET));
    let mut interface = Interface::new(config, ethernet, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        // A fresh interface has room for one.
        let _ = addresses.push(IpCidr::new(ADDRESS.into(), PREFIX));
    });
    interface
}

/// A TCP socket for each connection; once.
pub fn sockets() -> Option<SocketSet<'static>> {
    static BYTES: ConstStaticCell<Aligned<[[[u8; SOCKET_BUFFER]; 2]; CONNECTIONS]>> =
        ConstStaticCell::new(Aligned([[[0; SOCKET_BUFFER]; 2]; CONNECTIONS]));
    static PLACES: StaticCell<[SocketStorage<'static>; CONNECTIONS]> = StaticCell::new();

    let places = PLACES.try_init_with(|| [const { SocketStorage::EMPTY }; CONNECTIONS])?;
    let mut sockets = SocketSet::new(&mut places[..]);
    for [rx, tx] in &mut BYTES.try_take()?.0 {
        let (rx, tx) = (SocketBuffer::new(&mut rx[..]), SocketBuffer::new(&mut tx[..]));
        sockets.add(Socket::new(rx, tx));
    }
    Some(sockets)
}

/// tofu's transport on all of that; once. Not inlined, as [`memory::engine`](crate::memory::engine).
#[inline(never)]
pub fn stack(ethernet: &mut Ethernet) -> Option<Stack<'static>> {
    static SLOTS: ConstStaticCell<[Slot; CONNECTIONS]> =
        ConstStaticCell::new([const { Slot::EMPTY }; CONNECTIONS]);

    let interface = interface(ethernet);
    Some(Stack::new(interface, sockets()?, SLOTS.try_take()?, OPTIONS))
}

/// The time, as smoltcp counts it.
pub fn instant(clock: &Clock) -> Instant {
    Instant::from_micros(i64::try_from(clock.now().as_micros()).unwrap_or(i64::MAX))
}

/// When smoltcp wants to be called again, as the clock counts it.
pub fn deadline(at: Instant) -> tofu_core::Instant {
    tofu_core::Instant::from_micros(u64::try_from(at.total_micros()).unwrap_or_default())
}
