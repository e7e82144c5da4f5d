//! The marketplace: workers for rent, and what a lease would cost.

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::value::RawValue;

use super::order_book::per_khs_hour;
use super::request::paging::{Listing, PAGE, Paging};
use super::request::router::{Parameter, Route};
use super::state::roster::{self, Board, Glance, Row};
use super::views::rounded;
use super::views::worker::{address, uptime_pct};
use super::{Access, Answer, Api, ApiError, Call, json};
use crate::base::ids::ID_LENGTH_MAX;
use crate::base::limits::LEASE_SECONDS_MAX;
use crate::base::{Amount, Timestamp, WorkerId};
use crate::market::pricing::duration_limits;
use crate::market::reputation::Reputation;
use crate::market::settlement;
use crate::protocol::ReportedState;

const LIMIT_DEFAULT: i64 = 18;
const LIMIT_MAX: i64 = 100;

const fn optional(name: &'static str, kind: &'static str, about: &'static str) -> Parameter {
    Parameter { name, kind, required: false, about }
}

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/marketplace",
        Access::Public,
        None,
        "Workers for rent",
        &[
            PAGE,
            optional("limit", "integer", "Rows of a page: 18 by default, at most 100"),
            optional(
                "sort_by",
                "string",
                "price (the default), price_desc, value (what hashrate costs), hashrate, gpus, memory or reputation, best \
                 first",
            ),
            optional("gpu_type", "string", "Part of a GPU's name"),
            optional("search", "string", "Part of the worker's id, address or GPUs"),
            optional("min_hashrate", "number", "H/s"),
            optional("max_price", "number", "Per minute"),
            optional("min_gpus", "integer", "GPUs of the worker"),
            optional("min_reputation", "number", "Stars, 0 to 5"),
            optional("available_only", "boolean", "Only those that can be rented now (the default)"),
        ],
        "items, total, page, limit, total_pages, and the GPUs there are to choose from",
        list,
    ),
    Route::get(
        "/api/marketplace/estimate",
        Access::Public,
        None,
        "What a lease would cost",
        &[
            Parameter {
                name: "duration_sec",
                kind: "integer",
                required: true,
                about: "Length of the lease in seconds",
            },
            optional("worker_id", "string", "A certain worker; the cheapest available by default"),
            optional("min_hashrate", "number", "Only workers with this many H/s"),
        ],
        "The cost, its two parts, and a warning when the length is not advised",
        estimate,
    ),
];

/// What to look for.
struct Filter {
    gpu_type: Option<String>,
    search: Option<String>,
    min_hashrate: Option<f64>,
    max_price: Option<f64>,
    min_gpus: Option<i64>,
    min_reputation: Option<f64>,
    available_only: bool,
}

impl Filter {
    fn takes(&self, row: &Row, glance: &Glance, now: Timestamp) -> bool {
        let worker = &row.worker;
        (!self.available_only || is_available(row, glance))
            && self.min_hashrate.is_none_or(|min| glance.hashrate >= min)
            && self.max_price.is_none_or(|max| worker.price_per_min.to_f64() <= max)
            && self.min_gpus.is_none_or(|min| i64::from(worker.gpu_count) >= min)
            && self.min_reputation.is_none_or(|min| stars(row, now) >= min)
            && self.gpu_type.as_ref().is_none_or(|part| row.gpus.search.contains(part))
            && self.search.as_ref().is_none_or(|part| row.matches(part))
    }
}

/// As the list shows them.
fn stars(row: &Row, now: Timestamp) -> f64 {
    rounded(Reputation::of(&row.worker, now).stars(), 1)
}

/// Whether a worker can be rented now.
pub(super) fn is_available(row: &Row, glance: &Glance) -> bool {
    row.worker.listed && row.worker.state == ReportedState::Available && glance.online
}

#[derive(Serialize)]
struct Item<'a> {
    worker_id: &'a WorkerId,
    state: &'static str,
    gpu_count: u32,
    total_memory_gb: f64,
    gpus: &'a RawValue,
    hashrate: f64,
    eth_address: &'a str,
    price_per_min: Amount,
    min_duration_sec: i64,
    max_duration_sec: i64,
    last_heartbeat: Timestamp,
    gpu_name: &'a str,
    gpu_memory: f64,
    blocks_mined: i64,
    reputation: f64,
    uptime_pct: f64,
    online: bool,
    price_per_khs_hour: Option<f64>,
}

impl<'a> Item<'a> {
    fn new(api: &Api, row: &'a Row, now: Timestamp) -> Self {
        let Row { worker, gpus } = row;
        let (live, online) = row.live(api, now);
        let (min_duration_sec, max_duration_sec) = duration_limits(worker);
        let reputation = Reputation::of(worker, now);
        Item {
            worker_id: &worker.worker_id,
            state: worker.state.as_str(),
            gpu_count: worker.gpu_count,
            total_memory_gb: worker.total_memory_gb,
            gpus: &gpus.json,
            hashrate: live.hashrate,
            eth_address: address(worker),
            price_per_min: worker.price_per_min,
            min_duration_sec,
            max_duration_sec,
            last_heartbeat: live.last_seen,
            gpu_name: &gpus.label,
            gpu_memory: worker.total_memory_gb,
            blocks_mined: worker.verified_blocks,
            reputation: rounded(reputation.stars(), 1),
            uptime_pct: uptime_pct(&reputation),
            online,
            price_per_khs_hour: per_khs_hour(worker.price_per_min, live.hashrate),
        }
    }
}

#[derive(Serialize)]
struct Shelf<'a> {
    #[serde(flatten)]
    page: Listing<Item<'a>>,
    gpu_types: &'a [String],
}

fn list(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let paging = Paging::of(&mut query, LIMIT_DEFAULT, LIMIT_MAX);
    let sort_by = query.short_text("sort_by", ID_LENGTH_MAX);
    let lower = |text: Option<String>| text.map(|text| text.to_lowercase());
    let filter = Filter {
        gpu_type: lower(query.short_text("gpu_type", ID_LENGTH_MAX)),
        search: lower(query.short_text("search", ID_LENGTH_MAX)),
        min_hashrate: query.optional_number("min_hashrate"),
        max_price: query.optional_number("max_price"),
        min_gpus: query.optional_integer("min_gpus", i64::MIN..=i64::MAX),
        min_reputation: query.optional_number("min_reputation"),
        available_only: query.boolean("available_only", true),
    };
    query.finish()?;
    let board = roster::board(api)?;
    let mut found: Vec<(&Row, &Glance)> =
        board.entries().filter(|(row, glance)| filter.takes(row, glance, call.now)).collect();
    sort(&mut found, sort_by.as_deref().unwrap_or("price"), call.now);
    let total = found.len();
    let items = paging.cut(found.into_iter()).map(|(row, _)| Item::new(api, row, call.now)).collect();
    json(&Shelf { page: paging.page(items, total), gpu_types: &board.roster.gpu_types })
}

/// Best first; what is equal, and what nobody knows how to sort by, stays in the table's order.
fn sort(found: &mut [(&Row, &Glance)], by: &str, now: Timestamp) {
    let by_hashrate = |a: &Glance, b: &Glance| b.hashrate.total_cmp(&a.hashrate);
    match by {
        "price" | "price_asc" => found.sort_by_key(|(row, _)| row.worker.price_per_min),
        "price_desc" => found.sort_by_key(|(row, _)| std::cmp::Reverse(row.worker.price_per_min)),
        "value" => {
            // Who does not hash comes last.
            let cost = |row: &Row, glance: &Glance| {
                per_khs_hour(row.worker.price_per_min, glance.hashrate).unwrap_or(f64::INFINITY)
            };
            found.sort_by(|(a, at), (b, bt)| cost(a, at).total_cmp(&cost(b, bt)));
        }
        "hashrate" | "hashrate_desc" => found.sort_by(|(_, a), (_, b)| by_hashrate(a, b)),
        "hashrate_asc" => found.sort_by(|(_, a), (_, b)| by_hashrate(b, a)),
        "gpus" | "gpus_desc" => found.sort_by_key(|(row, _)| std::cmp::Reverse(row.worker.gpu_count)),
        "memory" | "memory_desc" => {
            found.sort_by(|(a, _), (b, _)| b.worker.total_memory_gb.total_cmp(&a.worker.total_memory_gb));
        }
        "reputation" | "reputation_desc" => {
            let mut scored: Vec<(f64, (&Row, &Glance))> =
                found.iter().map(|entry| (Reputation::of(&entry.0.worker, now).score(), *entry)).collect();
            scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            for (place, (_, entry)) in found.iter_mut().zip(scored) {
                *place = entry;
            }
        }
        _ => {}
    }
}

#[derive(Serialize)]
struct Estimate<'a> {
    worker_id: &'a WorkerId,
    duration_sec: i64,
    price_per_min: Amount,
    total_cost: Amount,
    provider_payout: Amount,
    platform_fee: Amount,
    hashrate: f64,
    min_duration_sec: i64,
    max_duration_sec: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

fn estimate(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let duration_sec = query.required_integer("duration_sec", 1..=LEASE_SECONDS_MAX);
    let worker = query.optional_text("worker_id");
    let min_hashrate = query.optional_number("min_hashrate").unwrap_or(0.0);
    query.finish()?;
    let board = roster::board(api)?;
    let row = match &worker {
        Some(id) => named(&board, id),
        None => cheapest(&board, min_hashrate),
    }?;
    let worker = &row.worker;
    let cost = settlement::hold(worker.price_per_min, duration_sec);
    let (_, fee) = settlement::split(cost);
    let (total_cost, platform_fee) = (cost.shown(), fee.shown());
    let (min_duration_sec, max_duration_sec) = duration_limits(worker);
    let warning = if duration_sec < min_duration_sec {
        Some(format!("Duration below minimum ({min_duration_sec}s)"))
    } else if duration_sec > max_duration_sec {
        Some(format!("Duration above maximum ({max_duration_sec}s)"))
    } else {
        None
    };
    json(&Estimate {
        worker_id: &worker.worker_id,
        duration_sec,
        price_per_min: worker.price_per_min,
        total_cost,
        provider_payout: total_cost - platform_fee,
        platform_fee,
        hashrate: roster::live(api, worker).hashrate,
        min_duration_sec,
        max_duration_sec,
        warning,
    })
}

fn named<'a>(board: &'a Board, id: &str) -> Result<&'a Row, ApiError> {
    let row = board.roster.rows.iter().find(|row| row.worker.worker_id.as_str() == id);
    row.ok_or_else(|| ApiError::new(404, "Worker not found"))
}

fn cheapest(board: &Board, min_hashrate: f64) -> Result<&Row, ApiError> {
    let fits = |(row, glance): &(&Row, &Glance)| is_available(row, glance) && glance.hashrate >= min_hashrate;
    let by_price = |(a, _): &(&Row, &Glance), (b, _): &(&Row, &Glance)| -> Ordering {
        a.worker.price_per_min.cmp(&b.worker.price_per_min)
    };
    let found = board.entries().filter(fits).min_by(by_price);
    found.map(|(row, _)| row).ok_or_else(|| ApiError::new(404, "No available workers matching criteria"))
}
