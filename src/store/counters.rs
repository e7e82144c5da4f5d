//! The table `counters`: counts and sums that would cost a table to take.

use rusqlite::{Connection, Result};

use crate::base::Amount;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Blocks recorded.
    Blocks,
    /// Blocks recorded without a lease.
    BlocksSelfMined,
    /// Leases ever made.
    Leases,
    /// Settlements.
    Settlements,
    /// Millionths charged by settlements.
    Settled,
    /// Millionths of platform fees.
    Fees,
}

impl Counter {
    /// The row's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Counter::Blocks => "blocks",
            Counter::BlocksSelfMined => "blocks_self_mined",
            Counter::Leases => "leases",
            Counter::Settlements => "settlements",
            Counter::Settled => "settled",
            Counter::Fees => "fees",
        }
    }
}

/// The present value.
pub fn get(connection: &Connection, counter: Counter) -> Result<i64> {
    connection
        .prepare_cached("SELECT value FROM counters WHERE name = ?1")?
        .query_row([counter.as_str()], |row| row.get(0))
}

/// Adds to a counter.
pub fn add(connection: &Connection, counter: Counter, by: i64) -> Result<()> {
    connection
        .prepare_cached("UPDATE counters SET value = value + ?2 WHERE name = ?1")?
        .execute((counter.as_str(), by))?;
    Ok(())
}

/// Counts one more settlement with what it charged and its fee.
pub fn add_settlement(connection: &Connection, charged: Amount, fee: Amount) -> Result<()> {
    add(connection, Counter::Settlements, 1)?;
    add(connection, Counter::Settled, charged.millionths())?;
    add(connection, Counter::Fees, fee.millionths())
}
