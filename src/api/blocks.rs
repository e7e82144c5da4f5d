//! Blocks that workers found.

use super::leases::{LIMIT, LIMIT_DEFAULT, OFFSET};
use super::request::router::{Parameter, Route};
use super::views::privacy::Viewer;
use super::views::{BlockView, Slice};
use super::{Access, Answer, Api, ApiError, Call, json};
use crate::base::ids::ID_LENGTH_MAX;
use crate::base::limits::LIST_ROWS_MAX;
use crate::base::{LeaseId, WorkerId};
use crate::store::blocks;
use crate::store::counters::{self, Counter};

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/blocks",
        Access::Public,
        None,
        "List blocks, newest first; those of one lease as a bare array, oldest first",
        &[
            Parameter {
                name: "lease_id",
                kind: "string",
                required: false,
                about: "Only this lease's; the limit is then 1000 by default",
            },
            Parameter { name: "worker_id", kind: "string", required: false, about: "Only this worker's" },
            LIMIT,
            OFFSET,
        ],
        "items, total, limit, offset; with lease_id an array",
        list,
    ),
    Route::get(
        "/api/blocks/self-mined",
        Access::Public,
        None,
        "List blocks that were found outside any lease, newest first",
        &[
            Parameter { name: "worker_id", kind: "string", required: false, about: "Only this worker's" },
            LIMIT,
            OFFSET,
        ],
        "items, total, limit, offset",
        self_mined,
    ),
];

fn list(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let lease = query.short_text("lease_id", ID_LENGTH_MAX);
    let worker = query.short_text("worker_id", ID_LENGTH_MAX);
    let limit_default = if lease.is_some() { LIST_ROWS_MAX } else { LIMIT_DEFAULT };
    let limit = query.integer("limit", limit_default, 1..=LIST_ROWS_MAX);
    let offset = query.integer("offset", 0, 0..=i64::MAX);
    query.finish()?;
    match (lease, worker) {
        (Some(lease), _) => of_lease(api, call, &lease, limit, offset),
        (None, Some(worker)) => of_worker(api, call, &worker, limit, offset),
        (None, None) => {
            let viewer = Viewer::of(call);
            let slice = api.store.read::<_, ApiError, _>(|connection| {
                let page = blocks::page(connection, limit, offset)?;
                let items = BlockView::page(connection, &viewer, &page)?;
                Ok(Slice { items, total: counters::get(connection, Counter::Blocks)?, limit, offset })
            })?;
            json(&slice)
        }
    }
}

fn of_lease(api: &Api, call: &Call<'_>, lease: &str, limit: i64, offset: i64) -> Answer {
    // What cannot be a lease's id has no blocks.
    let Ok(lease) = lease.parse::<LeaseId>() else { return json::<[BlockView]>(&[]) };
    let viewer = Viewer::of(call);
    let views = api.store.read::<_, ApiError, _>(|connection| {
        let found = blocks::of_lease(connection, &lease, limit, offset)?;
        // All of a lease are seen by the same people.
        let shown = match found.first() {
            Some(first) => viewer.sees_block(connection, first)?,
            None => false,
        };
        Ok(found.iter().map(|block| BlockView::new(block, shown)).collect::<Vec<_>>())
    })?;
    json(&views)
}

fn of_worker(api: &Api, call: &Call<'_>, worker: &str, limit: i64, offset: i64) -> Answer {
    let Ok(worker) = worker.parse::<WorkerId>() else {
        return json(&Slice::<BlockView> { items: Vec::new(), total: 0, limit, offset });
    };
    let viewer = Viewer::of(call);
    let slice = api.store.read::<_, ApiError, _>(|connection| {
        let page = blocks::of_worker(connection, &worker, limit, offset)?;
        let items = BlockView::page(connection, &viewer, &page)?;
        Ok(Slice { items, total: blocks::count_of_worker(connection, &worker)?, limit, offset })
    })?;
    json(&slice)
}

fn self_mined(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let worker = query.short_text("worker_id", ID_LENGTH_MAX);
    let limit = query.integer("limit", LIMIT_DEFAULT, 1..=LIST_ROWS_MAX);
    let offset = query.integer("offset", 0, 0..=i64::MAX);
    query.finish()?;
    let worker = match worker.map(|id| id.parse::<WorkerId>()) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return json(&Slice::<BlockView> { items: Vec::new(), total: 0, limit, offset }),
    };
    let viewer = Viewer::of(call);
    let slice = api.store.read::<_, ApiError, _>(|connection| {
        let page = blocks::self_mined(connection, worker.as_ref(), limit, offset)?;
        let items = BlockView::page(connection, &viewer, &page)?;
        Ok(Slice { items, total: blocks::count_self_mined(connection, worker.as_ref())?, limit, offset })
    })?;
    json(&slice)
}
