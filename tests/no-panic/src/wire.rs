//! A transport that may answer anything.

use crate::any::{any, perhaps, see};
use core::fmt;
use core::task::Poll;
use tofu_core::{Address, Close, Link, Ready, Status, Transport};

pub(crate) struct Wire;

impl Transport for Wire {
    fn listen(&mut self, link: Link, at: &Address<'_>) -> Result<(), Status> {
        see((link, at));
        perhaps(Ok(()))
    }

    fn connect(&mut self, link: Link, to: &Address<'_>) -> Result<(), Status> {
        see((link, to));
        perhaps(Ok(()))
    }

    fn local_address(&self, listener: Link, out: &mut dyn fmt::Write) -> fmt::Result {
        see(listener);
        while perhaps(true) {
            out.write_str(perhaps("address"))?;
        }
        perhaps(Ok(()))
    }

    fn accept(&mut self, listener: Link, link: Link) -> Poll<Result<(), Status>> {
        see((listener, link));
        perhaps(Poll::Pending)
    }

    fn recv(&mut self, link: Link, bufs: &mut [&mut [u8]]) -> Poll<Result<usize, Status>> {
        see(link);
        for buf in bufs {
            see(buf);
        }
        perhaps(Poll::Pending)
    }

    fn send(&mut self, link: Link, bufs: &[&[u8]]) -> Poll<Result<usize, Status>> {
        see((link, bufs));
        perhaps(Poll::Pending)
    }

    fn want_write(&mut self, link: Link, on: bool) {
        see((link, on));
    }

    fn next_ready(&mut self) -> Option<(Link, Ready)> {
        any()
    }

    fn close(&mut self, link: Link, how: Close) {
        see((link, how));
        #[cfg(feature = "planted")]
        assert!(perhaps(true), "on purpose");
    }
}
