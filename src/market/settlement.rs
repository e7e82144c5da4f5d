//! Settlement: what a lease costs, and who gets it (contract: rest.md, Rules).

use rusqlite::Connection;

use super::ledger::{self, Leg, treasury};
use super::{Event, Refusal, Scope};
use crate::base::{AccountId, Amount, Timestamp};
use crate::store::accounts;
use crate::store::counters;
use crate::store::leases::{self, Lease};
use crate::store::settlements::{self, Settlement};
use crate::store::transactions::Kind;
use crate::store::workers::{self, Worker};

/// The note of a settlement that charges less than the rule, because the renter has no more.
pub const NOTE_CAPPED: &str = "all that the renter had";

const FEE_PERCENT: i64 = 5;
const MICROS_PER_MINUTE: i64 = 60_000_000;
const SECONDS_PER_MINUTE: i64 = 60;

/// The most that a lease of this length can cost: what is held for it.
pub fn hold(price_per_min: Amount, duration_sec: i64) -> Amount {
    price_per_min.scale(duration_sec, SECONDS_PER_MINUTE)
}

/// What `billed` microseconds cost, rounded half to even.
pub fn cost(price_per_min: Amount, billed: i64) -> Amount {
    price_per_min.scale(billed, MICROS_PER_MINUTE)
}

/// A cost in two parts that add up: the provider's, and the platform's 5 % rounded down.
pub fn split(cost: Amount) -> (Amount, Amount) {
    let fee = cost.scale_down(FEE_PERCENT, 100);
    (cost - fee, fee)
}

/// Settles a lease that has ended: charges at most `charge_max`, pays, records. Once only: the
/// schema refuses a second settlement.
pub(super) fn settle(
    scope: &mut Scope<'_>,
    lease: &Lease,
    worker: &Worker,
    charge_max: Amount,
    now: Timestamp,
) -> Result<Settlement, Refusal> {
    let ended_at = lease.ended_at.expect("a lease that is settled has ended");
    let billed = (ended_at.micros_since(lease.created_at) - lease.interrupted).max(0);
    let due = cost(lease.price_per_min, billed);
    let total_cost = due.min(charge_max);
    let note = (total_cost < due).then_some(NOTE_CAPPED);
    let (provider_payment, platform_fee) = split(total_cost);
    let provider_id = payee(scope, worker)?;
    let treasury = treasury();
    let legs = [
        Leg { account: &lease.consumer_id, kind: Kind::LeaseCharge, amount: total_cost.negated() },
        Leg { account: &provider_id, kind: Kind::ProviderPayout, amount: provider_payment },
        Leg { account: &treasury, kind: Kind::PlatformFee, amount: platform_fee },
    ];
    ledger::post(scope, &legs, Some(&lease.lease_id), note, now)?;
    let settlement = Settlement {
        lease_id: lease.lease_id.clone(),
        consumer_id: lease.consumer_id.clone(),
        worker_id: lease.worker_id.clone(),
        provider_id,
        billed,
        blocks_found: lease.blocks_found,
        total_cost,
        provider_payment,
        platform_fee,
        settled_at: now,
    };
    settlements::insert(scope, &settlement)?;
    counters::add_settlement(scope, total_cost, platform_fee)?;
    scope.emit(Event::LeaseEnded(settlement.clone()));
    Ok(settlement)
}

/// Settles what ended without a settlement, as an imported database may hold. Such a lease has no
/// hold any more, so it is charged at most what its renter has.
pub fn settle_unsettled(scope: &mut Scope<'_>, now: Timestamp) -> Result<usize, Refusal> {
    let unsettled = leases::unsettled(scope)?;
    for lease in &unsettled {
        let renter = accounts::get(scope, &lease.consumer_id)?.expect("a lease references its account");
        let worker = workers::get(scope, &lease.worker_id)?.expect("a lease references its worker");
        settle(scope, lease, &worker, renter.available(), now)?;
        leases::mark_settled(scope, &lease.lease_id)?;
    }
    Ok(unsettled.len())
}

/// Who is paid for a worker's leases: the wallet that its address names once that wallet has signed
/// in, until then the worker's own account; of a worker without an address, its keeper.
fn payee(connection: &Connection, worker: &Worker) -> Result<AccountId, Refusal> {
    let wallet = match &worker.eth_address {
        Some(address) => accounts::of_wallet(connection, address)?,
        None => return Ok(worker.keeper.clone().unwrap_or_else(|| worker.worker_id.account())),
    };
    Ok(wallet.map_or_else(|| worker.worker_id.account(), |account| account.account_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_add_up_and_no_cost_exceeds_its_hold(
            price in 0i64..1_000_000_000_000,
            duration_sec in 1i64..31_622_400,
            part in 0.0f64..=1.0,
        ) {
            let price = Amount::from_millionths(price);
            #[expect(clippy::cast_possible_truncation, reason = "below 64 bits by the ranges above")]
            let billed = (duration_sec as f64 * 1e6 * part) as i64;
            let total = cost(price, billed.min(duration_sec * 1_000_000));
            let (payment, fee) = split(total);
            prop_assert_eq!(payment + fee, total);
            prop_assert!(total <= hold(price, duration_sec));
            prop_assert!(fee.millionths() * 100 <= total.millionths().saturating_mul(5));
        }
    }
}
