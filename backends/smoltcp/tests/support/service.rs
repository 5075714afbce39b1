//! Servers of datagrams, on the first node.

use super::Rig;
use std::cell::RefCell;
use std::rc::Rc;
use tofu_smoltcp::Stack;
use tofu_smoltcp::smoltcp::iface::SocketHandle;
use tofu_smoltcp::smoltcp::socket::udp;
use tofu_smoltcp::smoltcp::wire::IpEndpoint;

/// Answers datagrams, or not.
pub trait Server {
    /// The answer, and who gets it.
    fn answer(&mut self, asked: &[u8], by: udp::UdpMetadata) -> Option<(Vec<u8>, IpEndpoint)>;
}

/// A server and its socket.
pub struct Service {
    socket: SocketHandle,
    server: Rc<RefCell<dyn Server>>,
}

impl Service {
    /// True if something was answered.
    pub fn serve(&mut self, stack: &mut Stack<'_>) -> bool {
        let socket = stack.sockets_mut().get_mut::<udp::Socket<'_>>(self.socket);
        let mut answered = false;
        while let Ok((asked, by)) = socket.recv() {
            if let Some((answer, to)) = self.server.borrow_mut().answer(asked, by) {
                socket.send_slice(&answer, to).expect("room for an answer");
                answered = true;
            }
        }
        answered
    }
}

impl Rig {
    /// Lets a server answer what comes to this port of the first node.
    pub fn serve<S: Server + 'static>(&mut self, port: u16, server: S) -> Rc<RefCell<S>> {
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 16], vec![0; 8_192]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).expect("a free port");
        let socket = self.nodes[0].stack.sockets_mut().add(socket);
        let server = Rc::new(RefCell::new(server));
        self.services.push(Service { socket, server: server.clone() });
        server
    }
}
