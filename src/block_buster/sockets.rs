//! WebSocket clients: a thread that reads, one that writes, and a short queue that keeps the newest.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select_biased};
use serde_json::json;
use socket2::SockRef;
use tungstenite::protocol::frame::coding::CloseCode;

use super::shared::Shared;
use super::streams::{self, FEATURES_BIT, Framed, Request, Stream};
use crate::base::limits::{
    GATEWAY_CONTROLS_QUEUED_MAX, GATEWAY_FRAMES_QUEUED_MAX, GATEWAY_MESSAGE_BYTES_MAX, GATEWAY_SOCKETS_MAX,
    HTTP_WRITE_TIME_MAX, LIVE_PING_TIME, LIVE_SEND_BUFFER_BYTES, LIVE_SILENCE_TIME_MAX,
};
use crate::base::thread::spawn_connection;
use crate::http::websocket::{self, End, Manners, converse};
use crate::http::{Socket, linger, write_within};

/// Everybody who listens, on both ports.
#[derive(Default)]
pub(super) struct Hub {
    seats: Mutex<Vec<Seat>>,
    next_id: AtomicU64,
    stopping: AtomicBool,
    /// The newest frame of each stream, and of the features, for those who come.
    newest: Mutex<[Option<Framed>; 6]>,
    /// Frames that a newer one pushed out of a full queue.
    pub(super) dropped: AtomicU64,
}

/// A client, as the hub sees it.
#[derive(Clone)]
struct Seat {
    id: u64,
    subscriptions: Arc<AtomicU8>,
    frames: Sender<Framed>,
    /// The queue's other end, to make room in it.
    waiting: Receiver<Framed>,
    controls: Sender<Control>,
}

/// What takes its turn before any frame.
enum Control {
    Say(Framed),
    Raw(Vec<u8>),
    /// The last bytes of this connection.
    Last(Vec<u8>),
}

const MANNERS: Manners = Manners {
    ping: LIVE_PING_TIME,
    silence_max: LIVE_SILENCE_TIME_MAX,
    message_bytes_max: GATEWAY_MESSAGE_BYTES_MAX,
};

impl Hub {
    /// Clients at this moment.
    pub(super) fn clients(&self) -> usize {
        self.seats().len()
    }

    /// Hands a stream's frame to its subscribers.
    pub(super) fn publish(&self, stream: Stream, frame: &Framed) {
        if stream != Stream::Receipts {
            self.newest()[stream as usize] = Some(Arc::clone(frame));
        }
        self.hand_out(stream.bit(), frame);
    }

    /// Hands the features to those who listen to them.
    pub(super) fn publish_features(&self, frame: &Framed) {
        self.newest()[FEATURES_BIT.trailing_zeros() as usize] = Some(Arc::clone(frame));
        self.hand_out(FEATURES_BIT, frame);
    }

    /// Hands a notice to everybody on the main port, whatever they subscribed to.
    pub(super) fn notify(&self, frame: &Framed) {
        for seat in
            self.seats().iter().filter(|seat| seat.subscriptions.load(Ordering::Relaxed) & FEATURES_BIT == 0)
        {
            self.offer(seat, frame);
        }
    }

    fn hand_out(&self, bit: u8, frame: &Framed) {
        for seat in self.seats().iter().filter(|seat| seat.subscriptions.load(Ordering::Relaxed) & bit != 0) {
            self.offer(seat, frame);
        }
    }

    /// Queues a frame; when the queue is full its oldest one goes.
    fn offer(&self, seat: &Seat, frame: &Framed) {
        let mut frame = Arc::clone(frame);
        loop {
            match seat.frames.try_send(frame) {
                // Disconnected cannot be: this seat holds the other end.
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(again)) => {
                    if seat.waiting.try_recv().is_ok() {
                        self.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                    frame = again;
                }
            }
        }
    }

    /// Serves one client on the calling thread until it is gone.
    pub(super) fn serve(&self, socket: Socket, subscriptions: u8, shared: &Shared) {
        let (stream, unread) = socket.into_parts();
        let (frames, waiting) = bounded(GATEWAY_FRAMES_QUEUED_MAX);
        let (controls, said) = bounded(GATEWAY_CONTROLS_QUEUED_MAX);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let seat = Seat {
            id,
            subscriptions: Arc::new(AtomicU8::new(subscriptions)),
            frames,
            waiting: waiting.clone(),
            controls,
        };
        if let Err((code, reason)) = self.admit(&seat) {
            return turn_away(&stream, &websocket::close(code, reason));
        }
        let _membership = Membership { hub: self, id };
        if subscriptions != FEATURES_BIT {
            seat.say(&streams::welcome(shared.board().timestamp));
        }
        self.catch_up(&seat, subscriptions);
        if let Err(error) = SockRef::from(&*stream).set_send_buffer_size(LIVE_SEND_BUFFER_BYTES) {
            log::debug!("a client keeps its large send buffer: {error}");
        }
        let written = Arc::clone(&stream);
        let writer = spawn_connection("gateway-writer", move || {
            if write_all(&written, &said, &waiting).is_err() {
                // The client is gone or does not read; its reader notices at once.
                let _ = written.shutdown(Shutdown::Both);
            }
        });
        let writer = match writer {
            Ok(writer) => writer,
            Err(error) => return log::warn!("cannot start a client's writer: {error}"),
        };
        let end = self.converse(&seat, &stream, unread, shared);
        seat.end(&stream, end);
        if writer.join().is_err() {
            log::error!("a client's writer panicked");
        }
        linger(&stream);
    }

    fn converse(&self, seat: &Seat, stream: &TcpStream, unread: Vec<u8>, shared: &Shared) -> io::Result<End> {
        // Full: a client that asks more than it reads misses an answer.
        let say = |bytes| drop(seat.controls.try_send(Control::Raw(bytes)));
        let mut hear = |text: &str| match streams::parse(text) {
            Ok(Request::Subscribe(stream)) => {
                seat.say(&streams::message(&json!({"type": "subscribed", "stream": stream.name()})));
                let before = seat.subscriptions.fetch_or(stream.bit(), Ordering::Relaxed);
                if before & stream.bit() == 0 {
                    self.catch_up(seat, stream.bit());
                }
            }
            Ok(Request::Unsubscribe(stream)) => {
                seat.subscriptions.fetch_and(!stream.bit(), Ordering::Relaxed);
                seat.say(&streams::message(&json!({"type": "unsubscribed", "stream": stream.name()})));
            }
            Ok(Request::Ping(timestamp)) => {
                let timestamp = timestamp.unwrap_or_else(|| shared.board().timestamp.into());
                seat.say(&streams::message(&json!({"type": "pong", "timestamp": timestamp})));
            }
            Err(fault) => seat.say(&streams::message(&json!({"type": "error", "message": fault}))),
        };
        converse(stream, unread, &MANNERS, &say, &mut hear)
    }

    /// What was said last on these streams, so that nobody waits for the next time.
    fn catch_up(&self, seat: &Seat, bits: u8) {
        let newest = self.newest().clone();
        for (_, frame) in newest.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0) {
            if let Some(frame) = frame {
                self.offer(seat, frame);
            }
        }
    }

    fn admit(&self, seat: &Seat) -> Result<(), (CloseCode, &'static str)> {
        let mut seats = self.seats();
        if self.stopping.load(Ordering::SeqCst) {
            return Err((CloseCode::Away, GOING_AWAY));
        }
        if seats.len() >= GATEWAY_SOCKETS_MAX {
            return Err((CloseCode::Again, "Server overloaded"));
        }
        seats.push(seat.clone());
        Ok(())
    }

    /// Closes all clients with 1001; those that come later too.
    pub(super) fn stop(&self) {
        let seats = self.seats();
        self.stopping.store(true, Ordering::SeqCst);
        for seat in seats.iter() {
            // Full: it does not read; the server cuts it off.
            let _ = seat.controls.try_send(Control::Last(websocket::close(CloseCode::Away, GOING_AWAY)));
        }
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        // Nothing between lock and unlock panics half-way.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self) -> MutexGuard<'_, [Option<Framed>; 6]> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const GOING_AWAY: &str = "Server is stopping";

impl Seat {
    fn say(&self, frame: &Framed) {
        // Full: a client that asks more than it reads misses an answer.
        let _ = self.controls.try_send(Control::Say(Arc::clone(frame)));
    }

    fn end(&self, stream: &TcpStream, end: io::Result<End>) {
        let last = match end {
            Ok(End::Agreed) => Some(Vec::new()),
            Ok(End::Refused(code, reason)) => Some(websocket::close(code, reason)),
            Ok(End::Gone) | Err(_) => None,
        };
        // Full: a client that does not even read its own answers needs no further one.
        if last.is_none_or(|last| self.controls.try_send(Control::Last(last)).is_err()) {
            let _ = stream.shutdown(Shutdown::Both);
            // The writer cannot block any more: it takes this, or has failed and is gone.
            let _ = self.controls.send(Control::Last(Vec::new()));
        }
    }
}

/// Forgets a client, whatever way its thread ends.
struct Membership<'a> {
    hub: &'a Hub,
    id: u64,
}

impl Drop for Membership<'_> {
    fn drop(&mut self) {
        self.hub.seats().retain(|seat| seat.id != self.id);
    }
}

fn write_all(stream: &TcpStream, controls: &Receiver<Control>, frames: &Receiver<Framed>) -> io::Result<()> {
    loop {
        // Neither can be disconnected while its seat is kept by the reader, which waits for this.
        select_biased! {
            recv(controls) -> control => match control {
                Ok(Control::Say(bytes)) => write(stream, &bytes)?,
                Ok(Control::Raw(bytes)) => write(stream, &bytes)?,
                Ok(Control::Last(bytes)) => return write(stream, &bytes),
                Err(_) => return Ok(()),
            },
            recv(frames) -> frame => match frame {
                Ok(bytes) => write(stream, &bytes)?,
                Err(_) => return Ok(()),
            },
        }
    }
}

fn write(stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    write_within(stream, bytes, HTTP_WRITE_TIME_MAX)
}

fn turn_away(stream: &TcpStream, close: &[u8]) {
    if write(stream, close).is_ok() {
        linger(stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_does_not_read_loses_its_oldest_frames_and_its_further_answers() {
        let hub = Hub::default();
        let (frames, waiting) = bounded(GATEWAY_FRAMES_QUEUED_MAX);
        let (controls, said) = bounded(GATEWAY_CONTROLS_QUEUED_MAX);
        let seat = Seat { id: 1, subscriptions: Arc::default(), frames, waiting: waiting.clone(), controls };
        let frame = |number: usize| streams::message(&json!({ "number": number }));
        for number in 0..GATEWAY_FRAMES_QUEUED_MAX + 3 {
            hub.offer(&seat, &frame(number));
        }
        let kept: Vec<Framed> = waiting.try_iter().collect();
        let newest: Vec<Framed> = (3..GATEWAY_FRAMES_QUEUED_MAX + 3).map(frame).collect();
        assert_eq!((kept, hub.dropped.load(Ordering::Relaxed)), (newest, 3));

        for number in 0..GATEWAY_CONTROLS_QUEUED_MAX + 3 {
            seat.say(&frame(number));
        }
        let answers: Vec<Control> = said.try_iter().collect();
        assert_eq!(answers.len(), GATEWAY_CONTROLS_QUEUED_MAX);
        assert!(matches!(&answers[0], Control::Say(first) if *first == frame(0)));
    }
}
