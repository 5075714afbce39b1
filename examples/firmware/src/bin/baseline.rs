//! What tofu is compared with: a bare TCP echo on smoltcp, for four clients at once.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use smoltcp::socket::Socket as AnySocket;
use smoltcp::socket::tcp::{Socket, State};
use tofu_firmware::board::Board;
use tofu_firmware::{host, network};

#[entry]
fn main() -> ! {
    run();
    host::exit(false)
}

fn run() -> Option<()> {
    let board = Board::take()?;
    let mut interface = network::interface(board.ethernet);
    let mut sockets = network::sockets()?;
    loop {
        let now = network::instant(&board.clock);
        interface.poll(now, board.ethernet, &mut sockets);
        let mut moved = false;
        for (_, socket) in sockets.iter_mut() {
            let AnySocket::Tcp(socket) = socket;
            moved |= serve(socket);
        }
        if !moved {
            let deadline = interface.poll_at(now, &sockets).map(network::deadline);
            board.ethernet.sleep_until(deadline, &board.clock);
        }
    }
}

/// Listens, or sends back what there is. True if something changed.
fn serve(socket: &mut Socket<'_>) -> bool {
    if !socket.is_open() {
        host::report(0);
        socket.set_nagle_enabled(false);
        return socket.listen(network::PORT).is_ok();
    }
    if socket.state() == State::CloseWait && socket.recv_queue() == 0 {
        socket.close();
        return true;
    }
    if !socket.can_recv() {
        return false;
    }
    let mut block = [0; 512];
    let room = block.len().min(socket.send_capacity() - socket.send_queue());
    let Ok(count @ 1..) = socket.recv_slice(&mut block[..room]) else { return false };
    // There is room for it.
    socket.send_slice(&block[..count]).is_ok()
}
