//! What a miner must not forget: found blocks until chain and platform have them, and the lease in
//! force. One SQLite file; every change is on the disk before the call returns.
//!
//! A disk that is full or broken stops nothing: what could not be written is kept in memory, is
//! sent all the same, and is written as soon as the disk takes it.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::config::WorkerError;
use super::state::Lease;
use crate::base::limits::{REFUSED_BLOCKS_KEPT_MAX, WORKER_BLOCKS_QUEUED_MAX};
use crate::base::{BlockKey, EthAddress, LeaseId, Timestamp, WorkerId};
use crate::protocol::Block;

/// The journal of one worker. One process at a time has it.
pub(super) struct Journal {
    connection: Connection,
    worker: WorkerId,
    /// Found and not on the disk yet.
    unwritten: Vec<Entry>,
    /// Settled, and the disk does not know it yet.
    unsettled: BTreeMap<BlockKey, Settled>,
    ails: bool,
    _lock: Option<File>,
}

/// A block and who waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) block: Block,
    pub(super) chain_waits: bool,
    pub(super) platform_waits: bool,
}

/// Who has taken a block, or never will.
#[derive(Clone, Debug, Default)]
struct Settled {
    chain: bool,
    refused: Option<String>,
    platform: bool,
}

const BUSY_TIME_MAX: Duration = Duration::from_secs(5);

impl Journal {
    /// Opens the journal of `worker` in `folder`, which is made when missing. A file that is no
    /// journal is put aside, never deleted. Without a folder nothing outlives the process.
    pub(super) fn open(folder: Option<&Path>, worker: &WorkerId) -> Result<Self, WorkerError> {
        let (connection, lock) = match folder {
            None => (Connection::open_in_memory().and_then(prepared)?, None),
            Some(folder) => {
                let failed = |source| WorkerError::Folder { folder: folder.to_owned(), source };
                std::fs::create_dir_all(folder).map_err(failed)?;
                let lock = take_lock(&folder.join(format!("{worker}.lock")), worker)?;
                (open_file(&folder.join(format!("{worker}.journal")))?, Some(lock))
            }
        };
        let (unwritten, unsettled) = (Vec::new(), BTreeMap::new());
        Ok(Journal { connection, worker: worker.clone(), unwritten, unsettled, ails: false, _lock: lock })
    }

    /// Keeps found blocks; all of them cost one flush of the disk.
    pub(super) fn keep(&mut self, found: Vec<Entry>) {
        self.unwritten.extend(found);
        self.write();
    }

    /// The chain has the block, or will never take it: then with the reason, and the platform is
    /// not told of it either.
    pub(super) fn chain_settled(&mut self, key: &BlockKey, refused: Option<String>) {
        let settled = self.unsettled.entry(key.clone()).or_default();
        settled.platform |= refused.is_some();
        (settled.chain, settled.refused) = (true, refused);
    }

    /// The platform acknowledged the block.
    pub(super) fn platform_settled(&mut self, key: &BlockKey) {
        self.unsettled.entry(key.clone()).or_default().platform = true;
    }

    /// Brings to the disk what it does not have yet. Call it after each round of changes.
    pub(super) fn write(&mut self) {
        if self.unwritten.is_empty() && self.unsettled.is_empty() {
            return;
        }
        match self.try_write() {
            Ok(()) => {
                self.unwritten.clear();
                self.unsettled.clear();
                if std::mem::take(&mut self.ails) {
                    log::info!("the journal can be written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.ails, true) {
                    log::error!("the journal cannot be written, blocks are kept in memory: {error}");
                }
            }
        }
    }

    fn try_write(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for Entry { block, chain_waits, platform_waits } in &self.unwritten {
            transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO blocks (key, lease_id, hash, account, attempts, hashrate,
                     chain_waits, platform_waits) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    block.key.as_str(),
                    block.lease_id.as_ref().map(LeaseId::as_str),
                    block.hash,
                    block.account.as_ref().map(EthAddress::as_str),
                    block.attempts,
                    block.hashrate,
                    chain_waits,
                    platform_waits,
                ])?;
        }
        for (key, Settled { chain, refused, platform }) in &self.unsettled {
            transaction
                .prepare_cached(
                    "UPDATE blocks SET chain_waits = chain_waits AND NOT ?2, refused = coalesce(?3, refused),
                     platform_waits = platform_waits AND NOT ?4 WHERE key = ?1",
                )?
                .execute(params![key.as_str(), chain, refused, platform])?;
            transaction
                .prepare_cached(
                    "DELETE FROM blocks WHERE key = ?1 AND NOT chain_waits AND NOT platform_waits AND refused IS NULL",
                )?
                .execute([key.as_str()])?;
        }
        if self.unsettled.values().any(|settled| settled.refused.is_some()) {
            transaction.execute(
                "DELETE FROM blocks WHERE refused IS NOT NULL AND number <= (SELECT number FROM blocks
                 WHERE refused IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?1)",
                [REFUSED_BLOCKS_KEPT_MAX],
            )?;
        }
        transaction.commit()
    }

    /// Blocks that wait for chain or platform and are not among `known`, oldest first.
    pub(super) fn waiting(&self, known: &HashSet<BlockKey>) -> Vec<Entry> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT key, lease_id, hash, account, attempts, hashrate, chain_waits, platform_waits
                 FROM blocks WHERE chain_waits OR platform_waits ORDER BY number",
            )?;
            let rows = statement.query_map([], |row| self.entry(row))?;
            let fresh =
                rows.filter(|row| row.as_ref().map_or(true, |entry| !known.contains(&entry.block.key)));
            fresh.take(WORKER_BLOCKS_QUEUED_MAX).collect::<rusqlite::Result<_>>()
        };
        let mut entries: Vec<Entry> = read().unwrap_or_else(|error: rusqlite::Error| {
            log::error!("the journal cannot be read: {error}");
            Vec::new()
        });
        entries.extend(self.unwritten.iter().filter(|entry| !known.contains(&entry.block.key)).cloned());
        for entry in &mut entries {
            if let Some(settled) = self.unsettled.get(&entry.block.key) {
                entry.chain_waits &= !settled.chain;
                entry.platform_waits &= !settled.platform;
            }
        }
        entries.retain(|entry| entry.chain_waits || entry.platform_waits);
        entries
    }

    fn entry(&self, row: &Row<'_>) -> rusqlite::Result<Entry> {
        Ok(Entry {
            block: Block {
                worker_id: self.worker.clone(),
                key: parsed(row, 0)?,
                lease_id: optional(row, 1)?,
                hash: row.get(2)?,
                account: optional(row, 3)?,
                attempts: row.get(4)?,
                hashrate: row.get(5)?,
            },
            chain_waits: row.get(6)?,
            platform_waits: row.get(7)?,
        })
    }

    /// Remembers the lease in force, or that there is none. `now` is the miner's, `wall` the wall's
    /// time: the next life of the process has another clock.
    pub(super) fn remember(&mut self, lease: Option<&Lease>, now: Timestamp, wall: Timestamp) {
        let written = match lease {
            None => self.connection.execute("DELETE FROM lease", []),
            Some(lease) => self.connection.execute(
                "INSERT OR REPLACE INTO lease (only, lease_id, consumer_id, renter, prefix, told, lasts)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    lease.id.as_str(),
                    lease.consumer.as_str(),
                    lease.renter.as_str(),
                    lease.prefix.map(|prefix| prefix.to_string()),
                    wall.micros(),
                    lease.ends.map(|ends| ends.micros_since(now)),
                ],
            ),
        };
        if let Err(error) = written {
            log::error!("the lease cannot be remembered over a restart: {error}");
        }
    }

    /// The lease that was in force, if its time is not over. A wall clock that was set back
    /// meanwhile makes it no longer than it was.
    pub(super) fn recall(&self, now: Timestamp, wall: Timestamp) -> Option<Lease> {
        let read = self.connection.query_row(
            "SELECT lease_id, consumer_id, renter, prefix, told, lasts FROM lease",
            [],
            |row| {
                let told = Timestamp::from_micros(row.get(4)?);
                let lasts: Option<i64> = row.get(5)?;
                let left = lasts.map(|lasts| lasts - wall.micros_since(told));
                let lease = Lease {
                    id: parsed(row, 0)?,
                    consumer: parsed(row, 1)?,
                    renter: parsed(row, 2)?,
                    prefix: optional(row, 3)?,
                    ends: left.map(|left| Timestamp::from_micros(now.micros().saturating_add(left))),
                };
                Ok(lease)
            },
        );
        let lease = read.optional().unwrap_or_else(|error| {
            log::error!("the lease of the last run cannot be read: {error}");
            None
        });
        lease.filter(|lease| lease.ends.is_none_or(|ends| ends > now))
    }
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn optional<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    if row.get_ref(column)?.as_str_or_null()?.is_some() { parsed(row, column).map(Some) } else { Ok(None) }
}

fn take_lock(path: &PathBuf, worker: &WorkerId) -> Result<File, WorkerError> {
    let failed = |source| WorkerError::Folder { folder: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(WorkerError::Taken(worker.clone())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn open_file(path: &Path) -> Result<Connection, WorkerError> {
    match Connection::open(path).and_then(prepared) {
        Ok(connection) => Ok(connection),
        Err(error) if is_broken(&error) => {
            let aside = path.with_extension(format!("broken-{}", uuid::Uuid::new_v4()));
            let failed = |source| WorkerError::Folder { folder: path.to_owned(), source };
            std::fs::rename(path, &aside).map_err(failed)?;
            log::error!("{} is broken ({error}): it is now {}", path.display(), aside.display());
            Ok(Connection::open(path).and_then(prepared)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
    )
}

fn prepared(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY_TIME_MAX)?;
    // A transaction that was torn by a crash is left out as a whole: each has its checksum.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(include_str!("journal.sql"))?;
    Ok(connection)
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
