//! Wallet snapshots: what each wallet's workers did in an hour, once it is over, and its days.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError, select};
use rusqlite::Connection;

use super::House;
use crate::base::limits::STORE_BULK_ROWS_MAX;
use crate::base::thread::BoxError;
use crate::base::time::micros_of;
use crate::base::{Amount, EthAddress, Timestamp, WorkerId};
use crate::store::snapshots::{self, WalletPeriod};
use crate::store::{StoreError, blocks, settlements, workers};

const TICK: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Samples of hashrates are kept for so long: older hours cannot be told any more.
const CAUGHT_UP_MAX: Duration = DAY;

/// Records each hour after its end, from the samples, blocks and settlements in the database, until
/// `stop` closes. Hours that ended while the platform was down are caught up with, and recording one
/// again changes nothing. An `Err` is the store's end.
pub fn record_wallets(house: &House, stop: &Receiver<()>) -> Result<(), BoxError> {
    record_since(house, house.clock.now(), stop)
}

/// Without any hour recorded, it begins with the one of `started_at`.
fn record_since(house: &House, started_at: Timestamp, stop: &Receiver<()>) -> Result<(), BoxError> {
    let ticks = house.clock.every(TICK);
    let mut next = None;
    loop {
        match house.record_due(next, started_at, stop) {
            Ok(hour) => next = Some(hour),
            Err(error @ StoreError::Stopped) => return Err(error.into()),
            Err(error) => log::error!("recording the wallets' hour: {error}"),
        }
        select! {
            recv(ticks) -> _ => {}
            // Closed: the platform is stopping.
            recv(stop) -> _ => return Ok(()),
        }
    }
}

impl House {
    /// Records the hours from `next` on that are over; returns the first that is not.
    fn record_due(
        &self,
        next: Option<Timestamp>,
        started_at: Timestamp,
        stop: &Receiver<()>,
    ) -> Result<Timestamp, StoreError> {
        let mut hour = match next {
            Some(hour) => hour,
            None => self.first_hour(started_at)?,
        };
        let this_hour = beginning(self.clock.now(), HOUR);
        // Closed: the platform is stopping; the rest is caught up with at the next start.
        while hour < this_hour && stop.try_recv() != Err(TryRecvError::Disconnected) {
            self.record_hour(hour)?;
            hour = hour.plus(HOUR);
        }
        Ok(hour)
    }

    /// The hour to begin with: the last one recorded, which may not be complete, or that of the start.
    /// Hours that the clock has not come to, for it was wrong before, are recorded again in their time.
    fn first_hour(&self, started_at: Timestamp) -> Result<Timestamp, StoreError> {
        let last = self.store.read::<_, StoreError, _>(|connection| Ok(snapshots::last_hour(connection)?))?;
        let (earliest, latest) = (self.clock.now().minus(CAUGHT_UP_MAX), self.clock.now());
        let first = last.map_or(started_at, |last| last.clamp(earliest, latest));
        Ok(beginning(first, HOUR))
    }

    fn record_hour(&self, hour: Timestamp) -> Result<(), StoreError> {
        let periods = self.store.read::<_, StoreError, _>(|connection| Ok(summarise(connection, hour)?))?;
        let day = beginning(hour, DAY);
        for chunk in periods.chunks(STORE_BULK_ROWS_MAX) {
            let chunk = chunk.to_vec();
            self.store.write_bulk::<_, StoreError, _>(move |scope| {
                let record = |period| snapshots::record_hour(scope, period, day, day.plus(DAY));
                Ok(chunk.iter().try_for_each(record)?)
            })?;
        }
        Ok(())
    }
}

/// The beginning of the hour or day (UTC) in which a moment lies.
fn beginning(at: Timestamp, of: Duration) -> Timestamp {
    let period = micros_of(of);
    Timestamp::from_micros(at.micros().div_euclid(period) * period)
}

/// What every wallet with workers did in an hour.
fn summarise(connection: &Connection, hour: Timestamp) -> rusqlite::Result<Vec<WalletPeriod>> {
    let end = hour.plus(HOUR);
    let mut owners: HashMap<WorkerId, EthAddress> = HashMap::new();
    let mut periods: HashMap<EthAddress, WalletPeriod> = HashMap::new();
    for worker in workers::all(connection)? {
        let Some(address) = worker.eth_address.filter(|_| worker.registered_at < end) else { continue };
        owners.insert(worker.worker_id, address);
        let period = periods.entry(address).or_insert_with(|| nothing(address, hour));
        period.total_workers += 1;
        period.cumulative_blocks += worker.verified_blocks;
    }
    blocks::each_counted_since(connection, hour, |worker, at| {
        if let Some(period) = owners.get(worker).and_then(|owner| periods.get_mut(owner)) {
            // What was found since the hour's end is not of it, and counted by its worker already.
            if at < end { period.blocks += 1 } else { period.cumulative_blocks -= 1 }
        }
    })?;
    settlements::each_since(connection, hour, |worker, at, payment| {
        let period = owners.get(worker).and_then(|owner| periods.get_mut(owner));
        if let Some(period) = period.filter(|_| at < end) {
            period.earnings = period.earnings + payment;
        }
    })?;
    let mut rates = Rates::default();
    snapshots::each(connection, hour, end, |at, worker, hashrate, _| {
        if let Some((id, owner)) = owners.get_key_value(worker) {
            rates.take(at, id, *owner, hashrate);
        }
    })?;
    rates.finish(&mut periods);
    Ok(periods.into_values().collect())
}

fn nothing(address: EthAddress, start: Timestamp) -> WalletPeriod {
    WalletPeriod {
        address,
        start,
        hashrate: 0.0,
        peak_hashrate: 0.0,
        online_workers: 0,
        total_workers: 0,
        blocks: 0,
        cumulative_blocks: 0,
        earnings: Amount::ZERO,
    }
}

/// Hashrates of wallets, gathered moment by moment.
#[derive(Default)]
struct Rates<'a> {
    moment: Option<Timestamp>,
    moments: u32,
    now: HashMap<EthAddress, f64>,
    sums: HashMap<EthAddress, (f64, f64)>,
    seen: HashSet<&'a WorkerId>,
    online: HashMap<EthAddress, i64>,
}

impl<'a> Rates<'a> {
    fn take(&mut self, at: Timestamp, worker: &'a WorkerId, owner: EthAddress, hashrate: f64) {
        if self.moment != Some(at) {
            self.close();
            self.moment = Some(at);
            self.moments += 1;
        }
        *self.now.entry(owner).or_default() += hashrate;
        if self.seen.insert(worker) {
            *self.online.entry(owner).or_default() += 1;
        }
    }

    fn close(&mut self) {
        for (owner, hashrate) in self.now.drain() {
            let (sum, peak) = self.sums.entry(owner).or_default();
            *sum += hashrate;
            *peak = peak.max(hashrate);
        }
    }

    fn finish(mut self, periods: &mut HashMap<EthAddress, WalletPeriod>) {
        self.close();
        for (owner, (sum, peak)) in self.sums {
            if let Some(period) = periods.get_mut(&owner) {
                period.hashrate = sum / f64::from(self.moments);
                period.peak_hashrate = peak;
                period.online_workers = self.online.get(&owner).copied().unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of whole numbers are exact")]
mod tests {
    use crossbeam_channel::bounded;

    use super::super::testing::{ADDRESS, Platform};
    use super::*;
    use crate::store::snapshots::Resolution;

    /// A wallet with two workers: samples, blocks and earnings within an hour and after it.
    fn busy_platform() -> (Platform, Timestamp) {
        let platform = Platform::new();
        platform.worker("rig-1");
        platform.worker("rig-2");
        let hour = beginning(platform.clock.now(), HOUR);
        let at = |seconds: i64| hour.micros() + seconds * 1_000_000;
        let key = |n: u32| format!("{n:064x}");
        platform.execute(&format!(
            "INSERT INTO hashrate_snapshots VALUES ('rig-1', {0}, 10.0, 1), ('rig-2', {0}, 30.0, 1),
                                                   ('rig-1', {1}, 20.0, 1), ('stranger', {1}, 99.0, 1),
                                                   ('rig-1', {2}, 999.0, 1);
             INSERT INTO blocks (worker_id, hash, key, account, attempts, hashrate, prefix_valid, chain_verified,
                                 created_at)
             VALUES ('rig-1', '', '{3}', '', 1, '', 1, 1, {0}), ('rig-2', '', '{4}', '', 1, '', 1, 1, {1}),
                    ('rig-2', '', '{5}', '', 1, '', 1, 0, {1}), ('rig-1', '', '{6}', '', 1, '', 1, 1, {2});
             UPDATE workers SET verified_blocks = 2 WHERE worker_id = 'rig-1';
             UPDATE workers SET verified_blocks = 5 WHERE worker_id = 'rig-2'",
            at(10), at(40), at(3600 + 10), key(1), key(2), key(3), key(4)
        ));
        (platform, hour)
    }

    fn expected(hour: Timestamp) -> WalletPeriod {
        WalletPeriod {
            hashrate: 30.0,
            peak_hashrate: 40.0,
            online_workers: 2,
            total_workers: 2,
            blocks: 2,
            cumulative_blocks: 6,
            earnings: Amount::from_millionths(570_000),
            ..nothing(ADDRESS.parse().unwrap(), hour)
        }
    }

    #[test]
    fn an_hour_is_recorded_when_it_is_over_and_its_day_summed_up() {
        let (platform, hour) = busy_platform();
        platform.settle("rig-1", 60);
        let (house, started_at) = (platform.house(), platform.clock.now());
        let running = platform.start(move |stop| record_since(&house, started_at, stop));
        let address = ADDRESS.parse().unwrap();
        let of = |resolution| {
            let from = Timestamp::from_micros(0);
            platform.read(|c| snapshots::of_wallet(c, &address, resolution, from, 99).unwrap())
        };
        assert!(of(Resolution::Hour).is_empty());
        platform.clock.advance(HOUR);
        platform.await_that(|_| !of(Resolution::Hour).is_empty());
        assert_eq!(of(Resolution::Hour)[0], expected(hour));
        let day = WalletPeriod { start: beginning(hour, DAY), ..expected(hour) };
        assert_eq!(of(Resolution::Day)[0].start, day.start);
        running.stop();
    }

    #[test]
    fn hours_are_caught_up_with_and_recorded_again_without_change() {
        let (platform, hour) = busy_platform();
        platform.settle("rig-1", 60);
        let house = platform.house();
        house.record_hour(hour).unwrap();
        platform.clock.advance(Duration::from_secs(2 * 3600));
        assert_eq!(house.first_hour(platform.clock.now()).unwrap(), hour);
        house.record_hour(hour).unwrap();
        house.record_hour(hour.plus(HOUR)).unwrap();
        let (address, from) = (ADDRESS.parse().unwrap(), Timestamp::from_micros(0));
        let hours = platform.read(|c| snapshots::of_wallet(c, &address, Resolution::Hour, from, 99).unwrap());
        assert_eq!(hours.len(), 2);
        assert_eq!(hours[0], expected(hour));
        assert_eq!((hours[1].blocks, hours[1].cumulative_blocks, hours[1].peak_hashrate), (1, 7, 999.0));
        let days = platform.read(|c| snapshots::of_wallet(c, &address, Resolution::Day, from, 99).unwrap());
        let blocks: i64 = days.iter().map(|day| day.blocks).sum();
        assert_eq!(blocks, 3);
        assert_eq!(days.last().unwrap().cumulative_blocks, 7);
        assert_eq!(platform.read(|c| snapshots::records_of(c, &address).unwrap()).1, 999.0);
    }

    /// What is recorded of the wallet's hours, in their order.
    fn hours(platform: &Platform) -> Vec<WalletPeriod> {
        let (address, from) = (ADDRESS.parse().unwrap(), Timestamp::from_micros(0));
        platform.read(|c| snapshots::of_wallet(c, &address, Resolution::Hour, from, 99).unwrap())
    }

    /// A day is the worst that a machine without a clock of its own does.
    #[test]
    fn a_clock_put_back_loses_no_hour_and_counts_none_twice() {
        for back in [HOUR, DAY] {
            let (mut platform, hour) = busy_platform();
            platform.settle("rig-1", 60);
            let now = platform.clock.now();
            platform.restart_at(now.plus(back));
            platform.house().record_hour(hour).unwrap();
            platform.house().record_hour(beginning(now.plus(back), HOUR)).unwrap();
            platform.execute("UPDATE wallet_snapshots SET blocks = 99");
            platform.restart_at(now);
            let (house, (_run, stop)) = (platform.house(), bounded(0));
            let mut next = house.record_due(None, now, &stop).unwrap();
            assert_eq!(next, hour, "it begins with the hour that is");
            for (hour, blocks) in [(hour, 2), (hour.plus(HOUR), 1)] {
                platform.clock.advance(HOUR);
                next = house.record_due(Some(next), now, &stop).unwrap();
                let recorded = hours(&platform).into_iter().find(|period| period.start == hour);
                assert_eq!((next, recorded.unwrap().blocks), (hour.plus(HOUR), blocks));
            }
            assert_eq!(hours(&platform)[0], expected(hour));
            assert_eq!(hours(&platform)[1].earnings, Amount::ZERO);
        }
    }

    #[test]
    fn a_clock_put_forwards_skips_no_hour() {
        let (mut platform, hour) = busy_platform();
        platform.settle("rig-1", 60);
        platform.house().record_hour(hour).unwrap();
        platform.restart_at(platform.clock.now().plus(HOUR));
        let (house, (_run, stop)) = (platform.house(), bounded(0));
        let next = house.record_due(None, platform.clock.now(), &stop).unwrap();
        platform.clock.advance(HOUR);
        house.record_due(Some(next), next, &stop).unwrap();
        let blocks: Vec<_> = hours(&platform).iter().map(|hour| (hour.start, hour.blocks)).collect();
        assert_eq!(blocks, [(hour, 2), (hour.plus(HOUR), 1)]);
        assert_eq!(hours(&platform)[0], expected(hour));
    }
}
