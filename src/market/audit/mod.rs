//! The audit: rebuilds from the rows what the database claims, and says where they differ.
//!
//! It reads within one snapshot, so a server may go on writing beside it, and it streams: memory
//! does not grow with the tables. It trusts no column: values are read raw, so that a row which the
//! program could not have written is a line of the report and not an error.

mod blocks;
mod chain;
mod file;
mod leases;
mod ledger;
#[cfg(test)]
mod tests;

use rusqlite::{Connection, ErrorCode};

use crate::base::limits::AUDIT_LINES_MAX;
use crate::store::StoreError;

/// The note of a ledger movement that brought an imported settlement along. What a prototype
/// charged is a fact: it must add up, but need not follow our rule.
pub const NOTE_IMPORTED: &str = "imported settlement";

/// How much the audit has looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Accounts.
    pub accounts: u64,
    /// Ledger entries.
    pub entries: u64,
    /// Ledger movements.
    pub movements: u64,
    /// Workers.
    pub workers: u64,
    /// Leases.
    pub leases: u64,
    /// Settlements.
    pub settlements: u64,
    /// Of them, those that an import brought.
    pub imported: u64,
    /// Blocks.
    pub blocks: u64,
    /// Blocks of the simulated chain.
    pub chain_blocks: u64,
}

/// What the audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How much was looked at.
    pub checked: Checked,
    /// Leases that have ended and wait for their settlement (the platform settles them when it
    /// starts): no violation. At most [`AUDIT_LINES_MAX`] of them.
    pub unsettled: Vec<String>,
    /// What is wrong, a line each; at most [`AUDIT_LINES_MAX`].
    pub violations: Vec<String>,
    /// Violations beyond those.
    pub left_off: u64,
}

impl Report {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    fn violation(&mut self, line: String) {
        if self.violations.len() < AUDIT_LINES_MAX {
            self.violations.push(line);
        } else {
            self.left_off += 1;
        }
    }

    fn expect(&mut self, holds: bool, line: impl FnOnce() -> String) {
        if !holds {
            self.violation(line());
        }
    }
}

/// Checks every invariant of the books, the market and the simulated chain. `connection` may be
/// read-only and beside a running server; a transaction that it is in is the snapshot.
pub fn audit(connection: &Connection) -> Result<Report, StoreError> {
    let snapshot = connection.is_autocommit().then(|| connection.unchecked_transaction()).transpose()?;
    let mut report = Report::default();
    match check_all(connection, &mut report) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            report.violation(format!("file: the rest cannot be read: {error}"));
        }
        result => result?,
    }
    drop(snapshot);
    Ok(report)
}

fn check_all(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    file::integrity(connection, report)?;
    file::references(connection, report)?;
    ledger::check(connection, report)?;
    leases::check(connection, report)?;
    blocks::check(connection, report)?;
    chain::check(connection, report)
}
