//! The stack: an interface, its sockets, and the turn that moves packets and messages.

use crate::listener::{BEFORE_ACCEPT, Listener, MAX_LISTENERS};
use crate::slot::{Role, Slot, forget, is_connected};
use crate::{Options, Stats, time};
use core::time::Duration;
use smoltcp::iface::{Interface, PollIngressSingleResult, PollResult, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::Socket as AnySocket;
use smoltcp::socket::tcp::{Socket, State};
use tofu_core::{Engine, Instant, Link, Platform, Ready, Turn};

/// The most packets one turn takes from the device.
const PACKETS_PER_TURN: u32 = 32;
/// How often one turn lets every socket send a packet.
const ROUNDS_PER_TURN: u32 = 8;
/// When to try again where the device had no room for a packet.
const DEVICE_RETRY: Duration = Duration::from_millis(1);

/// An engine's [`Transport`](tofu_core::Transport) over one smoltcp interface.
///
/// smoltcp tells that something happened to some socket, not what and to which. So what is ready is
/// read off the sockets: after a packet all of them are looked at. That is right for the
/// handful a board has, which smoltcp goes through for each packet, too.
pub struct Stack<'a> {
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'a>,
    pub(crate) slots: &'a mut [Slot],
    pub(crate) listeners: [Option<Listener>; MAX_LISTENERS],
    pub(crate) options: Options,
    pub(crate) stats: Stats,
    pub(crate) now: Instant,
    /// The last ephemeral port, counted from the first.
    pub(crate) last_port: u16,
    /// Some slots wait for a connection to be made.
    pub(crate) opening: bool,
    /// The slot that is to look for its neighbour first.
    pub(crate) asks_first: usize,
    /// The sockets have last looked for their neighbours when they could not find any.
    pub(crate) ask_too_early: bool,
    /// When they look for them again, where somebody waits for one.
    pub(crate) next_discovery: Instant,
    /// Where accepting goes on, so that each client gets its turn.
    pub(crate) next_accepted: usize,
    /// The first listener or slot that may have become ready since it was last asked: listeners come
    /// first.
    pub(crate) unasked: usize,
    /// The engine has read something in this turn.
    pub(crate) received: bool,
    /// The engine has handed over something to send in this turn.
    pub(crate) sent: bool,
    /// The last turn left sending to this one.
    put_off: bool,
    /// A listener may lack sockets, and there may be one for it.
    pub(crate) unarmed: bool,
    /// Some slots are closing.
    pub(crate) lingering: bool,
    #[cfg(feature = "dhcpv4")]
    pub(crate) lease: crate::dhcp::Lease,
    #[cfg(feature = "dns")]
    pub(crate) dns: Option<smoltcp::iface::SocketHandle>,
}

impl<'a> Stack<'a> {
    /// A stack that uses the TCP sockets in the set, as many as there are slots.
    ///
    /// With the features of these names, a DHCP socket in the set configures the interface, and a
    /// DNS socket resolves names. Other sockets stay the application's.
    /// [`Storage`](crate::Storage) makes all that in one go, where all TCP sockets are alike.
    pub fn new(
        interface: Interface,
        sockets: SocketSet<'a>,
        slots: &'a mut [Slot],
        options: Options,
    ) -> Self {
        let tcp = sockets.iter().filter(|(_, socket)| matches!(socket, AnySocket::Tcp(_)));
        let mut used = 0;
        for (slot, (handle, _)) in slots.iter_mut().zip(tcp) {
            *slot = Slot { socket: Some(handle), ..Slot::EMPTY };
            used += 1;
        }
        Stack {
            #[cfg(feature = "dhcpv4")]
            lease: crate::dhcp::Lease::of(&sockets),
            #[cfg(feature = "dns")]
            dns: crate::resolve::find_socket(&sockets),
            interface,
            sockets,
            slots: slots.get_mut(..used).unwrap_or_default(),
            listeners: [None; MAX_LISTENERS],
            options,
            stats: Stats::default(),
            now: Instant::ZERO,
            last_port: options.seed,
            opening: false,
            asks_first: 0,
            ask_too_early: false,
            next_discovery: Instant::ZERO,
            next_accepted: 0,
            unasked: 0,
            received: false,
            sent: false,
            put_off: false,
            unarmed: false,
            lingering: false,
        }
    }

    /// Moves what can be moved: takes packets from the device, gives the engine its
    /// [turn](Engine::turn), and sends what came of it; where answers are likely to follow, at the next turn,
    /// together with them. Does a bounded amount of work.
    ///
    /// Call it when the device has packets, and where [`Engine::turn`] asks to be called: at once while
    /// [`Turn::more`] holds, else by the deadline, which is the engine's or smoltcp's, whichever
    /// is sooner.
    pub fn turn<P: Platform>(
        &mut self,
        engine: &mut Engine<P>,
        now: Instant,
        device: &mut (impl Device + ?Sized),
        budget: u32,
    ) -> Turn {
        self.now = self.now.max(now);
        (self.received, self.sent) = (false, false);
        let more_packets = self.take_packets(device);
        let turn = engine.turn(now, self, budget);
        // What was received is likely to be answered: acknowledgements go with that.
        self.put_off = self.received && !self.sent && !self.put_off && !self.lingering;
        if self.put_off {
            return Turn { more: true, ..turn };
        }
        let next = self.send_packets(device);
        let more_to_send = next.is_some_and(|next| next <= self.now);
        if turn.more || more_packets || more_to_send || self.has_news() || self.received {
            return Turn { more: true, ..turn };
        }
        let deadlines = turn.deadline.into_iter().chain(next).chain(self.closing_deadline());
        let deadline = deadlines.chain(self.discovery_deadline()).min();
        Turn { deadline, ..turn }
    }

    /// The interface: its addresses and routes.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The interface, to change its addresses and routes. A connection whose address is taken
    /// away is lost, as the next turn says.
    pub fn interface_mut(&mut self) -> &mut Interface {
        &mut self.interface
    }

    /// The sockets, to use those the application added. The TCP sockets of the stack must stay
    /// in the set, and as they are.
    pub fn sockets_mut(&mut self) -> &mut SocketSet<'a> {
        &mut self.sockets
    }

    /// What has been counted so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// True if there may be more packets.
    fn take_packets(&mut self, device: &mut (impl Device + ?Sized)) -> bool {
        let now = time::to_smoltcp(self.now);
        self.interface.poll_maintenance(now);
        self.settle_changes();
        for _ in 0..PACKETS_PER_TURN {
            match self.interface.poll_ingress_single(now, device, &mut self.sockets) {
                PollIngressSingleResult::None => return false,
                PollIngressSingleResult::PacketProcessed => {}
                // At once: the next packet may be another client's.
                PollIngressSingleResult::SocketStateChanged => self.settle(),
            }
        }
        true
    }

    /// Lets every socket send, a packet at a time. When to call again for them if nothing happens before;
    /// not later than now if there is more that the device would take.
    fn send_packets(&mut self, device: &mut (impl Device + ?Sized)) -> Option<Instant> {
        let now = time::to_smoltcp(self.now);
        self.settle_changes();
        self.take_turns();
        for _ in 0..ROUNDS_PER_TURN {
            let sent = self.interface.poll_egress(now, device, &mut self.sockets);
            let sent = sent != PollResult::None;
            // A socket whose time is up, or whose address was taken away, ends without a packet where its reset finds
            // no way out.
            self.settle();
            let next = self.interface.poll_at(now, &self.sockets).map(time::from_smoltcp);
            match next {
                Some(at) if at > self.now => return next,
                _ if sent => {}
                _ => return next.map(|_| self.now.after(DEVICE_RETRY)),
            }
        }
        Some(self.now)
    }

    /// Settles what time and the engine have changed; packets and timers of sockets have not.
    fn settle_changes(&mut self) {
        if self.lingering || self.unarmed {
            self.settle();
        }
    }

    /// Does what the sockets' states ask for, short of telling the engine.
    #[inline(never)]
    fn settle(&mut self) {
        // First: the next address of its name is tried.
        self.refuse_crossed();
        #[cfg(feature = "dhcpv4")]
        self.follow_lease();
        #[cfg(feature = "dns")]
        self.follow_names();
        (self.lingering, self.opening) = (false, false);
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.role == Role::Free {
                continue;
            }
            let socket = slot.tcp_mut(&mut self.sockets);
            match slot.role {
                Role::Closing { .. } => {
                    let cut = slot.linger(socket, self.now, self.options.linger);
                    self.stats.cut += u32::from(cut);
                    self.lingering |= slot.role != Role::Free;
                }
                // The client left before it was accepted, or answers no more.
                Role::Listening(_) if socket.state() == State::Closed => {
                    forget(socket);
                    slot.role = Role::Free;
                }
                Role::Listening(_) if is_connected(socket) => {
                    socket.set_timeout(Some(time::duration(BEFORE_ACCEPT)));
                }
                Role::Listening(_) => self.opening |= socket.state() == State::SynReceived,
                _ => {
                    self.opening |= !matches!(slot.role, Role::Open(_));
                    if slot.due(socket).is_some() {
                        self.unasked = self.unasked.min(MAX_LISTENERS + index);
                    }
                    continue;
                }
            }
            if slot.seen != socket.state() || slot.role == Role::Free {
                slot.seen = socket.state();
                self.unasked = 0;
                self.unarmed = true;
            }
        }
        if self.unarmed {
            self.arm();
        }
    }

    /// Fails connections whose SYN was met by one of the other end's. Nobody whom we connect to connects to us from the
    /// port where he listens; and where ours has not gone out, since its neighbour is not found yet, smoltcp panics.
    fn refuse_crossed(&mut self) {
        for slot in self.slots.iter().filter(|slot| matches!(slot.role, Role::Connecting(_))) {
            let socket = slot.tcp_mut(&mut self.sockets);
            if socket.state() == State::SynReceived {
                forget(socket);
            }
        }
    }

    /// When the first socket that lingers is cut off.
    fn closing_deadline(&self) -> Option<Instant> {
        if !self.lingering {
            return None;
        }
        let closing = self.slots.iter().filter_map(|slot| match slot.role {
            Role::Closing { until, .. } => Some(until),
            _ => None,
        });
        closing.min()
    }

    /// Whether the engine has something to be told.
    fn has_news(&self) -> bool {
        self.unasked < self.len()
    }

    /// Listeners come first, then slots.
    fn len(&self) -> usize {
        MAX_LISTENERS + self.slots.len()
    }

    fn ready(&self, index: usize) -> Option<(Link, Ready)> {
        match index.checked_sub(MAX_LISTENERS) {
            Some(index) => {
                let slot = self.slots.get(index).filter(|slot| slot.owes())?;
                slot.due(slot.tcp(&self.sockets))
            }
            None => self.listener_ready(self.listeners.get(index)?.as_ref()?),
        }
    }

    /// The next thing to tell the engine.
    pub(crate) fn take_ready(&mut self) -> Option<(Link, Ready)> {
        while self.unasked < self.len() {
            if let Some((link, ready)) = self.ready(self.unasked) {
                self.told(self.unasked, link, ready);
                return Some((link, ready));
            }
            self.unasked += 1;
        }
        None
    }

    fn told(&mut self, index: usize, link: Link, ready: Ready) {
        #[cfg(feature = "dns")]
        if matches!(ready, Ready::Opened | Ready::Failed(_)) {
            self.forget_name(link);
        }
        match index.checked_sub(MAX_LISTENERS).and_then(|index| self.slots.get_mut(index)) {
            Some(slot) => {
                self.stats.refused +=
                    u32::from(slot.role == Role::Connecting(link) && ready != Ready::Opened);
                slot.told(link, ready);
                self.unarmed |= matches!(ready, Ready::Failed(_));
                if ready == Ready::Opened {
                    self.greet(link);
                }
            }
            None => {
                if let Some(Some(listener)) = self.listeners.get_mut(index) {
                    listener.told(ready);
                }
            }
        }
    }

    /// A connection is made: how long it may be silent.
    pub(crate) fn greet(&mut self, link: Link) {
        let timeout = self.options.timeout;
        let Some((_, socket)) = self.find_mut(link) else { return };
        socket.set_timeout(Some(time::duration(timeout)));
    }

    /// The slot of a link, and its socket.
    pub(crate) fn find_mut(&mut self, link: Link) -> Option<(&mut Slot, &mut Socket<'a>)> {
        let slot = self.slots.iter_mut().find(|slot| slot.link() == Some(link))?;
        let socket = slot.tcp_mut(&mut self.sockets);
        Some((slot, socket))
    }

    /// Index of a slot for something new; the one closed longest ago if none is free.
    pub(crate) fn take_slot(&mut self, urgent: bool) -> Option<usize> {
        let age = |slot: &Slot| match slot.role {
            Role::Closing { until, .. } => until,
            _ => Instant::ZERO,
        };
        let (index, slot) = self
            .slots
            .iter_mut()
            .enumerate()
            .filter(|(_, slot)| slot.is_spare(slot.tcp(&self.sockets), urgent))
            .min_by_key(|(_, slot)| age(slot))?;
        // Its next use forgets the old connection.
        forget(slot.tcp_mut(&mut self.sockets));
        *slot = Slot { socket: slot.socket, ..Slot::EMPTY };
        Some(index)
    }
}
