//! Series for charts: hashrates of the last day, wallets by the hour and by the day, as the history
//! makes them.

use std::collections::HashMap;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rusqlite::Connection;

use super::SeedError;
use super::story::{DAY, HOUR, SECOND, Story};
use crate::base::Timestamp;

/// A row per worker each 30 s would be millions for a large fleet; so many are enough for a chart.
const HASHRATE_ROWS_MAX: i64 = 300_000;
const HASHRATE_STEP_SEC: i64 = 30;
const HOURS: i64 = 7 * 24;
const DAYS: i64 = 30;

pub(super) fn draw(
    connection: &Connection,
    story: &Story,
    now: Timestamp,
    random: &mut Xoshiro256PlusPlus,
) -> Result<(), SeedError> {
    hashrates(connection, story, now.micros(), random)?;
    wallets(connection, story, now.micros(), ("hour", HOUR, HOURS), random)?;
    wallets(connection, story, now.micros(), ("day", DAY, DAYS), random)
}

fn hashrates(
    connection: &Connection,
    story: &Story,
    now: i64,
    random: &mut Xoshiro256PlusPlus,
) -> Result<(), SeedError> {
    let workers = i64::try_from(story.workers.len()).expect("at most ten thousand");
    let step = (workers * DAY / SECOND / HASHRATE_ROWS_MAX).max(HASHRATE_STEP_SEC) * SECOND;
    let mut insert = connection.prepare_cached(
        "INSERT INTO hashrate_snapshots (worker_id, taken_at, hashrate, active_gpus) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for worker in &story.workers {
        let (id, gpus) = (&worker.register.worker_id, worker.register.gpu_count);
        let mut at = (now - DAY).max(worker.registered_at);
        while at <= now {
            if random.random_bool(worker.uptime) {
                insert.execute((id, at, worker.rate * random.random_range(0.94..1.06), gpus))?;
            }
            at += step;
        }
    }
    Ok(())
}

/// What a wallet's workers did in one period.
#[derive(Clone, Copy, Default)]
struct Done {
    blocks: i64,
    earnings: i64,
}

fn wallets(
    connection: &Connection,
    story: &Story,
    now: i64,
    (resolution, length, count): (&str, i64, i64),
    random: &mut Xoshiro256PlusPlus,
) -> Result<(), SeedError> {
    let done = done_by_period(connection, length)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO wallet_snapshots (address, resolution, period_start, hashrate, peak_hashrate, online_workers,
                total_workers, blocks, cumulative_blocks, earnings)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for owner in &story.owners {
        let rigs: Vec<_> =
            story.workers.iter().filter(|worker| worker.register.eth_address == Some(*owner)).collect();
        let first = rigs.iter().map(|rig| rig.registered_at).min().unwrap_or(now) / length;
        let mut cumulative = 0;
        for period in first..now / length {
            let Done { blocks, earnings } = done.get(&(owner.lower(), period)).copied().unwrap_or_default();
            cumulative += blocks;
            if period < now / length - count {
                continue;
            }
            let there = rigs.iter().filter(|rig| rig.registered_at / length <= period);
            let (mut total, mut online, mut rate) = (0, 0, 0.0);
            for rig in there {
                total += 1;
                if random.random_bool(rig.uptime) {
                    online += 1;
                    rate += rig.rate * random.random_range(0.97..1.03);
                }
            }
            let start = period * length;
            let peak = rate * random.random_range(1.0..1.06);
            insert.execute(rusqlite::params![
                owner, resolution, start, rate, peak, online, total, blocks, cumulative, earnings
            ])?;
        }
    }
    Ok(())
}

fn done_by_period(connection: &Connection, length: i64) -> Result<HashMap<(String, i64), Done>, SeedError> {
    let mut done: HashMap<(String, i64), Done> = HashMap::new();
    let mut blocks = connection.prepare(
        "SELECT lower(w.eth_address), b.created_at / ?1, count(*) FROM blocks b
         JOIN workers w ON w.worker_id = b.worker_id WHERE b.chain_verified = 1 GROUP BY 1, 2",
    )?;
    let mut rows = blocks.query([length])?;
    while let Some(row) = rows.next()? {
        done.entry((row.get(0)?, row.get(1)?)).or_default().blocks = row.get(2)?;
    }
    let mut earnings = connection.prepare(
        "SELECT lower(w.eth_address), s.settled_at / ?1, sum(s.provider_payment) FROM settlements s
         JOIN workers w ON w.worker_id = s.worker_id GROUP BY 1, 2",
    )?;
    let mut rows = earnings.query([length])?;
    while let Some(row) = rows.next()? {
        done.entry((row.get(0)?, row.get(1)?)).or_default().earnings = row.get(2)?;
    }
    Ok(done)
}
