//! A client's whole conversation with the broker, over a socket: whatever is sent, the answers are
//! packets that a server may send, what is handed on is its sender's own, the connection ends, and
//! others are served.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use xenblocks::base::WorkerId;
use xenblocks::base::limits::MQTT_PACKET_BYTES_MAX;
use xenblocks::base::thread::{self, Death, deathwatch};
use xenblocks::broker::{Admission, Broker, Config, Credentials, Identity, Inbound};

/// The worker that may log in, with the password `token`.
const WORKER: &str = "rig-1";
/// No conversation takes longer: the broker closes what it does not serve.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a good client looks whether it is served.
const PROBE_EVERY: u64 = 64;

/// Takes all that a client sends before it closes its half of the connection.
pub fn check(data: &[u8]) {
    static OPEN: OnceLock<House> = OnceLock::new();
    static CLOSED: OnceLock<House> = OnceLock::new();
    for (house, is_open) in [(&OPEN, true), (&CLOSED, false)] {
        house.get_or_init(|| House::start(is_open)).survives(data);
    }
}

struct House {
    broker: Broker,
    deaths: Receiver<Death>,
    conversations: AtomicU64,
}

struct Tokens;

impl Credentials for Tokens {
    fn check(&self, user: &str, password: &str) -> Option<Admission> {
        match (user, password) {
            (WORKER, "token") => Some(Identity::Worker(WORKER.parse().unwrap()).into()),
            ("admin", "secret") => Some(Identity::Administrator.into()),
            _ => None,
        }
    }
}

impl House {
    fn start(is_open: bool) -> Self {
        let (sender, inbound) = bounded(4096);
        let (watch, deaths) = deathwatch();
        let addr = (Ipv4Addr::LOCALHOST, 0).into();
        let config = if is_open { Config::open(addr) } else { Config::closed(addr) };
        let config = Config { rate_limited: false, ..config };
        let broker = Broker::start(config, Arc::new(Tokens), sender, &watch).unwrap();
        let ingest = move || {
            // Err: the broker is gone.
            while let Ok(event) = inbound.recv() {
                is_permitted(&event, is_open);
                if let Inbound::Publish { receipt: Some(receipt), .. } = event {
                    receipt.done();
                }
            }
            Ok(())
        };
        thread::spawn("ingest", &watch, ingest).unwrap();
        House { broker, deaths, conversations: AtomicU64::new(0) }
    }

    fn survives(&self, data: &[u8]) {
        let answer = conversation(self.broker.local_addr(), data);
        let packets = packets(&answer);
        if let Some(Packet { first, body, .. }) = packets.first() {
            assert_eq!((*first, body.len()), (0x20, 2), "the first answer is a CONNACK");
            assert!(body[0] == 0 && body[1] <= 5, "{body:?}");
            assert!(body[1] == 0 || packets.len() == 1, "a refused client hears nothing more");
        }
        for Packet { first, .. } in packets.iter().skip(1) {
            assert!(matches!(first >> 4, 3 | 4 | 5 | 6 | 7 | 9 | 11 | 13), "a server's packet: {first:#x}");
        }
        if self.conversations.fetch_add(1, Ordering::Relaxed).is_multiple_of(PROBE_EVERY) {
            self.serves();
        }
        if let Ok(death) = self.deaths.try_recv() {
            panic!("a thread died: {death:?}");
        }
    }

    /// A good client gets in.
    fn serves(&self) {
        let connect = b"\x10\x1d\0\x04MQTT\x04\xc2\0\x3c\0\x03ok1\0\x05rig-1\0\x05token";
        let subscribe = b"\x82\x18\0\x07\0\x13xenminer/rig-1/task\x01";
        let answer = conversation(self.broker.local_addr(), &[&connect[..], subscribe].concat());
        let firsts: Vec<u8> = packets(&answer).iter().map(|packet| packet.first).collect();
        assert_eq!(firsts, [0x20, 0x90, 0xd0], "a good client was answered {answer:?}");
    }
}

fn is_permitted(event: &Inbound, is_open: bool) {
    let is_own = |worker: &WorkerId| is_open || worker.as_str() == WORKER;
    match event {
        Inbound::Publish { topic, payload, receipt } => {
            assert!(is_own(&topic.worker) && topic.channel.is_from_worker(), "{topic}");
            assert!(payload.len() < MQTT_PACKET_BYTES_MAX);
            assert!(receipt.is_none() || matches!(topic.channel.as_str(), "register" | "block"), "{topic}");
        }
        Inbound::Connected { client_id, worker } | Inbound::Gone { client_id, worker } => {
            assert!(client_id.bytes().all(|byte| byte.is_ascii_graphic()), "{client_id:?}");
            assert!(worker.as_ref().is_none_or(is_own), "{worker:?}");
        }
    }
}

/// Sends all whole packets, waits until they are dealt with, sends what is left over, closes its half,
/// and reads until the other closes too.
fn conversation(addr: SocketAddr, data: &[u8]) -> Vec<u8> {
    const PINGREQ: u8 = 0xc0;
    const PINGRESP: u8 = 0xd0;
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let sent = packets(data);
    let whole: usize = sent.iter().map(|packet| packet.length).sum();
    let pings = |packets: &[Packet], first| packets.iter().filter(|packet| packet.first == first).count();
    let pings_sent = pings(&sent, PINGREQ) + 1;
    // Errors: the broker has heard enough already, and what it said may still be there.
    let _ = stream.write_all(&data[..whole]).and_then(|()| stream.write_all(&[PINGREQ, 0]));
    let mut answer = Vec::new();
    while pings(&packets(&answer), PINGRESP) < pings_sent {
        if !more(&mut stream, &mut answer) {
            return answer;
        }
    }
    let _ = stream.write_all(&data[whole..]).and_then(|()| stream.shutdown(Shutdown::Write));
    while more(&mut stream, &mut answer) {}
    answer
}

/// Whether there was more to read.
fn more(stream: &mut TcpStream, answer: &mut Vec<u8>) -> bool {
    let mut piece = [0; 4096];
    match stream.read(&mut piece) {
        Ok(count) => {
            answer.extend(&piece[..count]);
            count > 0
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("the connection is still open after {PATIENCE:?}, and was answered {answer:?}")
        }
        // The fuzzer has a timer.
        Err(error) if error.kind() == ErrorKind::Interrupted => more(stream, answer),
        // Reset, for the broker closed before it had read everything.
        Err(_) => false,
    }
}

struct Packet<'a> {
    first: u8,
    body: &'a [u8],
    length: usize,
}

/// The whole packets at the beginning of a stream.
fn packets(mut bytes: &[u8]) -> Vec<Packet<'_>> {
    let mut packets = Vec::new();
    while let Some(packet) = packet(bytes) {
        bytes = &bytes[packet.length..];
        packets.push(packet);
    }
    packets
}

fn packet(bytes: &[u8]) -> Option<Packet<'_>> {
    let (&first, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let (byte, after) = rest.split_first()?;
        length |= usize::from(byte & 0x7f) << shift;
        rest = after;
        if *byte < 0x80 {
            let body = rest.get(..length)?;
            return Some(Packet { first, body, length: bytes.len() - rest.len() + length });
        }
    }
    None
}
