//! Blocks and the series for charts.

use std::collections::HashMap;
use std::time::Duration;

use super::source::Fields;
use super::{Import, ImportError};
use crate::base::limits::{HASH_BYTES_MAX, HASHRATE_MAX};
use crate::base::time::micros_of;
use crate::base::{Amount, BlockKey, EthAddress, LeaseId, Timestamp, WorkerId};
use crate::market::Scope;
use crate::store::blocks::{self, Block};
use crate::store::snapshots::{self, WalletPeriod};
use crate::store::{leases, workers};

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY: Duration = Duration::from_secs(86_400);

impl Import<'_> {
    pub(super) fn blocks(&mut self, scope: &mut Scope<'_>) -> Result<(), ImportError> {
        let (source, mut judged, mut numbers) = (self.source, 0_u64, 0_u64);
        source.each("blocks", |row| {
            let block = match self.block(scope, row)? {
                Ok(block) => block,
                Err(problem) => {
                    self.leave_out(format!("row {} of blocks: {problem}", row.number));
                    return Ok(());
                }
            };
            judged += u64::from(row.has("prefix_valid") && row.flag(&["prefix_valid"]) != block.prefix_valid);
            numbers += u64::from(row.whole(&["chain_block_id"]).is_some());
            if blocks::insert(scope, &block)? {
                self.done.blocks += 1;
                if let Some(lease) = block.lease_id.filter(|_| block.prefix_valid && block.chain_verified) {
                    leases::count_block(scope, &lease)?;
                }
            } else {
                let key = &block.key;
                self.leave_out(format!(
                    "row {} of blocks: key {key} is there already; a block counts once",
                    row.number
                ));
            }
            Ok(())
        })?;
        if judged > 0 {
            self.note(format!("{judged} blocks: whether the key bears the lease's prefix is judged anew"));
        }
        if numbers > 0 {
            self.note(format!(
                "{numbers} blocks: their numbers on the old simulated chain are dropped with that chain"
            ));
        }
        Ok(())
    }

    fn block(&mut self, scope: &Scope<'_>, row: &Fields<'_>) -> Result<Result<Block, String>, ImportError> {
        let key = match row.text(&["key", "block_key"]).parse::<BlockKey>() {
            Ok(key) => key,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let hash = row.text(&["hash", "block_hash"]);
        if hash.is_empty() || hash.len() > HASH_BYTES_MAX {
            return Ok(Err(format!("the hash of key {key} is empty or too long")));
        }
        let worker = row.text(&["worker_id"]).parse::<WorkerId>().ok();
        let worker = worker.map(|id| workers::get(scope, &id)).transpose()?.flatten();
        let Some(worker) = worker else { return Ok(Err(format!("the worker of key {key} is unknown"))) };
        let lease = match row.text(&["lease_id"]).as_str() {
            "" => None,
            id => {
                let lease =
                    id.parse::<LeaseId>().ok().map(|id| leases::get(scope, &id)).transpose()?.flatten();
                let Some(lease) = lease.filter(|lease| lease.worker_id == worker.worker_id) else {
                    return Ok(Err(format!("the lease of key {key}, {id}, is unknown or another worker's")));
                };
                Some(lease)
            }
        };
        let account: Option<EthAddress> = row.text(&["account"]).parse().ok();
        Ok(Ok(Block {
            block_seq: 0,
            prefix_valid: lease.as_ref().is_none_or(|lease| key.starts_with(&lease.prefix)),
            lease_id: lease.map(|lease| lease.lease_id),
            worker_id: worker.worker_id,
            hash,
            key,
            account,
            attempts: row.whole(&["attempts"]).unwrap_or_default().max(0),
            hashrate: row.text(&["hashrate"]).chars().take(32).collect(),
            chain_verified: row.flag(&["chain_verified"]),
            pending: false,
            chain_block_id: None,
            created_at: row.time(&["timestamp", "created_at", "found_at"]).unwrap_or(self.now).min(self.now),
        }))
    }

    pub(super) fn hashrates(&mut self, scope: &mut Scope<'_>) -> Result<(), ImportError> {
        let source = self.source;
        let mut insert = scope.prepare(
            "INSERT INTO hashrate_snapshots (worker_id, taken_at, hashrate, active_gpus) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?;
        source.each("hashrate_snapshots", |row| {
            let at = row.time(&["timestamp", "taken_at", "created_at"]).filter(|at| *at <= self.now);
            let worker = row.text(&["worker_id"]).parse::<WorkerId>();
            let (Some(at), Ok(worker), Some(rate)) = (at, worker, row.number(&["hashrate"])) else {
                self.leave_out(format!(
                    "row {} of hashrate_snapshots: no worker, time or number",
                    row.number
                ));
                return Ok(());
            };
            let gpus = row.whole(&["active_gpus"]).unwrap_or_default().clamp(0, u32::MAX.into());
            let rows = insert.execute((&worker, at, rate.clamp(0.0, HASHRATE_MAX), gpus))?;
            if rows == 0 {
                self.leave_out(format!(
                    "row {} of hashrate_snapshots: {worker} has one of that moment",
                    row.number
                ));
            }
            self.done.hashrates += u64::try_from(rows).unwrap_or_default();
            Ok(())
        })
    }

    /// The prototype's rows are hourly; its earnings are running totals, and the last of an hour counts.
    pub(super) fn wallets(&mut self, scope: &mut Scope<'_>) -> Result<(), ImportError> {
        let (source, mut totals) = (self.source, HashMap::new());
        source.each("wallet_snapshots", |row| {
            let at = row.time(&["timestamp", "period_start", "created_at"]).filter(|at| *at <= self.now);
            let address = row.text(&["eth_address", "address", "wallet_address"]).parse::<EthAddress>();
            let (Some(at), Ok(address)) = (at, address) else {
                self.leave_out(format!("row {} of wallet_snapshots: no address or time", row.number));
                return Ok(());
            };
            let count = |names: &[&str]| row.whole(names).unwrap_or_default().max(0);
            let rate =
                row.number(&["hashrate", "total_hashrate"]).unwrap_or_default().clamp(0.0, HASHRATE_MAX);
            let running = row.amount(&["earnings", "total_earnings"]).unwrap_or_default();
            let before = totals.insert(address, running).unwrap_or_default();
            let hour = WalletPeriod {
                address,
                start: beginning(at, HOUR_MICROS),
                hashrate: rate,
                peak_hashrate: rate,
                online_workers: count(&["online_workers", "workers_online"]),
                total_workers: count(&["total_workers"]),
                blocks: count(&["blocks", "blocks_found"]),
                cumulative_blocks: count(&["cumulative_blocks", "total_blocks"]),
                earnings: (running - before).max(Amount::ZERO),
            };
            let day = beginning(at, micros_of(DAY));
            snapshots::record_hour(scope, &hour, day, day.plus(DAY))?;
            self.done.wallets += 1;
            Ok(())
        })
    }
}

/// The beginning of the period of this many microseconds that a moment lies in.
fn beginning(at: Timestamp, length: i64) -> Timestamp {
    Timestamp::from_micros(at.micros().div_euclid(length) * length)
}
