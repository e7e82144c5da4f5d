//! How rows look on the wire, where more than one resource shows them.

pub mod csv;
pub mod privacy;
pub mod worker;

use rusqlite::Connection;
use serde::Serialize;

use crate::api::ApiError;
use crate::base::{Amount, EthAddress, LeaseId, Timestamp, WorkerId};
use crate::fleet::{Fleet, Live};
use crate::market::absence;
use crate::market::leases::cost_so_far;
use crate::protocol::ReportedState;
use crate::store::blocks::Block;
use crate::store::leases::Lease;
use crate::store::settlements::Settlement;
use csv::Cell;
use privacy::Viewer;

/// A settlement (contract: rest.md, GET /api/settlements). Money with four decimals that add up.
#[derive(Serialize)]
pub struct SettlementView {
    lease_id: LeaseId,
    consumer_id: String,
    worker_id: WorkerId,
    duration_sec: f64,
    blocks_found: i64,
    total_cost: Amount,
    provider_payment: Amount,
    platform_fee: Amount,
    settled_at: Timestamp,
}

impl SettlementView {
    /// The columns of [`SettlementView::cells`].
    pub const COLUMNS: [&str; 9] = [
        "settled_at",
        "lease_id",
        "worker_id",
        "consumer_id",
        "duration_sec",
        "blocks_found",
        "total_cost",
        "platform_fee",
        "provider_payment",
    ];

    /// As a row of a file.
    pub fn cells(&self) -> [Cell; 9] {
        [
            Cell::plain(format!("{:.6}", self.settled_at.seconds())),
            Cell::text(self.lease_id.as_str()),
            Cell::text(self.worker_id.as_str()),
            Cell::text(&self.consumer_id),
            Cell::plain(self.duration_sec),
            Cell::plain(self.blocks_found),
            Cell::plain(self.total_cost),
            Cell::plain(self.platform_fee),
            Cell::plain(self.provider_payment),
        ]
    }

    /// How a settlement looks; unless it is `shown`, without the renter.
    pub fn new(settlement: Settlement, shown: bool) -> Self {
        let total_cost = settlement.total_cost.shown();
        let platform_fee = settlement.platform_fee.shown();
        SettlementView {
            lease_id: settlement.lease_id,
            consumer_id: if shown { settlement.consumer_id.to_string() } else { String::new() },
            worker_id: settlement.worker_id,
            duration_sec: seconds(settlement.billed),
            blocks_found: settlement.blocks_found,
            total_cost,
            provider_payment: total_cost - platform_fee,
            platform_fee,
            settled_at: settlement.settled_at,
        }
    }
}

/// A lease (contract: rest.md, GET /api/leases). Hidden from strangers, the renter, the address and
/// the prefix are empty texts: clients use them as texts.
#[derive(Serialize)]
pub struct LeaseView {
    lease_id: LeaseId,
    worker_id: WorkerId,
    consumer_id: String,
    consumer_address: String,
    prefix: String,
    duration_sec: i64,
    state: &'static str,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
    blocks_found: i64,
    avg_hashrate: f64,
    elapsed_sec: f64,
    price_per_sec: Amount,
    price_per_min: Amount,
    mining_address: String,
    ends_at: Timestamp,
    interrupted_sec: f64,
    interrupted_since: Option<Timestamp>,
    /// What the worker says that it does instead of mining for it.
    paused: Option<&'static str>,
    cost_so_far: Amount,
    held: Amount,
    advertised_hashrate: f64,
}

impl LeaseView {
    /// The columns of [`LeaseView::cells`].
    pub const COLUMNS: [&str; 13] = [
        "lease_id",
        "worker_id",
        "state",
        "created_at",
        "ended_at",
        "duration_sec",
        "elapsed_sec",
        "interrupted_sec",
        "blocks_found",
        "avg_hashrate",
        "price_per_min",
        "cost",
        "consumer_address",
    ];

    /// As a row of a file.
    pub fn cells(&self) -> [Cell; 13] {
        let ended_at = self.ended_at.map(|at| format!("{:.6}", at.seconds()));
        [
            Cell::text(self.lease_id.as_str()),
            Cell::text(self.worker_id.as_str()),
            Cell::plain(self.state),
            Cell::plain(format!("{:.6}", self.created_at.seconds())),
            Cell::plain(ended_at.unwrap_or_default()),
            Cell::plain(self.duration_sec),
            Cell::plain(self.elapsed_sec),
            Cell::plain(self.interrupted_sec),
            Cell::plain(self.blocks_found),
            Cell::plain(self.avg_hashrate),
            Cell::plain(self.price_per_min),
            Cell::plain(self.cost_so_far),
            Cell::text(&self.consumer_address),
        ]
    }

    /// How a lease looks now; `live` is what is known of its worker, `shown` whether all of it is.
    pub fn new(lease: &Lease, live: Option<&Live>, now: Timestamp, shown: bool) -> Self {
        let text = |text: &str| if shown { text.to_owned() } else { String::new() };
        let until = lease.ended_at.unwrap_or_else(|| now.min(lease.ends_at)).max(lease.created_at);
        let interrupted = match lease.ended_at {
            Some(_) => lease.interrupted,
            None => absence::until(lease, live, until),
        };
        LeaseView {
            lease_id: lease.lease_id.clone(),
            worker_id: lease.worker_id.clone(),
            consumer_id: text(lease.consumer_id.as_str()),
            consumer_address: text(lease.consumer_address.as_str()),
            prefix: text(&lease.prefix.to_string()),
            duration_sec: lease.duration_sec,
            state: lease.state.as_str(),
            created_at: lease.created_at,
            ended_at: lease.ended_at,
            blocks_found: lease.blocks_found,
            avg_hashrate: rounded(lease.avg_hashrate(), 2),
            elapsed_sec: seconds(until.micros_since(lease.created_at)),
            price_per_sec: lease.price_per_min.scale(1, 60),
            price_per_min: lease.price_per_min,
            mining_address: text(lease.consumer_address.as_str()),
            ends_at: lease.ends_at,
            interrupted_sec: seconds(interrupted),
            interrupted_since: absence::since(lease, live, until).filter(|_| lease.ended_at.is_none()),
            paused: lease.paused.map(ReportedState::as_str),
            cost_so_far: cost_so_far(lease, live, now),
            held: lease.hold,
            advertised_hashrate: rounded(lease.advertised_hashrate, 2),
        }
    }

    /// The views of a page of leases.
    pub fn page(
        connection: &Connection,
        fleet: &Fleet,
        viewer: &Viewer,
        leases: &[Lease],
        now: Timestamp,
    ) -> Result<Vec<Self>, ApiError> {
        let view = |lease: &Lease| {
            let live = fleet.get(&lease.worker_id);
            let shown = viewer.sees_lease(connection, lease)?;
            Ok(LeaseView::new(lease, live.as_ref(), now, shown))
        };
        leases.iter().map(view).collect()
    }
}

/// A block (contract: rest.md, GET /api/blocks). Hidden from strangers, the key is empty and, in a
/// lease, so is the renter's address, which is also the salt within a full hash: of that the tag stays.
#[derive(Serialize)]
pub struct BlockView {
    lease_id: String,
    worker_id: WorkerId,
    hash: String,
    key: String,
    account: String,
    attempts: i64,
    hashrate: String,
    prefix_valid: bool,
    chain_verified: bool,
    chain_block_id: Option<i64>,
    timestamp: Timestamp,
}

impl BlockView {
    /// How a block looks; `shown` says whether all of it is.
    pub fn new(block: &Block, shown: bool) -> Self {
        let names_renter = !shown && block.lease_id.is_some();
        let hash = block.hash.as_str();
        let tag = hash.rsplit('$').next().unwrap_or_default();
        BlockView {
            lease_id: block.lease_id.as_ref().map(LeaseId::to_string).unwrap_or_default(),
            worker_id: block.worker_id.clone(),
            hash: if names_renter { tag.to_owned() } else { hash.to_owned() },
            key: if shown { block.key.to_string() } else { String::new() },
            account: block
                .account
                .filter(|_| !names_renter)
                .as_ref()
                .map(EthAddress::to_string)
                .unwrap_or_default(),
            attempts: block.attempts,
            hashrate: block.hashrate.clone(),
            prefix_valid: block.prefix_valid,
            chain_verified: block.chain_verified,
            chain_block_id: block.chain_block_id,
            timestamp: block.created_at,
        }
    }

    /// What the activity feed tells of it: worker, hash, lease.
    pub fn into_news(self) -> (WorkerId, String, String) {
        (self.worker_id, self.hash, self.lease_id)
    }

    /// The views of a page of blocks.
    pub fn page(connection: &Connection, viewer: &Viewer, blocks: &[Block]) -> Result<Vec<Self>, ApiError> {
        let view = |block: &Block| Ok(BlockView::new(block, viewer.sees_block(connection, block)?));
        blocks.iter().map(view).collect()
    }
}

/// A page of a `limit`/`offset` list.
#[derive(Serialize)]
pub struct Slice<T> {
    /// The page.
    pub items: Vec<T>,
    /// Rows in all.
    pub total: i64,
    /// Rows asked for.
    pub limit: i64,
    /// Rows before the page.
    pub offset: i64,
}

/// Microseconds as seconds with two decimals.
pub fn seconds(micros: i64) -> f64 {
    rounded(Timestamp::from_micros(micros).seconds(), 2)
}

/// Rounded to so many decimals, exact value, ties to even, as Python's `round`.
pub fn rounded(value: f64, decimals: usize) -> f64 {
    // Away from ties and within 53 bits, a whole number by a power of ten is the nearest double to
    // the decimal text, and much cheaper than the way over that text.
    let unit = POWERS_OF_TEN.get(decimals).copied().unwrap_or(f64::NAN);
    let scaled = value * unit;
    if scaled.abs() < 1e9 && (scaled.fract().abs() - 0.5).abs() > 1e-6 {
        // Adding zero turns -0.0 into 0.0.
        return scaled.round() / unit + 0.0;
    }
    format!("{value:.decimals$}").parse::<f64>().expect("a formatted number parses") + 0.0
}

const POWERS_OF_TEN: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "rounding is exact or wrong")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_text(value: f64, decimals: usize) -> f64 {
        format!("{value:.decimals$}").parse().unwrap()
    }

    #[test]
    fn ties_are_those_of_the_exact_value() {
        for (value, decimals, expected) in [
            (2.675, 2, 2.67),
            (0.125, 2, 0.12),
            (0.375, 2, 0.38),
            (2.5, 0, 2.0),
            (-0.5, 0, 0.0),
            (1e15, 2, 1e15),
        ] {
            assert_eq!(rounded(value, decimals), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn rounding_is_that_of_the_decimal_text(value in -1e12f64..1e12, small in -200.0f64..200.0, decimals in 0usize..7) {
            prop_assert_eq!(rounded(value, decimals), by_text(value, decimals));
            prop_assert_eq!(rounded(small, decimals), by_text(small, decimals));
        }
    }
}
