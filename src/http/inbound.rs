//! What a client sends: a fixed buffer over the socket, with a time for each read.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::limits::HTTP_HEAD_BYTES_MAX;

/// The receiving side of a connection. The buffer is as large as the largest head, so that a full
/// buffer without a whole head is a head too large.
pub(super) struct Inbound {
    stream: Arc<TcpStream>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// What the socket was last told, to tell it again only when that changes.
    timeout: Duration,
}

impl Inbound {
    pub(super) fn new(stream: Arc<TcpStream>) -> Self {
        let buffer = vec![0; HTTP_HEAD_BYTES_MAX].into_boxed_slice();
        Inbound { stream, buffer, start: 0, end: 0, timeout: Duration::ZERO }
    }

    /// Bytes received and not consumed.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether no further byte fits.
    pub(super) fn is_full(&self) -> bool {
        self.unread().len() == self.buffer.len()
    }

    /// Marks the next `count` unread bytes as done with.
    pub(super) fn consume(&mut self, count: usize) {
        assert!(count <= self.end - self.start);
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Receives more behind the unread bytes, waiting at most `within`. Zero is the client's end.
    pub(super) fn fill(&mut self, within: Duration) -> io::Result<usize> {
        assert!(!self.is_full());
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.wait_at_most(within)?;
        let count = receive(&self.stream, &mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count)
    }

    /// Like [`Inbound::fill`] until a moment; the client's end is an error here.
    pub(super) fn fill_until(&mut self, deadline: Instant) -> io::Result<()> {
        match self.fill(left(deadline)?)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Appends exactly `count` bytes to `out`.
    pub(super) fn take(&mut self, out: &mut Vec<u8>, count: usize, deadline: Instant) -> io::Result<()> {
        let at_hand = count.min(self.unread().len());
        out.extend_from_slice(&self.unread()[..at_hand]);
        self.consume(at_hand);
        let mut filled = out.len();
        out.resize(filled + count - at_hand, 0);
        while filled < out.len() {
            self.wait_at_most(left(deadline)?)?;
            match receive(&self.stream, &mut out[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                received => filled += received,
            }
        }
        Ok(())
    }

    fn wait_at_most(&mut self, within: Duration) -> io::Result<()> {
        if within != self.timeout {
            self.stream.set_read_timeout(Some(within))?;
            self.timeout = within;
        }
        Ok(())
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn receive(mut stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
