//! The table `accounts`.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};

use super::convert::OptionalAddress;
use crate::base::{AccountId, Amount, EthAddress, Timestamp};

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Rents.
    Consumer,
    /// Offers workers; a wallet's account, which reads so, may rent as well.
    Provider,
    /// The other side of what comes in and goes out; not shown.
    System,
}

/// Where an account came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made by `POST /api/auth/register`.
    Registered,
    /// Made by a worker's first registration.
    Worker,
    /// Made by a wallet's first sign-in: its address is proven.
    Wallet,
    /// Of the platform itself.
    Platform,
    /// The outside world: the other side of deposits and withdrawals. May be negative.
    Outside,
}

macro_rules! words {
    ($type:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word in the database and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }

        impl rusqlite::ToSql for $type {
            fn to_sql(&self) -> Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl rusqlite::types::FromSql for $type {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                match value.as_str()? {
                    $($word => Ok($type::$variant),)+
                    _ => Err(rusqlite::types::FromSqlError::InvalidType),
                }
            }
        }
    };
}
pub(super) use words;

words!(Role { Consumer => "consumer", Provider => "provider", System => "system" });
words!(Origin {
    Registered => "registered",
    Worker => "worker",
    Wallet => "wallet",
    Platform => "platform",
    Outside => "outside",
});

/// A row.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub account_id: AccountId,
    /// What it may do.
    pub role: Role,
    /// Where it came from.
    pub origin: Origin,
    /// Proven for a wallet, claimed for the others.
    pub eth_address: Option<EthAddress>,
    /// What the ledger's entries add up to.
    pub balance: Amount,
    /// The part that active leases hold.
    pub held: Amount,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Account {
    /// A new account with nothing in it.
    pub fn empty(
        account_id: AccountId,
        role: Role,
        origin: Origin,
        eth_address: Option<EthAddress>,
        now: Timestamp,
    ) -> Self {
        let (balance, held) = (Amount::ZERO, Amount::ZERO);
        Account { account_id, role, origin, eth_address, balance, held, created_at: now }
    }

    /// What can be spent: the balance less what is held.
    pub fn available(&self) -> Amount {
        self.balance - self.held
    }
}

const COLUMNS: &str = "account_id, role, origin, eth_address, balance, held, created_at";

fn from_row(row: &Row<'_>) -> Result<Account> {
    Ok(Account {
        account_id: row.get(0)?,
        role: row.get(1)?,
        origin: row.get(2)?,
        eth_address: row.get::<_, OptionalAddress>(3)?.0,
        balance: row.get(4)?,
        held: row.get(5)?,
        created_at: row.get(6)?,
    })
}

/// The account with this id.
pub fn get(connection: &Connection, id: &AccountId) -> Result<Option<Account>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM accounts WHERE account_id = ?1"))?
        .query_row([id], from_row)
        .optional()
}

/// The account of the wallet with this address.
pub fn of_wallet(connection: &Connection, address: &EthAddress) -> Result<Option<Account>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM accounts WHERE eth_address = ?1 AND origin = 'wallet'"
        ))?
        .query_row([address], from_row)
        .optional()
}

/// The accounts but the outside world, in the order they were made: a page of them, or all.
pub fn list(connection: &Connection, limit: Option<i64>, offset: i64) -> Result<Vec<Account>> {
    // A negative limit is none to SQLite.
    let limit = limit.unwrap_or(-1);
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM accounts WHERE origin <> 'outside' ORDER BY rowid LIMIT ?1 OFFSET ?2"
        ))?
        .query_map([limit, offset], from_row)?
        .collect()
}

/// Adds a new account; its balance and holds must be nothing.
pub fn insert(connection: &Connection, account: &Account) -> Result<()> {
    assert_eq!((account.balance, account.held), (Amount::ZERO, Amount::ZERO), "money comes by the ledger");
    connection
        .prepare_cached(
            "INSERT INTO accounts (account_id, role, origin, eth_address, created_at)
             VALUES (:id, :role, :origin, :address, :now)",
        )?
        .execute(named_params! {
            ":id": account.account_id,
            ":role": account.role,
            ":origin": account.origin,
            ":address": OptionalAddress(account.eth_address),
            ":now": account.created_at,
        })?;
    Ok(())
}

/// Adds to the balance (or takes, when negative) and returns the new one. The ledger alone calls this.
pub fn add_to_balance(connection: &Connection, id: &AccountId, amount: Amount) -> Result<Amount> {
    connection
        .prepare_cached("UPDATE accounts SET balance = balance + ?2 WHERE account_id = ?1")?
        .execute((id, amount))?;
    connection
        .prepare_cached("SELECT balance FROM accounts WHERE account_id = ?1")?
        .query_row([id], |row| row.get(0))
}

/// Adds to what is held (or releases, when negative).
pub fn add_to_held(connection: &Connection, id: &AccountId, amount: Amount) -> Result<()> {
    connection
        .prepare_cached("UPDATE accounts SET held = held + ?2 WHERE account_id = ?1")?
        .execute((id, amount))?;
    Ok(())
}
