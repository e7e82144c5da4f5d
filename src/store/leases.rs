//! The table `leases`.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};

use super::accounts::words;
use super::counters::{self, Counter};
use super::workers::Owner;
use crate::base::{AccountId, Amount, EthAddress, LeaseId, Prefix, Timestamp, WorkerId};
use crate::protocol::ReportedState;

/// Where a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// The worker mines for the renter.
    Active,
    /// Ended by its time or by being stopped.
    Completed,
    /// Ended before it began to count; of imported databases.
    Cancelled,
}

words!(LeaseState { Active => "active", Completed => "completed", Cancelled => "cancelled" });

/// A row.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Order of creation.
    pub lease_seq: i64,
    /// Its id.
    pub lease_id: LeaseId,
    /// The worker leased.
    pub worker_id: WorkerId,
    /// The account that pays.
    pub consumer_id: AccountId,
    /// The address mined for.
    pub consumer_address: EthAddress,
    /// What every key of the lease begins with.
    pub prefix: Prefix,
    /// The worker's price when it was rented.
    pub price_per_min: Amount,
    /// Length, seconds.
    pub duration_sec: i64,
    /// What the renter's account holds for it.
    pub hold: Amount,
    /// Where it stands.
    pub state: LeaseState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Microseconds without the worker, closed stretches.
    pub interrupted: i64,
    /// Since when the worker is away, or does not mine for it.
    pub interrupted_since: Option<Timestamp>,
    /// What the worker reported to be doing instead of mining for it, when it did.
    pub paused: Option<ReportedState>,
    /// When the worker last came back: no absence before this is counted again.
    pub back_since: Timestamp,
    /// The worker's last sign of life when it last came back.
    pub heard_at: Option<Timestamp>,
    /// Microseconds after that sign of life that are in `interrupted`.
    pub unpaid_since_heard: i64,
    /// Blocks counted.
    pub blocks_found: i64,
    /// Sum of the hashrates reported in it, H/s.
    pub hashrate_sum: f64,
    /// How many were summed.
    pub hashrate_samples: i64,
    /// What the worker said of itself when it was rented, H/s; 0 when it had not.
    pub advertised_hashrate: f64,
    /// Of the renter's own worker: it does not count for the worker's reputation.
    pub own: bool,
}

impl Lease {
    /// Mean of the hashrates reported in it, H/s; 0 when there are none.
    pub fn avg_hashrate(&self) -> f64 {
        if self.hashrate_samples == 0 { 0.0 } else { self.hashrate_sum / self.hashrate_samples as f64 }
    }
}

/// The columns of a [`Lease`], in the order of [`from_row`].
pub const COLUMNS: &str = "lease_seq, lease_id, worker_id, consumer_id, consumer_address, prefix, price_per_min, duration_sec, \
     hold, state, created_at, ends_at, ended_at, interrupted, interrupted_since, back_since, blocks_found, \
     hashrate_sum, hashrate_samples, advertised_hashrate, own, paused, heard_at, unpaid_since_heard";

/// A [`Lease`] from a row that begins with [`COLUMNS`].
pub fn from_row(row: &Row<'_>) -> Result<Lease> {
    Ok(Lease {
        lease_seq: row.get(0)?,
        lease_id: row.get(1)?,
        worker_id: row.get(2)?,
        consumer_id: row.get(3)?,
        consumer_address: row.get(4)?,
        prefix: row.get(5)?,
        price_per_min: row.get(6)?,
        duration_sec: row.get(7)?,
        hold: row.get(8)?,
        state: row.get(9)?,
        created_at: row.get(10)?,
        ends_at: row.get(11)?,
        ended_at: row.get(12)?,
        interrupted: row.get(13)?,
        interrupted_since: row.get(14)?,
        back_since: row.get(15)?,
        blocks_found: row.get(16)?,
        hashrate_sum: row.get(17)?,
        hashrate_samples: row.get(18)?,
        advertised_hashrate: row.get(19)?,
        own: row.get(20)?,
        paused: row.get(21)?,
        heard_at: row.get(22)?,
        unpaid_since_heard: row.get(23)?,
    })
}

fn one(connection: &Connection, condition: &str, parameter: impl rusqlite::ToSql) -> Result<Option<Lease>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM leases WHERE {condition}"))?
        .query_row([parameter], from_row)
        .optional()
}

/// The lease with this id.
pub fn get(connection: &Connection, id: &LeaseId) -> Result<Option<Lease>> {
    one(connection, "lease_id = ?1", id)
}

/// The lease that a worker is in.
pub fn active_of(connection: &Connection, worker: &WorkerId) -> Result<Option<Lease>> {
    one(connection, "worker_id = ?1 AND state = 'active'", worker)
}

/// The lease whose keys begin with this prefix.
pub fn with_prefix(connection: &Connection, prefix: &Prefix) -> Result<Option<Lease>> {
    one(connection, "prefix = ?1", prefix)
}

/// All active leases.
pub fn active(connection: &Connection) -> Result<Vec<Lease>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM leases WHERE state = 'active' ORDER BY lease_seq"))?
        .query_map([], from_row)?
        .collect()
}

/// A page of all leases or of those in one state, newest first.
pub fn page(
    connection: &Connection,
    state: Option<LeaseState>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Lease>> {
    match state {
        Some(state) => connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM leases WHERE state = ?1 ORDER BY lease_seq DESC LIMIT ?2 OFFSET ?3"
            ))?
            .query_map((state, limit, offset), from_row)?
            .collect(),
        None => connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM leases ORDER BY lease_seq DESC LIMIT ?1 OFFSET ?2"
            ))?
            .query_map((limit, offset), from_row)?
            .collect(),
    }
}

/// A page of a worker's leases, newest first.
pub fn of_worker(connection: &Connection, worker: &WorkerId, limit: i64, offset: i64) -> Result<Vec<Lease>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM leases WHERE worker_id = ?1 ORDER BY lease_seq DESC LIMIT ?2 OFFSET ?3"
        ))?
        .query_map((worker, limit, offset), from_row)?
        .collect()
}

/// Number of a worker's leases, its owner's own among them.
pub fn count_of_worker(connection: &Connection, worker: &WorkerId) -> Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM leases WHERE worker_id = ?1")?
        .query_row([worker], |row| row.get(0))
}

/// Number of active leases: at most one a worker.
pub fn count_active(connection: &Connection) -> Result<i64> {
    count_in(connection, LeaseState::Active)
}

/// Number of leases, all or in one state. Those completed, the many, are what the few others leave.
pub fn count(connection: &Connection, state: Option<LeaseState>) -> Result<i64> {
    match state {
        None => counters::get(connection, Counter::Leases),
        Some(LeaseState::Completed) => Ok(counters::get(connection, Counter::Leases)?
            - count_in(connection, LeaseState::Active)?
            - count_in(connection, LeaseState::Cancelled)?),
        Some(few) => count_in(connection, few),
    }
}

fn count_in(connection: &Connection, state: LeaseState) -> Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM leases WHERE state = ?1")?
        .query_row([state], |row| row.get(0))
}

/// Active leases whose time is over.
pub fn due(connection: &Connection, now: Timestamp) -> Result<Vec<Lease>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM leases WHERE state = 'active' AND ends_at <= ?1 ORDER BY ends_at"
        ))?
        .query_map([now], from_row)?
        .collect()
}

/// Leases that came to their end without a settlement, oldest first. A cancelled one costs nothing.
pub fn unsettled(connection: &Connection) -> Result<Vec<Lease>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM leases
             WHERE settled = 0 AND state <> 'active' AND state <> 'cancelled' ORDER BY lease_seq"
        ))?
        .query_map([], from_row)?
        .collect()
}

/// Adds an active lease; its `lease_seq` is given by the database.
pub fn insert(connection: &Connection, lease: &Lease) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO leases (lease_id, worker_id, consumer_id, consumer_address, prefix, price_per_min,
                                 duration_sec, hold, state, created_at, ends_at, back_since, advertised_hashrate, own)
             VALUES (:id, :worker, :consumer, :address, :prefix, :price, :duration, 
                     :hold, 'active', :created, :ends, :created, :advertised, :own)",
        )?
        .execute(named_params! {
            ":id": lease.lease_id,
            ":worker": lease.worker_id,
            ":consumer": lease.consumer_id,
            ":address": lease.consumer_address,
            ":prefix": lease.prefix,
            ":price": lease.price_per_min,
            ":duration": lease.duration_sec,
            ":hold": lease.hold,
            ":created": lease.created_at,
            ":ends": lease.ends_at,
            ":advertised": lease.advertised_hashrate,
            ":own": lease.own,
        })?;
    Ok(())
}

/// Ends an active lease and releases its hold; what it was interrupted for in all is now known. Its
/// settlement belongs into the same transaction.
pub fn complete(connection: &Connection, id: &LeaseId, ended_at: Timestamp, interrupted: i64) -> Result<()> {
    let ended = connection
        .prepare_cached(
            "UPDATE leases SET state = 'completed', ended_at = ?2, interrupted = ?3, interrupted_since = NULL, paused = NULL,
                               hold = 0, settled = 1
             WHERE lease_id = ?1 AND state = 'active'",
        )?
        .execute((id, ended_at, interrupted))?;
    assert_eq!(ended, 1, "a lease ends once");
    Ok(())
}

/// Notes that a lease which had ended without a settlement has one now.
pub fn mark_settled(connection: &Connection, id: &LeaseId) -> Result<()> {
    connection.prepare_cached("UPDATE leases SET settled = 1 WHERE lease_id = ?1")?.execute([id])?;
    Ok(())
}

/// Gives a lease a new length and hold.
pub fn lengthen(
    connection: &Connection,
    id: &LeaseId,
    duration_sec: i64,
    ends_at: Timestamp,
    hold: Amount,
) -> Result<()> {
    connection
        .prepare_cached("UPDATE leases SET duration_sec = ?2, ends_at = ?3, hold = ?4 WHERE lease_id = ?1")?
        .execute((id, duration_sec, ends_at, hold))?;
    Ok(())
}

/// Notes how long a lease has been without its worker, since when it is, and why.
pub fn save_absence(connection: &Connection, lease: &Lease) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE leases SET interrupted = ?2, interrupted_since = ?3, paused = ?4, back_since = ?5, heard_at = ?6,
                               unpaid_since_heard = ?7
             WHERE lease_id = ?1",
        )?
        .execute((
            &lease.lease_id,
            lease.interrupted,
            lease.interrupted_since,
            lease.paused,
            lease.back_since,
            lease.heard_at,
            lease.unpaid_since_heard,
        ))?;
    Ok(())
}

/// Counts one more block.
pub fn count_block(connection: &Connection, id: &LeaseId) -> Result<()> {
    connection
        .prepare_cached("UPDATE leases SET blocks_found = blocks_found + 1 WHERE lease_id = ?1")?
        .execute([id])?;
    Ok(())
}

/// Number of a renter's leases in a state.
pub fn count_of_consumer(connection: &Connection, consumer: &AccountId, state: LeaseState) -> Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM leases WHERE consumer_id = ?1 AND state = ?2")?
        .query_row((consumer, state), |row| row.get(0))
}

/// A page of a renter's leases in one state or all, newest first.
pub fn of_consumer(
    connection: &Connection,
    consumer: &AccountId,
    state: Option<LeaseState>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Lease>> {
    // Each part comes in order out of the index, so that together they are merged, not sorted.
    const OF_ALL_STATES: &str = "SELECT lease_seq FROM leases WHERE consumer_id = ?1 AND state = 'active'
        UNION ALL SELECT lease_seq FROM leases WHERE consumer_id = ?1 AND state = 'completed'
        UNION ALL SELECT lease_seq FROM leases WHERE consumer_id = ?1 AND state = 'cancelled'";
    let chosen = match state {
        Some(_) => "SELECT lease_seq FROM leases WHERE consumer_id = ?1 AND state = ?4",
        None => OF_ALL_STATES,
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM leases WHERE lease_seq IN
             (SELECT lease_seq FROM ({chosen} ORDER BY lease_seq DESC LIMIT ?2 OFFSET ?3))
         ORDER BY lease_seq DESC"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    match state {
        Some(state) => statement.query_map((consumer, limit, offset, state), from_row)?.collect(),
        None => statement.query_map((consumer, limit, offset), from_row)?.collect(),
    }
}

/// Number of active leases of an owner's workers.
pub fn count_active_of_owner(connection: &Connection, owner: &Owner) -> Result<i64> {
    connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM workers w
             CROSS JOIN leases l ON l.worker_id = w.worker_id AND l.state = 'active' WHERE w.{} = ?1",
            owner.column()
        ))?
        .query_row([owner], |row| row.get(0))
}
