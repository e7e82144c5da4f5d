//! One client: a thread that reads what it says, and one that writes what it is told.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};
use socket2::SockRef;

use super::frame;
use super::hub::Pace;
use super::journal::Follower;
use crate::base::limits::{
    HTTP_PIECE_BYTES, HTTP_WRITE_TIME_MAX, LIVE_MESSAGE_BYTES_MAX, LIVE_PIECE_BYTES, LIVE_SEND_BUFFER_BYTES,
};
use crate::base::thread::spawn_connection;
use crate::http::websocket::{self, End, Manners, converse};
use crate::http::{linger, write_within};

/// What waits in a client's queue.
pub(super) enum Outgoing {
    /// Frames that everyone gets.
    Batch(Arc<[u8]>),
    /// The journal has grown.
    News,
    /// A frame of its own: a pong, a ping, the answer to its close.
    Control(Vec<u8>),
    /// The last bytes of this connection, possibly none.
    Last(Vec<u8>),
}

/// A client's connection and the way to its writer.
pub(super) struct Line {
    pub(super) stream: Arc<TcpStream>,
    pub(super) queue: Sender<Outgoing>,
    pub(super) pace: Pace,
}

/// The first message, and what follows it.
pub(super) struct Opening<S> {
    pub(super) around: frame::Around,
    /// Null without any.
    pub(super) data: Option<S>,
    /// For a client that gets deltas; the others get what is put on their queue.
    pub(super) follower: Option<Follower>,
}

/// What a writer keeps between writes.
const WRITE_BUFFER_KEPT_BYTES: usize = 4 * 1024;

/// Serves a client until it is gone.
pub(super) fn run<S>(line: &Line, unread: Vec<u8>, outgoing: Receiver<Outgoing>, opening: Opening<S>)
where
    S: AsRef<str> + Send + 'static,
{
    if let Err(error) = SockRef::from(&*line.stream).set_send_buffer_size(LIVE_SEND_BUFFER_BYTES) {
        log::debug!("a dashboard keeps its large send buffer: {error}");
    }
    let ending = Arc::new(AtomicBool::new(false));
    let (stream, skip_batches) = (Arc::clone(&line.stream), Arc::clone(&ending));
    let writer = spawn_connection("live-writer", move || {
        let Opening { around, data, follower } = opening;
        let writer = Writer { stream: &stream, follower: follower.as_ref(), skip: &skip_batches };
        let first = writer.write_first(&around, data.as_ref().map_or("null", AsRef::as_ref).as_bytes());
        drop(data);
        let written = first.and_then(|()| writer.write_queue(&outgoing));
        if written.is_err() {
            // The client is gone or does not read; the reader notices at once. An error is a client
            // that is already gone.
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    let writer = match writer {
        Ok(writer) => writer,
        Err(error) => return log::warn!("cannot start a dashboard's writer: {error}"),
    };
    // Full: a client that asks more than it reads misses an answer, and the hub or the silence will end
    // it. Disconnected: its writer has ended, and so will this.
    let say = |bytes| drop(line.queue.try_send(Outgoing::Control(bytes)));
    let manners = Manners {
        ping: line.pace.ping,
        silence_max: line.pace.silence_max,
        message_bytes_max: LIVE_MESSAGE_BYTES_MAX,
    };
    let end = converse(&line.stream, unread, &manners, &say, &mut |_| {});
    ending.store(true, Ordering::SeqCst);
    let last = match end {
        Ok(End::Agreed) => Some(Vec::new()),
        Ok(End::Refused(code, reason)) => Some(websocket::close(code, reason)),
        Ok(End::Gone) | Err(_) => None,
    };
    // Full: a client that does not even read its own answers needs no further one.
    let said = last.is_some_and(|last| line.queue.try_send(Outgoing::Last(last)).is_ok());
    if !said {
        let _ = line.stream.shutdown(Shutdown::Both);
        // The writer cannot block any more: it takes this, or fails first and is gone.
        let _ = line.queue.send(Outgoing::Last(Vec::new()));
    }
    if writer.join().is_err() {
        log::error!("a dashboard's writer panicked");
    }
    if said {
        linger(&line.stream);
    }
}

/// Says one frame to a client that is not served, and closes.
pub(super) fn turn_away(stream: &TcpStream, close: &[u8]) {
    if write_within(stream, close, HTTP_WRITE_TIME_MAX).is_ok() {
        linger(stream);
    }
}

/// The writing half of a client.
struct Writer<'a> {
    stream: &'a TcpStream,
    follower: Option<&'a Follower>,
    skip: &'a AtomicBool,
}

impl Writer<'_> {
    fn write_first(&self, around: &frame::Around, data: &[u8]) -> io::Result<()> {
        let (before, behind) = around.frame(data.len());
        if data.len() < HTTP_PIECE_BYTES {
            return self.write(&[&before, data, behind].concat());
        }
        // Not copied: it may have megabytes, and every client that reconnects gets one.
        self.write(&before)?;
        self.write(data)?;
        self.write(behind)
    }

    /// Writes what is queued, as much of it at once as there is.
    fn write_queue(&self, queue: &Receiver<Outgoing>) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut is_last = false;
        while !is_last {
            // An error is a client that has left the hub and whose reader has ended.
            let Ok(mut outgoing) = queue.recv() else { return Ok(()) };
            loop {
                is_last |= self.gather(outgoing, &mut buffer)?;
                if is_last || buffer.len() >= HTTP_PIECE_BYTES {
                    break;
                }
                match queue.try_recv() {
                    Ok(next) => outgoing = next,
                    // Empty for now, or nobody left who could add to it.
                    Err(_) => break,
                }
            }
            self.write(&buffer)?;
            buffer.clear();
            buffer.shrink_to(WRITE_BUFFER_KEPT_BYTES);
        }
        Ok(())
    }

    /// Appends what is to be written; whether it is the last.
    fn gather(&self, outgoing: Outgoing, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let is_last = matches!(outgoing, Outgoing::Last(_));
        match outgoing {
            Outgoing::Batch(_) | Outgoing::News if self.skip.load(Ordering::SeqCst) => {}
            Outgoing::Batch(bytes) => buffer.extend_from_slice(&bytes),
            Outgoing::Control(bytes) | Outgoing::Last(bytes) => buffer.extend_from_slice(&bytes),
            Outgoing::News => {
                if let Some(follower) = self.follower {
                    follower.take(buffer)?;
                }
            }
        }
        Ok(is_last)
    }

    /// In pieces, so that the hub sees whether a follower's connection takes anything at all.
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(follower) = self.follower else {
            return write_within(self.stream, bytes, HTTP_WRITE_TIME_MAX);
        };
        bytes.chunks(LIVE_PIECE_BYTES).try_for_each(|piece| {
            follower.place.note_move();
            write_within(self.stream, piece, HTTP_WRITE_TIME_MAX)
        })
    }
}
