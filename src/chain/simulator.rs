//! The simulated chain in SQLite: plain functions over a connection, schema in `sql/003_chain.sql`
//! and `sql/007_difficulty.sql`.
//!
//! What writes must run in the caller's transaction. A key is on the chain once: the schema holds
//! it, in lower case, and [`record`] answers a repetition as the prototype does.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::submission::{Checked, Refusal, Rules};
use super::wire;
use crate::base::limits::LIST_ROWS_MAX;
use crate::base::{Amount, BlockKey, EthAddress, Prefix, Timestamp};
use crate::pow::{BlockKind, Difficulty};

/// Where a new chain's difficulty starts, KiB (contract: pow.md).
pub const DIFFICULTY_START_KIB: u32 = 1727;
/// Blocks of `GET /getblocks/lastblock`.
pub const LAST_BLOCKS: u32 = 100;

const DIFFICULTY_FLOOR_KIB: u32 = 100;
const DIFFICULTY_CEILING_KIB: u32 = 100_000;

/// A block on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number, from 1.
    pub block_id: i64,
    /// Its key.
    pub key: BlockKey,
    /// Whose it is, as it was sent.
    pub account: String,
    /// Its hash, in full or bare, as it was sent.
    pub hash_to_verify: String,
    /// What it is.
    pub kind: BlockKind,
    /// Hashes it took, as its miner says.
    pub attempts: i64,
    /// How fast they were, as its miner says.
    pub hashes_per_second: String,
    /// The machine, as its miner says.
    pub worker: String,
    /// The hash was recomputed; `false` for one judged by its marker alone.
    pub pow_verified: bool,
    /// When the chain took it.
    pub created_at: Timestamp,
}

/// The chain took a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its number.
    pub block_id: i64,
    /// What it is.
    pub kind: BlockKind,
    /// For people, in the prototype's words.
    pub message: String,
}

impl Accepted {
    /// The body of the answer.
    pub fn wire(&self) -> wire::Verified<'_> {
        let block_type = self.kind.as_str();
        wire::Verified { status: "success", message: &self.message, block_type, block_id: self.block_id }
    }
}

/// Makes the chain's state unless it is there: a chain that has begun keeps its difficulty,
/// whatever `start` says. A start below the network's floor of 100 (test networks) is the
/// floor of this chain.
pub fn open(conn: &Connection, start: Difficulty) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO chain_state VALUES (1, ?1, ?1, 1, 0, 0, 0, 0) ON CONFLICT (id) DO NOTHING",
        [start.kib()],
    )?;
    Ok(())
}

/// The refusal of a key that the chain has, to spare it the costly check.
pub fn refuse_known(conn: &Connection, key: &BlockKey) -> rusqlite::Result<Result<(), Refusal>> {
    let known = conn.prepare_cached("SELECT 1 FROM chain_blocks WHERE key = ?1")?.exists([key.as_str()])?;
    Ok(if known { Err(key_exists()) } else { Ok(()) })
}

/// Puts a checked block on the chain: the block, its reward, the counters and, every
/// [`Rules::adjust_interval`] blocks, the difficulty. Must run in a transaction. The inner `Err`
/// (409, `Key already exists`) leaves everything as it was.
pub fn record(
    conn: &Connection,
    now: Timestamp,
    rules: &Rules,
    checked: &Checked,
) -> rusqlite::Result<Result<Accepted, Refusal>> {
    let mut state = read_state(conn)?;
    let block_id = state.next_block_id;
    let Checked { submission, kind, pow_verified } = checked;
    let inserted = conn
        .prepare_cached(
            "INSERT INTO chain_blocks (block_id, key, account, hash_to_verify, block_type, attempts,
                hashes_per_second, worker, pow_verified, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (key) DO NOTHING",
        )?
        .execute(params![
            block_id,
            submission.key.as_str(),
            submission.account,
            submission.hash,
            kind.as_str(),
            submission.attempts,
            submission.hashes_per_second,
            submission.worker,
            pow_verified,
            now.micros(),
        ])?;
    if inserted == 0 {
        return Ok(Err(key_exists()));
    }
    state.miners += i64::from(pay(conn, &submission.account, reward(*kind))?);
    let before = state.difficulty;
    state.count(*kind, rules.adjust_interval);
    write_state(conn, &state)?;
    if state.difficulty != before {
        conn.prepare_cached(
            "INSERT INTO difficulty_history (since, difficulty) VALUES (?1, ?2)
             ON CONFLICT (since) DO UPDATE SET difficulty = excluded.difficulty",
        )?
        .execute(params![now.micros(), state.difficulty])?;
    }
    let message = format!("Block accepted: {kind} #{block_id}");
    Ok(Ok(Accepted { block_id, kind: *kind, message }))
}

/// The difficulty since a moment, KiB: each stretch's beginning, the first of them at or before that
/// moment, oldest first.
pub fn difficulty_since(conn: &Connection, since: Timestamp) -> rusqlite::Result<Vec<(Timestamp, u32)>> {
    let before = conn
        .prepare_cached(
            "SELECT difficulty FROM difficulty_history WHERE since <= ?1 ORDER BY since DESC LIMIT 1",
        )?
        .query_row([since], |row| row.get(0))
        .optional()?;
    let first = match before {
        Some(difficulty) => difficulty,
        None => read_state(conn)?.difficulty_start,
    };
    let mut stretches = vec![(since, first)];
    let mut later = conn
        .prepare_cached("SELECT since, difficulty FROM difficulty_history WHERE since > ?1 ORDER BY since")?;
    for row in later.query_map([since], |row| Ok((row.get(0)?, row.get(1)?)))? {
        stretches.push(row?);
    }
    Ok(stretches)
}

/// The difficulty that new blocks must meet.
pub fn difficulty(conn: &Connection) -> rusqlite::Result<Difficulty> {
    let kib = read_state(conn)?.difficulty;
    Difficulty::new(kib).map_err(|error| unreadable(0, error))
}

/// The block of a key.
pub fn by_key(conn: &Connection, key: &BlockKey) -> rusqlite::Result<Option<Block>> {
    Ok(select(conn, KEY_IS, [key.as_str()])?.pop())
}

/// The blocks of a lease's prefix numbered above `after`, oldest first, at most `limit`; of one
/// account if it is given. To go on, ask again after the last.
pub fn by_prefix(
    conn: &Connection,
    prefix: &Prefix,
    account: Option<&EthAddress>,
    after: i64,
    limit: u32,
) -> rusqlite::Result<Vec<Block>> {
    let (from, to) = key_range(&prefix.to_string());
    let account = account.map(EthAddress::as_str);
    select(conn, KEY_BEGINS_AFTER, params![from, to, after, account, rows(limit)])
}

/// Whether any block's key begins with this prefix: far cheaper than asking for those that do, and
/// for most leases the answer is no.
pub fn has_prefix(conn: &Connection, prefix: &Prefix) -> rusqlite::Result<bool> {
    let (from, to) = key_range(&prefix.to_string());
    conn.prepare_cached("SELECT 1 FROM chain_blocks WHERE key >= ?1 AND key < ?2")?.exists((from, to))
}

/// The last [`LAST_BLOCKS`], oldest first.
pub fn last_blocks(conn: &Connection) -> rusqlite::Result<Vec<Block>> {
    blocks(conn, None, None, LAST_BLOCKS)
}

/// At most `limit` (and [`LIST_ROWS_MAX`]) of the newest blocks: newest first when an account or
/// the beginning of a key is asked for, else oldest first, as the prototype. Cost: the blocks
/// that match the key's beginning, else the page.
pub fn blocks(
    conn: &Connection,
    account: Option<&str>,
    prefix: Option<&str>,
    limit: u32,
) -> rusqlite::Result<Vec<Block>> {
    let account = account.filter(|account| !account.is_empty());
    let prefix = prefix.filter(|prefix| !prefix.is_empty()).map(str::to_ascii_lowercase);
    match (account, prefix) {
        (account, Some(prefix)) => {
            let (from, to) = key_range(&prefix);
            select(conn, KEY_BEGINS, params![from, to, account, rows(limit)])
        }
        (Some(account), None) => select(conn, OF_ACCOUNT, params![account, rows(limit)]),
        (None, None) => {
            let mut newest = select(conn, "ORDER BY block_id DESC LIMIT ?1", [rows(limit)])?;
            newest.reverse();
            Ok(newest)
        }
    }
}

/// The counters.
pub fn stats(conn: &Connection) -> rusqlite::Result<wire::Stats> {
    let state = read_state(conn)?;
    Ok(wire::Stats {
        total_blocks: state.total(),
        normal_blocks: state.normal_blocks,
        super_blocks: state.super_blocks,
        xuni_blocks: state.xuni_blocks,
        difficulty: state.difficulty,
        unique_miners: state.miners,
        next_block_id: state.next_block_id,
    })
}

/// What an account's blocks earned; the account in any spelling, nothing when unknown.
pub fn balance(conn: &Connection, account: &str) -> rusqlite::Result<Amount> {
    let balance = conn
        .prepare_cached("SELECT balance FROM chain_miners WHERE account = ?1")?
        .query_row([account], |row| row.get(0))
        .optional()?;
    Ok(balance.map_or(Amount::ZERO, Amount::from_millionths))
}

const SELECT_BLOCK: &str = "SELECT block_id, key, account, hash_to_verify, block_type, attempts,
    hashes_per_second, worker, pow_verified, created_at FROM chain_blocks";

const KEY_IS: &str = "WHERE key = ?1";
const OF_ACCOUNT: &str = "WHERE account = ?1 ORDER BY block_id DESC LIMIT ?2";
// The plus keeps SQLite from walking all blocks for their order instead of these keys.
const KEY_BEGINS: &str = "WHERE key >= ?1 AND key < ?2 AND (?3 IS NULL OR account = ?3)
    ORDER BY +block_id DESC LIMIT ?4";
const KEY_BEGINS_AFTER: &str = "WHERE key >= ?1 AND key < ?2 AND +block_id > ?3
    AND (?4 IS NULL OR account = ?4) ORDER BY +block_id LIMIT ?5";

fn select(conn: &Connection, clause: &str, params: impl Params) -> rusqlite::Result<Vec<Block>> {
    conn.prepare_cached(&format!("{SELECT_BLOCK} {clause}"))?.query_map(params, block_of)?.collect()
}

fn block_of(row: &Row) -> rusqlite::Result<Block> {
    let kind: String = row.get(4)?;
    Ok(Block {
        block_id: row.get(0)?,
        key: row.get::<_, String>(1)?.parse().map_err(|error| unreadable(1, error))?,
        account: row.get(2)?,
        hash_to_verify: row.get(3)?,
        kind: BlockKind::from_name(&kind).ok_or(rusqlite::Error::InvalidQuery)?,
        attempts: row.get(5)?,
        hashes_per_second: row.get(6)?,
        worker: row.get(7)?,
        pow_verified: row.get(8)?,
        created_at: Timestamp::from_micros(row.get(9)?),
    })
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn key_exists() -> Refusal {
    Refusal::new(409, "Key already exists")
}

fn rows(limit: u32) -> i64 {
    i64::from(limit).min(LIST_ROWS_MAX)
}

/// The keys that begin so: from the beginning itself to the first text after all of them. Keys
/// are hexadecimal, so a `g` comes after every continuation, and other text begins none.
fn key_range(beginning: &str) -> (String, String) {
    (beginning.to_owned(), format!("{beginning}g"))
}

/// What a block of this kind earns its account (contract: pow.md).
pub fn reward(kind: BlockKind) -> Amount {
    const COIN: i64 = 1_000_000;
    Amount::from_millionths(match kind {
        BlockKind::Normal => 10 * COIN,
        BlockKind::Super => 50 * COIN,
        BlockKind::Xuni => COIN,
    })
}

/// Adds to an account's balance; `true` when it is the account's first block.
fn pay(conn: &Connection, account: &str, reward: Amount) -> rusqlite::Result<bool> {
    let known = conn
        .prepare_cached(
            "UPDATE chain_miners SET blocks = blocks + 1, balance = balance + ?2 WHERE account = ?1",
        )?
        .execute(params![account, reward.millionths()])?;
    if known == 0 {
        conn.prepare_cached("INSERT INTO chain_miners VALUES (?1, 1, ?2)")?
            .execute(params![account, reward.millionths()])?;
    }
    Ok(known == 0)
}

struct State {
    difficulty: u32,
    difficulty_start: u32,
    next_block_id: i64,
    normal_blocks: i64,
    super_blocks: i64,
    xuni_blocks: i64,
    miners: i64,
}

impl State {
    fn total(&self) -> i64 {
        self.normal_blocks + self.super_blocks + self.xuni_blocks
    }

    fn count(&mut self, kind: BlockKind, adjust_interval: u32) {
        self.next_block_id += 1;
        match kind {
            BlockKind::Normal => self.normal_blocks += 1,
            BlockKind::Super => self.super_blocks += 1,
            BlockKind::Xuni => self.xuni_blocks += 1,
        }
        if self.total() % i64::from(adjust_interval.max(1)) == 0 {
            let floor = DIFFICULTY_FLOOR_KIB.min(self.difficulty_start);
            self.difficulty = (self.difficulty * 21 / 20).clamp(floor, DIFFICULTY_CEILING_KIB);
        }
    }
}

fn read_state(conn: &Connection) -> rusqlite::Result<State> {
    conn.prepare_cached(
        "SELECT difficulty, difficulty_start, next_block_id, normal_blocks, super_blocks, xuni_blocks,
            miners FROM chain_state",
    )?
    .query_row([], |row| {
        Ok(State {
            difficulty: row.get(0)?,
            difficulty_start: row.get(1)?,
            next_block_id: row.get(2)?,
            normal_blocks: row.get(3)?,
            super_blocks: row.get(4)?,
            xuni_blocks: row.get(5)?,
            miners: row.get(6)?,
        })
    })
}

fn write_state(conn: &Connection, state: &State) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE chain_state SET difficulty = ?1, next_block_id = ?2, normal_blocks = ?3,
            super_blocks = ?4, xuni_blocks = ?5, miners = ?6",
    )?
    .execute(params![
        state.difficulty,
        state.next_block_id,
        state.normal_blocks,
        state.super_blocks,
        state.xuni_blocks,
        state.miners,
    ])?;
    Ok(())
}

#[cfg(test)]
#[path = "simulator_tests.rs"]
mod tests;
