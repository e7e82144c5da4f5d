//! The hub's event loop: who listens, and what they all get.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde::Serialize;
use tungstenite::protocol::frame::coding::CloseCode;

use super::client::{self, Line, Outgoing};
use super::frame;
use crate::base::Clock;
use crate::base::limits;
use crate::base::thread::{Deathwatch, spawn};
use crate::http::{Socket, websocket};

/// The kind of event that a newer one of the same worker replaces: the only kind that may be
/// forgotten under load.
pub const HEARTBEAT: &str = "heartbeat";

/// Hands events to all who listen. Cloning shares it.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    clock: Clock,
    clients_max: usize,
    pace: Pace,
    events: Sender<Event>,
    counters: Arc<Counters>,
    next_id: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The times of the feed; tests have quicker ones.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) ping: Duration,
    pub(super) silence_max: Duration,
    pub(super) full_max: Duration,
}

#[derive(Default)]
struct Counters {
    clients: AtomicUsize,
    forgotten: AtomicU64,
}

/// All that can wake the hub.
enum Event {
    Join(Seat),
    Leave(u64),
    Publish { json: Vec<u8>, replaceable: bool },
    Stop,
}

/// A client, as the hub sees it.
struct Seat {
    id: u64,
    queue: Sender<Outgoing>,
    stream: Arc<TcpStream>,
    full_since: Option<Instant>,
}

impl Hub {
    /// Starts the hub's thread.
    pub fn start(clock: Clock, clients_max: usize, watch: &Deathwatch) -> io::Result<Self> {
        let pace = Pace {
            ping: limits::LIVE_PING_TIME,
            silence_max: limits::LIVE_SILENCE_TIME_MAX,
            full_max: limits::LIVE_FULL_TIME_MAX,
        };
        Self::start_paced(clock, clients_max, pace, watch)
    }

    pub(super) fn start_paced(
        clock: Clock,
        clients_max: usize,
        pace: Pace,
        watch: &Deathwatch,
    ) -> io::Result<Self> {
        let (sender, events) = bounded(limits::LIVE_EVENTS_QUEUED_MAX);
        let counters = Arc::new(Counters::default());
        let room = Room {
            events,
            counters: Arc::clone(&counters),
            pace,
            seats: HashMap::new(),
            batch: Vec::new(),
            batch_is_replaceable: true,
        };
        let thread = spawn("live", watch, move || {
            room.run();
            Ok(())
        })?;
        let (next_id, thread) = (AtomicU64::new(0), Mutex::new(Some(thread)));
        Ok(Hub(Arc::new(Inner { clock, clients_max, pace, events: sender, counters, next_id, thread })))
    }

    /// Hands an event to everyone who listens, as `{"type": kind, "data": data, "ts": now}`. Costs
    /// next to nothing when nobody does, and never waits for a client.
    pub fn publish<T: Serialize + ?Sized>(&self, kind: &'static str, data: &T) {
        if self.clients() == 0 {
            return;
        }
        let json = match frame::event(kind, data, self.0.clock.now()) {
            Ok(json) => json,
            Err(error) => return log::error!("a {kind} event cannot be encoded: {error}"),
        };
        let replaceable = kind == HEARTBEAT;
        let event = Event::Publish { json, replaceable };
        if !replaceable {
            // Full: waits until the hub comes round, a batch's time at most. An error is a hub that
            // has stopped: nobody listens any more.
            let _ = self.0.events.send(event);
        } else if let Err(TrySendError::Full(_)) = self.0.events.try_send(event) {
            self.0.counters.forgotten.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Serves one client on the calling thread until it is gone. It first gets a message `snapshot`
    /// with the JSON that `snapshot` returns, then every event published since it was called. A
    /// client beyond the cap is closed with 1013.
    pub fn serve<S>(&self, socket: Socket, snapshot: impl FnOnce() -> S)
    where
        S: AsRef<str> + Send + 'static,
    {
        let (stream, unread) = socket.into_parts();
        let Some(guest) = Guest::admit(&self.0.counters, self.0.clients_max) else {
            return client::turn_away(&stream, &websocket::close(CloseCode::Again, "Server overloaded"));
        };
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let (queue, outgoing) = bounded(limits::LIVE_BATCHES_QUEUED_MAX);
        let seat = Seat { id, queue: queue.clone(), stream: Arc::clone(&stream), full_since: None };
        // Registered before the snapshot is taken: what changes in between is in one or the other.
        if self.0.events.send(Event::Join(seat)).is_err() {
            // The hub has stopped.
            return client::turn_away(&stream, &going_away());
        }
        let _membership = Membership { _guest: guest, events: self.0.events.clone(), id };
        let line = Line { stream, queue, pace: self.0.pace };
        client::run(&line, unread, outgoing, snapshot(), self.0.clock.now());
    }

    /// Clients at this moment.
    pub fn clients(&self) -> usize {
        self.0.counters.clients.load(Ordering::SeqCst)
    }

    /// Closes all clients with 1001, waits a moment for their answers, cuts off the rest, and ends
    /// the thread. Clients that come later are closed with 1001 too.
    pub fn stop(&self) {
        // An error is a hub that has stopped already.
        let _ = self.0.events.send(Event::Stop);
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the live hub had panicked");
        }
    }
}

/// Counts a client for as long as it lives.
struct Guest(Arc<Counters>);

impl Guest {
    fn admit(counters: &Arc<Counters>, clients_max: usize) -> Option<Self> {
        let more = |clients: usize| (clients < clients_max).then_some(clients + 1);
        counters.clients.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(Guest(Arc::clone(counters)))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Tells the hub that a client has left, whatever way its thread ends.
struct Membership {
    _guest: Guest,
    events: Sender<Event>,
    id: u64,
}

impl Drop for Membership {
    fn drop(&mut self) {
        // An error is a hub that has stopped and forgotten everyone.
        let _ = self.events.send(Event::Leave(self.id));
    }
}

/// The hub's own state.
struct Room {
    events: Receiver<Event>,
    counters: Arc<Counters>,
    pace: Pace,
    seats: HashMap<u64, Seat>,
    batch: Vec<u8>,
    batch_is_replaceable: bool,
}

impl Room {
    fn run(mut self) {
        // An error is the last handle to the hub dropped, and with it every client.
        while let Ok(event) = self.events.recv() {
            if self.handle(event).is_break() {
                return self.say_farewell();
            }
            if self.batch.is_empty() {
                continue;
            }
            std::thread::sleep(limits::LIVE_BATCH_TIME);
            // Only what has arrived until now: publishers may be faster than this loop.
            for _ in 0..self.events.len() {
                let Ok(event) = self.events.try_recv() else { break };
                if self.handle(event).is_break() {
                    return self.say_farewell();
                }
            }
            self.flush();
        }
    }

    fn handle(&mut self, event: Event) -> std::ops::ControlFlow<()> {
        match event {
            Event::Join(seat) => {
                // What was published before is in the snapshot to come.
                self.flush();
                self.seats.insert(seat.id, seat);
            }
            Event::Leave(id) => drop(self.seats.remove(&id)),
            Event::Publish { json, replaceable } => {
                websocket::text(&json, &mut self.batch);
                self.batch_is_replaceable &= replaceable;
                if self.batch.len() >= limits::LIVE_BATCH_BYTES_MAX {
                    self.flush();
                }
            }
            Event::Stop => return std::ops::ControlFlow::Break(()),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn flush(&mut self) {
        let forgotten = self.counters.forgotten.swap(0, Ordering::Relaxed);
        if forgotten > 0 {
            log::warn!("{forgotten} heartbeats were not shown: too many at once");
        }
        if self.batch.is_empty() {
            return;
        }
        let batch: Arc<[u8]> = Arc::from(self.batch.as_slice());
        let (replaceable, full_max) = (self.batch_is_replaceable, self.pace.full_max);
        self.seats.retain(|_, seat| seat.offer(&batch, replaceable, full_max));
        self.batch.clear();
        self.batch_is_replaceable = true;
    }

    fn say_farewell(mut self) {
        self.flush();
        let deadline = Instant::now() + limits::LIVE_FAREWELL_TIME_MAX;
        self.seats.retain(|_, seat| seat.dismiss());
        while !self.seats.is_empty() {
            match self.events.recv_deadline(deadline) {
                Ok(Event::Join(mut seat)) => {
                    if seat.dismiss() {
                        self.seats.insert(seat.id, seat);
                    }
                }
                Ok(Event::Leave(id)) => drop(self.seats.remove(&id)),
                Ok(Event::Publish { .. } | Event::Stop) => {}
                // Out of time; a client that has not answered the close is cut off.
                Err(_) => break,
            }
        }
        for seat in self.seats.values() {
            seat.cut_off();
        }
    }
}

impl Seat {
    /// Queues a batch, or answers that this client is lost. While its queue is full a client misses
    /// heartbeats; it is cut off when that lasts, or at once when it would miss anything else.
    fn offer(&mut self, batch: &Arc<[u8]>, replaceable: bool, full_max: Duration) -> bool {
        match self.queue.try_send(Outgoing::Batch(Arc::clone(batch))) {
            Ok(()) => {
                self.full_since = None;
                true
            }
            Err(TrySendError::Full(_)) => {
                let full_for = self.full_since.get_or_insert_with(Instant::now).elapsed();
                let patient = replaceable && full_for < full_max;
                if !patient {
                    log::debug!("a dashboard that does not read is cut off");
                    self.cut_off();
                }
                patient
            }
            // Its writer has ended, and its reader is about to leave.
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    fn dismiss(&mut self) -> bool {
        let told = self.queue.try_send(Outgoing::Last(going_away())).is_ok();
        if !told {
            // Full or gone: there is no way to tell it.
            self.cut_off();
        }
        told
    }

    fn cut_off(&self) {
        // An error is a client that is already gone.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn going_away() -> Vec<u8> {
    websocket::close(CloseCode::Away, "Server is stopping")
}
