//! The upgrade to WebSocket (RFC 6455, section 4.2), and the connection after it.

use std::fmt::{self, Write as _};
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rouille::{Request, Response};
use tungstenite::handshake::derive_accept_key;

use super::detail;
use super::head::lists;
use crate::base::limits::{HTTP_LINGER_BYTES_MAX, HTTP_LINGER_TIME_MAX};

/// A connection after its WebSocket handshake. It has no read timeout and keeps the server's write
/// timeout. It counts as a connection of the server for as long as its function runs.
pub struct Socket {
    stream: Arc<TcpStream>,
    unread: Vec<u8>,
    peer: SocketAddr,
}

impl Socket {
    pub(super) fn new(stream: Arc<TcpStream>, unread: Vec<u8>, peer: SocketAddr) -> Self {
        Socket { stream, unread, peer }
    }

    /// The client's address.
    pub fn remote_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The stream, and what the client sent right behind its handshake.
    pub fn into_parts(self) -> (Arc<TcpStream>, Vec<u8>) {
        (self.stream, self.unread)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.peer)
    }
}

/// Ends our side and, for a short while, throws away what the client still sends, so that our last
/// bytes reach it; then the stream can be dropped. What may be thrown away is spread over that time:
/// who sends on and on is held up by its own socket and costs nobody else.
pub fn linger(stream: &TcpStream) {
    // An error here is a client that is already gone.
    let _ = discard(stream);
}

fn discard(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let started = Instant::now();
    let mut scratch = [0; 16 * 1024];
    let mut thrown_away = 0;
    loop {
        let left = HTTP_LINGER_TIME_MAX.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut scratch)? {
            0 => return Ok(()),
            count => thrown_away += count,
        }
        let due = HTTP_LINGER_TIME_MAX.mul_f64(thrown_away as f64 / HTTP_LINGER_BYTES_MAX as f64);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
}

/// The answer to a valid handshake, or the refusal of any other request.
pub(super) fn handshake(request: &Request, is_old: bool) -> Result<String, Response> {
    let asks = request.method() == "GET"
        && !is_old
        && lists(request.headers(), "connection", "upgrade")
        && lists(request.headers(), "upgrade", "websocket");
    if !asks {
        return Err(upgrade_required("This address is a WebSocket"));
    }
    if request.header("sec-websocket-version") != Some("13") {
        return Err(upgrade_required("WebSocket version 13 is required"));
    }
    let key = request.header("sec-websocket-key").unwrap_or_default();
    if BASE64_STANDARD.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
        return Err(detail(400, "Malformed Sec-WebSocket-Key"));
    }
    let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n");
    let accept = derive_accept_key(key.as_bytes());
    // Writing to a string cannot fail.
    let _ = write!(answer, "Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
    Ok(answer)
}

fn upgrade_required(text: &str) -> Response {
    detail(426, text)
        .with_additional_header("Upgrade", "websocket")
        .with_additional_header("Sec-WebSocket-Version", "13")
}
