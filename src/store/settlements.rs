//! The table `settlements`.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};

use super::workers::Owner;
use crate::base::{AccountId, Amount, LeaseId, Timestamp, WorkerId};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The lease; it is settled exactly once.
    pub lease_id: LeaseId,
    /// Who paid.
    pub consumer_id: AccountId,
    /// Whose work it was.
    pub worker_id: WorkerId,
    /// Who was paid.
    pub provider_id: AccountId,
    /// Microseconds billed: elapsed less interrupted.
    pub billed: i64,
    /// Blocks counted when it was settled.
    pub blocks_found: i64,
    /// What the renter paid.
    pub total_cost: Amount,
    /// The provider's part.
    pub provider_payment: Amount,
    /// The platform's part.
    pub platform_fee: Amount,
    /// When.
    pub settled_at: Timestamp,
}

/// The columns of a [`Settlement`], in the order of [`from_row`].
pub const COLUMNS: &str = "lease_id, consumer_id, worker_id, provider_id, billed, blocks_found, total_cost, provider_payment, \
     platform_fee, settled_at";

/// A [`Settlement`] from a row that begins with [`COLUMNS`].
pub fn from_row(row: &Row<'_>) -> Result<Settlement> {
    Ok(Settlement {
        lease_id: row.get(0)?,
        consumer_id: row.get(1)?,
        worker_id: row.get(2)?,
        provider_id: row.get(3)?,
        billed: row.get(4)?,
        blocks_found: row.get(5)?,
        total_cost: row.get(6)?,
        provider_payment: row.get(7)?,
        platform_fee: row.get(8)?,
        settled_at: row.get(9)?,
    })
}

/// The settlement of a lease.
pub fn of_lease(connection: &Connection, lease: &LeaseId) -> Result<Option<Settlement>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM settlements WHERE lease_id = ?1"))?
        .query_row([lease], from_row)
        .optional()
}

/// A page of settlements, newest first.
pub fn page(connection: &Connection, limit: i64, offset: i64) -> Result<Vec<Settlement>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM settlements ORDER BY settlement_id DESC LIMIT ?1 OFFSET ?2"
        ))?
        .query_map([limit, offset], from_row)?
        .collect()
}

/// Adds a settlement.
pub fn insert(connection: &Connection, settlement: &Settlement) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO settlements (lease_id, consumer_id, worker_id, provider_id, billed, blocks_found, total_cost,
                                      provider_payment, platform_fee, settled_at)
             VALUES (:lease, :consumer, :worker, :provider, :billed, :blocks, :cost, :payment, :fee, :now)",
        )?
        .execute(named_params! {
            ":lease": settlement.lease_id,
            ":consumer": settlement.consumer_id,
            ":worker": settlement.worker_id,
            ":provider": settlement.provider_id,
            ":billed": settlement.billed,
            ":blocks": settlement.blocks_found,
            ":cost": settlement.total_cost,
            ":payment": settlement.provider_payment,
            ":fee": settlement.platform_fee,
            ":now": settlement.settled_at,
        })?;
    Ok(())
}

/// What leases of a worker paid in all.
pub fn paid_for(connection: &Connection, worker: &WorkerId) -> Result<Amount> {
    connection
        .prepare_cached("SELECT coalesce(sum(provider_payment), 0) FROM settlements WHERE worker_id = ?1")?
        .query_row([worker], |row| row.get(0))
}

/// Number of settlements of a worker's leases.
pub fn count_for(connection: &Connection, worker: &WorkerId) -> Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM settlements WHERE worker_id = ?1")?
        .query_row([worker], |row| row.get(0))
}

/// A page of the settlements of a worker's leases, newest first.
pub fn of_worker(
    connection: &Connection,
    worker: &WorkerId,
    limit: i64,
    offset: i64,
) -> Result<Vec<Settlement>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM settlements WHERE worker_id = ?1 ORDER BY settlement_id DESC LIMIT ?2 OFFSET ?3"
        ))?
        .query_map((worker, limit, offset), from_row)?
        .collect()
}

/// What leases of an owner's workers paid in all, and in how many settlements.
pub fn paid_for_owner(connection: &Connection, owner: &Owner) -> Result<(Amount, i64)> {
    connection
        .prepare_cached(&format!(
            "SELECT coalesce(sum(s.provider_payment), 0), count(*) FROM workers w
             CROSS JOIN settlements s ON s.worker_id = w.worker_id WHERE w.{} = ?1",
            owner.column()
        ))?
        .query_row([owner], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The first settlement since a moment: those after it are the later ones.
pub fn first_since(connection: &Connection, since: Timestamp) -> Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT settlement_id FROM settlements WHERE settled_at >= ?1 ORDER BY settled_at LIMIT 1",
        )?
        .query_row([since], |row| row.get(0))
        .optional()
}

/// What leases of a worker paid from a settlement on, and in how many.
pub fn paid_for_from(connection: &Connection, worker: &WorkerId, first: i64) -> Result<(Amount, i64)> {
    connection
        .prepare_cached(
            "SELECT coalesce(sum(provider_payment), 0), count(*) FROM settlements
             WHERE worker_id = ?1 AND settlement_id >= ?2",
        )?
        .query_row((worker, first), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// What leases of an owner's workers paid from a settlement on, and in how many.
pub fn paid_for_owner_from(connection: &Connection, owner: &Owner, first: i64) -> Result<(Amount, i64)> {
    connection
        .prepare_cached(&format!(
            "SELECT coalesce(sum(s.provider_payment), 0), count(*) FROM workers w
             CROSS JOIN settlements s ON s.worker_id = w.worker_id AND s.settlement_id >= ?2
             WHERE w.{} = ?1",
            owner.column()
        ))?
        .query_row((owner, first), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// A page of the settlements of leases of an owner's workers, newest first.
pub fn of_owner(connection: &Connection, owner: &Owner, limit: i64, offset: i64) -> Result<Vec<Settlement>> {
    let column = owner.column();
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM settlements WHERE settlement_id IN (
                 SELECT s.settlement_id FROM workers w CROSS JOIN settlements s ON s.worker_id = w.worker_id
                 WHERE w.{column} = ?1 ORDER BY s.settlement_id DESC LIMIT ?2 OFFSET ?3)
             ORDER BY settlement_id DESC"
        ))?
        .query_map((owner, limit, offset), from_row)?
        .collect()
}

/// What a renter has been charged in all, and in how many settlements.
pub fn charged_to(connection: &Connection, consumer: &AccountId) -> Result<(Amount, i64)> {
    connection
        .prepare_cached(
            "SELECT coalesce(sum(total_cost), 0), count(*) FROM settlements WHERE consumer_id = ?1",
        )?
        .query_row([consumer], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Visits the settlements since a moment, newest first: worker, moment, the provider's part.
pub fn each_since(
    connection: &Connection,
    since: Timestamp,
    mut visit: impl FnMut(&WorkerId, Timestamp, Amount),
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT worker_id, settled_at, provider_payment FROM settlements ORDER BY settlement_id DESC",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let settled_at = row.get(1)?;
        // Settlements are numbered in the order of time.
        if settled_at < since {
            break;
        }
        visit(&row.get(0)?, settled_at, row.get(2)?);
    }
    Ok(())
}
