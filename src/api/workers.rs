//! Workers: what they are, their prices and reputation, and controlling them.

use serde::Serialize;
use serde_json::{Map, Value, json as value};

use super::request::input::problem;
use super::request::router::{Method, Parameter, Route};
use super::state::roster::{self, Row};
use super::views::worker::{ReputationView, WorkerView};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::auth::{Caller, Role};
use crate::base::{Amount, AmountError, Timestamp, WorkerId};
use crate::market::pricing::{self, duration_limits};
use crate::market::{Actor, Refusal};
use crate::protocol::{Control, Gpu, Settings};
use crate::store::workers::{self, Worker};

const ACTIONS: [&str; 4] = ["set_config", "pause", "resume", "shutdown"];
/// Settled leases of this long ago still tell a price.
const MEDIAN_WINDOW: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);

const PAGE_QUERY: &[Parameter] = &[
    Parameter { name: "limit", kind: "integer", required: false, about: "Rows; all by default" },
    Parameter { name: "offset", kind: "integer", required: false, about: "Rows before, 0 by default" },
];
const PRICING_BODY: &[Parameter] = &[
    Parameter { name: "price_per_min", kind: "number", required: true, about: "Price of a minute" },
    Parameter {
        name: "min_duration_sec",
        kind: "integer",
        required: false,
        about: "The shortest lease; as it was by default",
    },
    Parameter {
        name: "max_duration_sec",
        kind: "integer",
        required: false,
        about: "The longest lease; as it was by default",
    },
];
const CONTROL_BODY: &[Parameter] = &[
    Parameter {
        name: "action",
        kind: "string",
        required: false,
        about: "set_config (the default), pause, resume or shutdown",
    },
    Parameter {
        name: "config",
        kind: "object",
        required: false,
        about: "For set_config: difficulty, address, prefix, block_pattern",
    },
];

const fn set_pricing_at(path: &'static str) -> Route {
    Route {
        method: Method::Put,
        path,
        access: Access::Open,
        scope: Some(KeyScope::Provider),
        summary: "Set a worker's price and limits",
        query: &[],
        body: PRICING_BODY,
        answer: "The price and limits that apply now",
        handle: set_pricing,
    }
}

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/workers", Access::Public, None, "All workers", PAGE_QUERY, "An array of workers", list),
    Route::get(
        "/api/workers/{worker_id}",
        Access::Public,
        None,
        "One worker",
        &[],
        "The worker with everything",
        show,
    ),
    Route::get(
        "/api/workers/{worker_id}/pricing",
        Access::Public,
        None,
        "A worker's price",
        &[],
        "Its price and limits",
        show_pricing,
    ),
    Route::get(
        "/api/workers/{worker_id}/pricing/suggest",
        Access::Public,
        None,
        "What a worker's minute is worth",
        &[],
        "The suggestion, and the median of what leases settled at",
        suggest,
    ),
    Route::get(
        "/api/workers/{worker_id}/reputation",
        Access::Public,
        None,
        "A worker's reputation",
        &[],
        "Score, stars and what they are made of",
        show_reputation,
    ),
    set_pricing_at("/api/workers/{worker_id}/pricing"),
    set_pricing_at("/api/provider/workers/{worker_id}/pricing"),
    Route {
        method: Method::Post,
        path: "/api/workers/{worker_id}/control",
        access: Access::Open,
        scope: Some(KeyScope::Provider),
        summary: "Control a worker",
        query: &[],
        body: CONTROL_BODY,
        answer: "Sent, and whether the worker is connected",
        handle: control,
    },
    Route {
        method: Method::Post,
        path: "/api/control/broadcast",
        access: Access::Administrator,
        scope: Some(KeyScope::Admin),
        summary: "Control all workers",
        query: &[],
        body: CONTROL_BODY,
        answer: "The workers it was sent to",
        handle: broadcast,
    },
];

/// The worker named in the path, or 404.
pub(super) fn find(api: &Api, call: &Call<'_>) -> Result<Row, ApiError> {
    let id = call.worker_id()?;
    let worker = api.store.read::<_, ApiError, _>(|connection| Ok(workers::get(connection, &id)?))?;
    worker.map(Row::new).ok_or_else(|| ApiError::new(404, "Worker not found"))
}

/// Whether the caller sees what a worker mines for its renter: everybody in open mode, else its
/// owner and administrators.
fn sees_mining(call: &Call<'_>, worker: &Worker) -> bool {
    call.is_open() || call.actor().is_ok_and(|actor| actor.owns(worker))
}

fn list(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let limit = query.optional_integer("limit", 1..=i64::MAX);
    let offset = query.integer("offset", 0, 0..=i64::MAX);
    query.finish()?;
    let roster = roster::roster(api)?;
    let rows = roster.rows.iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
    let rows = rows.take(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
    let view = |row| {
        let Row { worker, .. }: &Row = row;
        WorkerView::new(row, roster::live(api, worker), call.now, sees_mining(call, worker))
    };
    json(&rows.map(view).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Everything<'a> {
    #[serde(flatten)]
    worker: WorkerView<'a>,
    version: &'a str,
    registered_at: Timestamp,
    online: bool,
    connected: bool,
    listed: bool,
    gpu_name: &'a str,
    total_online_sec: f64,
    verified_blocks: i64,
    leases_total: i64,
    leases_completed: i64,
}

fn show(api: &Api, call: &Call<'_>) -> Answer {
    let row = find(api, call)?;
    let (live, online) = row.live(api, call.now);
    let Row { worker, gpus } = &row;
    json(&Everything {
        worker: WorkerView::new(&row, live, call.now, sees_mining(call, worker)),
        version: &worker.version,
        registered_at: worker.registered_at,
        online,
        connected: api.link.is_connected(&worker.worker_id),
        listed: worker.listed,
        gpu_name: &gpus.label,
        total_online_sec: Timestamp::from_micros(worker.total_online).seconds(),
        verified_blocks: worker.verified_blocks,
        leases_total: worker.leases_total,
        leases_completed: worker.leases_completed,
    })
}

#[derive(Serialize)]
struct Pricing<'a> {
    worker_id: &'a WorkerId,
    price_per_min: Amount,
    min_duration_sec: i64,
    max_duration_sec: i64,
    gpu_count: u32,
    total_memory_gb: f64,
    hashrate: f64,
}

fn show_pricing(api: &Api, call: &Call<'_>) -> Answer {
    let Row { worker, .. } = &find(api, call)?;
    let (min_duration_sec, max_duration_sec) = duration_limits(worker);
    json(&Pricing {
        worker_id: &worker.worker_id,
        price_per_min: worker.price_per_min,
        min_duration_sec,
        max_duration_sec,
        gpu_count: worker.gpu_count,
        total_memory_gb: worker.total_memory_gb,
        hashrate: roster::live(api, worker).hashrate,
    })
}

#[derive(Serialize)]
struct Suggestion<'a> {
    worker_id: &'a WorkerId,
    suggested_price_per_min: Amount,
    gpu_count: u32,
    total_memory_gb: f64,
    current_price_per_min: Amount,
    market_median: Option<Amount>,
}

fn suggest(api: &Api, call: &Call<'_>) -> Answer {
    let Row { worker, .. } = &find(api, call)?;
    let gpus: Vec<Gpu> = serde_json::from_str(&worker.gpus).unwrap_or_default();
    let median = api.state.memos.median.get(&api.store, &api.clock, |_| {
        let since = api.clock.now().minus(MEDIAN_WINDOW);
        api.store.read(|connection| pricing::market_median(connection, since))
    })?;
    json(&Suggestion {
        worker_id: &worker.worker_id,
        suggested_price_per_min: pricing::suggest(&gpus, worker.gpu_count, worker.total_memory_gb).shown(),
        gpu_count: worker.gpu_count,
        total_memory_gb: worker.total_memory_gb,
        current_price_per_min: worker.price_per_min,
        market_median: *median,
    })
}

#[derive(Serialize)]
struct NamedReputation<'a> {
    worker_id: &'a WorkerId,
    #[serde(flatten)]
    reputation: ReputationView,
}

fn show_reputation(api: &Api, call: &Call<'_>) -> Answer {
    let Row { worker, .. } = &find(api, call)?;
    json(&NamedReputation { worker_id: &worker.worker_id, reputation: ReputationView::new(worker, call.now) })
}

#[derive(Serialize)]
struct SetPricing<'a> {
    worker_id: &'a WorkerId,
    price_per_min: Amount,
    min_duration_sec: i64,
    max_duration_sec: i64,
}

fn set_pricing(api: &Api, call: &Call<'_>) -> Answer {
    let mut body = call.body()?;
    let price = body.number("price_per_min");
    let min = body.optional_integer("min_duration_sec");
    let max = body.optional_integer("max_duration_sec");
    body.finish()?;
    let exact = Amount::exactly(price);
    if let Err(error @ AmountError::TooFine) = exact {
        return Err(ApiError::new(400, format!("price_per_min {error}")));
    }
    if let Caller::Account(session) = &call.caller
        && session.role == Role::Consumer
    {
        return Err(ApiError::new(403, "Provider account required"));
    }
    // What is too large to be an amount is too large for a price; the market says so in its turn.
    let beyond = if price < 0.0 { Amount::MAX_INPUT.negated() } else { Amount::MAX_INPUT };
    let price = exact.unwrap_or(beyond);
    let (id, actor) = (call.worker_id()?, call.actor()?);
    let worker =
        call.write::<_, Refusal, _>(api, move |scope| pricing::set(scope, &actor, &id, price, min, max))?;
    let (min_duration_sec, max_duration_sec) = duration_limits(&worker);
    json(&SetPricing {
        worker_id: &worker.worker_id,
        price_per_min: worker.price_per_min,
        min_duration_sec,
        max_duration_sec,
    })
}

#[derive(Serialize)]
struct Controlled<'a> {
    status: &'static str,
    worker_id: &'a WorkerId,
    action: &'a str,
    delivered: bool,
}

#[derive(Serialize)]
struct Broadcast<'a> {
    status: &'static str,
    workers: Vec<&'a WorkerId>,
    action: &'a str,
}

fn control(api: &Api, call: &Call<'_>) -> Answer {
    let (action, control) = control_of(call)?;
    let Row { worker, .. } = &find(api, call)?;
    let actor: Actor = call.actor()?;
    if !actor.owns(worker) {
        return Err(ApiError::new(403, "You can only control your own worker"));
    }
    let id = &worker.worker_id;
    call.note(api)?;
    let delivered = api.link.is_connected(id);
    api.link.control(id, &control);
    json(&Controlled { status: "sent", worker_id: id, action: &action, delivered })
}

fn broadcast(api: &Api, call: &Call<'_>) -> Answer {
    let (action, control) = control_of(call)?;
    let roster = roster::roster(api)?;
    let workers: Vec<_> = roster.rows.iter().map(|row| &row.worker.worker_id).collect();
    call.note(api)?;
    for id in &workers {
        api.link.control(id, &control);
    }
    json(&Broadcast { status: "sent", workers, action: &action })
}

fn control_of(call: &Call<'_>) -> Result<(String, Control), ApiError> {
    let mut body = call.body()?;
    let action = body.text_or("action", "set_config");
    let config = body.object_or_empty("config");
    body.finish()?;
    if action == "set_config" {
        check_settings("config", &config)?;
    }
    if !ACTIONS.contains(&action.as_str()) {
        let text = format!("Invalid action '{action}': one of {}", ACTIONS.join(", "));
        return Err(ApiError::new(400, text));
    }
    Ok((action.clone(), Control::Action { action, config }))
}

/// Refuses settings that no worker could follow: 422 names the first.
pub(super) fn check_settings(name: &str, settings: &Map<String, Value>) -> Result<(), ApiError> {
    let refuse = |field: &str, kind: &str, message: &str| {
        let input = settings.get(field).unwrap_or(&Value::Null);
        Err(ApiError::validation(vec![problem(kind, &value!(["body", name, field]), message, input)]))
    };
    if let Some(field) = settings.keys().find(|field| !Settings::FIELDS.contains(&field.as_str())) {
        return refuse(field, "extra_forbidden", "Extra inputs are not permitted");
    }
    match Settings::parse(settings) {
        Ok(_) => Ok(()),
        Err(error) => refuse(&error.field, "value_error", &format!("Value error, {}", error.problem)),
    }
}
