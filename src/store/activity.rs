//! What the overview reads across tables: who there is, and what happened last.

use rusqlite::{Connection, Result};

use crate::base::{AccountId, LeaseId, Timestamp, WorkerId};

/// Accounts by role, and how far they were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountCounts {
    /// Providers.
    pub providers: i64,
    /// Consumers.
    pub consumers: i64,
    counted_to: i64,
}

/// Counts the accounts made since `before` on top of it: accounts never go, nor change their role.
pub fn count_accounts(connection: &Connection, before: AccountCounts) -> Result<AccountCounts> {
    connection
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE role = 'provider'), count(*) FILTER (WHERE role = 'consumer'),
                    coalesce(max(rowid), ?1)
             FROM accounts WHERE rowid > ?1",
        )?
        .query_row([before.counted_to], |row| {
            Ok(AccountCounts {
                providers: before.providers + row.get::<_, i64>(0)?,
                consumers: before.consumers + row.get::<_, i64>(1)?,
                counted_to: row.get(2)?,
            })
        })
}

/// A lease, as the activity feed tells of it.
#[derive(Clone, Debug)]
pub struct LeaseNews {
    /// The lease.
    pub lease_id: LeaseId,
    /// Its worker.
    pub worker_id: WorkerId,
    /// Its renter.
    pub consumer_id: AccountId,
    /// Its length, seconds.
    pub duration_sec: i64,
    /// Blocks counted.
    pub blocks_found: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// The newest leases.
pub fn latest_leases(connection: &Connection, limit: i64) -> Result<Vec<LeaseNews>> {
    connection
        .prepare_cached(
            "SELECT lease_id, worker_id, consumer_id, duration_sec, blocks_found, created_at, ended_at
             FROM leases ORDER BY lease_seq DESC LIMIT ?1",
        )?
        .query_map([limit], |row| {
            Ok(LeaseNews {
                lease_id: row.get(0)?,
                worker_id: row.get(1)?,
                consumer_id: row.get(2)?,
                duration_sec: row.get(3)?,
                blocks_found: row.get(4)?,
                created_at: row.get(5)?,
                ended_at: row.get(6)?,
            })
        })?
        .collect()
}
