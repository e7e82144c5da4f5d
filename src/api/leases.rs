//! Leases: the list, one with its blocks and settlement, and making one longer.

use serde::Serialize;

use super::request::idempotency::once;
use super::request::router::{Method, Parameter, Route};
use super::views::privacy::Viewer;
use super::views::{BlockView, LeaseView, SettlementView, Slice};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::base::Amount;
use crate::base::ids::ID_LENGTH_MAX;
use crate::base::limits::LIST_ROWS_MAX;
use crate::market::{self, settlement};
use crate::store::leases::{self, Lease, LeaseState};
use crate::store::settlements::Settlement;
use crate::store::{blocks, settlements, workers};

/// Rows of a list when nobody says how many (contract: rest.md).
pub(super) const LIMIT_DEFAULT: i64 = 50;

pub(super) const LIMIT: Parameter =
    Parameter { name: "limit", kind: "integer", required: false, about: "Rows, 50 by default, 1 to 1000" };
pub(super) const OFFSET: Parameter =
    Parameter { name: "offset", kind: "integer", required: false, about: "Rows to skip, 0 by default" };

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/leases",
        Access::Public,
        None,
        "List leases, newest first",
        &[
            Parameter {
                name: "state",
                kind: "string",
                required: false,
                about: "active, completed or cancelled; all by default",
            },
            Parameter {
                name: "worker_id",
                kind: "string",
                required: false,
                about: "Only this worker's, in all states",
            },
            LIMIT,
            OFFSET,
        ],
        "items, total, limit, offset",
        list,
    ),
    Route::get(
        "/api/leases/{lease_id}",
        Access::Public,
        None,
        "One lease, with its blocks and its settlement when there are any",
        &[],
        "The lease; of a settled one also `paid`: total_cost, provider_payment, platform_fee, held, refund, each to the millionth",
        one,
    ),
    Route {
        method: Method::Post,
        path: "/api/leases/{lease_id}/extend",
        access: Access::Credential,
        scope: Some(KeyScope::Rent),
        summary: "Make an active lease longer, at its price and with its prefix",
        query: &[],
        body: &[Parameter { name: "duration_sec", kind: "integer", required: true, about: "Seconds to add" }],
        answer: "The lease with its new length and hold",
        handle: extend,
    },
];

fn list(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let wanted = query.optional_text("state");
    let worker = query.short_text("worker_id", ID_LENGTH_MAX);
    let limit = query.integer("limit", LIMIT_DEFAULT, 1..=LIST_ROWS_MAX);
    let offset = query.integer("offset", 0, 0..=i64::MAX);
    query.finish()?;
    if let Some(worker) = worker {
        return of_worker(api, call, &worker, limit, offset);
    }
    let states = [LeaseState::Active, LeaseState::Completed, LeaseState::Cancelled];
    let state = wanted.as_ref().map(|text| states.iter().find(|state| state.as_str() == text));
    // A state that no lease is ever in.
    if state == Some(None) {
        return json(&Slice::<LeaseView> { items: Vec::new(), total: 0, limit, offset });
    }
    let state = state.flatten().copied();
    let viewer = Viewer::of(call);
    let slice = api.store.read::<_, ApiError, _>(|connection| {
        let page = leases::page(connection, state, limit, offset)?;
        let items = LeaseView::page(connection, &api.fleet, &viewer, &page, call.now)?;
        Ok(Slice { items, total: leases::count(connection, state)?, limit, offset })
    })?;
    json(&slice)
}

fn of_worker(api: &Api, call: &Call<'_>, worker: &str, limit: i64, offset: i64) -> Answer {
    let viewer = Viewer::of(call);
    let slice = api.store.read::<_, ApiError, _>(|connection| {
        // What is no id, or nobody's, has no leases.
        let known = worker.parse().ok().map(|id| workers::get(connection, &id)).transpose()?.flatten();
        let Some(worker) = known else { return Ok(Slice { items: Vec::new(), total: 0, limit, offset }) };
        let page = leases::of_worker(connection, &worker.worker_id, limit, offset)?;
        let items = LeaseView::page(connection, &api.fleet, &viewer, &page, call.now)?;
        let total = leases::count_of_worker(connection, &worker.worker_id)?;
        Ok(Slice { items, total, limit, offset })
    })?;
    json(&slice)
}

#[derive(Serialize)]
struct Detailed {
    #[serde(flatten)]
    lease: LeaseView,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<BlockView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settlement: Option<SettlementView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid: Option<Paid>,
}

/// The money of a settlement to the millionth, as the ledger has it.
#[derive(Serialize)]
struct Paid {
    total_cost: Amount,
    provider_payment: Amount,
    platform_fee: Amount,
    /// What was held for the whole of it.
    held: Amount,
    /// What of that came back.
    refund: Amount,
}

impl Paid {
    fn of(lease: &Lease, settled: &Settlement) -> Self {
        let held = settlement::hold(lease.price_per_min, lease.duration_sec);
        Paid {
            total_cost: settled.total_cost,
            provider_payment: settled.provider_payment,
            platform_fee: settled.platform_fee,
            held,
            refund: held - settled.total_cost,
        }
    }
}

fn one(api: &Api, call: &Call<'_>) -> Answer {
    let id = call.lease_id()?;
    let viewer = Viewer::of(call);
    let detailed = api.store.read::<_, ApiError, _>(|connection| {
        let lease = leases::get(connection, &id)?.ok_or_else(|| ApiError::new(404, "Lease not found"))?;
        let shown = viewer.sees_lease(connection, &lease)?;
        // Who sees a lease sees its blocks. There may be more of them: GET /api/blocks pages.
        let found = blocks::of_lease(connection, &id, LIST_ROWS_MAX, 0)?;
        let settled = settlements::of_lease(connection, &id)?;
        let live = api.fleet.get(&lease.worker_id);
        let paid = settled.as_ref().map(|settled| Paid::of(&lease, settled));
        Ok(Detailed {
            lease: LeaseView::new(&lease, live.as_ref(), call.now, shown),
            blocks: found.iter().map(|block| BlockView::new(block, shown)).collect(),
            settlement: settled.map(|settled| SettlementView::new(settled, shown)),
            paid,
        })
    })?;
    json(&detailed)
}

fn extend(api: &Api, call: &Call<'_>) -> Answer {
    let id = call.lease_id()?;
    let mut body = call.body()?;
    let more_sec = body.integer("duration_sec");
    body.finish()?;
    let (actor, fleet, now) = (call.actor()?, api.fleet.clone(), call.now);
    once(api, call, move |scope| {
        let lease = market::leases::extend(scope, &actor, &id, more_sec, now)?;
        let live = fleet.get(&lease.worker_id);
        // Whoever may extend a lease is a party to it.
        Ok(LeaseView::new(&lease, live.as_ref(), now, true))
    })
}

#[cfg(test)]
#[path = "tests/leases.rs"]
mod tests;
