//! What a lease's page shows beyond the lease: how its hashrate went, and what stopping it now or
//! making it longer would mean.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::Serialize;

use super::request::router::{Parameter, Route};
use super::views::privacy::Viewer;
use super::views::{BlockView, rounded, seconds};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::auth::Caller;
use crate::base::limits::{HISTORY_ROWS_MAX, LEASE_SECONDS_MAX, LIST_ROWS_MAX};
use crate::base::{Amount, LeaseId, Timestamp};
use crate::market::leases as rules;
use crate::market::{self, Refusal, absence, settlement};
use crate::store::blocks;
use crate::store::leases::{self, Lease, LeaseState};
use crate::store::snapshots::{self, Sample};

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/leases/{lease_id}/hashrate",
        Access::Public,
        None,
        "A lease's hashrate over time beside what its worker had promised, and its blocks",
        &[Parameter {
            name: "resolution",
            kind: "integer",
            required: false,
            about: "Seconds of one mean, 30 (a sample's distance, the default) to 86400",
        }],
        "lease_id, advertised_hashrate, avg_hashrate, resolution, samples, blocks",
        hashrate,
    ),
    Route::get(
        "/api/leases/{lease_id}/preview",
        Access::Open,
        Some(KeyScope::Read),
        "What stopping an active lease now would cost and give back; and making it longer",
        &[Parameter {
            name: "extend_sec",
            kind: "integer",
            required: false,
            about: "Seconds to add: what that would take",
        }],
        "lease_id, stop, extend",
        preview,
    ),
];

const SAMPLE_SEC: i64 = 30;
const DAY_SEC: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;

fn find(connection: &Connection, id: &LeaseId) -> Result<Lease, ApiError> {
    leases::get(connection, id)?.ok_or_else(|| ApiError::new(404, "Lease not found"))
}

#[derive(Serialize)]
struct Delivered {
    lease_id: LeaseId,
    advertised_hashrate: f64,
    avg_hashrate: f64,
    resolution: i64,
    samples: Vec<Point>,
    blocks: Vec<BlockView>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Point {
    timestamp: Timestamp,
    hashrate: f64,
    active_gpus: f64,
}

fn hashrate(api: &Api, call: &Call<'_>) -> Answer {
    let id = call.lease_id()?;
    let mut query = call.query();
    let resolution = query.integer("resolution", SAMPLE_SEC, SAMPLE_SEC..=DAY_SEC);
    query.finish()?;
    let viewer = Viewer::of(call);
    let delivered = api.store.read::<_, ApiError, _>(|connection| {
        let lease = find(connection, &id)?;
        let until = lease.ended_at.unwrap_or(call.now);
        let samples = snapshots::of_worker_between(
            connection,
            &lease.worker_id,
            lease.created_at,
            until,
            HISTORY_ROWS_MAX,
        )?;
        let shown = viewer.sees_lease(connection, &lease)?;
        let found = blocks::of_lease(connection, &id, LIST_ROWS_MAX, 0)?;
        Ok(Delivered {
            advertised_hashrate: rounded(lease.advertised_hashrate, 2),
            avg_hashrate: rounded(lease.avg_hashrate(), 2),
            resolution,
            samples: means(&samples, resolution * MICROS_PER_SECOND),
            blocks: found.iter().map(|block| BlockView::new(block, shown)).collect(),
            lease_id: lease.lease_id,
        })
    })?;
    json(&delivered)
}

/// The mean of each period, by its beginning.
fn means(samples: &[Sample], period: i64) -> Vec<Point> {
    let mut sums: BTreeMap<i64, (f64, f64, f64)> = BTreeMap::new();
    for sample in samples {
        let sum = sums.entry(sample.taken_at.micros().div_euclid(period)).or_default();
        *sum = (sum.0 + sample.hashrate, sum.1 + f64::from(sample.active_gpus), sum.2 + 1.0);
    }
    let point = |(place, (hashrate, gpus, count)): (i64, (f64, f64, f64))| Point {
        timestamp: Timestamp::from_micros(place * period),
        hashrate: rounded(hashrate / count, 2),
        active_gpus: rounded(gpus / count, 2),
    };
    sums.into_iter().map(point).collect()
}

#[derive(Serialize)]
struct Preview {
    lease_id: LeaseId,
    stop: Stop,
    extend: Option<Extend>,
}

#[derive(Serialize)]
struct Stop {
    elapsed_sec: f64,
    interrupted_sec: f64,
    billed_sec: f64,
    total_cost: Amount,
    provider_payment: Amount,
    platform_fee: Amount,
    held: Amount,
    refund: Amount,
}

#[derive(Serialize)]
struct Extend {
    extend_sec: i64,
    possible: bool,
    /// Why not.
    problem: Option<String>,
    duration_sec: i64,
    ends_at: Timestamp,
    more_held: Amount,
    available: Amount,
    available_after: Amount,
}

fn preview(api: &Api, call: &Call<'_>) -> Answer {
    let id = call.lease_id()?;
    let mut query = call.query();
    let more_sec = query.optional_integer("extend_sec", 1..=LEASE_SECONDS_MAX);
    query.finish()?;
    let viewer = Viewer::of(call);
    let preview = api.store.read::<_, ApiError, _>(|connection| {
        let lease = find(connection, &id)?;
        // What an extension means shows the renter's balance.
        let may_extend = call.caller == Caller::Nobody || call.caller.may_act_for(&lease.consumer_id);
        if !viewer.sees_lease(connection, &lease)? || more_sec.is_some() && !may_extend {
            return Err(ApiError::new(403, "You can only preview your own leases"));
        }
        if lease.state != LeaseState::Active {
            return Err(ApiError::new(404, "Lease not found or not active"));
        }
        let stop = Stop::now(api, &lease, call.now);
        let extend = more_sec.map(|more_sec| Extend::by(connection, &lease, more_sec)).transpose()?;
        Ok(Preview { lease_id: lease.lease_id, stop, extend })
    })?;
    json(&preview)
}

impl Stop {
    fn now(api: &Api, lease: &Lease, now: Timestamp) -> Self {
        let live = api.fleet.get(&lease.worker_id);
        let until = now.min(lease.ends_at).max(lease.created_at);
        let elapsed = until.micros_since(lease.created_at);
        let interrupted = absence::until(lease, live.as_ref(), until);
        let billed = (elapsed - interrupted).max(0);
        let cost = settlement::cost(lease.price_per_min, billed).min(lease.hold);
        let (provider_payment, platform_fee) = settlement::split(cost);
        Stop {
            elapsed_sec: seconds(elapsed),
            interrupted_sec: seconds(interrupted),
            billed_sec: seconds(billed),
            total_cost: cost,
            provider_payment,
            platform_fee,
            held: lease.hold,
            refund: lease.hold - cost,
        }
    }
}

impl Extend {
    fn by(connection: &Connection, lease: &Lease, more_sec: i64) -> Result<Self, ApiError> {
        let available = market::accounts::get(connection, &lease.consumer_id)?.available();
        let (longer, refused) = match rules::extended(connection, lease, more_sec) {
            Ok(longer) => (longer, None),
            Err(Refusal::Store(error)) => return Err(error.into()),
            Err(refusal) => ((lease.duration_sec, lease.hold), Some(refusal.to_string())),
        };
        let (duration_sec, hold) = longer;
        let more_held = hold - lease.hold;
        let short = (available < more_held)
            .then(|| Refusal::Insufficient { have: available, need: more_held }.to_string());
        let problem = refused.or(short);
        Ok(Extend {
            extend_sec: more_sec,
            possible: problem.is_none(),
            problem,
            duration_sec,
            ends_at: rules::ends_at(lease.created_at, duration_sec),
            more_held,
            available,
            available_after: available - more_held,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_the_mean_of_its_period() {
        let sample = |seconds: i64, hashrate, active_gpus| Sample {
            worker_id: "w".parse().unwrap(),
            taken_at: Timestamp::from_micros(seconds * MICROS_PER_SECOND),
            hashrate,
            active_gpus,
        };
        let samples = [sample(60, 10.0, 1), sample(90, 20.0, 2), sample(120, 5.0, 1)];
        let at = |seconds: i64| Timestamp::from_micros(seconds * MICROS_PER_SECOND);
        let point = |seconds, hashrate, active_gpus| Point { timestamp: at(seconds), hashrate, active_gpus };
        assert_eq!(means(&samples, 60 * MICROS_PER_SECOND), [point(60, 15.0, 1.5), point(120, 5.0, 1.0)]);
        assert_eq!(means(&[], 1), []);
    }
}
