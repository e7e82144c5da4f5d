//! What happened goes out: commands to workers, events to dashboards. Committed events only.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, select};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::{Api, live_feed};
use crate::base::thread::{BoxError, Deathwatch, spawn};
use crate::base::{Clock, LeaseId, Timestamp, WorkerId, crash};
use crate::broker::Publisher;
use crate::fleet::Fleet;
use crate::live::Hub;
use crate::market::Event;
use crate::protocol::{Channel, Topic};
use crate::store::blocks::Block;

/// A new roster is sent to all dashboards at most this often (contract: web-client.md).
const ROSTER_INTERVAL: Duration = Duration::from_secs(5);
/// How often those who get deltas are told the totals.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// What dispatch works with.
pub(super) struct Parts {
    pub(super) committed: Receiver<Event>,
    pub(super) publisher: Publisher,
    pub(super) live: Hub,
    pub(super) fleet: Arc<Fleet>,
    pub(super) api: Arc<Api>,
    pub(super) pending: Sender<Block>,
    pub(super) clock: Clock,
}

/// The dispatch thread.
pub(super) struct Dispatch(JoinHandle<()>);

impl Dispatch {
    pub(super) fn start(parts: Parts, watch: &Deathwatch) -> std::io::Result<Self> {
        Ok(Dispatch(spawn("dispatch", watch, move || parts.run())?))
    }

    /// Waits for its end, which comes when the store has stopped and all was told.
    pub(super) fn stop(self) {
        // Err: it died of a panic, which the deathwatch has reported.
        let _ = self.0.join();
    }
}

#[derive(Serialize)]
struct LeaseEvent<'a> {
    lease_id: &'a LeaseId,
    worker_id: &'a WorkerId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_sec: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks_found: Option<i64>,
    #[serde(flatten)]
    pause: Option<Pause>,
}

#[derive(Serialize)]
struct Pause {
    /// What the worker does instead of mining; null when it mines again.
    paused: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupted_since: Option<Timestamp>,
}

impl<'a> LeaseEvent<'a> {
    /// Of an active lease.
    fn of(lease_id: &'a LeaseId, worker_id: &'a WorkerId) -> Self {
        LeaseEvent {
            lease_id,
            worker_id,
            state: "active",
            duration_sec: None,
            blocks_found: None,
            pause: None,
        }
    }
}

#[derive(Serialize)]
struct WorkerEvent<'a> {
    worker_id: &'a WorkerId,
}

impl Parts {
    fn run(self) -> Result<(), BoxError> {
        let (ticks, seconds) = (self.clock.every(ROSTER_INTERVAL), self.clock.every(STATS_INTERVAL));
        let mut roster_changed = false;
        loop {
            select! {
                recv(self.committed) -> event => match event {
                    Ok(event) => {
                        roster_changed |= matches!(event, Event::RosterChanged(_));
                        self.tell(event)?;
                    }
                    // The store has stopped and everything is told.
                    Err(_) => return Ok(()),
                },
                recv(seconds) -> _ => live_feed::publish_stats(&self.api),
                recv(ticks) -> tick => roster_changed = self.renew_roster(tick.is_ok() && roster_changed),
            }
        }
    }

    fn tell(&self, event: Event) -> Result<(), BoxError> {
        crash::point("dispatch");
        match event {
            Event::Command { worker, command } => {
                let payload = serde_json::to_vec(&command)?;
                self.publisher.publish(&Topic { worker, channel: Channel::Task }, payload);
            }
            Event::RosterChanged(worker) => live_feed::publish_worker(&self.api, &worker),
            Event::WorkerChanged(worker) => {
                self.live.publish_event("worker", &WorkerEvent { worker_id: &worker });
                live_feed::publish_worker(&self.api, &worker);
            }
            Event::LeaseStarted { lease, worker, prefix, duration_sec, .. } => {
                self.fleet.expect_prefix(&worker, Some(prefix), self.clock.now());
                let event = LeaseEvent::of(&lease, &worker);
                self.tell_lease(&LeaseEvent { duration_sec: Some(duration_sec), ..event });
                live_feed::publish_worker(&self.api, &worker);
            }
            Event::LeaseExtended { lease, worker, duration_sec } => {
                let event = LeaseEvent::of(&lease, &worker);
                self.tell_lease(&LeaseEvent { duration_sec: Some(duration_sec), ..event });
            }
            Event::LeaseEnded(settlement) => {
                self.fleet.expect_prefix(&settlement.worker_id, None, self.clock.now());
                let event = LeaseEvent::of(&settlement.lease_id, &settlement.worker_id);
                let blocks_found = Some(settlement.blocks_found);
                self.tell_lease(&LeaseEvent { state: "completed", blocks_found, ..event });
            }
            Event::LeasePaused { lease, worker, does, since } => {
                self.fleet.set_paused(&worker, true);
                let pause = Some(Pause { paused: Some(does.as_str()), interrupted_since: Some(since) });
                self.tell_lease(&LeaseEvent { pause, ..LeaseEvent::of(&lease, &worker) });
            }
            Event::LeaseUnpaused { lease, worker } => {
                self.fleet.set_paused(&worker, false);
                let pause = Some(Pause { paused: None, interrupted_since: None });
                self.tell_lease(&LeaseEvent { pause, ..LeaseEvent::of(&lease, &worker) });
            }
            Event::Block(block) => {
                self.live.publish("block", &live_feed::block_for_public(&self.api, &block));
            }
            Event::BlockPending(block) => match self.pending.try_send(block) {
                // Full: it waits in the database. Disconnected: the platform is stopping; likewise.
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            },
        }
        Ok(())
    }

    fn tell_lease(&self, event: &LeaseEvent<'_>) {
        self.live.publish("lease", event);
    }

    /// Sends a new snapshot when workers were added; old clients know no other way to learn of them.
    fn renew_roster(&self, due: bool) -> bool {
        if !due || !self.live.has_event_clients() {
            return false;
        }
        let started = Instant::now();
        let snapshot = live_feed::snapshot(&self.api).ok().and_then(|json| RawValue::from_string(json).ok());
        if let Some(snapshot) = snapshot {
            self.live.publish_event("snapshot", &*snapshot);
        }
        log::debug!("sent a new roster, {} ms", started.elapsed().as_millis());
        false
    }
}
