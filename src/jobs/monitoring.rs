//! Monitoring: heartbeats go to the database, hashrates to the charts, silent workers to the
//! dashboards, and what is old goes.

use std::time::Duration;

use crossbeam_channel::{Receiver, select};
use serde::Serialize;

use super::House;
use crate::base::limits::{ACTS_KEPT_TIME, ACTS_MAX, STORE_BULK_ROWS_MAX};
use crate::base::thread::BoxError;
use crate::base::{Timestamp, WorkerId, memory};
use crate::fleet::ONLINE_WINDOW;
use crate::market::accounts::IDEMPOTENCY_LIFETIME;
use crate::store::snapshots::{self, Resolution, Sample};
use crate::store::{StoreError, acts, idempotency, workers};

const FLUSH_EVERY: Duration = Duration::from_secs(1);
const SNAPSHOT_EVERY: Duration = Duration::from_secs(30);
const HEALTH_EVERY: Duration = Duration::from_secs(60);
const CLEANUP_EVERY: Duration = Duration::from_secs(3600);
/// Contract: rest.md, Rules, Snapshots.
const HASHRATES_KEPT: Duration = Duration::from_secs(86_400);
const WALLET_HOURS_KEPT: Duration = Duration::from_secs(7 * 86_400);
const WALLET_DAYS_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Runs until `stop` closes, then flushes once more. An `Err` is the store's end.
pub fn monitor(house: &House, stop: &Receiver<()>) -> Result<(), BoxError> {
    let clock = &house.clock;
    let (flushes, snapshots) = (clock.every(FLUSH_EVERY), clock.every(SNAPSHOT_EVERY));
    let (looks, cleanups) = (clock.every(HEALTH_EVERY), clock.every(CLEANUP_EVERY));
    let mut looked = clock.now();
    house.record_hashrates(looked)?;
    house.clean_up(looked)?;
    loop {
        select! {
            recv(flushes) -> _ => {
                clock.discipline();
                house.flush_heartbeats()?;
            }
            recv(snapshots) -> _ => house.record_hashrates(clock.now())?,
            recv(looks) -> _ => {
                let now = clock.now();
                house.report_silence(looked, now);
                looked = now;
                memory::give_back();
            }
            recv(cleanups) -> _ => house.clean_up(clock.now())?,
            // Closed: the platform is stopping.
            recv(stop) -> _ => break,
        }
    }
    Ok(house.flush_heartbeats()?)
}

#[derive(Serialize)]
struct Silence<'a> {
    worker_id: &'a WorkerId,
    last_heartbeat: Timestamp,
    offline_sec: f64,
}

impl House {
    fn flush_heartbeats(&self) -> Result<(), StoreError> {
        let pulses = self.fleet.take_pulses();
        for chunk in pulses.chunks(STORE_BULK_ROWS_MAX) {
            let chunk = chunk.to_vec();
            self.bulk(move |connection| {
                chunk.iter().try_for_each(|pulse| workers::write_pulse(connection, pulse))
            })?;
        }
        Ok(())
    }

    fn record_hashrates(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut samples = Vec::new();
        self.fleet.each_online(now, |worker, live| {
            let (hashrate, active_gpus) = (live.hashrate, live.active_gpus);
            samples.push(Sample { worker_id: worker.clone(), taken_at: now, hashrate, active_gpus });
        });
        for chunk in samples.chunks(STORE_BULK_ROWS_MAX) {
            let chunk = chunk.to_vec();
            self.bulk(move |connection| {
                chunk.iter().try_for_each(|sample| snapshots::insert_sample(connection, sample))
            })?;
        }
        Ok(())
    }

    /// Who is silent, for the prototype's dashboards, and who has become so since the last look, for ours.
    fn report_silence(&self, looked: Timestamp, now: Timestamp) {
        let mut away = self.fleet.away(now);
        // Who said goodbye a moment ago is not silent for long enough.
        away.retain(|(_, last_heartbeat)| last_heartbeat.plus(ONLINE_WINDOW) <= now);
        if away.is_empty() {
            return;
        }
        let silences: Vec<_> = away
            .iter()
            .map(|(worker_id, last_heartbeat)| Silence {
                worker_id,
                last_heartbeat: *last_heartbeat,
                offline_sec: Timestamp::from_micros(now.micros_since(*last_heartbeat)).seconds(),
            })
            .collect();
        self.live.publish_event("health", &silences);
        for silence in silences.iter().filter(|silence| silence.last_heartbeat.plus(ONLINE_WINDOW) > looked) {
            self.live.publish_change("silent", silence.worker_id.as_str(), silence);
        }
    }

    fn clean_up(&self, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let gone = self.bulk(move |connection| {
                let rows = i64::try_from(STORE_BULK_ROWS_MAX).expect("a small limit");
                Ok(snapshots::forget_samples(connection, now.minus(HASHRATES_KEPT), rows)?
                    + snapshots::forget_periods(
                        connection,
                        Resolution::Hour,
                        now.minus(WALLET_HOURS_KEPT),
                        rows,
                    )?
                    + snapshots::forget_periods(
                        connection,
                        Resolution::Day,
                        now.minus(WALLET_DAYS_KEPT),
                        rows,
                    )?
                    + idempotency::forget(connection, now.minus(IDEMPOTENCY_LIFETIME))?
                    + acts::forget(connection, now.minus(ACTS_KEPT_TIME), ACTS_MAX, rows)?)
            })?;
            if gone < STORE_BULK_ROWS_MAX {
                return Ok(());
            }
        }
    }

    /// A job behind all others. A statement that fails is logged, for the next round; the store's
    /// end is an `Err`.
    fn bulk<T: Default + Send + 'static>(
        &self,
        job: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.store.write_bulk::<T, StoreError, _>(move |scope| Ok(job(scope)?)) {
            Err(error @ StoreError::Stopped) => Err(error),
            Err(error) => {
                log::error!("monitoring: {error}");
                Ok(T::default())
            }
            done => done,
        }
    }
}
