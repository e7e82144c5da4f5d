//! The hub's event loop: who listens, and what they all get.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use tungstenite::protocol::frame::coding::CloseCode;

use super::client::Outgoing;
use super::delta::Gathering;
use super::frame;
use super::hub::Pace;
use super::journal::{Journal, Place};
use crate::base::Timestamp;
use crate::base::limits;
use crate::http::websocket;

/// All that can wake the hub.
pub(super) enum Event {
    Join(Seat),
    Leave(u64),
    Publish(News),
    Stop,
}

/// Something that happened.
pub(super) struct News {
    pub(super) kind: &'static str,
    /// What it is of: a newer one takes its place in a delta.
    pub(super) key: Option<Box<str>>,
    /// JSON.
    pub(super) data: Vec<u8>,
    pub(super) ts: Timestamp,
    /// May be forgotten under load.
    pub(super) replaceable: bool,
    pub(super) audience: Audience,
}

/// Whom it is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    All,
    Events,
    Deltas,
}

/// A client, as the hub sees it.
pub(super) struct Seat {
    pub(super) id: u64,
    pub(super) queue: Sender<Outgoing>,
    pub(super) stream: Arc<TcpStream>,
    /// Where a client that follows the journal is.
    pub(super) place: Option<Arc<Place>>,
    full_since: Option<Instant>,
    moved: u64,
}

/// The hub's own state.
pub(super) struct Room {
    events: Receiver<Event>,
    forgotten: Arc<AtomicU64>,
    pace: Pace,
    seats: HashMap<u64, Seat>,
    batch: Vec<u8>,
    batch_is_replaceable: bool,
    journal: Arc<Journal>,
    gathering: Gathering<'static>,
    /// When what gathers becomes a delta, and the time it will bear.
    due: Option<(Instant, Timestamp)>,
}

impl Room {
    pub(super) fn new(
        events: Receiver<Event>,
        forgotten: Arc<AtomicU64>,
        journal: Arc<Journal>,
        pace: Pace,
    ) -> Self {
        Room {
            events,
            forgotten,
            pace,
            seats: HashMap::new(),
            batch: Vec::new(),
            batch_is_replaceable: true,
            journal,
            gathering: Gathering::default(),
            due: None,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            let next = match self.due {
                Some((due, _)) => self.events.recv_deadline(due),
                None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(event) => {
                    if self.handle(event).is_break() {
                        return self.say_farewell();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The last handle to the hub is dropped, and with it every client.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !self.batch.is_empty() {
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
            if self.due.is_some_and(|(due, _)| due <= Instant::now()) {
                self.close_delta();
            }
        }
    }

    fn handle(&mut self, event: Event) -> ControlFlow<()> {
        match event {
            Event::Join(seat) => {
                // What was published before is in the snapshot to come.
                self.flush();
                if seat.place.is_some() {
                    // What came between its first look at the journal and now.
                    seat.wake();
                }
                self.seats.insert(seat.id, seat);
            }
            Event::Leave(id) => drop(self.seats.remove(&id)),
            Event::Publish(news) => self.take(news),
            Event::Stop => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, news: News) {
        let News { kind, key, data, ts, replaceable, audience } = news;
        if audience != Audience::Deltas {
            frame::event(kind, &data, ts, &mut self.batch);
            self.batch_is_replaceable &= replaceable;
            if self.batch.len() >= limits::LIVE_BATCH_BYTES_MAX {
                self.flush();
            }
        }
        if audience != Audience::Events && self.journal.is_awake() {
            self.gathering.add(kind, key.map(|key| Cow::Owned(key.into())), Cow::Owned(data));
            let due = self.due.map_or_else(|| Instant::now() + self.pace.delta, |(due, _)| due);
            self.due = Some((due, ts));
            if self.gathering.bytes() >= limits::LIVE_BATCH_BYTES_MAX {
                self.close_delta();
            }
        }
    }

    fn flush(&mut self) {
        let forgotten = self.forgotten.swap(0, Ordering::Relaxed);
        if forgotten > 0 {
            log::warn!("{forgotten} heartbeats were not shown: too many at once");
        }
        if self.batch.is_empty() {
            return;
        }
        let batch: Arc<[u8]> = Arc::from(self.batch.as_slice());
        let (replaceable, full_max) = (self.batch_is_replaceable, self.pace.full_max);
        self.seats.retain(|_, seat| seat.place.is_some() || seat.offer(&batch, replaceable, full_max));
        self.batch.clear();
        self.batch_is_replaceable = true;
    }

    /// Makes a delta of what has gathered and tells those who follow. Who has taken nothing for too
    /// long while something waited is cut off.
    fn close_delta(&mut self) {
        let Some((_, ts)) = self.due.take() else { return };
        let (newest, full_max) = (self.journal.newest(), self.pace.full_max);
        self.journal.add(std::mem::take(&mut self.gathering), ts);
        self.seats.retain(|_, seat| seat.place.is_none() || seat.follow(newest, full_max));
        self.journal.rest();
    }

    fn say_farewell(mut self) {
        self.flush();
        self.close_delta();
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
                Ok(Event::Publish(_) | Event::Stop) => {}
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
    pub(super) fn new(
        id: u64,
        queue: Sender<Outgoing>,
        stream: Arc<TcpStream>,
        place: Option<Arc<Place>>,
    ) -> Self {
        Seat { id, queue, stream, place, full_since: None, moved: 0 }
    }

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

    /// Tells a follower that there is more, or answers that it is lost: it had not taken `newest` yet,
    /// nor any piece of what was before it, for too long.
    fn follow(&mut self, newest: u64, full_max: Duration) -> bool {
        let Some(place) = &self.place else { return true };
        let moved = place.moved();
        let waits = moved > 0 && place.seq() < newest && moved == self.moved;
        self.moved = moved;
        if !waits {
            self.full_since = None;
        } else if self.full_since.get_or_insert_with(Instant::now).elapsed() >= full_max {
            log::debug!("a dashboard that does not read is cut off");
            self.cut_off();
            return false;
        }
        self.wake();
        true
    }

    fn wake(&self) {
        // Full: it will find this when it comes to what is queued. Disconnected: it is about to leave.
        let _ = self.queue.try_send(Outgoing::News);
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

/// The close that everyone gets when the server stops.
pub(super) fn going_away() -> Vec<u8> {
    websocket::close(CloseCode::Away, "Server is stopping")
}
