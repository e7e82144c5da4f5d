//! The table `transactions`: the ledger's entries. Nothing here changes or removes one.

use rusqlite::{Connection, Result, Row, named_params};

use super::accounts::words;
use crate::base::{AccountId, Amount, LeaseId, Timestamp};

/// What an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Money came in.
    Deposit,
    /// Money went out.
    Withdraw,
    /// A renter paid for a lease.
    LeaseCharge,
    /// A provider was paid for a lease.
    ProviderPayout,
    /// The platform's share of a lease.
    PlatformFee,
    /// To another account of the same owner.
    TransferOut,
    /// From another account of the same owner.
    TransferIn,
    /// What an imported account brought with it.
    Opening,
}

words!(Kind {
    Deposit => "deposit",
    Withdraw => "withdraw",
    LeaseCharge => "lease_charge",
    ProviderPayout => "provider_payout",
    PlatformFee => "platform_fee",
    TransferOut => "transfer_out",
    TransferIn => "transfer_in",
    Opening => "opening",
});

/// A row.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Ever growing.
    pub transaction_id: i64,
    /// Entries of one movement sum to zero.
    pub movement: i64,
    /// Whose account.
    pub account_id: AccountId,
    /// What for.
    pub kind: Kind,
    /// Positive in, negative out.
    pub amount: Amount,
    /// The account's balance after it.
    pub balance_after: Amount,
    /// The lease it belongs to.
    pub lease_id: Option<LeaseId>,
    /// Where it went, or came from.
    pub note: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

/// The number for the next movement.
pub fn next_movement(connection: &Connection) -> Result<i64> {
    connection
        .prepare_cached("SELECT coalesce(max(transaction_id), 0) + 1 FROM transactions")?
        .query_row([], |row| row.get(0))
}

/// Adds an entry; its `transaction_id` is given by the database.
pub fn insert(connection: &Connection, entry: &Entry) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO transactions (movement, account_id, type, amount, balance_after, lease_id, note, created_at)
             VALUES (:movement, :account, :type, :amount, :after, :lease, :note, :now)",
        )?
        .execute(named_params! {
            ":movement": entry.movement,
            ":account": entry.account_id,
            ":type": entry.kind,
            ":amount": entry.amount,
            ":after": entry.balance_after,
            ":lease": entry.lease_id,
            ":note": entry.note,
            ":now": entry.created_at,
        })?;
    Ok(())
}

/// Entries of an account, newest first, those before `before` (a `transaction_id`), of one kind or all.
pub fn of_account(
    connection: &Connection,
    account: &AccountId,
    kind: Option<Kind>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Entry>> {
    const COLUMNS: &str =
        "transaction_id, movement, account_id, type, amount, balance_after, lease_id, note, created_at";
    let of_kind = if kind.is_some() { "AND type = :kind" } else { "AND :kind IS NULL" };
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM transactions WHERE account_id = :account {of_kind} AND transaction_id < :before
             ORDER BY transaction_id DESC LIMIT :limit"
        ))?
        .query_map(
            named_params! {
                ":account": account,
                ":before": before.unwrap_or(i64::MAX),
                ":kind": kind,
                ":limit": limit,
            },
            from_row,
        )?
        .collect()
}

fn from_row(row: &Row<'_>) -> Result<Entry> {
    Ok(Entry {
        transaction_id: row.get(0)?,
        movement: row.get(1)?,
        account_id: row.get(2)?,
        kind: row.get(3)?,
        amount: row.get(4)?,
        balance_after: row.get(5)?,
        lease_id: row.get(6)?,
        note: row.get(7)?,
        created_at: row.get(8)?,
    })
}
