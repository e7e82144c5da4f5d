//! Leases, their settlements, and the ledger entries that go with them.

use rusqlite::{Connection, Result, Row};

use super::ledger::money;
use super::{NOTE_IMPORTED, Report};
use crate::base::Amount;
use crate::base::limits::{AUDIT_LINES_MAX, LEASE_SECONDS_MAX, PRICE_PER_MIN_MAX};
use crate::market::ledger::TREASURY;
use crate::market::settlement::{self, NOTE_CAPPED};

const MICROS_PER_SECOND: i64 = 1_000_000;

pub(super) fn check(connection: &Connection, report: &mut Report) -> Result<()> {
    let sums = each_lease(connection, report)?;
    let counters: [(&str, i128); 4] = [
        ("leases", report.checked.leases.into()),
        ("settlements", report.checked.settlements.into()),
        ("settled", sums.settled),
        ("fees", sums.fees),
    ];
    for (name, counted) in counters {
        counter(connection, name, counted, report)?;
    }
    one_active_per_worker(connection, report)?;
    stray_entries(connection, report)
}

/// Compares a row of `counters` with what was counted.
pub(super) fn counter(connection: &Connection, name: &str, counted: i128, report: &mut Report) -> Result<()> {
    let value: i64 = connection.query_row(
        "SELECT coalesce(max(value), -1) FROM counters WHERE name = ?1",
        [name],
        |row| row.get(0),
    )?;
    report.expect(i128::from(value) == counted, || {
        format!("counter {name}: reads {value}, the rows make {counted}")
    });
    Ok(())
}

#[derive(Default)]
struct Sums {
    settled: i128,
    fees: i128,
}

struct Lease {
    id: String,
    worker: String,
    consumer: String,
    price: i64,
    duration_sec: i64,
    hold: i64,
    state: String,
    created_at: i64,
    ends_at: i64,
    ended_at: Option<i64>,
    interrupted: i64,
    interrupted_since: Option<i64>,
    back_since: i64,
    blocks_found: i64,
    settled: bool,
    worker_state: Option<String>,
    settlement: Option<Settlement>,
}

struct Settlement {
    consumer: String,
    worker: String,
    provider: String,
    billed: i64,
    blocks_found: i64,
    cost: i64,
    payment: i64,
    fee: i64,
}

const LEASES: &str = "SELECT l.lease_id, l.worker_id, l.consumer_id, l.price_per_min, l.duration_sec, l.hold, l.state,
    l.created_at, l.ends_at, l.ended_at, l.interrupted, l.interrupted_since, l.back_since, l.blocks_found, l.settled,
    w.state, s.settlement_id, s.consumer_id, s.worker_id, s.provider_id, s.billed, s.blocks_found, s.total_cost,
    s.provider_payment, s.platform_fee
    FROM leases l LEFT JOIN workers w ON w.worker_id = l.worker_id
    LEFT JOIN settlements s ON s.lease_id = l.lease_id ORDER BY l.lease_seq";

impl Lease {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Lease {
            id: row.get(0)?,
            worker: row.get(1)?,
            consumer: row.get(2)?,
            price: row.get(3)?,
            duration_sec: row.get(4)?,
            hold: row.get(5)?,
            state: row.get(6)?,
            created_at: row.get(7)?,
            ends_at: row.get(8)?,
            ended_at: row.get(9)?,
            interrupted: row.get(10)?,
            interrupted_since: row.get(11)?,
            back_since: row.get(12)?,
            blocks_found: row.get(13)?,
            settled: row.get(14)?,
            worker_state: row.get(15)?,
            settlement: if row.get::<_, Option<i64>>(16)?.is_some() {
                Some(Settlement::from_row(row)?)
            } else {
                None
            },
        })
    }

    /// The most it can cost, unless price or length are none that the market takes.
    fn full_price(&self) -> Option<Amount> {
        let usable = (0..=PRICE_PER_MIN_MAX.millionths()).contains(&self.price)
            && (1..=LEASE_SECONDS_MAX).contains(&self.duration_sec);
        usable.then(|| settlement::hold(Amount::from_millionths(self.price), self.duration_sec))
    }
}

impl Settlement {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Settlement {
            consumer: row.get(17)?,
            worker: row.get(18)?,
            provider: row.get(19)?,
            billed: row.get(20)?,
            blocks_found: row.get(21)?,
            cost: row.get(22)?,
            payment: row.get(23)?,
            fee: row.get(24)?,
        })
    }
}

fn each_lease(connection: &Connection, report: &mut Report) -> Result<Sums> {
    let mut sums = Sums::default();
    let mut statement = connection.prepare(LEASES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let lease = Lease::from_row(row)?;
        report.checked.leases += 1;
        times(&lease, report);
        if lease.state == "active" {
            active(&lease, report);
        } else {
            ended(&lease, report);
        }
        if let Some(settlement) = &lease.settlement {
            report.checked.settlements += 1;
            sums.settled += i128::from(settlement.cost);
            sums.fees += i128::from(settlement.fee);
            settled(connection, &lease, settlement, report)?;
        }
        counted_blocks(connection, &lease, report)?;
    }
    Ok(sums)
}

fn times(lease: &Lease, report: &mut Report) {
    let id = &lease.id;
    let Some(_) = lease.full_price() else {
        let (price, seconds) = (money(lease.price.into()), lease.duration_sec);
        report
            .violation(format!("lease {id}: {price} a minute for {seconds} s is no lease the market makes"));
        return;
    };
    let ends_at = lease.created_at + lease.duration_sec * MICROS_PER_SECOND;
    report.expect(lease.ends_at == ends_at, || {
        format!("lease {id}: ends at {} instead of its beginning and length, {ends_at}", lease.ends_at)
    });
    let until = lease.ended_at.or(lease.interrupted_since).unwrap_or(lease.ends_at);
    let longest = until - lease.created_at;
    report.expect((0..=longest.max(0)).contains(&lease.interrupted), || {
        format!("lease {id}: interrupted for {} of {longest} microseconds", lease.interrupted)
    });
    let since = lease.interrupted_since.unwrap_or(i64::MAX);
    report.expect(since >= lease.created_at && since >= lease.back_since, || {
        format!("lease {id}: interrupted since {since}, before it began or before its worker came back")
    });
}

fn active(lease: &Lease, report: &mut Report) {
    let Lease { id, hold, .. } = lease;
    if let Some(due) = lease.full_price() {
        report.expect(*hold == due.millionths(), || {
            format!("lease {id}: holds {}, its price and length make {due}", money((*hold).into()))
        });
    }
    report
        .expect(!lease.settled && lease.settlement.is_none(), || format!("lease {id}: settled while active"));
    report.expect(lease.ended_at.is_none(), || format!("lease {id}: active and ended"));
    let state = lease.worker_state.as_deref().unwrap_or("gone");
    report.expect(matches!(state, "LEASED" | "MINING" | "ERROR" | "offline"), || {
        format!("lease {id}: active, but its worker {} is {state}", lease.worker)
    });
}

fn ended(lease: &Lease, report: &mut Report) {
    let Lease { id, hold, .. } = lease;
    report.expect(*hold == 0, || format!("lease {id}: has ended and still holds {}", money((*hold).into())));
    let ended_at = lease.ended_at.unwrap_or(i64::MIN);
    report.expect((lease.created_at..=lease.ends_at).contains(&ended_at), || {
        format!("lease {id}: ended at {ended_at}, not between {} and {}", lease.created_at, lease.ends_at)
    });
    report.expect(lease.settled == lease.settlement.is_some(), || {
        let says = if lease.settled { "settled" } else { "not settled" };
        let is = if lease.settlement.is_some() { "there is a" } else { "there is no" };
        format!("lease {id}: marked as {says}, and {is} settlement")
    });
    let waits = lease.state == "completed" && lease.settlement.is_none() && !lease.settled;
    if waits && report.unsettled.len() < AUDIT_LINES_MAX {
        report.unsettled.push(id.clone());
    }
}

fn settled(
    connection: &Connection,
    lease: &Lease,
    settlement: &Settlement,
    report: &mut Report,
) -> Result<()> {
    let id = &lease.id;
    report.expect(settlement.consumer == lease.consumer && settlement.worker == lease.worker, || {
        format!(
            "settlement of {id}: names {} and {}, the lease others",
            settlement.consumer, settlement.worker
        )
    });
    report.expect(settlement.blocks_found <= lease.blocks_found, || {
        format!(
            "settlement of {id}: {} blocks, the lease has {}",
            settlement.blocks_found, lease.blocks_found
        )
    });
    report.expect(settlement.payment + settlement.fee == settlement.cost, || {
        let parts = i128::from(settlement.payment) + i128::from(settlement.fee);
        format!(
            "settlement of {id}: its parts make {}, its cost is {}",
            money(parts),
            money(settlement.cost.into())
        )
    });
    let note = settlement_entries(connection, lease, settlement, report)?;
    if note.as_deref() == Some(NOTE_IMPORTED) {
        report.checked.imported += 1;
    } else {
        by_the_rule(lease, settlement, note.as_deref() == Some(NOTE_CAPPED), report);
    }
    Ok(())
}

/// Recomputes what the lease costs. A charge below it is right only when it says that the renter had
/// no more.
fn by_the_rule(lease: &Lease, settlement: &Settlement, capped: bool, report: &mut Report) {
    let (id, Some(full), Some(ended_at)) = (&lease.id, lease.full_price(), lease.ended_at) else { return };
    let billed = (ended_at - lease.created_at - lease.interrupted).max(0);
    report.expect(settlement.billed == billed, || {
        format!("settlement of {id}: bills {} of {billed} microseconds", settlement.billed)
    });
    let billed = billed.min(lease.duration_sec * MICROS_PER_SECOND);
    let due = settlement::cost(Amount::from_millionths(lease.price), billed);
    let cost = Amount::from_millionths(settlement.cost);
    let right = if capped { !cost.is_negative() && cost <= due } else { cost == due };
    report.expect(right, || format!("settlement of {id}: charges {cost}, its time costs {due}"));
    report.expect(cost <= full, || format!("settlement of {id}: charges {cost}, the lease held {full}"));
    let (payment, fee) = settlement::split(cost);
    report.expect((payment.millionths(), fee.millionths()) == (settlement.payment, settlement.fee), || {
        format!("settlement of {id}: fee is {}, of {cost} it is {fee}", money(settlement.fee.into()))
    });
}

/// Compares the settlement with its three entries; returns the movement's note.
fn settlement_entries(
    connection: &Connection,
    lease: &Lease,
    settlement: &Settlement,
    report: &mut Report,
) -> Result<Option<String>> {
    let due = [
        (lease.consumer.as_str(), "lease_charge", settlement.cost.saturating_neg()),
        (settlement.provider.as_str(), "provider_payout", settlement.payment),
        (TREASURY, "platform_fee", settlement.fee),
    ];
    let mut statement = connection.prepare_cached(
        "SELECT movement, account_id, type, amount, note FROM transactions WHERE lease_id = ?1
         ORDER BY transaction_id LIMIT 4",
    )?;
    let mut rows = statement.query([&lease.id])?;
    let (mut found, mut same, mut movement, mut note) = (0, true, None, None);
    while let Some(row) = rows.next()? {
        let entry: (String, String, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        same &= due.get(found).is_some_and(|due| *due == (entry.0.as_str(), entry.1.as_str(), entry.2));
        same &= *movement.get_or_insert(row.get::<_, i64>(0)?) == row.get::<_, i64>(0)?;
        note = row.get(4)?;
        found += 1;
    }
    report.expect(same && found == due.len(), || {
        format!("settlement of {}: the ledger does not have its charge, payout and fee", lease.id)
    });
    Ok(note)
}

fn counted_blocks(connection: &Connection, lease: &Lease, report: &mut Report) -> Result<()> {
    let counted: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM blocks WHERE lease_id = ?1 AND prefix_valid = 1 AND chain_verified = 1",
        )?
        .query_row([&lease.id], |row| row.get(0))?;
    report.expect(lease.blocks_found == counted, || {
        format!("lease {}: counts {} blocks, {counted} of its rows count", lease.id, lease.blocks_found)
    });
    Ok(())
}

fn one_active_per_worker(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT worker_id, sum(state = 'active') AS active FROM leases INDEXED BY leases_by_worker
         GROUP BY worker_id HAVING active > 1",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (worker, active): (String, i64) = (row.get(0)?, row.get(1)?);
        report.violation(format!("worker {worker}: in {active} active leases at once"));
    }
    Ok(())
}

/// Entries of leases that no settlement stands for.
fn stray_entries(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT t.transaction_id, t.type, coalesce(t.lease_id, 'no lease') FROM transactions t
         WHERE (t.lease_id IS NOT NULL OR t.type IN ('lease_charge', 'provider_payout', 'platform_fee'))
           AND NOT EXISTS (SELECT 1 FROM settlements s WHERE s.lease_id = t.lease_id)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, kind, lease): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        report.violation(format!("ledger: entry {id} ({kind}) is of {lease}, which has no settlement"));
    }
    Ok(())
}
