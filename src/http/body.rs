//! A request's body, whole and within its limits.

use std::time::{Duration, Instant};

use super::head::Framing;
use super::inbound::Inbound;
use super::refusal::{Failure, Refusal};
use crate::base::limits::{HTTP_BODY_BYTES_MAX, HTTP_CHUNK_LINE_BYTES_MAX, HTTP_HEAD_BYTES_MAX};

/// Reads the body that `framing` announces and not a byte more, within `time`.
pub(super) fn read(inbound: &mut Inbound, framing: Framing, time: Duration) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    match framing {
        Framing::Length(0) => {}
        Framing::Length(length) => inbound.take(&mut body, length, Instant::now() + time)?,
        Framing::Chunked => read_chunks(inbound, &mut body, Instant::now() + time)?,
    }
    Ok(body)
}

fn read_chunks(inbound: &mut Inbound, body: &mut Vec<u8>, deadline: Instant) -> Result<(), Failure> {
    loop {
        let size = with_line(inbound, deadline, chunk_size)??;
        if size > HTTP_BODY_BYTES_MAX - body.len() {
            return Err(Refusal::BodyTooLarge.into());
        }
        if size == 0 {
            return skip_trailers(inbound, deadline);
        }
        inbound.take(body, size, deadline)?;
        if !with_line(inbound, deadline, <[u8]>::is_empty)? {
            return Err(Refusal::Chunk.into());
        }
    }
}

/// Trailers mean nothing to any handler; they are read only to find their end.
fn skip_trailers(inbound: &mut Inbound, deadline: Instant) -> Result<(), Failure> {
    let mut skipped = 0;
    while skipped <= HTTP_HEAD_BYTES_MAX {
        match with_line(inbound, deadline, <[u8]>::len)? {
            0 => return Ok(()),
            length => skipped += length,
        }
    }
    Err(Refusal::HeadTooLarge.into())
}

/// Hands the next line, without its CRLF, to `parse`, and consumes it.
fn with_line<T>(inbound: &mut Inbound, deadline: Instant, parse: impl Fn(&[u8]) -> T) -> Result<T, Failure> {
    loop {
        let unread = inbound.unread();
        let window = &unread[..unread.len().min(HTTP_CHUNK_LINE_BYTES_MAX)];
        if let Some(end) = window.iter().position(|&byte| byte == b'\n') {
            let line = window[..end].strip_suffix(b"\r").ok_or(Refusal::Chunk)?;
            let parsed = parse(line);
            inbound.consume(end + 1);
            return Ok(parsed);
        }
        if window.len() == HTTP_CHUNK_LINE_BYTES_MAX {
            return Err(Refusal::Chunk.into());
        }
        inbound.fill_until(deadline)?;
    }
}

/// The size from `1a3` or `1a3;extension`.
fn chunk_size(line: &[u8]) -> Result<usize, Refusal> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    if !extension.is_empty() && !extension.trim_ascii_start().starts_with(b";") {
        return Err(Refusal::Chunk);
    }
    if extension.contains(&b'\r') {
        return Err(Refusal::Chunk);
    }
    // Hex digits are ASCII; none, or a number too large, is refused here.
    let size = str::from_utf8(size).map_err(|_| Refusal::Chunk)?;
    usize::from_str_radix(size, 16).map_err(|_| Refusal::Chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_sizes_are_hex_with_an_optional_extension() {
        assert_eq!(chunk_size(b"0"), Ok(0));
        assert_eq!(chunk_size(b"1a3"), Ok(0x1a3));
        assert_eq!(chunk_size(b"A;name=\"value\""), Ok(10));
        assert_eq!(chunk_size(b"A ;x"), Ok(10));
        for wrong in ["", " 5", "5 5", "+5", "-5", "0x5", "g", ";x", "5\r", "5;\rx", "ffffffffffffffff0"] {
            assert_eq!(chunk_size(wrong.as_bytes()), Err(Refusal::Chunk), "{wrong:?}");
        }
    }
}
