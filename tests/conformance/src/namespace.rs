//! Networks of the kernel's that belong to one test: a namespace, and TAP devices in it, or a cable to
//! another.
//!
//! A namespace belongs to the thread that enters it and to those it starts from then on. It
//! is gone, with its devices, when they and their sockets are.

use crate::netlink::{add_address, add_cable, add_route, set_link};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid};
use std::fs::File;
use std::net::Ipv4Addr;
use std::{fs, io, thread};
use tofu_smoltcp::smoltcp::phy::{Medium, TunTapInterface};

/// The kernel's address in every namespace.
pub const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Sees to it that this process may enter namespaces. Where it is not root, it becomes root in a
/// namespace of users, which only a process of one thread can.
///
/// # Errors
/// What is missing.
pub fn prepare() -> io::Result<()> {
    let (user, group) = (Uid::effective(), Gid::effective());
    if !user.is_root() {
        become_root(user, group).map_err(|error| explain("a namespace of users", &error))?;
    }
    try_out(|| Ok(()))
}

/// The same, and to it that a namespace may have TAP devices.
///
/// # Errors
/// What is missing.
pub fn prepare_devices() -> io::Result<()> {
    prepare()?;
    try_out(|| {
        let device = plug_in("tap", Ipv4Addr::new(10, 0, 0, 2));
        device.map(drop).map_err(|error| explain("a TAP device", &error))
    })
}

fn try_out(what: fn() -> io::Result<()>) -> io::Result<()> {
    // Not on this thread, which stays where it is.
    let tried = thread::spawn(move || {
        enter().map_err(|error| explain("a namespace of the network", &error))?;
        what()
    });
    tried.join().map_err(|_| io::Error::other("the attempt panicked"))?
}

fn explain(missing: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{missing} cannot be had: {error}"))
}

fn become_root(user: Uid, group: Gid) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    // Else nobody but root may map a group.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

/// Moves this thread into a new namespace, with nothing in it but the kernel.
///
/// # Errors
/// When the process may not do that.
pub fn enter() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    set_link("lo", true)?;
    add_address("lo", KERNEL, 32)
}

/// A new device, and the way to the address behind it.
///
/// # Errors
/// As [`enter`]; and when the system has no such devices.
pub fn plug_in(name: &str, address: Ipv4Addr) -> io::Result<TunTapInterface> {
    let device = TunTapInterface::new(name, Medium::Ethernet)?;
    set_link(name, true)?;
    add_route(name, address, KERNEL)?;
    Ok(device)
}

/// Another namespace, which no thread stays in.
#[derive(Debug)]
pub struct Network(File);

/// What a cable's ends are called.
const NEAR: &str = "near";
const FAR: &str = "far";
/// Where the network of a cable has its addresses.
const CABLE_PREFIX: u8 = 24;

impl Network {
    /// A new one, with a cable to that of this thread; the addresses of the cable's ends.
    ///
    /// # Errors
    /// As [`enter`]; and when the system has no such cables.
    pub fn beside(near: Ipv4Addr, far: Ipv4Addr) -> io::Result<Network> {
        let opened = thread::spawn(|| {
            enter()?;
            File::open("/proc/thread-self/ns/net")
        });
        let network = opened.join().map_err(|_| io::Error::other("the attempt panicked"))??;
        let network = Network(network);
        add_cable(NEAR, FAR, &network.0)?;
        add_address(NEAR, near, CABLE_PREFIX)?;
        set_link(NEAR, true)?;
        network.run(|| {
            add_address(FAR, far, CABLE_PREFIX)?;
            set_link(FAR, true)
        })?;
        Ok(network)
    }

    /// Does something there; a process that it starts stays there.
    ///
    /// # Errors
    /// What fails.
    pub fn run<T: Send>(&self, what: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET)?;
                what()
            });
            inside.join().map_err(|_| io::Error::other("it panicked there"))?
        })
    }

    /// Pulls the cable out at its far end, or plugs it in again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_cable(&self, plugged: bool) -> io::Result<()> {
        self.run(|| set_link(FAR, plugged))
    }
}
