//! Monitoring: what heartbeats said goes to the database, samples of hashrates are taken, and
//! dashboards are told who is silent.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use serde::Serialize;

use super::{logged, rings, stopped};
use crate::base::limits::{FLUSHED_AT_ONCE, FORGOTTEN_AT_ONCE};
use crate::base::{Clock, Timestamp, WorkerId};
use crate::fleet::{Fleet, ONLINE_WINDOW};
use crate::live::Hub;
use crate::market::accounts::IDEMPOTENCY_LIFETIME;
use crate::market::{self, Refusal, Store};
use crate::store::snapshots::{self, Resolution, Sample};
use crate::store::{idempotency, workers};

const TICK: Duration = Duration::from_secs(1);
const SAMPLE_PERIOD: Duration = Duration::from_secs(30);
const HEALTH_PERIOD: Duration = Duration::from_secs(60);
const RETENTION_PERIOD: Duration = Duration::from_secs(3600);

const DAY: Duration = Duration::from_secs(86_400);
const SAMPLES_KEPT: Duration = DAY;
const HOURS_KEPT: Duration = Duration::from_secs(7 * 86_400);
const DAYS_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Every second: the clock is disciplined and pulses are flushed. Every 30 s: a sample of the workers
/// that are online. Every minute: the live event `health`. Every hour: what is too old is forgotten.
pub struct Monitoring {
    /// The database.
    pub store: Store,
    /// Where heartbeats arrive.
    pub fleet: Arc<Fleet>,
    /// The time.
    pub clock: Clock,
    /// The dashboards.
    pub live: Hub,
}

/// A worker that is silent, as the event `health` tells it (contract: web-client.md).
#[derive(Serialize)]
struct Silent {
    worker_id: WorkerId,
    last_heartbeat: Timestamp,
    offline_sec: f64,
}

/// When something is due next. What was missed is done once, not as often as it was missed.
struct Due {
    at: Timestamp,
    period: Duration,
}

impl Due {
    fn is_now(&mut self, now: Timestamp) -> bool {
        let due = now >= self.at;
        if due {
            let late = now.micros_since(self.at);
            let period = crate::base::time::micros_of(self.period);
            self.at = Timestamp::from_micros(self.at.micros() + (late / period + 1) * period);
        }
        due
    }
}

impl Monitoring {
    /// Runs until told to stop; the last pulses are flushed before it returns.
    pub fn run(self, stop: Receiver<()>) {
        let bell = self.clock.every(TICK);
        let start = self.clock.now();
        let mut sample = Due { at: start, period: SAMPLE_PERIOD };
        let mut health = Due { at: start.plus(HEALTH_PERIOD), period: HEALTH_PERIOD };
        let mut retention = Due { at: start, period: RETENTION_PERIOD };
        loop {
            self.clock.discipline();
            let now = self.clock.now();
            logged("flushing heartbeats", self.flush());
            if sample.is_now(now) {
                logged("taking a sample", self.sample(now));
            }
            if health.is_now(now) {
                self.tell_health(now);
            }
            if retention.is_now(now) {
                logged("forgetting what is old", self.forget(now, &stop));
            }
            if !rings(&bell, &stop) {
                break;
            }
        }
        logged("flushing the last heartbeats", self.flush());
    }

    /// Writes what heartbeats said; a pulse that cannot be written is replaced by the next.
    fn flush(&self) -> Result<(), Refusal> {
        let mut pulses = self.fleet.take_pulses();
        while !pulses.is_empty() {
            let rest = pulses.split_off(pulses.len().min(FLUSHED_AT_ONCE));
            self.store.write_bulk::<_, Refusal, _>(move |scope| {
                pulses.iter().try_for_each(|pulse| Ok(workers::write_pulse(scope, pulse)?))
            })?;
            pulses = rest;
        }
        Ok(())
    }

    fn sample(&self, now: Timestamp) -> Result<(), Refusal> {
        let mut samples = Vec::new();
        self.fleet.each_online(now, |id, live| {
            samples.push(Sample {
                worker_id: id.clone(),
                taken_at: now,
                hashrate: live.hashrate,
                active_gpus: live.active_gpus,
            });
        });
        while !samples.is_empty() {
            let rest = samples.split_off(samples.len().min(FLUSHED_AT_ONCE));
            self.store.write_bulk::<_, Refusal, _>(move |scope| {
                samples.iter().try_for_each(|sample| Ok(snapshots::insert_sample(scope, sample)?))
            })?;
            samples = rest;
        }
        Ok(())
    }

    fn tell_health(&self, now: Timestamp) {
        let silent = silent(&self.fleet, now);
        if !silent.is_empty() {
            self.live.publish("health", &silent);
        }
    }

    fn forget(&self, now: Timestamp, stop: &Receiver<()>) -> Result<(), Refusal> {
        let limit = FORGOTTEN_AT_ONCE;
        self.in_batches(stop, move |scope| {
            Ok(snapshots::forget_samples(scope, now.minus(SAMPLES_KEPT), limit)?)
        })?;
        for (resolution, kept) in [(Resolution::Hour, HOURS_KEPT), (Resolution::Day, DAYS_KEPT)] {
            self.in_batches(stop, move |scope| {
                Ok(snapshots::forget_periods(scope, resolution, now.minus(kept), limit)?)
            })?;
        }
        self.store.write_bulk::<_, Refusal, _>(move |scope| {
            idempotency::forget(scope, now.minus(IDEMPOTENCY_LIFETIME))?;
            Ok(())
        })
    }

    /// Small deletions, so that nobody's money waits for a large one.
    fn in_batches(
        &self,
        stop: &Receiver<()>,
        delete: impl Fn(&mut market::Scope<'_>) -> Result<usize, Refusal> + Copy + Send + 'static,
    ) -> Result<(), Refusal> {
        let full = usize::try_from(FORGOTTEN_AT_ONCE).expect("a small limit");
        while self.store.write_bulk(delete)? >= full && !stopped(stop) {}
        Ok(())
    }
}

/// Workers that have been silent for as long as makes them offline, longest first.
fn silent(fleet: &Fleet, now: Timestamp) -> Vec<Silent> {
    let mut away = fleet.away(now);
    away.retain(|(_, last_seen)| last_seen.plus(ONLINE_WINDOW) <= now);
    away.sort_by_key(|(_, last_seen)| *last_seen);
    let tell = |(worker_id, last_heartbeat): (WorkerId, Timestamp)| Silent {
        worker_id,
        last_heartbeat,
        offline_sec: (now.micros_since(last_heartbeat) / 100_000) as f64 / 10.0,
    };
    away.into_iter().map(tell).collect()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of whole numbers are exact")]
mod tests {
    use super::super::testing::Platform;
    use super::*;

    fn monitoring(platform: &Platform) -> Monitoring {
        Monitoring {
            store: platform.store.clone(),
            fleet: platform.fleet.clone(),
            clock: platform.clock.clone(),
            live: platform.hub(),
        }
    }

    #[test]
    fn heartbeats_are_flushed_and_samples_taken() {
        let platform = Platform::new();
        platform.worker("rig-1");
        platform.worker("rig-2");
        let job = monitoring(&platform);
        let running = platform.start(|stop| job.run(stop));
        let samples = |c: &rusqlite::Connection| {
            snapshots::of_all(c, Timestamp::from_micros(0), platform.clock.now(), 10).unwrap().len()
        };
        platform.await_that(|c| samples(c) == 2);
        platform.clock.advance(Duration::from_secs(10));
        platform.beat("rig-1", 500.0);
        platform.clock.advance(Duration::from_secs(20));
        platform
            .await_that(|c| workers::get(c, &"rig-1".parse().unwrap()).unwrap().unwrap().hashrate == 500.0);
        platform.await_that(|c| samples(c) == 4);
        platform.beat("rig-2", 7.0);
        running.stop();
        let last = platform.read(|c| workers::get(c, &"rig-2".parse().unwrap()).unwrap().unwrap());
        assert_eq!(last.hashrate, 7.0);
        assert_eq!(last.total_online, 30_000_000);
    }

    #[test]
    fn who_is_silent_is_told_and_who_just_said_goodbye_is_not_yet() {
        let platform = Platform::new();
        platform.worker("rig-1");
        platform.clock.advance(Duration::from_secs(89));
        platform.worker("rig-2");
        platform.fleet.gone(&"rig-2".parse().unwrap(), platform.clock.now());
        assert!(silent(&platform.fleet, platform.clock.now()).is_empty());
        platform.clock.advance(Duration::from_millis(1550));
        let told = silent(&platform.fleet, platform.clock.now());
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].worker_id.as_str(), told[0].offline_sec), ("rig-1", 90.5));
    }

    #[test]
    fn what_is_old_is_forgotten_in_batches() {
        let platform = Platform::new();
        platform.execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2500)
             INSERT INTO hashrate_snapshots SELECT 'rig-' || (n % 7), n * 1000000, 1.0, 1 FROM numbers;
             INSERT INTO hashrate_snapshots VALUES ('rig-1', 1789999999000000, 1.0, 1)",
        );
        let (_keep, stop) = crossbeam_channel::bounded(1);
        monitoring(&platform).forget(platform.clock.now(), &stop).unwrap();
        let left = platform
            .read(|c| snapshots::of_all(c, Timestamp::from_micros(0), platform.clock.now(), 9999).unwrap());
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn what_was_missed_is_due_once() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut due = Due { at: at(30), period: SAMPLE_PERIOD };
        assert!(!due.is_now(at(29)));
        assert!(due.is_now(at(100)));
        assert!(!due.is_now(at(119)));
        assert!(due.is_now(at(120)));
    }
}
