//! What every WebSocket of ours does alike after its handshake: frames as bytes, and the reading side
//! with its limits, pings and end (RFC 6455).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tungstenite::error::{Error, ProtocolError};
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};

/// What a client may do, and how long it may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// After this long a silence the client is asked whether it is there.
    pub ping: Duration,
    /// After this long a silence it is gone.
    pub silence_max: Duration,
    /// A message; a larger one is refused with 1009.
    pub message_bytes_max: usize,
}

/// How a conversation ended.
#[derive(Debug)]
pub enum End {
    /// The client is gone, or silent for too long.
    Gone,
    /// The client asked for it, and its answer has been said.
    Agreed,
    /// The client broke a rule, and shall read which.
    Refused(CloseCode, &'static str),
}

/// A client's messages are small and rare.
const READ_BUFFER_BYTES: usize = 512;

/// Reads until the client's end, hands each text to `hear`, and hands the protocol's own frames
/// (pings, pongs, the answer to a close) as bytes to `say`, which must not block.
pub fn converse(
    stream: &TcpStream,
    unread: Vec<u8>,
    manners: &Manners,
    say: &dyn Fn(Vec<u8>),
    hear: &mut dyn FnMut(&str),
) -> io::Result<End> {
    stream.set_read_timeout(Some(manners.ping / 4))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(manners.message_bytes_max)
        .max_message_size(Some(manners.message_bytes_max))
        .max_frame_size(Some(manners.message_bytes_max));
    let through = Through { stream, say };
    let mut socket = WebSocket::from_partially_read(through, unread, Role::Server, Some(config));
    let mut heard = Instant::now();
    let mut asked = heard;
    loop {
        match socket.read() {
            Ok(message) => {
                heard = Instant::now();
                if let Some(text) = message.is_text().then(|| message.to_text().ok()).flatten() {
                    hear(text);
                }
            }
            Err(Error::Io(error)) if is_pause(&error) => {
                if heard.elapsed() >= manners.silence_max {
                    return Ok(End::Gone);
                }
                if heard.max(asked).elapsed() >= manners.ping {
                    asked = Instant::now();
                    say(ping());
                }
            }
            Err(error) => return Ok(end_of(&error)),
        }
    }
}

/// Appends a text message with this content.
pub fn text(content: &[u8], out: &mut Vec<u8>) {
    text_header(content.len(), out);
    out.extend_from_slice(content);
}

/// Appends the header of a text message whose content has this many bytes.
pub fn text_header(content_bytes: usize, out: &mut Vec<u8>) {
    let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
    header.format(content_bytes as u64, out).expect("writing to a vector cannot fail");
}

/// A ping.
pub fn ping() -> Vec<u8> {
    bytes(Frame::ping(Vec::new()))
}

/// A close with its code and reason.
pub fn close(code: CloseCode, reason: &'static str) -> Vec<u8> {
    bytes(Frame::close(Some(CloseFrame { code, reason: reason.into() })))
}

fn bytes(frame: Frame) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.len());
    frame.format(&mut out).expect("writing to a vector cannot fail");
    out
}

fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

fn end_of(error: &Error) -> End {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => End::Agreed,
        Error::Capacity(_) => End::Refused(CloseCode::Size, "Message is too large"),
        Error::Utf8(_) => End::Refused(CloseCode::Invalid, "Text is not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Gone,
        Error::Protocol(_) => End::Refused(CloseCode::Protocol, "Protocol violation"),
        _ => End::Gone,
    }
}

/// Reads from the socket, says to the client's queue: the protocol's own answers take their turn.
struct Through<'a> {
    stream: &'a TcpStream,
    say: &'a dyn Fn(Vec<u8>),
}

impl Read for Through<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }
}

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.say)(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
