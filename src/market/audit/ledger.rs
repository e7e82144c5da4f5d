//! The ledger: movements that balance, and accounts that are what their entries add up to.

use rusqlite::{Connection, Result};

use super::Report;
use crate::base::Amount;
use crate::market::ledger::OUTSIDE;

pub(super) fn check(connection: &Connection, report: &mut Report) -> Result<()> {
    movements(connection, report)?;
    accounts(connection, report)
}

/// The entries of a movement follow each other, and its number is that of its first entry: nothing
/// can be added to it later.
fn movements(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = connection
        .prepare("SELECT transaction_id, movement, amount FROM transactions ORDER BY transaction_id")?;
    let mut rows = statement.query([])?;
    let mut current: Option<(i64, i128)> = None;
    while let Some(row) = rows.next()? {
        let (id, movement, amount): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        report.checked.entries += 1;
        if let Some((_, sum)) = current.as_mut().filter(|(number, _)| *number == movement) {
            *sum += i128::from(amount);
            continue;
        }
        close(current.take(), report);
        report.expect(movement == id, || {
            format!("ledger: entry {id} was added to movement {movement} after that was complete")
        });
        current = Some((movement, i128::from(amount)));
    }
    close(current, report);
    Ok(())
}

fn close(movement: Option<(i64, i128)>, report: &mut Report) {
    let Some((number, sum)) = movement else { return };
    report.checked.movements += 1;
    report.expect(sum == 0, || format!("ledger: movement {number} sums to {} instead of zero", money(sum)));
}

fn accounts(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement =
        connection.prepare("SELECT account_id, origin, balance, held FROM accounts ORDER BY account_id")?;
    let mut rows = statement.query([])?;
    let mut total = 0;
    while let Some(row) = rows.next()? {
        let account =
            Account { id: row.get(0)?, origin: row.get(1)?, balance: row.get(2)?, held: row.get(3)? };
        report.checked.accounts += 1;
        total += i128::from(account.balance);
        entries(connection, &account, report)?;
        holds(connection, &account, report)?;
    }
    report.expect(total == 0, || format!("ledger: all balances sum to {} instead of zero", money(total)));
    Ok(())
}

struct Account {
    id: String,
    origin: String,
    balance: i64,
    held: i64,
}

fn entries(connection: &Connection, account: &Account, report: &mut Report) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT transaction_id, amount, balance_after FROM transactions WHERE account_id = ?1
         ORDER BY transaction_id",
    )?;
    let mut rows = statement.query([&account.id])?;
    let (mut sum, mut last, mut reported) = (0_i128, 0, false);
    while let Some(row) = rows.next()? {
        let (entry, amount, after): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        sum += i128::from(amount);
        last = after;
        // One wrong amount makes all that follow wrong: the first is told.
        if i128::from(after) != sum && !reported {
            reported = true;
            let (after, sum) = (money(after.into()), money(sum));
            report.violation(format!(
                "account {}: balance after entry {entry} reads {after}, the entries add up to {sum}",
                account.id
            ));
        }
    }
    let Account { id, balance, .. } = account;
    let balance = i128::from(*balance);
    report.expect(balance == sum, || {
        format!("account {id}: balance is {}, its entries add up to {}", money(balance), money(sum))
    });
    report.expect(balance == i128::from(last), || {
        format!("account {id}: balance is {}, its last entry says {}", money(balance), money(last.into()))
    });
    Ok(())
}

fn holds(connection: &Connection, account: &Account, report: &mut Report) -> Result<()> {
    let mut statement =
        connection.prepare_cached("SELECT hold FROM leases WHERE consumer_id = ?1 AND state = 'active'")?;
    let mut rows = statement.query([&account.id])?;
    let mut sum = 0_i128;
    while let Some(row) = rows.next()? {
        sum += i128::from(row.get::<_, i64>(0)?);
    }
    let Account { id, origin, balance, held } = account;
    let held = i128::from(*held);
    report.expect(held == sum, || {
        format!("account {id}: {} is held, its active leases hold {}", money(held), money(sum))
    });
    report.expect(held >= 0, || format!("account {id}: {} is held, which is below zero", money(held)));
    let outside = origin == "outside";
    report.expect(outside || i128::from(*balance) >= held, || {
        format!("account {id}: balance {} is below the {} held", money((*balance).into()), money(held))
    });
    report.expect(outside == (id == OUTSIDE), || {
        format!("account {id}: origin is {origin}; {OUTSIDE} alone stands for the outside world")
    });
    Ok(())
}

/// Millionths as an amount; beyond 64 bits as they are.
pub(super) fn money(millionths: i128) -> String {
    match i64::try_from(millionths) {
        Ok(millionths) => Amount::from_millionths(millionths).to_string(),
        Err(_) => format!("{millionths} millionths"),
    }
}
