//! The tables `hashrate_snapshots` and `wallet_snapshots`: series for charts.

use rusqlite::{Connection, Result, Row, named_params};

use super::accounts::words;
use crate::base::{Amount, EthAddress, Timestamp, WorkerId};

/// A worker's hashrate at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Whose.
    pub worker_id: WorkerId,
    /// When.
    pub taken_at: Timestamp,
    /// H/s.
    pub hashrate: f64,
    /// GPUs at work.
    pub active_gpus: u32,
}

fn sample(row: &Row<'_>) -> Result<Sample> {
    Ok(Sample {
        worker_id: row.get(0)?,
        taken_at: row.get(1)?,
        hashrate: row.get(2)?,
        active_gpus: row.get(3)?,
    })
}

const SAMPLE: &str = "worker_id, taken_at, hashrate, active_gpus";

/// Adds a sample; one of the same worker and moment stays.
pub fn insert_sample(connection: &Connection, sample: &Sample) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO hashrate_snapshots (worker_id, taken_at, hashrate, active_gpus) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute((&sample.worker_id, sample.taken_at, sample.hashrate, sample.active_gpus))?;
    Ok(())
}

/// A worker's newest samples since a moment, oldest first.
pub fn of_worker(connection: &Connection, worker: &str, since: Timestamp, limit: i64) -> Result<Vec<Sample>> {
    let mut samples: Vec<Sample> = connection
        .prepare_cached(&format!(
            "SELECT {SAMPLE} FROM hashrate_snapshots WHERE worker_id = ?1 AND taken_at >= ?2
             ORDER BY taken_at DESC LIMIT ?3"
        ))?
        .query_map((worker, since, limit), sample)?
        .collect::<Result<_>>()?;
    samples.reverse();
    Ok(samples)
}

/// A worker's samples from `from` up to and with `until`, oldest first.
pub fn of_worker_between(
    connection: &Connection,
    worker: &WorkerId,
    from: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Sample>> {
    connection
        .prepare_cached(&format!(
            "SELECT {SAMPLE} FROM hashrate_snapshots WHERE worker_id = ?1 AND taken_at BETWEEN ?2 AND ?3
             ORDER BY taken_at LIMIT ?4"
        ))?
        .query_map((worker, from, until, limit), sample)?
        .collect()
}

/// The newest samples of all workers from `from` up to and with `until`, oldest first.
pub fn of_all(connection: &Connection, from: Timestamp, until: Timestamp, limit: i64) -> Result<Vec<Sample>> {
    let mut samples: Vec<Sample> = connection
        .prepare_cached(&format!(
            "SELECT {SAMPLE} FROM hashrate_snapshots WHERE taken_at BETWEEN ?1 AND ?2
             ORDER BY taken_at DESC LIMIT ?3"
        ))?
        .query_map((from, until, limit), sample)?
        .collect::<Result<_>>()?;
    samples.reverse();
    Ok(samples)
}

/// Visits all samples with `from <= taken_at < until`, oldest first: moment, worker, H/s, GPUs.
pub fn each(
    connection: &Connection,
    from: Timestamp,
    until: Timestamp,
    mut visit: impl FnMut(Timestamp, &str, f64, u32),
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT taken_at, worker_id, hashrate, active_gpus FROM hashrate_snapshots
         WHERE taken_at >= ?1 AND taken_at < ?2 ORDER BY taken_at",
    )?;
    let mut rows = statement.query((from, until))?;
    while let Some(row) = rows.next()? {
        visit(row.get(0)?, row.get_ref(1)?.as_str()?, row.get(2)?, row.get(3)?);
    }
    Ok(())
}

/// The newest moment before `before` at which samples were taken.
pub fn last_moment(connection: &Connection, before: Timestamp) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached("SELECT max(taken_at) FROM hashrate_snapshots WHERE taken_at < ?1")?
        .query_row([before], |row| row.get(0))
}

/// Samples taken at a moment.
pub fn count_at(connection: &Connection, moment: Timestamp) -> Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM hashrate_snapshots WHERE taken_at = ?1")?
        .query_row([moment], |row| row.get(0))
}

/// Forgets at most `limit` samples taken before a moment; returns how many.
pub fn forget_samples(connection: &Connection, before: Timestamp, limit: i64) -> Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM hashrate_snapshots WHERE (worker_id, taken_at) IN
                 (SELECT worker_id, taken_at FROM hashrate_snapshots WHERE taken_at < ?1 LIMIT ?2)",
        )?
        .execute((before, limit))
}

/// The length of a wallet's period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Kept 7 days.
    Hour,
    /// Kept 90 days.
    Day,
}

words!(Resolution { Hour => "hour", Day => "day" });

/// What a wallet's workers did in a period.
#[derive(Clone, Debug, PartialEq)]
pub struct WalletPeriod {
    /// The wallet.
    pub address: EthAddress,
    /// Its beginning.
    pub start: Timestamp,
    /// The mean of its workers' hashrates together, H/s.
    pub hashrate: f64,
    /// The highest that they reached together, H/s.
    pub peak_hashrate: f64,
    /// Workers that were online in it.
    pub online_workers: i64,
    /// Workers known.
    pub total_workers: i64,
    /// Verified blocks found in it.
    pub blocks: i64,
    /// Verified blocks found until its end.
    pub cumulative_blocks: i64,
    /// What leases that were settled in it paid.
    pub earnings: Amount,
}

/// Records an hour of a wallet, again if need be, and sums its day up.
pub fn record_hour(
    connection: &Connection,
    hour: &WalletPeriod,
    day: Timestamp,
    day_end: Timestamp,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO wallet_snapshots (address, resolution, period_start, hashrate, peak_hashrate,
                    online_workers, total_workers, blocks, cumulative_blocks, earnings)
             VALUES (:address, 'hour', :start, :hashrate, :peak, :online, :total, :blocks, :cumulative, :earnings)",
        )?
        .execute(named_params! {
            ":address": hour.address,
            ":start": hour.start,
            ":hashrate": hour.hashrate,
            ":peak": hour.peak_hashrate,
            ":online": hour.online_workers,
            ":total": hour.total_workers,
            ":blocks": hour.blocks,
            ":cumulative": hour.cumulative_blocks,
            ":earnings": hour.earnings,
        })?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO wallet_snapshots (address, resolution, period_start, hashrate, peak_hashrate,
                    online_workers, total_workers, blocks, cumulative_blocks, earnings)
             SELECT address, 'day', ?2, avg(hashrate), max(peak_hashrate), max(online_workers), max(total_workers),
                    sum(blocks), max(cumulative_blocks), sum(earnings)
             FROM wallet_snapshots
             WHERE address = ?1 AND resolution = 'hour' AND period_start >= ?2 AND period_start < ?3
             GROUP BY address",
        )?
        .execute((&hour.address, day, day_end))?;
    Ok(())
}

/// A wallet's periods since a moment, oldest first, the newest `limit` of them.
pub fn of_wallet(
    connection: &Connection,
    address: &EthAddress,
    resolution: Resolution,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<WalletPeriod>> {
    let mut periods: Vec<WalletPeriod> = connection
        .prepare_cached(
            "SELECT period_start, hashrate, peak_hashrate, online_workers, total_workers, blocks, cumulative_blocks,
                    earnings FROM wallet_snapshots
             WHERE address = ?1 AND resolution = ?2 AND period_start >= ?3 ORDER BY period_start DESC LIMIT ?4",
        )?
        .query_map((address, resolution, since, limit), |row| {
            Ok(WalletPeriod {
                address: *address,
                start: row.get(0)?,
                hashrate: row.get(1)?,
                peak_hashrate: row.get(2)?,
                online_workers: row.get(3)?,
                total_workers: row.get(4)?,
                blocks: row.get(5)?,
                cumulative_blocks: row.get(6)?,
                earnings: row.get(7)?,
            })
        })?
        .collect::<Result<_>>()?;
    periods.reverse();
    Ok(periods)
}

/// When a wallet's series begins and the highest hashrate in it, H/s.
pub fn records_of(connection: &Connection, address: &EthAddress) -> Result<(Option<Timestamp>, f64)> {
    connection
        .prepare_cached(
            "SELECT min(period_start), coalesce(max(peak_hashrate), 0) FROM wallet_snapshots
             WHERE address = ?1 AND resolution IN ('hour', 'day')",
        )?
        .query_row([address], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The newest hour that was recorded for any wallet.
pub fn last_hour(connection: &Connection) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached("SELECT max(period_start) FROM wallet_snapshots WHERE resolution = 'hour'")?
        .query_row([], |row| row.get(0))
}

/// Forgets at most `limit` periods that began before a moment; returns how many.
pub fn forget_periods(
    connection: &Connection,
    resolution: Resolution,
    before: Timestamp,
    limit: i64,
) -> Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM wallet_snapshots WHERE (address, resolution, period_start) IN
                 (SELECT address, resolution, period_start FROM wallet_snapshots
                  WHERE resolution = ?1 AND period_start < ?2 LIMIT ?3)",
        )?
        .execute((resolution, before, limit))
}
