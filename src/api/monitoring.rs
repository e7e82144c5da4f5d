//! Monitoring: the fleet, its totals, its hashrate over time, the newest blocks.

use rouille::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::fleet_order::Order;
use super::history;
use super::request::paging::{Listing, PAGE, Paging};
use super::request::router::{Parameter, Route};
use super::state::roster::{self, Glance, Row};
use super::views::privacy::Viewer;
use super::views::worker::address;
use super::views::{BlockView, rounded};
use super::{Access, Answer, Api, ApiError, Call, json};
use crate::base::ids::ID_LENGTH_MAX;
use crate::base::limits::PAGE_ROWS_MAX;
use crate::base::{Amount, EthAddress, Timestamp, WorkerId};
use crate::market::pricing::duration_limits;
use crate::market::reputation::Reputation;
use crate::protocol::ReportedState;
use crate::store::blocks;
use crate::store::counters::{self, Counter};
use crate::store::leases;

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
const FLEET_LIMIT: i64 = 20;
const FLEET_LIMIT_MAX: i64 = 100;
const BLOCKS_LIMIT: i64 = 20;
/// A minute's chart and a day's (contract: rest.md, hashrate-history).
const HOURS: (f64, f64) = (0.0167, 24.0);

const fn optional(name: &'static str, kind: &'static str, about: &'static str) -> Parameter {
    Parameter { name, kind, required: false, about }
}

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/monitoring/fleet",
        Access::Public,
        None,
        "The workers by hashrate",
        &[
            PAGE,
            optional("limit", "integer", "Rows of a page: 20 by default, at most 100"),
            optional("sort", "string", "asc or desc (the default), by hashrate"),
            optional(
                "sort_by",
                "string",
                "One or more of hashrate, price, gpus, blocks, reputation, uptime, state, worker_id, last_heartbeat, joined by commas; a minus turns one around. Goes before sort",
            ),
            optional("status", "string", "online, offline or leased; all by default"),
            optional("search", "string", "Part of the worker's id, address or GPUs"),
            optional("eth_address", "string", "Only this wallet's"),
        ],
        "items, total, page, limit, total_pages (at least 1)",
        fleet,
    ),
    Route::get(
        "/api/monitoring/stats",
        Access::Public,
        None,
        "The fleet in numbers",
        &[],
        "Workers, hashrate, GPUs, blocks",
        stats,
    ),
    Route::get(
        "/api/monitoring/hashrate-history",
        Access::Public,
        None,
        "Hashrate over time",
        &[
            optional("hours", "number", "How far back: 1 by default, 0.0167 to 24"),
            optional("worker_id", "string", "Only this worker's"),
            optional(
                "resolution",
                "integer",
                "Totals of the fleet by so many seconds: 30, 60, 120, 300, 600, 900, 1800, 3600 or the next",
            ),
        ],
        "An array of samples, oldest first, or of totals",
        hashrate_history,
    ),
    Route::get(
        "/api/monitoring/blocks/recent",
        Access::Public,
        None,
        "The newest blocks",
        &[optional("limit", "integer", "Rows: 20 by default, at most 200")],
        "An array of blocks, newest first",
        recent_blocks,
    ),
];

/// A worker of the fleet, as a row of a table.
#[derive(Serialize)]
pub(super) struct Member<'a> {
    worker_id: &'a WorkerId,
    eth_address: &'a str,
    state: &'static str,
    online: bool,
    hashrate: f64,
    gpu_count: u32,
    active_gpus: u32,
    gpu_name: &'a str,
    total_memory_gb: f64,
    gpus: &'a RawValue,
    version: &'a str,
    last_heartbeat: Timestamp,
    self_blocks_found: i64,
    price_per_min: Amount,
    total_online_sec: f64,
    registered_at: Timestamp,
    listed: bool,
    min_duration_sec: i64,
    max_duration_sec: i64,
    reputation: f64,
}

impl<'a> Member<'a> {
    pub(super) fn new(api: &Api, row: &'a Row, now: Timestamp) -> Self {
        let Row { worker, gpus } = row;
        let (live, online) = row.live(api, now);
        let (min_duration_sec, max_duration_sec) = duration_limits(worker);
        Member {
            worker_id: &worker.worker_id,
            eth_address: address(worker),
            state: worker.state.as_str(),
            online,
            hashrate: live.hashrate,
            gpu_count: worker.gpu_count,
            active_gpus: live.active_gpus,
            gpu_name: &gpus.label,
            total_memory_gb: worker.total_memory_gb,
            gpus: &gpus.json,
            version: &worker.version,
            last_heartbeat: live.last_seen,
            self_blocks_found: worker.self_blocks_found,
            price_per_min: worker.price_per_min,
            total_online_sec: Timestamp::from_micros(worker.total_online).seconds(),
            registered_at: worker.registered_at,
            listed: worker.listed,
            min_duration_sec,
            max_duration_sec,
            reputation: rounded(Reputation::of(worker, now).stars(), 1),
        }
    }
}

fn fleet(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let paging = Paging::of(&mut query, FLEET_LIMIT, FLEET_LIMIT_MAX);
    let ascending = query.word("sort", "desc", &["asc", "desc"]) == "asc";
    let status = query.word("status", "", &["online", "offline", "leased"]);
    let wallet = query.short_text("eth_address", ID_LENGTH_MAX);
    let search = query.short_text("search", ID_LENGTH_MAX).map(|text| text.to_lowercase());
    let order = query.short_text("sort_by", ID_LENGTH_MAX);
    query.finish()?;
    let order = order.map(|text| Order::parse(&text)).transpose()?;
    // What is no address is nobody's.
    let wallet = wallet.map(|text| text.parse::<EthAddress>().ok());
    let takes = |(row, glance): &(&Row, &Glance)| {
        is_in(status, row, glance)
            && search.as_ref().is_none_or(|part| row.matches(part))
            && wallet.is_none_or(|wallet| wallet.is_some() && row.worker.eth_address == wallet)
    };
    let board = roster::board(api)?;
    let mut members: Vec<(&Row, &Glance)> = board.entries().filter(takes).collect();
    match order {
        Some(order) => order.sort(&mut members, call.now),
        None => by_hashrate(&mut members, ascending),
    }
    let total = members.len();
    let items = paging.cut(members.into_iter()).map(|(row, _)| Member::new(api, row, call.now)).collect();
    let page = paging.page(items, total);
    json(&Listing { total_pages: page.total_pages.max(1), ..page })
}

fn is_in(status: &str, row: &Row, glance: &Glance) -> bool {
    match status {
        "online" => glance.online,
        "offline" => !glance.online,
        "leased" => matches!(row.worker.state, ReportedState::Leased | ReportedState::Mining),
        _ => true,
    }
}

fn by_hashrate(members: &mut [(&Row, &Glance)], ascending: bool) {
    members.sort_by(|(_, a), (_, b)| {
        let order = a.hashrate.total_cmp(&b.hashrate);
        if ascending { order } else { order.reverse() }
    });
}

/// The first page of the fleet, as JSON.
pub(super) fn first_page(api: &Api, rows: usize, now: Timestamp) -> Result<Box<RawValue>, ApiError> {
    let board = roster::board(api)?;
    let mut members: Vec<(&Row, &Glance)> = board.entries().collect();
    by_hashrate(&mut members, false);
    let page: Vec<_> = members.into_iter().take(rows).map(|(row, _)| Member::new(api, row, now)).collect();
    serde_json::value::to_raw_value(&page).map_err(|error| ApiError::internal(&error))
}

/// The fleet in numbers.
#[derive(Serialize)]
pub(super) struct Stats {
    total_workers: usize,
    online: usize,
    offline: usize,
    total_hashrate: f64,
    total_gpus: u64,
    active_gpus: u64,
    total_blocks: i64,
    blocks_last_hour: i64,
    blocks_24h: i64,
    active_leases: i64,
}

fn stats(api: &Api, call: &Call<'_>) -> Answer {
    json(&Stats::now(api, call.now)?)
}

impl Stats {
    /// At this moment.
    pub(super) fn now(api: &Api, now: Timestamp) -> Result<Self, ApiError> {
        let roster = roster::roster(api)?;
        let totals = api.fleet.totals(now);
        let total_workers = roster.rows.len();
        let (total_blocks, active_leases) = api.store.read::<_, ApiError, _>(|connection| {
            Ok((counters::get(connection, Counter::Blocks)?, leases::count_active(connection)?))
        })?;
        Ok(Stats {
            total_workers,
            online: totals.online,
            offline: total_workers.saturating_sub(totals.online),
            total_hashrate: rounded(totals.hashrate, 2),
            total_gpus: roster.gpus,
            active_gpus: totals.active_gpus,
            total_blocks,
            blocks_last_hour: super::overview::recent(api, &api.state.memos.blocks_of_hour, HOUR)?,
            blocks_24h: super::overview::recent(api, &api.state.memos.blocks_of_day, super::overview::DAY)?,
            active_leases,
        })
    }
}

fn hashrate_history(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let worker = query.short_text("worker_id", ID_LENGTH_MAX);
    let hours = query.number("hours", 1.0, HOURS.0, HOURS.1);
    let resolution = query.optional_integer("resolution", 30..=3600);
    query.finish()?;
    if let Some(resolution) = resolution {
        return json(&history::totals(api, worker.as_deref(), hours, resolution, call.now)?);
    }
    let body = match worker {
        Some(worker) => {
            let since = call.now.minus(std::time::Duration::from_secs_f64(hours * 3600.0));
            history::of_worker(api, &worker, since)?
        }
        None => history::of_all(api, hours, call.now)?.to_vec(),
    };
    Ok(Response::from_data("application/json", body))
}

fn recent_blocks(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let limit = query.integer("limit", BLOCKS_LIMIT, 1..=PAGE_ROWS_MAX);
    query.finish()?;
    let viewer = Viewer::of(call);
    let views = api.store.read::<_, ApiError, _>(|connection| {
        BlockView::page(connection, &viewer, &blocks::page(connection, limit, 0)?)
    })?;
    json(&views)
}
