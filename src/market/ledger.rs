//! The ledger: every movement is a set of entries that sum to zero, added together or not at all.
//! Nothing is ever changed; a correction is a new movement.

use rusqlite::Connection;

use super::Refusal;
use crate::base::{AccountId, Amount, LeaseId, Timestamp, crash};
use crate::store::accounts::{self, Account, Origin, Role};
use crate::store::transactions::{self, Entry, Kind};

/// The account that stands for the outside world in deposits and withdrawals.
pub const OUTSIDE: &str = "_outside";
/// The account that takes the platform's fees.
pub const TREASURY: &str = "platform-treasury";

/// One side of a movement.
pub struct Leg<'a> {
    /// Whose account.
    pub account: &'a AccountId,
    /// What for.
    pub kind: Kind,
    /// Positive in, negative out.
    pub amount: Amount,
}

/// Adds the entries of one movement and brings the balances along. Panics when they do not sum to zero.
pub fn post(
    connection: &Connection,
    legs: &[Leg<'_>],
    lease: Option<&LeaseId>,
    note: Option<&str>,
    now: Timestamp,
) -> Result<(), Refusal> {
    assert_eq!(legs.iter().map(|leg| leg.amount).sum::<Amount>(), Amount::ZERO, "a movement balances");
    let movement = transactions::next_movement(connection)?;
    for leg in legs {
        crash::point("between-legs");
        let balance_after = accounts::add_to_balance(connection, leg.account, leg.amount)?;
        transactions::insert(
            connection,
            &Entry {
                transaction_id: 0,
                movement,
                account_id: leg.account.clone(),
                kind: leg.kind,
                amount: leg.amount,
                balance_after,
                lease_id: lease.cloned(),
                note: note.map(str::to_owned),
                created_at: now,
            },
        )?;
    }
    Ok(())
}

/// Moves money in from the outside world (or out, when `amount` is negative).
pub fn post_outside(
    connection: &Connection,
    account: &AccountId,
    kind: Kind,
    amount: Amount,
    note: Option<&str>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let outside = outside();
    let legs = [Leg { account, kind, amount }, Leg { account: &outside, kind, amount: amount.negated() }];
    post(connection, &legs, None, note, now)
}

/// Makes the platform's own accounts when they are missing.
pub fn open_books(connection: &Connection, now: Timestamp) -> Result<(), Refusal> {
    for (id, role, origin) in
        [(outside(), Role::System, Origin::Outside), (treasury(), Role::Consumer, Origin::Platform)]
    {
        if accounts::get(connection, &id)?.is_none() {
            accounts::insert(connection, &Account::empty(id, role, origin, None, now))?;
        }
    }
    Ok(())
}

/// Ids that begin with an underscore are the platform's own.
pub fn refuse_reserved(id: &AccountId) -> Result<(), Refusal> {
    if id.as_str().starts_with('_') {
        return Err(Refusal::invalid(format!("the id {id} is reserved; choose one without the underscore")));
    }
    Ok(())
}

/// The id of [`OUTSIDE`].
pub fn outside() -> AccountId {
    OUTSIDE.parse().expect("a constant id")
}

/// The id of [`TREASURY`].
pub fn treasury() -> AccountId {
    TREASURY.parse().expect("a constant id")
}
