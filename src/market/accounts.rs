//! Accounts: opening, signing in, deposits, withdrawals.

use std::time::Duration;

use rusqlite::Connection;

use super::ledger::{self, Leg};
use super::{Refusal, Scope};
use crate::base::{AccountId, Amount, EthAddress, Timestamp};
use crate::store::accounts::{self, Account, Origin, Role};
use crate::store::transactions::Kind;
use crate::store::workers;

/// Makes an account of a person or program. 400 when the id exists.
pub fn open(
    connection: &Connection,
    id: AccountId,
    role: Role,
    address: Option<EthAddress>,
    balance: Amount,
    now: Timestamp,
) -> Result<Account, Refusal> {
    if accounts::get(connection, &id)?.is_some() {
        return Err(Refusal::invalid(format!("Account '{id}' already exists")));
    }
    ledger::refuse_reserved(&id)?;
    if balance.is_negative() {
        return Err(Refusal::invalid("Balance must not be negative"));
    }
    accounts::insert(connection, &Account::empty(id.clone(), role, Origin::Registered, address, now))?;
    if balance.is_positive() {
        ledger::post_outside(connection, &id, Kind::Deposit, balance, Some("opening balance"), now)?;
    }
    get(connection, &id)
}

/// The account, or 404.
pub fn get(connection: &Connection, id: &AccountId) -> Result<Account, Refusal> {
    let account = accounts::get(connection, id)?.filter(|account| account.origin != Origin::Outside);
    account.ok_or_else(|| Refusal::not_found("Account not found"))
}

/// Puts money in.
pub fn deposit(
    connection: &Connection,
    id: &AccountId,
    amount: Amount,
    now: Timestamp,
) -> Result<Account, Refusal> {
    if !amount.is_positive() {
        return Err(Refusal::invalid("Deposit amount must be positive"));
    }
    let account = get(connection, id)?;
    if account.balance + amount > Amount::MAX_INPUT {
        return Err(Refusal::invalid("Deposit would raise the balance above 1000000000"));
    }
    ledger::post_outside(connection, id, Kind::Deposit, amount, None, now)?;
    get(connection, id)
}

/// Takes money out; what active leases hold cannot leave.
pub fn withdraw(
    connection: &Connection,
    id: &AccountId,
    amount: Amount,
    destination: Option<&EthAddress>,
    now: Timestamp,
) -> Result<Account, Refusal> {
    if !amount.is_positive() {
        return Err(Refusal::invalid("Withdraw amount must be positive"));
    }
    let account = get(connection, id)?;
    if account.available() < amount {
        return Err(Refusal::Insufficient { have: account.available(), need: amount });
    }
    let note = destination.or(account.eth_address.as_ref()).map(EthAddress::as_str);
    ledger::post_outside(connection, id, Kind::Withdraw, amount.negated(), note, now)?;
    get(connection, id)
}

/// The account of a wallet that has just proven its address: made at its first sign-in, under an id
/// that nobody else has. What its workers earned before waits in their own accounts and moves here.
pub fn sign_in(scope: &mut Scope<'_>, address: &EthAddress, now: Timestamp) -> Result<Account, Refusal> {
    let id = match accounts::of_wallet(scope, address)? {
        Some(account) => account.account_id,
        None => open_wallet(scope, address, now)?,
    };
    collect_earnings(scope, &id, address, now)?;
    workers::end_keeping(scope, address)?;
    get(scope, &id)
}

const WALLET_ID_DIGITS: usize = 10;

fn open_wallet(connection: &Connection, address: &EthAddress, now: Timestamp) -> Result<AccountId, Refusal> {
    let lower = address.lower();
    let short = (WALLET_ID_DIGITS..=lower.len()).map(|digits| format!("wallet-{}", &lower[..digits]));
    let numbered = (2..).map(|n| format!("wallet-{lower}-{n}"));
    for candidate in short.chain(numbered) {
        let id: AccountId = candidate.parse().expect("wallet- and hexadecimal digits are an id");
        if accounts::get(connection, &id)?.is_none() {
            let account = Account::empty(id.clone(), Role::Provider, Origin::Wallet, Some(*address), now);
            accounts::insert(connection, &account)?;
            return Ok(id);
        }
    }
    unreachable!("the numbers do not end")
}

fn collect_earnings(
    connection: &Connection,
    wallet: &AccountId,
    address: &EthAddress,
    now: Timestamp,
) -> Result<(), Refusal> {
    let waiting: Vec<(AccountId, Amount)> = connection
        .prepare_cached(
            "SELECT a.account_id, a.balance - a.held FROM workers w JOIN accounts a ON a.account_id = w.worker_id
             WHERE w.eth_address = ?1 AND a.origin = 'worker' AND a.balance > a.held",
        )?
        .query_map([address], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (account, amount) in &waiting {
        let legs = [
            Leg { account, kind: Kind::TransferOut, amount: amount.negated() },
            Leg { account: wallet, kind: Kind::TransferIn, amount: *amount },
        ];
        ledger::post(connection, &legs, None, Some("earnings of the wallet's worker"), now)?;
    }
    Ok(())
}

/// Makes the accounts that a demo starts with (contract: rest.md, Rules). Existing ones stay.
pub fn open_demo_accounts(connection: &Connection, now: Timestamp) -> Result<(), Refusal> {
    const DEMO: [(&str, i64, &str); 2] = [
        ("consumer-1", 1000, "0xaabbccddee1234567890abcdef1234567890abcd"),
        ("consumer-2", 500, "0x1111111111222222222233333333334444444444"),
    ];
    for (id, coins, address) in DEMO {
        let id: AccountId = id.parse().expect("a constant id");
        if accounts::get(connection, &id)?.is_none() {
            let address = address.parse().expect("a constant address");
            open(
                connection,
                id,
                Role::Consumer,
                Some(address),
                Amount::from_millionths(coins * 1_000_000),
                now,
            )?;
        }
    }
    Ok(())
}

/// How long the answer to a request with an `Idempotency-Key` is kept (contract: rest.md, Rules).
pub const IDEMPOTENCY_LIFETIME: Duration = Duration::from_secs(86_400);
