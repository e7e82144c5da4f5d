//! The table `settlements`.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};

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
