//! How rows look on the wire, where more than one resource shows them.

use serde::Serialize;

use crate::base::{AccountId, Amount, LeaseId, Timestamp, WorkerId};
use crate::store::settlements::Settlement;

/// A settlement (contract: rest.md, GET /api/settlements). Money with four decimals that add up.
#[derive(Serialize)]
pub struct SettlementView<'a> {
    lease_id: &'a LeaseId,
    consumer_id: &'a AccountId,
    worker_id: &'a WorkerId,
    duration_sec: f64,
    blocks_found: i64,
    total_cost: Amount,
    provider_payment: Amount,
    platform_fee: Amount,
    settled_at: Timestamp,
}

impl<'a> From<&'a Settlement> for SettlementView<'a> {
    fn from(settlement: &'a Settlement) -> Self {
        let total_cost = settlement.total_cost.shown();
        let platform_fee = settlement.platform_fee.shown();
        SettlementView {
            lease_id: &settlement.lease_id,
            consumer_id: &settlement.consumer_id,
            worker_id: &settlement.worker_id,
            duration_sec: rounded(Timestamp::from_micros(settlement.billed).seconds(), 2),
            blocks_found: settlement.blocks_found,
            total_cost,
            provider_payment: total_cost - platform_fee,
            platform_fee,
            settled_at: settlement.settled_at,
        }
    }
}

/// Rounded to so many decimals, exact value, ties to even, as Python's `round`.
pub fn rounded(value: f64, decimals: usize) -> f64 {
    format!("{value:.decimals$}").parse().expect("a formatted number parses")
}
