//! The table `blocks`.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};

use super::convert::OptionalAddress;
use super::counters::{self, Counter};
use crate::base::{BlockKey, EthAddress, LeaseId, Timestamp, WorkerId};

/// A row.
#[derive(Clone, Debug)]
pub struct Block {
    /// Order of recording.
    pub block_seq: i64,
    /// The lease; `None` when self-mined.
    pub lease_id: Option<LeaseId>,
    /// Who found it.
    pub worker_id: WorkerId,
    /// PHC string, or a simulator's text.
    pub hash: String,
    /// The key hashed.
    pub key: BlockKey,
    /// Whose address was the salt.
    pub account: Option<EthAddress>,
    /// Hashes since the block before.
    pub attempts: i64,
    /// H/s as text.
    pub hashrate: String,
    /// The key begins with the lease's prefix (always so without a lease).
    pub prefix_valid: bool,
    /// The chain knows it, or its hash recomputes.
    pub chain_verified: bool,
    /// Not looked into yet.
    pub pending: bool,
    /// Its number on the chain.
    pub chain_block_id: Option<i64>,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// The columns of a [`Block`], in the order of [`from_row`].
pub const COLUMNS: &str = "block_seq, lease_id, worker_id, hash, key, account, attempts, hashrate, prefix_valid, chain_verified, \
     pending, chain_block_id, created_at";

/// A [`Block`] from a row that begins with [`COLUMNS`].
pub fn from_row(row: &Row<'_>) -> Result<Block> {
    Ok(Block {
        block_seq: row.get(0)?,
        lease_id: row.get(1)?,
        worker_id: row.get(2)?,
        hash: row.get(3)?,
        key: row.get(4)?,
        account: row.get::<_, OptionalAddress>(5)?.0,
        attempts: row.get(6)?,
        hashrate: row.get(7)?,
        prefix_valid: row.get(8)?,
        chain_verified: row.get(9)?,
        pending: row.get(10)?,
        chain_block_id: row.get(11)?,
        created_at: row.get(12)?,
    })
}

/// The block with this key.
pub fn with_key(connection: &Connection, key: &BlockKey) -> Result<Option<Block>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM blocks WHERE key = ?1"))?
        .query_row([key], from_row)
        .optional()
}

/// A page of all blocks, newest first. What is skipped is walked, so it is walked from the nearer end.
pub fn page(connection: &Connection, limit: i64, offset: i64) -> Result<Vec<Block>> {
    let total = counters::get(connection, Counter::Blocks)?;
    let limit = limit.min(total.saturating_sub(offset));
    if limit <= 0 {
        return Ok(Vec::new());
    }
    let after = total - offset - limit;
    let (order, skipped) = if after < offset { ("ASC", after) } else { ("DESC", offset) };
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM blocks WHERE block_seq IN
               (SELECT block_seq FROM blocks ORDER BY created_at {order}, block_seq {order} LIMIT ?1 OFFSET ?2)
             ORDER BY created_at DESC, block_seq DESC"
        ))?
        .query_map([limit, skipped], from_row)?
        .collect()
}

/// A page of a lease's blocks, oldest first.
pub fn of_lease(connection: &Connection, lease: &LeaseId, limit: i64, offset: i64) -> Result<Vec<Block>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM blocks WHERE lease_id = ?1 ORDER BY block_seq LIMIT ?2 OFFSET ?3"
        ))?
        .query_map((lease, limit, offset), from_row)?
        .collect()
}

/// A page of a worker's blocks, newest first.
pub fn of_worker(connection: &Connection, worker: &WorkerId, limit: i64, offset: i64) -> Result<Vec<Block>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM blocks WHERE worker_id = ?1 ORDER BY block_seq DESC LIMIT ?2 OFFSET ?3"
        ))?
        .query_map((worker, limit, offset), from_row)?
        .collect()
}

/// Number of a worker's blocks.
pub fn count_of_worker(connection: &Connection, worker: &WorkerId) -> Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM blocks WHERE worker_id = ?1")?
        .query_row([worker], |row| row.get(0))
}

/// A page of the blocks without a lease, of one worker or all, newest first.
pub fn self_mined(
    connection: &Connection,
    worker: Option<&WorkerId>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Block>> {
    let of_worker = if worker.is_some() { "AND worker_id = ?1" } else { "AND ?1 IS NULL" };
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM blocks WHERE lease_id IS NULL {of_worker}
             ORDER BY block_seq DESC LIMIT ?2 OFFSET ?3"
        ))?
        .query_map((worker, limit, offset), from_row)?
        .collect()
}

/// Number of blocks without a lease, of one worker or all.
pub fn count_self_mined(connection: &Connection, worker: Option<&WorkerId>) -> Result<i64> {
    let Some(worker) = worker else { return counters::get(connection, Counter::BlocksSelfMined) };
    connection
        .prepare_cached("SELECT count(*) FROM blocks WHERE lease_id IS NULL AND worker_id = ?1")?
        .query_row([worker], |row| row.get(0))
}

/// Blocks that wait to be looked into, oldest first.
pub fn pending(connection: &Connection, limit: i64) -> Result<Vec<Block>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM blocks WHERE pending = 1 ORDER BY block_seq LIMIT ?1"
        ))?
        .query_map([limit], from_row)?
        .collect()
}

/// The newest blocks, newest first.
pub fn newest(connection: &Connection, limit: i64) -> Result<Vec<Block>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM blocks ORDER BY block_seq DESC LIMIT ?1"))?
        .query_map([limit], from_row)?
        .collect()
}

/// Adds a block; false when its key is recorded already. Its `block_seq` is given by the database.
pub fn insert(connection: &Connection, block: &Block) -> Result<bool> {
    let added = connection
        .prepare_cached(
            "INSERT INTO blocks (lease_id, worker_id, hash, key, account, attempts, hashrate, prefix_valid,
                                 chain_verified, pending, chain_block_id, created_at)
             VALUES (:lease, :worker, :hash, :key, :account, :attempts, :hashrate, :prefix, :verified, :pending,
                     :chain_id, :now)
             ON CONFLICT (key) DO NOTHING",
        )?
        .execute(named_params! {
            ":lease": block.lease_id,
            ":worker": block.worker_id,
            ":hash": block.hash,
            ":key": block.key,
            ":account": OptionalAddress(block.account),
            ":attempts": block.attempts,
            ":hashrate": block.hashrate,
            ":prefix": block.prefix_valid,
            ":verified": block.chain_verified,
            ":pending": block.pending,
            ":chain_id": block.chain_block_id,
            ":now": block.created_at,
        })?;
    Ok(added > 0)
}

/// Removes a block that gives way to a proven one of the same key.
pub fn remove(connection: &Connection, key: &BlockKey) -> Result<()> {
    connection.prepare_cached("DELETE FROM blocks WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Notes what became of a block that waited.
pub fn decide(
    connection: &Connection,
    key: &BlockKey,
    chain_verified: bool,
    chain_block_id: Option<i64>,
) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE blocks SET pending = 0, chain_verified = ?2, chain_block_id = coalesce(?3, chain_block_id)
             WHERE key = ?1",
        )?
        .execute((key, chain_verified, chain_block_id))?;
    Ok(())
}

/// Number of blocks since a moment, and how far they were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Blocks recorded at or after `since`.
    pub blocks: i64,
    since: Timestamp,
    counted_to: i64,
}

/// Counts the blocks since a moment, by the index that each part narrows most (`+` bars the other). With an earlier count only the difference is read: what has
/// been recorded after it, and what has become too old.
pub fn count_since(connection: &Connection, before: Option<&Recent>, since: Timestamp) -> Result<Recent> {
    let newest = connection
        .prepare_cached("SELECT coalesce(max(block_seq), 0) FROM blocks")?
        .query_row([], |row| row.get(0))?;
    let Some(before) = before.filter(|before| before.since <= since) else {
        let blocks = connection
            .prepare_cached("SELECT count(*) FROM blocks WHERE created_at >= ?1")?
            .query_row([since], |row| row.get(0))?;
        return Ok(Recent { blocks, since, counted_to: newest });
    };
    let added: i64 = connection
        .prepare_cached("SELECT count(*) FROM blocks WHERE +created_at >= ?1 AND block_seq > ?2")?
        .query_row((since, before.counted_to), |row| row.get(0))?;
    let expired: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM blocks WHERE created_at >= ?1 AND created_at < ?2 AND +block_seq <= ?3",
        )?
        .query_row((before.since, since, before.counted_to), |row| row.get(0))?;
    Ok(Recent { blocks: before.blocks + added - expired, since, counted_to: newest })
}

/// Visits the blocks that count, recorded since a moment: worker and moment.
pub fn each_counted_since(
    connection: &Connection,
    since: Timestamp,
    mut visit: impl FnMut(&WorkerId, Timestamp),
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT worker_id, created_at FROM blocks
         WHERE created_at >= ?1 AND prefix_valid = 1 AND chain_verified = 1",
    )?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        visit(&row.get(0)?, row.get(1)?);
    }
    Ok(())
}
