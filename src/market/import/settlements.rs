//! Settlements, and the ledger that makes the old balances of them.

use std::collections::HashMap;

use super::source::Fields;
use super::{Import, ImportError};
use crate::base::{AccountId, Amount, LeaseId};
use crate::market::Scope;
use crate::market::audit::NOTE_IMPORTED;
use crate::market::ledger::{self, Leg, treasury};
use crate::store::accounts;
use crate::store::leases::{self, Lease, LeaseState};
use crate::store::settlements::{self, Settlement};
use crate::store::transactions::Kind;

impl Import<'_> {
    pub(super) fn settlements(&mut self, scope: &mut Scope<'_>) -> Result<(), ImportError> {
        let source = self.source;
        source.each("settlements", |row| {
            let name = row.text(&["lease_id"]);
            match self.settlement(scope, row, &name)? {
                Ok(settlement) => {
                    settlements::insert(scope, &settlement)?;
                    leases::mark_settled(scope, &settlement.lease_id)?;
                    self.done.settlements += 1;
                }
                Err(problem) => {
                    self.leave_out(format!("settlement of {name:?}, row {}: {problem}", row.number));
                }
            }
            Ok(())
        })
    }

    fn settlement(
        &mut self,
        scope: &Scope<'_>,
        row: &Fields<'_>,
        name: &str,
    ) -> Result<Result<Settlement, String>, ImportError> {
        let lease = name.parse::<LeaseId>().ok().map(|id| leases::get(scope, &id)).transpose()?.flatten();
        let Some(lease) = lease else { return Ok(Err("its lease is not there".into())) };
        if lease.state != LeaseState::Completed {
            return Ok(Err("its lease was cancelled".into()));
        }
        if settlements::of_lease(scope, &lease.lease_id)?.is_some() {
            return Ok(Err("the lease has one already; it is charged once".into()));
        }
        let positive = |names: &[&str]| row.amount(names).filter(|amount| !amount.is_negative());
        let (Some(cost), Some(fee)) = (positive(&["total_cost"]), positive(&["platform_fee"])) else {
            return Ok(Err("its amounts are none".into()));
        };
        if fee > cost {
            return Ok(Err("its fee is more than its cost".into()));
        }
        let payment = cost - fee;
        let paid = row.amount(&["provider_payment", "provider_payout"]).unwrap_or(payment);
        if paid != payment {
            self.note(format!("settlement of {name}: the provider's part {paid} becomes {payment}, so that the parts make {cost}"));
        }
        let billed_sec = row.number(&["duration_sec", "elapsed_sec"]).unwrap_or_default().max(0.0);
        let billed = std::time::Duration::try_from_secs_f64(billed_sec).unwrap_or_default();
        let at = row.time(&["settled_at", "created_at", "timestamp"]).or(lease.ended_at).unwrap_or(self.now);
        let blocks_found = self.blocks_of(row, &lease);
        Ok(Ok(Settlement {
            provider_id: self.provider(scope, row, &lease)?,
            consumer_id: lease.consumer_id,
            worker_id: lease.worker_id,
            billed: crate::base::time::micros_of(billed),
            blocks_found,
            total_cost: cost,
            provider_payment: payment,
            platform_fee: fee,
            settled_at: at.min(self.now),
            lease_id: lease.lease_id,
        }))
    }

    fn blocks_of(&mut self, row: &Fields<'_>, lease: &Lease) -> i64 {
        let said = row.whole(&["blocks_found"]).unwrap_or_default().max(0);
        if said > lease.blocks_found {
            let (id, found) = (&lease.lease_id, lease.blocks_found);
            self.note(format!("settlement of {id}: says {said} blocks, {found} that count came over"));
        }
        said.min(lease.blocks_found)
    }

    /// Who was paid: whom the row names, else the worker's own account.
    fn provider(&self, scope: &Scope<'_>, row: &Fields<'_>, lease: &Lease) -> Result<AccountId, ImportError> {
        let named =
            row.text(&["provider_id"]).parse::<AccountId>().ok().filter(|id| self.balances.contains_key(id));
        match named {
            Some(id) if accounts::get(scope, &id)?.is_some() => Ok(id),
            _ => Ok(lease.worker_id.account()),
        }
    }

    /// Opening balances, the settlements, and what else left each account, so that in the end each has
    /// what it had.
    pub(super) fn post_ledger(&mut self, scope: &mut Scope<'_>) -> Result<(), ImportError> {
        let mut flows: HashMap<AccountId, Flow> = HashMap::new();
        each_settlement(scope, |settlement| {
            for leg in legs(settlement, &treasury()) {
                flows.entry(leg.account.clone()).or_default().add(leg.amount);
            }
            Ok(())
        })?;
        let mut ids: Vec<AccountId> = self.balances.keys().chain(flows.keys()).cloned().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut rests = Vec::new();
        for id in ids {
            let flow = flows.get(&id).copied().unwrap_or_default();
            let last = self.balances.get(&id).copied().unwrap_or_default();
            let opening = (last - flow.sum).max(flow.lowest.negated()).max(Amount::ZERO);
            let note = Some("balance before the imported settlements");
            if opening.is_positive() {
                ledger::post_outside(scope, &id, Kind::Opening, opening, note, self.now)?;
            }
            let rest = last - flow.sum - opening;
            if rest != Amount::ZERO {
                rests.push((id, rest));
            }
        }
        let (connection, treasury) = (&**scope, treasury());
        each_settlement(connection, |settlement| {
            let (id, at) = (&settlement.lease_id, settlement.settled_at);
            Ok(ledger::post(connection, &legs(settlement, &treasury), Some(id), Some(NOTE_IMPORTED), at)?)
        })?;
        for (id, rest) in rests {
            let note = Some("withdrawn before the import");
            ledger::post_outside(scope, &id, Kind::Opening, rest, note, self.now)?;
        }
        Ok(())
    }
}

/// What settlements do to one account.
#[derive(Clone, Copy, Default)]
struct Flow {
    sum: Amount,
    /// The lowest that the sum ever was; at most zero.
    lowest: Amount,
}

impl Flow {
    fn add(&mut self, amount: Amount) {
        self.sum = self.sum + amount;
        self.lowest = self.lowest.min(self.sum);
    }
}

fn legs<'a>(settlement: &'a Settlement, treasury: &'a AccountId) -> [Leg<'a>; 3] {
    [
        Leg {
            account: &settlement.consumer_id,
            kind: Kind::LeaseCharge,
            amount: settlement.total_cost.negated(),
        },
        Leg {
            account: &settlement.provider_id,
            kind: Kind::ProviderPayout,
            amount: settlement.provider_payment,
        },
        Leg { account: treasury, kind: Kind::PlatformFee, amount: settlement.platform_fee },
    ]
}

fn each_settlement<F>(connection: &rusqlite::Connection, mut visit: F) -> Result<(), ImportError>
where
    F: FnMut(&Settlement) -> Result<(), ImportError>,
{
    let sql = format!("SELECT {} FROM settlements ORDER BY settlement_id", settlements::COLUMNS);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        visit(&settlements::from_row(row)?)?;
    }
    Ok(())
}
