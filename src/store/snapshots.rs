//! The tables `hashrate_snapshots` and `wallet_snapshots`.

use std::collections::HashMap;

use rusqlite::{Connection, Result, named_params};

use crate::base::{Timestamp, WorkerId};

/// A worker's hashrate at a moment.
#[derive(Clone, Debug)]
pub struct HashrateSample {
    /// Whose.
    pub worker_id: WorkerId,
    /// When.
    pub taken_at: Timestamp,
    /// H/s.
    pub hashrate: f64,
    /// GPUs at work.
    pub active_gpus: u32,
}

/// Adds a sample; a second one of the same moment replaces the first.
pub fn insert_hashrate(connection: &Connection, sample: &HashrateSample) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO hashrate_snapshots (worker_id, taken_at, hashrate, active_gpus)
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((&sample.worker_id, sample.taken_at, sample.hashrate, sample.active_gpus))?;
    Ok(())
}

/// Forgets hashrates from before a moment, at most so many rows; returns how many.
pub fn forget_hashrates(connection: &Connection, before: Timestamp, rows: u32) -> Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM hashrate_snapshots WHERE (worker_id, taken_at) IN
               (SELECT worker_id, taken_at FROM hashrate_snapshots WHERE taken_at < ?1 ORDER BY taken_at LIMIT ?2)",
        )?
        .execute((before, rows))
}

/// Forgets wallet rows of one resolution from before a moment, at most so many; returns how many.
pub fn forget_wallets(
    connection: &Connection,
    resolution: &str,
    before: Timestamp,
    rows: u32,
) -> Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM wallet_snapshots WHERE (address, resolution, period_start) IN
               (SELECT address, resolution, period_start FROM wallet_snapshots
                WHERE resolution = ?1 AND period_start < ?2 LIMIT ?3)",
        )?
        .execute((resolution, before, rows))
}

/// Writes one hour of every address that has workers: hashrate and workers as they are now, blocks
/// and earnings of the hour itself, blocks up to its end. Writing it again renews it.
pub fn record_hour(
    connection: &Connection,
    from: Timestamp,
    until: Timestamp,
    online: &HashMap<WorkerId, f64>,
) -> Result<()> {
    let mut now: HashMap<String, (f64, i64)> = HashMap::new();
    let mut of_address =
        connection.prepare_cached("SELECT lower(eth_address) FROM workers WHERE worker_id = ?1")?;
    for (worker, hashrate) in online {
        let address: String = of_address.query_row([worker], |row| row.get(0))?;
        let sum = now.entry(address).or_default();
        sum.0 += hashrate;
        sum.1 += 1;
    }
    let mut addresses = connection.prepare_cached(
        "SELECT lower(eth_address), count(*) FROM workers WHERE eth_address <> '' GROUP BY eth_address",
    )?;
    let addresses: Vec<(String, i64)> =
        addresses.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    for (address, workers) in addresses {
        let (hashrate, online_workers) = now.get(&address).copied().unwrap_or_default();
        connection.prepare_cached(RECORD_HOUR)?.execute(named_params! {
            ":address": address,
            ":from": from,
            ":until": until,
            ":hashrate": hashrate,
            ":online": online_workers,
            ":total": workers,
        })?;
    }
    Ok(())
}

const RECORD_HOUR: &str = "
    INSERT OR REPLACE INTO wallet_snapshots (address, resolution, period_start, hashrate, online_workers, total_workers,
                                             blocks, cumulative_blocks, earnings)
    SELECT :address, 'hour', :from, :hashrate, :online, :total,
           (SELECT count(*) FROM workers w JOIN blocks b ON b.worker_id = w.worker_id
             WHERE w.eth_address = :address AND b.chain_verified AND b.created_at >= :from AND b.created_at < :until),
           (SELECT coalesce(sum(verified_blocks), 0) FROM workers WHERE eth_address = :address),
           (SELECT coalesce(sum(s.provider_payment), 0) FROM workers w JOIN settlements s ON s.worker_id = w.worker_id
             WHERE w.eth_address = :address AND s.settled_at >= :from AND s.settled_at < :until)";

/// Writes the day that the hours between two moments make up: means of hashrate and workers, sums of
/// blocks and earnings.
pub fn record_day(connection: &Connection, from: Timestamp, until: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO wallet_snapshots (address, resolution, period_start, hashrate, online_workers,
                                                      total_workers, blocks, cumulative_blocks, earnings)
             SELECT address, 'day', ?1, avg(hashrate), CAST(round(avg(online_workers)) AS INTEGER),
                    max(total_workers), sum(blocks), max(cumulative_blocks), sum(earnings)
             FROM wallet_snapshots WHERE resolution = 'hour' AND period_start >= ?1 AND period_start < ?2
             GROUP BY address",
        )?
        .execute((from, until))?;
    Ok(())
}
