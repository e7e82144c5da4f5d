//! The hub as the rest of the house sees it: publish to it, be served by it.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde::Serialize;
use tungstenite::protocol::frame::coding::CloseCode;

use super::client::{self, Line, Opening, Outgoing};
use super::frame::Around;
use super::journal::{Journal, Place, Resume};
use super::room::{Audience, Event, News, Room, Seat, going_away};
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
    forgotten: Arc<AtomicU64>,
    journal: Arc<Journal>,
    next_id: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The times of the feed; tests have quicker ones.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) ping: Duration,
    pub(super) silence_max: Duration,
    pub(super) full_max: Duration,
    pub(super) delta: Duration,
}

#[derive(Default)]
struct Counters {
    clients: AtomicUsize,
    /// Those among them that get every event by itself.
    of_events: AtomicUsize,
}

impl Hub {
    /// Starts the hub's thread.
    pub fn start(clock: Clock, clients_max: usize, watch: &Deathwatch) -> io::Result<Self> {
        let pace = Pace {
            ping: limits::LIVE_PING_TIME,
            silence_max: limits::LIVE_SILENCE_TIME_MAX,
            full_max: limits::LIVE_FULL_TIME_MAX,
            delta: limits::LIVE_DELTA_TIME,
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
        let (forgotten, journal) = (Arc::new(AtomicU64::new(0)), Journal::new());
        let room = Room::new(events, Arc::clone(&forgotten), Arc::clone(&journal), pace);
        let thread = spawn("live", watch, move || {
            room.run();
            Ok(())
        })?;
        Ok(Hub(Arc::new(Inner {
            clock,
            clients_max,
            pace,
            events: sender,
            counters: Arc::default(),
            forgotten,
            journal,
            next_id: AtomicU64::new(0),
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// Hands an event to everyone who listens, as `{"type": kind, "data": data, "ts": now}` or within
    /// a delta. Costs next to nothing when nobody does, and never waits for a client.
    pub fn publish<T: Serialize + ?Sized>(&self, kind: &'static str, data: &T) {
        self.tell(kind, None, data, Audience::All);
    }

    /// The same for an event of which only the newest with this `key` counts.
    pub fn publish_newest<T: Serialize + ?Sized>(&self, kind: &'static str, key: &str, data: &T) {
        self.tell(kind, Some(key), data, Audience::All);
    }

    /// Hands an event to those who get every event by itself.
    pub fn publish_event<T: Serialize + ?Sized>(&self, kind: &'static str, data: &T) {
        self.tell(kind, None, data, Audience::Events);
    }

    /// Hands a change to those who get deltas: the newest with this `key`.
    pub fn publish_change<T: Serialize + ?Sized>(&self, kind: &'static str, key: &str, data: &T) {
        self.tell(kind, Some(key), data, Audience::Deltas);
    }

    fn tell<T: Serialize + ?Sized>(
        &self,
        kind: &'static str,
        key: Option<&str>,
        data: &T,
        audience: Audience,
    ) {
        let (to_events, to_deltas) = (self.has_event_clients(), self.has_delta_clients());
        let audience = match audience {
            Audience::All if to_events && to_deltas => Audience::All,
            Audience::All | Audience::Events if to_events => Audience::Events,
            Audience::All | Audience::Deltas if to_deltas => Audience::Deltas,
            // Nobody listens.
            _ => return,
        };
        let data = match serde_json::to_vec(data) {
            Ok(data) => data,
            Err(error) => return log::error!("a {kind} event cannot be encoded: {error}"),
        };
        let key = key.filter(|_| audience != Audience::Events).map(Box::from);
        let (ts, replaceable) = (self.0.clock.now(), kind == HEARTBEAT);
        let event = Event::Publish(News { kind, key, data, ts, replaceable, audience });
        if !replaceable {
            // Full: waits until the hub comes round, a batch's time at most. An error is a hub that
            // has stopped: nobody listens any more.
            let _ = self.0.events.send(event);
        } else if let Err(TrySendError::Full(_)) = self.0.events.try_send(event) {
            self.0.forgotten.fetch_add(1, Ordering::Relaxed);
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
        let Some(guest) = self.admit(&stream, true) else { return };
        let Some((line, outgoing, _membership)) = self.join(stream, guest, None) else { return };
        let data = Some(snapshot());
        let opening = Opening { around: Around::snapshot(self.0.clock.now()), data, follower: None };
        client::run(&line, unread, outgoing, opening);
    }

    /// The same for a client that gets deltas: it goes on from `resume` when everything since is still
    /// known, and begins with a snapshot otherwise.
    pub fn serve_deltas<S>(&self, socket: Socket, resume: Option<&Resume>, snapshot: impl FnOnce() -> S)
    where
        S: AsRef<str> + Send + 'static,
    {
        let (stream, unread) = socket.into_parts();
        let Some(guest) = self.admit(&stream, false) else { return };
        // Before the snapshot is taken: what changes in between is in one or the other, or in both.
        let (follower, resumed) = self.0.journal.follow(resume);
        let place = Some(Arc::clone(&follower.place));
        let Some((line, outgoing, _membership)) = self.join(stream, guest, place) else { return };
        let at = Resume { feed: self.0.journal.feed.clone(), seq: follower.place.seq() };
        let (kind, data) = if resumed { ("resumed", None) } else { ("snapshot", Some(snapshot())) };
        let around = Around::numbered(kind, &at, self.0.clock.now());
        client::run(&line, unread, outgoing, Opening { around, data, follower: Some(follower) });
    }

    fn admit(&self, stream: &TcpStream, of_events: bool) -> Option<Guest> {
        let guest = Guest::admit(&self.0.counters, self.0.clients_max, of_events);
        if guest.is_none() {
            client::turn_away(stream, &websocket::close(CloseCode::Again, "Server overloaded"));
        }
        guest
    }

    /// Registers a client, before its snapshot is taken: what changes in between comes after it.
    fn join(
        &self,
        stream: Arc<TcpStream>,
        guest: Guest,
        place: Option<Arc<Place>>,
    ) -> Option<(Line, Receiver<Outgoing>, Membership)> {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let (queue, outgoing) = bounded(limits::LIVE_BATCHES_QUEUED_MAX);
        let seat = Seat::new(id, queue.clone(), Arc::clone(&stream), place);
        if self.0.events.send(Event::Join(seat)).is_err() {
            // The hub has stopped.
            client::turn_away(&stream, &going_away());
            return None;
        }
        let membership = Membership { _guest: guest, events: self.0.events.clone(), id };
        Some((Line { stream, queue, pace: self.0.pace }, outgoing, membership))
    }

    /// Clients at this moment.
    pub fn clients(&self) -> usize {
        self.0.counters.clients.load(Ordering::SeqCst)
    }

    /// Whether anybody gets every event by itself.
    pub fn has_event_clients(&self) -> bool {
        self.0.counters.of_events.load(Ordering::SeqCst) > 0
    }

    /// Whether anybody gets deltas, or may come back for them.
    pub fn has_delta_clients(&self) -> bool {
        self.0.journal.is_awake()
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
struct Guest {
    counters: Arc<Counters>,
    of_events: bool,
}

impl Guest {
    fn admit(counters: &Arc<Counters>, clients_max: usize, of_events: bool) -> Option<Self> {
        let more = |clients: usize| (clients < clients_max).then_some(clients + 1);
        counters.clients.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        counters.of_events.fetch_add(usize::from(of_events), Ordering::SeqCst);
        Some(Guest { counters: Arc::clone(counters), of_events })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.counters.clients.fetch_sub(1, Ordering::SeqCst);
        self.counters.of_events.fetch_sub(usize::from(self.of_events), Ordering::SeqCst);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    /// A hub with one listener, whose thread does not come round.
    fn stuck() -> (Hub, Receiver<Event>) {
        let (sender, events) = bounded(limits::LIVE_EVENTS_QUEUED_MAX);
        let counters = Counters { clients: AtomicUsize::new(1), of_events: AtomicUsize::new(1) };
        let never = Duration::MAX;
        let hub = Inner {
            clock: Clock::manual(Timestamp::default()),
            clients_max: 1,
            pace: Pace { ping: never, silence_max: never, full_max: never, delta: never },
            events: sender,
            counters: Arc::new(counters),
            forgotten: Arc::default(),
            journal: Journal::new(),
            next_id: AtomicU64::new(0),
            thread: Mutex::default(),
        };
        (Hub(Arc::new(hub)), events)
    }

    #[test]
    fn heartbeats_that_find_the_queue_full_are_counted_and_all_else_waits() {
        let (hub, events) = stuck();
        for hashrate in 0..limits::LIVE_EVENTS_QUEUED_MAX + 3 {
            hub.publish_newest(HEARTBEAT, "rig-1", &hashrate);
        }
        assert_eq!((events.len(), hub.0.forgotten.load(Ordering::Relaxed)), (events.capacity().unwrap(), 3));
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| (0..3).for_each(|number| hub.publish("block", &number)));
            let mut blocks = 0;
            for _ in 0..limits::LIVE_EVENTS_QUEUED_MAX + 3 {
                let Ok(Event::Publish(news)) = events.recv_timeout(Duration::from_secs(20)) else { panic!() };
                blocks += u32::from(news.kind == "block");
            }
            waiting.join().unwrap();
            assert_eq!((blocks, events.len()), (3, 0));
        });
    }
}
