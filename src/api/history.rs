//! The fleet's hashrate over time. Samples never change once they are taken, so what was computed
//! of them is kept until there are new ones.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use serde::Serialize;

use super::views::rounded;
use super::{Api, ApiError};
use crate::base::limits::{HISTORY_KEPT_MAX, HISTORY_ROWS_MAX};
use crate::base::{Timestamp, WorkerId};
use crate::store::snapshots::{self, Sample};

/// Between two samples of a worker (contract: rest.md, Rules).
const SAMPLE_SECONDS: f64 = 30.0;
/// A sample is in the database this long after its moment at the latest.
const GRACE: Duration = Duration::from_secs(5);
const MICROS_PER_SECOND: i64 = 1_000_000;
/// The periods that there are totals of, seconds. Few, so that all of them stay computed: to sum a
/// day of a large fleet anew takes a second.
const PERIODS_SEC: [i64; 8] = [30, 60, 120, 300, 600, 900, 1800, 3600];
const _: () = assert!(PERIODS_SEC.len() <= HISTORY_KEPT_MAX);

/// What was computed before.
#[derive(Default)]
pub struct History {
    bodies: Mutex<Vec<Body>>,
    series: Mutex<Vec<Series>>,
}

/// The newest moment and how many samples of it are in: they come in batches.
type Newest = Option<(Timestamp, i64)>;

/// The encoded samples of a stretch of time, as of the newest of them.
struct Body {
    hours: u64,
    newest: Newest,
    json: Arc<Vec<u8>>,
}

/// Totals by period of one length: of periods `from..to`, which are over, and of those behind, as of
/// the newest sample in them.
struct Series {
    period: i64,
    from: i64,
    to: i64,
    closed: BTreeMap<i64, Total>,
    open: BTreeMap<i64, Total>,
    newest: Newest,
}

#[derive(Serialize)]
struct SampleView {
    worker_id: WorkerId,
    hashrate: f64,
    active_gpus: u32,
    timestamp: Timestamp,
}

impl From<Sample> for SampleView {
    fn from(sample: Sample) -> Self {
        SampleView {
            worker_id: sample.worker_id,
            hashrate: sample.hashrate,
            active_gpus: sample.active_gpus,
            timestamp: sample.taken_at,
        }
    }
}

/// The fleet in one period: of each worker the mean, of these the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Total {
    /// The period's beginning.
    pub timestamp: Timestamp,
    /// H/s.
    pub hashrate: f64,
    /// GPUs at work.
    pub active_gpus: f64,
    /// Workers that were online in it.
    pub workers: usize,
}

/// The samples of one worker, oldest first, as JSON.
pub fn of_worker(api: &Api, worker: &str, since: Timestamp) -> Result<Vec<u8>, ApiError> {
    let samples = api.store.read::<_, ApiError, _>(|connection| {
        Ok(snapshots::of_worker(connection, worker, since, HISTORY_ROWS_MAX)?)
    })?;
    encode(samples)
}

/// The samples of all workers, oldest first, as JSON. When they are too many, the moments are thinned
/// out: of each that stays, all workers' samples do, so that their sum is right.
pub fn of_all(api: &Api, hours: f64, now: Timestamp) -> Result<Arc<Vec<u8>>, ApiError> {
    let mut bodies = api.state.memos.history.bodies.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = newest(api, now)?;
    let key = hours.to_bits();
    if let Some(body) = bodies.iter().find(|body| body.hours == key && body.newest == newest) {
        return Ok(body.json.clone());
    }
    let samples = api.store.read::<_, ApiError, _>(|connection| {
        Ok(thinned(connection, now.minus(Duration::from_secs_f64(hours * 3600.0)), now, newest)?)
    })?;
    let json = Arc::new(encode(samples)?);
    bodies.retain(|body| body.hours != key);
    if bodies.len() >= HISTORY_KEPT_MAX {
        bodies.remove(0);
    }
    bodies.push(Body { hours: key, newest, json: json.clone() });
    Ok(json)
}

/// Totals of the whole fleet, or of one worker, by period of so many seconds or the next larger of
/// [`PERIODS_SEC`], oldest first.
pub fn totals(
    api: &Api,
    worker: Option<&str>,
    hours: f64,
    period_sec: i64,
    now: Timestamp,
) -> Result<Vec<Total>, ApiError> {
    let period_sec = PERIODS_SEC.into_iter().find(|period| *period >= period_sec).unwrap_or(3600);
    let period = period_sec * MICROS_PER_SECOND;
    let first = now.minus(Duration::from_secs_f64(hours * 3600.0)).micros().div_euclid(period);
    if let Some(worker) = worker {
        let since = Timestamp::from_micros(first * period);
        let samples = api.store.read::<_, ApiError, _>(|connection| {
            Ok(snapshots::of_worker(connection, worker, since, HISTORY_ROWS_MAX)?)
        })?;
        let mut means = Means::new(period);
        for sample in samples {
            means.take(sample.taken_at, worker, sample.hashrate, sample.active_gpus);
        }
        return Ok(means.finish().into_values().collect());
    }
    let mut kept = api.state.memos.history.series.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = newest(api, now)?;
    let place = kept.iter().position(|series| series.period == period).unwrap_or_else(|| {
        kept.push(Series::new(period, now));
        kept.len() - 1
    });
    let series = &mut kept[place];
    api.store.read::<_, ApiError, _>(|connection| Ok(series.update(connection, first, newest, now)?))?;
    Ok(series.closed.range(first..).chain(&series.open).map(|(_, total)| *total).collect())
}

fn newest(api: &Api, now: Timestamp) -> Result<Newest, ApiError> {
    let until = Timestamp::from_micros(now.micros() + 1);
    api.store.read(|connection| {
        let Some(moment) = snapshots::last_moment(connection, until)? else { return Ok(None) };
        Ok(Some((moment, snapshots::count_at(connection, moment)?)))
    })
}

fn encode(samples: Vec<Sample>) -> Result<Vec<u8>, ApiError> {
    let views: Vec<SampleView> = samples.into_iter().map(SampleView::from).collect();
    serde_json::to_vec(&views).map_err(|error| ApiError::internal(&error))
}

fn thinned(
    connection: &Connection,
    from: Timestamp,
    now: Timestamp,
    newest: Newest,
) -> rusqlite::Result<Vec<Sample>> {
    let Some((_, workers)) = newest else { return Ok(Vec::new()) };
    #[expect(clippy::cast_possible_truncation, reason = "at most 24 hours of samples")]
    let moments = (now.seconds() - from.seconds()).div_euclid(SAMPLE_SECONDS) as i64 + 1;
    if workers * moments <= HISTORY_ROWS_MAX {
        return snapshots::of_all(connection, from, now, HISTORY_ROWS_MAX);
    }
    let slots = (HISTORY_ROWS_MAX / workers).max(1);
    let slot = now.micros_since(from) / slots;
    let mut chosen: Vec<Vec<Sample>> = Vec::new();
    let mut room = HISTORY_ROWS_MAX;
    for n in 0..slots {
        let end = now.micros() - n * slot;
        let moment = snapshots::last_moment(connection, Timestamp::from_micros(end + 1))?;
        let Some(moment) = moment.filter(|moment| *moment >= from) else { break };
        if moment.micros() <= end - slot {
            continue;
        }
        let samples = snapshots::of_all(connection, moment, moment, room)?;
        room -= samples.len() as i64;
        chosen.push(samples);
        if room <= 0 {
            break;
        }
    }
    Ok(chosen.into_iter().rev().flatten().collect())
}

impl Series {
    fn new(period: i64, now: Timestamp) -> Self {
        let over = now.minus(GRACE).micros().div_euclid(period);
        let (closed, open) = (BTreeMap::new(), BTreeMap::new());
        Series { period, from: over, to: over, closed, open, newest: None }
    }

    /// Reads what is missing from period `first` on.
    fn update(
        &mut self,
        connection: &Connection,
        first: i64,
        newest: Newest,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        if first < self.from {
            let earlier = self.read(connection, first, self.from)?;
            self.closed.extend(earlier);
            self.from = first;
        }
        let over = now.minus(GRACE).micros().div_euclid(self.period);
        if over > self.to || newest != self.newest {
            self.open = self.read(connection, self.to, i64::MAX / self.period - 1)?;
            let still_open = self.open.split_off(&over);
            self.closed.append(&mut self.open);
            self.open = still_open;
            (self.to, self.newest) = (over.max(self.to), newest);
        }
        // Older than the longest stretch that can be asked for.
        let oldest = over - 86_400 * MICROS_PER_SECOND / self.period - 1;
        if self.from < oldest {
            self.closed = self.closed.split_off(&oldest);
            self.from = oldest;
        }
        Ok(())
    }

    fn read(&self, connection: &Connection, from: i64, until: i64) -> rusqlite::Result<BTreeMap<i64, Total>> {
        let mut means = Means::new(self.period);
        let moment = |n: i64| Timestamp::from_micros(n * self.period);
        snapshots::each(connection, moment(from), moment(until), |at, worker, hashrate, gpus| {
            means.take(at, worker, hashrate, gpus);
        })?;
        Ok(means.finish())
    }
}

/// Takes samples in the order of time and makes totals of them.
struct Means {
    period: i64,
    current: i64,
    workers: HashMap<String, Sum>,
    totals: BTreeMap<i64, Total>,
}

#[derive(Default)]
struct Sum {
    hashrate: f64,
    active_gpus: f64,
    samples: u32,
}

impl Means {
    fn new(period: i64) -> Self {
        Means { period, current: i64::MIN, workers: HashMap::new(), totals: BTreeMap::new() }
    }

    fn take(&mut self, at: Timestamp, worker: &str, hashrate: f64, active_gpus: u32) {
        let place = at.micros().div_euclid(self.period);
        if place != self.current {
            self.close();
            self.current = place;
        }
        if !self.workers.contains_key(worker) {
            self.workers.insert(worker.to_owned(), Sum::default());
        }
        let sum = self.workers.get_mut(worker).expect("inserted above");
        sum.hashrate += hashrate;
        sum.active_gpus += f64::from(active_gpus);
        sum.samples += 1;
    }

    fn close(&mut self) {
        if self.workers.is_empty() {
            return;
        }
        let mean = |of: fn(&Sum) -> f64| -> f64 {
            let means = self.workers.values().map(|sum| of(sum) / f64::from(sum.samples));
            rounded(means.sum(), 2)
        };
        let total = Total {
            timestamp: Timestamp::from_micros(self.current * self.period),
            hashrate: mean(|sum| sum.hashrate),
            active_gpus: mean(|sum| sum.active_gpus),
            workers: self.workers.len(),
        };
        self.totals.insert(self.current, total);
        self.workers.clear();
    }

    fn finish(mut self) -> BTreeMap<i64, Total> {
        self.close();
        self.totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::house::House;
    use crate::market::Refusal;

    #[test]
    fn a_total_is_the_sum_of_the_workers_means() {
        let mut means = Means::new(60 * MICROS_PER_SECOND);
        let at = |seconds: i64| Timestamp::from_micros(seconds * MICROS_PER_SECOND);
        means.take(at(120), "a", 10.0, 1);
        means.take(at(120), "b", 100.0, 2);
        means.take(at(150), "a", 20.0, 2);
        means.take(at(180), "a", 5.0, 1);
        let totals: Vec<Total> = means.finish().into_values().collect();
        let total = |seconds, hashrate, active_gpus, workers| Total {
            timestamp: at(seconds),
            hashrate,
            active_gpus,
            workers,
        };
        assert_eq!(totals, [total(120, 115.0, 3.5, 2), total(180, 5.0, 1.0, 1)]);
    }

    #[test]
    fn stretches_beyond_those_kept_are_computed_anew() {
        let house = House::open();
        let now = house.clock.now().micros();
        let sql = format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000)
             INSERT INTO hashrate_snapshots SELECT 'rig-1', {now} - n * 30000000, n, 1 FROM numbers"
        );
        house.store.write::<_, Refusal, _>(move |scope| Ok(scope.execute_batch(&sql)?)).unwrap();
        let of = |hours: usize| {
            house
                .get(&format!("/api/monitoring/hashrate-history?hours={hours}"))
                .json()
                .as_array()
                .unwrap()
                .len()
        };
        for _ in 0..2 {
            for hours in 1..=HISTORY_KEPT_MAX + 2 {
                assert_eq!(of(hours), hours * 120);
                assert!(house.api.state.memos.history.bodies.lock().unwrap().len() <= HISTORY_KEPT_MAX);
            }
        }
    }
}
