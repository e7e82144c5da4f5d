//! A network that misbehaves: a proxy that hands on, twice, late, in another order or not at all what
//! passes through it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use xenblocks::base::thread::{deathwatch, spawn};

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What becomes of a piece that came.
pub enum Fate {
    /// These go on in its place, in this order; none, and it is lost.
    Pass(Vec<Vec<u8>>),
    /// The connection is cut, in both directions.
    Cut,
}

/// Decides for one connection, piece by piece.
pub type Meddler = dyn FnMut(Way, Vec<u8>) -> Fate + Send;

/// Takes the next whole piece off the front of what has come.
pub type Framing = fn(&mut Vec<u8>) -> Option<Vec<u8>>;

/// Pieces are MQTT packets.
pub fn mqtt_packets(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut length = 0;
    for (place, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            let whole = 2 + place + length;
            return (bytes.len() >= whole).then(|| bytes.drain(..whole).collect());
        }
    }
    None
}

/// Pieces are HTTP requests and answers with their bodies, as our own client and server write them.
pub fn http_messages(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.split('\r').next());
    let whole = head + length.map_or(0, |length| length.parse().unwrap());
    (bytes.len() >= whole).then(|| bytes.drain(..whole).collect())
}

/// Listens until the test ends.
pub struct Proxy {
    /// Where clients connect.
    pub addr: SocketAddr,
}

impl Proxy {
    /// In front of `target`; each connection gets a meddler of its own, told how many were before it.
    pub fn start(
        target: SocketAddr,
        framing: Framing,
        meddler: impl Fn(usize) -> Box<Meddler> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (watch, _) = deathwatch();
        let accept = move || {
            for (number, client) in listener.incoming().enumerate() {
                let (client, server) = (client?, TcpStream::connect(target)?);
                let meddler = Arc::new(Mutex::new(meddler(number)));
                for way in [Way::Up, Way::Down] {
                    let (from, to) = match way {
                        Way::Up => (client.try_clone()?, server.try_clone()?),
                        Way::Down => (server.try_clone()?, client.try_clone()?),
                    };
                    let meddler = meddler.clone();
                    let (watch, _) = deathwatch();
                    spawn("proxy", &watch, move || {
                        pump(way, &from, &to, framing, &meddler);
                        Ok(())
                    })?;
                }
            }
            Ok(())
        };
        spawn("proxy", &watch, accept).unwrap();
        Proxy { addr }
    }
}

/// Until either side closes, or the meddler cuts.
fn pump(way: Way, mut from: &TcpStream, mut to: &TcpStream, framing: Framing, meddler: &Mutex<Box<Meddler>>) {
    let (mut come, mut piece) = (Vec::new(), [0; 4096]);
    'open: while let Ok(count @ 1..) = from.read(&mut piece) {
        come.extend(&piece[..count]);
        while let Some(whole) = framing(&mut come) {
            let fate = (meddler.lock().unwrap())(way, whole);
            let Fate::Pass(pieces) = fate else { break 'open };
            if pieces.iter().any(|piece| to.write_all(piece).is_err()) {
                break 'open;
            }
        }
    }
    // Errors: that side is closed already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
