//! An engine on a Linux TAP device, talking to the kernel's TCP. It has a stack of its own and an address
//! of its own; the kernel is just another host on the wire.
//!
//! Make the device, in a namespace so that nothing else sees it (as root):
//!
//! ```text
//! ip netns add tofu
//! ip netns exec tofu ip link set lo up
//! ip netns exec tofu ip tuntap add tap0 mode tap
//! ip netns exec tofu ip addr add 192.168.69.100/24 dev tap0
//! ip netns exec tofu ip link set tap0 up
//! ```
//!
//! Then serve on it, and call from the kernel's side:
//!
//! ```text
//! ip netns exec tofu cargo run -p tofu-smoltcp --example tap -- tap0 serve 7099
//! ip netns exec tofu tofu call 'tcp|192.168.69.1|7099' --body hello
//! ```
//!
//! Or the other way round:
//!
//! ```text
//! ip netns exec tofu tofu serve 'tcp|192.168.69.100|7099'
//! ip netns exec tofu cargo run -p tofu-smoltcp --example tap -- tap0 call 'tcp|192.168.69.100|7099' 1000
//! ```

use std::error::Error;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use tofu_core::{
    Engine, GroupId, Limits, LocalLock, Message, Opcode, Options, Pool, Received, Status,
};
use tofu_smoltcp::smoltcp::iface::{Config, Interface};
use tofu_smoltcp::smoltcp::phy::{Medium, TunTapInterface, wait};
use tofu_smoltcp::smoltcp::time;
use tofu_smoltcp::smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use tofu_smoltcp::{Stack, Storage};

tofu_core::platform! {
    /// What a board would declare, but with its memory on the heap.
    struct Board {
        buffer: Box<[u8]>,
        pool: &'static Pool<Board>,
        lock: LocalLock,
        classes: 1,
        messages: 64,
        channels: 8,
        groups: 1,
    }
    allocate: |len| Some(vec![0; len].into_boxed_slice()),
}

const USAGE: &str = "usage: tap DEVICE serve PORT | tap DEVICE call ADDRESS COUNT";
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// The longest sleep, where nothing is due.
const NAP: Duration = Duration::from_secs(1);

/// The engine, its stack and the device under it.
struct Host {
    engine: Box<Engine<Board>>,
    group: GroupId,
    stack: Stack<'static>,
    device: TunTapInterface,
    started: Instant,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [device, "serve", port] => Host::open(device)?.serve(port),
        [device, "call", address, count] => Host::open(device)?.call(address, count.parse()?),
        _ => Err(USAGE.into()),
    }
}

impl Host {
    fn open(name: &str) -> Result<Host, Box<dyn Error>> {
        let mut device = TunTapInterface::new(name, Medium::Ethernet)?;
        let mut config = Config::new(EthernetAddress(MAC).into());
        // Both differ from run to run.
        let seed = std::process::id();
        config.random_seed = seed.into();
        let mut interface = Interface::new(config, &mut device, time::Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let address = IpCidr::new(IpAddress::v4(192, 168, 69, 1), 24);
            addresses.push(address).expect("room for one address");
        });
        let options = tofu_smoltcp::Options { seed: seed as u16, ..tofu_smoltcp::Options::DEFAULT };
        let storage = Box::leak(Box::new(Storage::<12, 8_192, 8_192>::new()));
        let pool: &'static Pool<Board> = Box::leak(Box::new(Pool::new()));
        pool.add_class(4_352, 64);
        let limits = Limits { headers: 256, body: 4_080 };
        let mut engine = Box::new(Engine::new(pool, &Options { limits, ..Options::DEFAULT }));
        let group = engine.open_group(vec![0; 4_096].into()).map_err(|_| "no group")?;
        let stack = storage.stack(interface, options);
        Ok(Host { engine, group, stack, device, started: Instant::now() })
    }

    /// The next thing received; sleeps until packets or a deadline in between.
    fn next(&mut self) -> Result<Received<Board>, Box<dyn Error>> {
        loop {
            let now = micros(self.started.elapsed());
            let turn = self.stack.turn(&mut self.engine, now, &mut self.device, 64);
            if let Some(received) = self.engine.receive(self.group) {
                return Ok(received);
            }
            if !turn.more {
                let sleep = turn.deadline.map_or(NAP, |at| at.since(now)).min(NAP);
                // Rounded up: a sleep of no length would spin.
                let sleep = time::Duration::from_micros(sleep.as_micros() as u64 + 1_000);
                wait(self.device.as_raw_fd(), Some(sleep))?;
            }
        }
    }

    fn get(&self) -> Result<Message<Board>, Box<dyn Error>> {
        self.engine.get().ok_or_else(|| "the pool is empty".into())
    }

    fn post(&mut self, message: Message<Board>) -> Result<tofu_core::Header, Box<dyn Error>> {
        let posted = self.engine.post(self.group, message);
        posted.map_err(|refused| refused.status.to_string().into())
    }

    /// Answers everything that asks for it with itself.
    fn serve(&mut self, port: &str) -> Result<(), Box<dyn Error>> {
        let mut welcome = self.get()?;
        welcome.listen_on(format_args!("tcp||{port}"))?;
        self.post(welcome)?;
        loop {
            match self.next()? {
                Received::Peer(mut message) => {
                    // Of a stream of signals the last is answered, as `tofu serve` does.
                    let goes_on = message.opcode() == Opcode::Signal && message.more();
                    if !goes_on && message.reply().is_ok() {
                        // Refused where the client has left meanwhile.
                        let _ = self.post(message);
                    }
                }
                Received::Returned(message, status) => {
                    let text = String::from_utf8_lossy(message.text().as_bytes());
                    println!("{:?}: {status} {}", message.opcode(), text.trim_end());
                }
                Received::Notice(notice) => {
                    println!("channel {}: {}", notice.channel.get(), notice.reason);
                }
            }
        }
    }

    /// Says hello, asks so many times, says goodbye.
    fn call(&mut self, address: &str, count: u64) -> Result<(), Box<dyn Error>> {
        let mut hello = self.get()?;
        hello.connect_to(address)?;
        let channel = self.post(hello)?.channel;
        let began = Instant::now();
        let mut answers = 0;
        loop {
            match self.next()? {
                Received::Peer(message) => match message.opcode() {
                    Opcode::ByeResponse => {}
                    Opcode::HelloResponse | Opcode::Response => {
                        drop(message);
                        answers += 1;
                        let mut next = self.get()?;
                        let last = answers > count;
                        let opcode = if last { Opcode::ByeRequest } else { Opcode::Request };
                        next.prepare(opcode, channel);
                        if !last {
                            next.set_body([b'x'; 64])?;
                        }
                        self.post(next)?;
                    }
                    other => println!("{other:?}"),
                },
                Received::Returned(message, status) => {
                    println!("{:?}: {status}, {:?}", message.opcode(), self.stack.stats());
                }
                Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                    let time = began.elapsed();
                    println!("{answers} answers in {time:?}; closed: {}", notice.reason);
                    return Ok(());
                }
                Received::Notice(notice) => println!("{}", notice.status),
            }
        }
    }
}

fn micros(time: Duration) -> tofu_core::Instant {
    tofu_core::Instant::from_micros(time.as_micros() as u64)
}
