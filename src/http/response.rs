//! What a client receives: a response's head, its body and their framing, in few writes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rouille::Response;

use super::date::Date;
use crate::base::limits::HTTP_PIECE_BYTES;

/// How a response is sent.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// False for `HEAD`: the same head, no body.
    pub(super) with_body: bool,
    /// The client understands chunks (HTTP/1.1).
    pub(super) chunks: bool,
    /// Another request may follow on this connection.
    pub(super) keep_alive: bool,
}

/// The sending side of a connection, with a buffer that its responses share.
pub(super) struct Outbound {
    stream: Arc<TcpStream>,
    buffer: Vec<u8>,
    write_time: Duration,
    date: Date,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    /// The status has none.
    Absent,
    Sized(usize),
    Chunked,
    /// HTTP/1.0 and a size nobody knows: the connection's end is the body's.
    UntilClose,
}

/// A chunk's size line: four hex digits, since the buffer is filled behind it.
const CHUNK_LINE_BYTES: usize = 6;
const CHUNK_BYTES: usize = 16 * 1024;
/// What the buffer keeps between responses.
const BUFFER_KEPT_BYTES: usize = 16 * 1024;

impl Outbound {
    pub(super) fn new(stream: Arc<TcpStream>, write_time: Duration, date: Date) -> io::Result<Self> {
        stream.set_write_timeout(Some(write_time))?;
        Ok(Outbound { stream, buffer: Vec::new(), write_time, date })
    }

    /// Sends a response. Answers whether the connection can carry another one; an error means that
    /// the client is gone, or that the body was not as long as its response said.
    pub(super) fn send(&mut self, response: Response, manner: Manner) -> io::Result<bool> {
        let Response { status_code, headers, data, .. } = response;
        let (mut reader, size) = data.into_reader_and_size();
        let body = match size {
            _ if has_no_body(status_code) => Body::Absent,
            Some(size) => Body::Sized(size),
            None if manner.chunks => Body::Chunked,
            None => Body::UntilClose,
        };
        let keep_alive = manner.keep_alive && body != Body::UntilClose;
        self.buffer.clear();
        head(&mut self.buffer, status_code, self.date.text(), &headers, body, keep_alive)?;
        match body {
            Body::Sized(size) if manner.with_body => self.send_sized(&mut reader, size)?,
            Body::Chunked if manner.with_body => self.send_chunks(&mut reader)?,
            Body::UntilClose if manner.with_body => self.send_all(&mut reader)?,
            _ => self.flush()?,
        }
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        Ok(keep_alive)
    }

    /// Sends bytes as they are: an interim answer, a handshake.
    pub(super) fn send_raw(&self, bytes: &[u8]) -> io::Result<()> {
        write_within(&self.stream, bytes, self.write_time)
    }

    fn send_sized(&mut self, reader: &mut dyn Read, size: usize) -> io::Result<()> {
        let mut left = size;
        loop {
            let filled = self.buffer.len();
            let part = left.min(HTTP_PIECE_BYTES.saturating_sub(filled));
            self.buffer.resize(filled + part, 0);
            reader.read_exact(&mut self.buffer[filled..])?;
            self.flush()?;
            left -= part;
            if left == 0 {
                return Ok(());
            }
        }
    }

    fn send_chunks(&mut self, reader: &mut dyn Read) -> io::Result<()> {
        loop {
            let line = self.buffer.len();
            let filled = line + CHUNK_LINE_BYTES;
            self.buffer.resize(filled + CHUNK_BYTES, 0);
            let count = read(reader, &mut self.buffer[filled..])?;
            if count == 0 {
                self.buffer.truncate(line);
                self.buffer.extend_from_slice(b"0\r\n\r\n");
                return self.flush();
            }
            write!(&mut self.buffer[line..filled], "{count:04x}\r\n")?;
            self.buffer.truncate(filled + count);
            self.buffer.extend_from_slice(b"\r\n");
            self.flush()?;
        }
    }

    fn send_all(&mut self, reader: &mut dyn Read) -> io::Result<()> {
        loop {
            self.flush()?;
            self.buffer.resize(CHUNK_BYTES, 0);
            let count = read(reader, &mut self.buffer)?;
            self.buffer.truncate(count);
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        write_within(&self.stream, &self.buffer, self.write_time)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Writes all of `bytes`. The client has `time` to take each piece of [`HTTP_PIECE_BYTES`]: one that
/// reads a byte now and then does not hold the thread for long, and a long answer may take long.
pub fn write_within(stream: &TcpStream, bytes: &[u8], time: Duration) -> io::Result<()> {
    bytes.chunks(HTTP_PIECE_BYTES).try_for_each(|piece| write_piece(stream, piece, time))
}

/// The socket's own write timeout bounds each single wait.
fn write_piece(mut stream: &TcpStream, mut bytes: &[u8], time: Duration) -> io::Result<()> {
    let mut deadline = None;
    loop {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) if count == bytes.len() => return Ok(()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if Instant::now() >= *deadline.get_or_insert_with(|| Instant::now() + time) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

type Headers = [(std::borrow::Cow<'static, str>, std::borrow::Cow<'static, str>)];

fn head(
    out: &mut Vec<u8>,
    status: u16,
    date: &str,
    headers: &Headers,
    body: Body,
    keep_alive: bool,
) -> io::Result<()> {
    write!(out, "HTTP/1.1 {status} {}\r\nDate: {date}\r\n", reason(status))?;
    for (name, value) in headers {
        if is_framing(name) {
            continue;
        }
        if !is_sendable(name, value) {
            log::error!("a response's header {name:?} cannot be sent: {value:?}");
            continue;
        }
        for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    match body {
        Body::Sized(size) => write!(out, "Content-Length: {size}\r\n")?,
        Body::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Body::Absent | Body::UntilClose => {}
    }
    let connection: &[u8] = if keep_alive { b"keep-alive" } else { b"close" };
    for part in [b"Connection: ", connection, b"\r\n\r\n"] {
        out.extend_from_slice(part);
    }
    Ok(())
}

/// Headers that are this room's to write.
fn is_framing(name: &str) -> bool {
    const OURS: [&str; 6] =
        ["connection", "content-length", "transfer-encoding", "keep-alive", "trailer", "date"];
    OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

fn is_sendable(name: &str, value: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    !name.is_empty()
        && name.bytes().all(is_name)
        && value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

fn has_no_body(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

fn read(reader: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The standard reason phrase: the web app shows it.
fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_cannot_split_a_response() {
        assert!(is_sendable("Location", "/a?b=c \t ü"));
        for (name, value) in
            [("A", "b\r\nC: d"), ("A", "b\nc"), ("A", "\0"), ("A b", "c"), ("", "c"), ("A:", "c")]
        {
            assert!(!is_sendable(name, value), "{name:?} {value:?}");
        }
        let headers = [("CONTENT-length".into(), "7".into()), ("X".into(), "y".into())];
        let mut out = Vec::new();
        head(&mut out, 200, "now", &headers, Body::Sized(1), true).unwrap();
        let expected =
            "HTTP/1.1 200 OK\r\nDate: now\r\nX: y\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n";
        assert_eq!(str::from_utf8(&out).unwrap(), expected);
    }
}
