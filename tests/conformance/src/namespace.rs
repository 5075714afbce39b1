//! Networks of the kernel's that belong to one test: a namespace, and TAP devices in it.
//!
//! A namespace belongs to the thread that enters it and to those it starts from then on. It
//! is gone, with its devices, when they and their sockets are.

use crate::netlink::{add_address, add_route, set_up};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};
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
    // Not on this thread, which stays where it is.
    let tried = thread::spawn(|| {
        enter().map_err(|error| explain("a namespace of the network", &error))?;
        let device = plug_in("tap", Ipv4Addr::new(10, 0, 0, 2));
        device.map(drop).map_err(|error| explain("a TAP device", &error))
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
    set_up("lo")?;
    add_address("lo", KERNEL)
}

/// A new device, and the way to the address behind it.
///
/// # Errors
/// As [`enter`]; and when the system has no such devices.
pub fn plug_in(name: &str, address: Ipv4Addr) -> io::Result<TunTapInterface> {
    let device = TunTapInterface::new(name, Medium::Ethernet)?;
    set_up(name)?;
    add_route(name, address, KERNEL)?;
    Ok(device)
}
