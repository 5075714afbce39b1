//! The memory of a stack.

use crate::{Options, Slot, Stack};
use smoltcp::iface::{Interface, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{Socket, SocketBuffer};

/// Memory for `SOCKETS` TCP sockets that receive into `RX` and send from `TX` bytes each.
///
/// A listener needs a socket for each client that may come at once, a connection one, and one that
/// was closed keeps its own until its last bytes have arrived. `PLACES` are those in the socket
/// set: one for each TCP socket, and one for each socket that is added beside them: DHCP, DNS,
/// the application's own.
///
/// ```
/// use tofu_smoltcp::Storage;
/// // On a board: a `static`, for instance in a `static_cell::ConstStaticCell`.
/// const STORAGE: Storage<'static, 8, 2048, 2048> = Storage::new();
/// ```
pub struct Storage<
    'a,
    const SOCKETS: usize,
    const RX: usize,
    const TX: usize,
    const PLACES: usize = SOCKETS,
> {
    places: [SocketStorage<'a>; PLACES],
    slots: [Slot; SOCKETS],
    rx: [[u8; RX]; SOCKETS],
    tx: [[u8; TX]; SOCKETS],
}

impl<'a, const SOCKETS: usize, const RX: usize, const TX: usize, const PLACES: usize>
    Storage<'a, SOCKETS, RX, TX, PLACES>
{
    /// Empty memory.
    pub const fn new() -> Self {
        const { assert!(PLACES >= SOCKETS, "every TCP socket needs a place") };
        Storage {
            places: [const { SocketStorage::EMPTY }; PLACES],
            slots: [const { Slot::EMPTY }; SOCKETS],
            rx: [[0; RX]; SOCKETS],
            tx: [[0; TX]; SOCKETS],
        }
    }

    /// A stack that lives in this memory.
    pub fn stack(&'a mut self, interface: Interface, options: Options) -> Stack<'a> {
        self.stack_beside(interface, options, |_| {})
    }

    /// A stack that lives in this memory, beside the sockets that `add` puts into the set.
    pub fn stack_beside(
        &'a mut self,
        interface: Interface,
        options: Options,
        add: impl FnOnce(&mut SocketSet<'a>),
    ) -> Stack<'a> {
        let mut sockets = SocketSet::new(&mut self.places[..]);
        for (rx, tx) in self.rx.iter_mut().zip(&mut self.tx) {
            sockets
                .add(Socket::new(SocketBuffer::new(&mut rx[..]), SocketBuffer::new(&mut tx[..])));
        }
        add(&mut sockets);
        Stack::new(interface, sockets, &mut self.slots, options)
    }
}

impl<const SOCKETS: usize, const RX: usize, const TX: usize, const PLACES: usize> Default
    for Storage<'_, SOCKETS, RX, TX, PLACES>
{
    fn default() -> Self {
        Storage::new()
    }
}
