//! A raw MQTT 3.1.1 client over a plain socket, for packets that no proper client would send.

#![allow(dead_code, reason = "each test file that includes this uses a part of it")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an expected packet may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One packet as it came: its first byte and what follows the length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub first: u8,
    pub body: Vec<u8>,
}

impl Packet {
    /// Topic and payload of a PUBLISH.
    pub fn publish(&self) -> (String, Vec<u8>) {
        assert_eq!(self.first >> 4, 3, "a PUBLISH: {self:?}");
        let topic_end = 2 + usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        let payload = topic_end + if self.first & 0b110 == 0 { 0 } else { 2 };
        (String::from_utf8(self.body[2..topic_end].to_vec()).unwrap(), self.body[payload..].to_vec())
    }

    /// Packet id of a PUBLISH with QoS above 0.
    pub fn id(&self) -> u16 {
        let topic_end = 2 + usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        u16::from_be_bytes([self.body[topic_end], self.body[topic_end + 1]])
    }
}

/// A CONNECT to be.
pub struct Connect<'a> {
    pub id: &'a [u8],
    pub name: &'a [u8],
    pub level: u8,
    pub clean: bool,
    pub keep_alive: u16,
    pub will: Option<(&'a [u8], &'a [u8], bool)>,
    pub login: Option<(&'a str, &'a str)>,
}

impl<'a> Connect<'a> {
    pub fn new(id: &'a str) -> Self {
        let (name, level) = (b"MQTT".as_slice(), 4);
        Connect { id: id.as_bytes(), name, level, clean: true, keep_alive: 60, will: None, login: None }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean) << 1;
        let mut tail = field(self.id);
        if let Some((topic, payload, retain)) = self.will {
            flags |= 0x04 | 0x08 | u8::from(retain) << 5;
            tail.extend([field(topic), field(payload)].concat());
        }
        if let Some((user, password)) = self.login {
            flags |= 0xc0;
            tail.extend([field(user.as_bytes()), field(password.as_bytes())].concat());
        }
        let mut body = field(self.name);
        body.extend([self.level, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(tail);
        packet(0x10, &body)
    }
}

/// A length and the bytes.
pub fn field(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A whole packet.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest % 128).unwrap();
        rest /= 128;
        bytes.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// A PUBLISH of QoS 0, 1 or 2 (with packet id `id` above 0).
pub fn publish(topic: &[u8], payload: &[u8], qos: u8, id: u16, retain: bool) -> Vec<u8> {
    let mut body = field(topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    packet(0x30 | qos << 1 | u8::from(retain), &body)
}

/// A SUBSCRIBE of one filter.
pub fn subscribe(id: u16, filter: &[u8], qos: u8) -> Vec<u8> {
    packet(0x82, &[&id.to_be_bytes(), field(filter).as_slice(), &[qos]].concat())
}

/// The socket.
pub struct RawClient(pub TcpStream);

impl RawClient {
    /// A socket that has said nothing.
    pub fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        RawClient(stream)
    }

    /// The same, with a server that may be gone.
    pub fn try_open(addr: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(addr).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(RawClient(stream))
    }

    /// A connected client. Panics when it is refused.
    pub fn connect(addr: SocketAddr, connect: &Connect) -> Self {
        let mut client = Self::open(addr);
        client.send(&connect.bytes());
        assert_eq!(client.read(), Some(Packet { first: 0x20, body: vec![0, 0] }), "CONNACK");
        client
    }

    /// The code of the CONNACK, or `None` when the connection is closed without one.
    pub fn try_connect(addr: SocketAddr, connect: &Connect) -> Option<u8> {
        let mut client = Self::open(addr);
        client.send(&connect.bytes());
        let code = client.read()?.body[1];
        if code != 0 {
            assert_eq!(client.read(), None, "a refused client is closed");
        }
        Some(code)
    }

    /// Sends; a connection that is already closed takes it in silence.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// The next packet; `None` when the connection is closed. Panics when nothing comes.
    pub fn read(&mut self) -> Option<Packet> {
        let first = self.byte()?;
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some(Packet { first, body })
    }

    /// Subscribes and waits for the code.
    pub fn subscribe(&mut self, filter: &str, qos: u8) -> Option<u8> {
        self.send(&subscribe(7, filter.as_bytes(), qos));
        let packet = self.read()?;
        assert_eq!((packet.first, &packet.body[..2]), (0x90, &[0, 7][..]));
        Some(packet.body[2])
    }

    /// Sends a PINGREQ and waits for the answer: all before it has been dealt with.
    pub fn ping(&mut self) -> bool {
        self.send(&[0xc0, 0]);
        self.read() == Some(Packet { first: 0xd0, body: vec![] })
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(0) => None,
            Ok(_) => Some(byte[0]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("nothing came within {PATIENCE:?}")
            }
            Err(_) => None,
        }
    }
}
