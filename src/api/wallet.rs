//! What a signed-in wallet sees of its workers, and commands to them.

use serde::Serialize;
use serde_json::{Value, json as value};

use super::request::router::{Method, Parameter, Route};
use super::views::rounded;
use super::workers::{check_settings, find};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::base::{Amount, EthAddress, Timestamp, WorkerId};
use crate::market::{Refusal, workers as rules};
use crate::protocol::{Control, ReportedState};
use crate::store::snapshots::{self, Resolution};
use crate::store::workers::{Owner, OwnerSums};
use crate::store::{settlements, workers};

const SECONDS_PER_HOUR: f64 = 3600.0;
const COMMANDS: [&str; 6] = ["restart", "stop", "start", "update_config", "list", "unlist"];
/// The rows of a period's chart: hours of a week, or days of a month.
const PERIOD_ROWS_MAX: i64 = 7 * 24 + 1;

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/wallet/history",
        Access::Wallet,
        Some(KeyScope::Read),
        "The wallet's workers over time",
        &[Parameter {
            name: "period",
            kind: "string",
            required: false,
            about: "24h (the default), 7d by hour, or 30d by day",
        }],
        "address, period, count, data",
        history,
    ),
    Route::get(
        "/api/wallet/achievements",
        Access::Wallet,
        Some(KeyScope::Read),
        "The wallet's records",
        &[],
        "Totals, peak, first seen",
        achievements,
    ),
    Route::get(
        "/api/wallet/stats",
        Access::Wallet,
        Some(KeyScope::Read),
        "The wallet's workers in numbers",
        &[],
        "Workers, hashrate, earnings",
        stats,
    ),
    Route::get(
        "/api/wallet/share",
        Access::Wallet,
        Some(KeyScope::Read),
        "A card to show",
        &[],
        "The address shortened, and totals",
        share,
    ),
    Route {
        method: Method::Post,
        path: "/api/wallet/workers/{worker_id}/command",
        access: Access::Wallet,
        scope: Some(KeyScope::Provider),
        summary: "Command a worker of the wallet, or list and unlist it",
        query: &[],
        body: &[
            Parameter {
                name: "command",
                kind: "string",
                required: true,
                about: "restart, stop, start, update_config, list or unlist",
            },
            Parameter {
                name: "params",
                kind: "object",
                required: false,
                about: "Sent along; for update_config, state AVAILABLE or SELF_MINING lists or unlists",
            },
        ],
        answer: "Sent, and whether the worker is connected",
        handle: command,
    },
];

fn wallet(call: &Call<'_>) -> Result<EthAddress, ApiError> {
    Ok(*call.caller.require_wallet()?.1)
}

#[derive(Serialize)]
struct History {
    address: String,
    period: &'static str,
    count: usize,
    data: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    timestamp: i64,
    hashrate: f64,
    online_workers: i64,
    total_workers: i64,
    blocks: i64,
    cumulative_blocks: i64,
    earnings: Amount,
}

fn history(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let period = query.word("period", "24h", &["24h", "7d", "30d"]);
    query.finish()?;
    let address = wallet(call)?;
    let (resolution, hours) = match period {
        "24h" => (Resolution::Hour, 24),
        "7d" => (Resolution::Hour, 7 * 24),
        _ => (Resolution::Day, 30 * 24),
    };
    let since = call.now.minus(std::time::Duration::from_secs(hours * 3600));
    let periods = api.store.read::<_, ApiError, _>(|connection| {
        Ok(snapshots::of_wallet(connection, &address, resolution, since, PERIOD_ROWS_MAX)?)
    })?;
    let point = |period: snapshots::WalletPeriod| Point {
        timestamp: period.start.micros().div_euclid(1_000_000),
        hashrate: rounded(period.hashrate, 2),
        online_workers: period.online_workers,
        total_workers: period.total_workers,
        blocks: period.blocks,
        cumulative_blocks: period.cumulative_blocks,
        earnings: period.earnings,
    };
    let data: Vec<Point> = periods.into_iter().map(point).collect();
    json(&History { address: address.lower(), period, count: data.len(), data })
}

/// All that the wallet's pages are made of.
struct Standing {
    sums: OwnerSums,
    online_workers: usize,
    hashrate: f64,
    peak_hashrate: f64,
    earnings: Amount,
    first_seen: Option<Timestamp>,
}

impl Standing {
    fn of(api: &Api, address: &EthAddress, now: Timestamp) -> Result<Self, ApiError> {
        let owner = Owner::Wallet(*address);
        api.store.read(|connection| {
            let sums = workers::sums_of_owner(connection, &owner)?;
            let ids = workers::ids_of_owner(connection, &owner)?;
            let online = ids.iter().filter_map(|id| api.fleet.get(id)).filter(|live| live.is_online(now));
            let rates: Vec<f64> = online.map(|live| live.hashrate).collect();
            let (first_snapshot, peak) = snapshots::records_of(connection, address)?;
            let hashrate = rates.iter().sum();
            Ok(Standing {
                sums,
                online_workers: rates.len(),
                hashrate,
                peak_hashrate: peak.max(hashrate),
                earnings: settlements::paid_for_owner(connection, &owner)?.0.shown(),
                // Snapshots are kept for 90 days; the workers know how long they are there.
                first_seen: first_snapshot
                    .map(|first| sums.registered_at.map_or(first, |registered| registered.min(first))),
            })
        })
    }

    fn mining_seconds(&self, now: Timestamp) -> f64 {
        self.first_seen.map_or(0.0, |first| (now.seconds() - first.seconds()).max(0.0))
    }
}

#[derive(Serialize)]
struct Achievements {
    address: String,
    current_hashrate: f64,
    online_workers: usize,
    total_workers: i64,
    total_blocks: i64,
    peak_hashrate: f64,
    total_earnings: Amount,
    mining_days: f64,
    first_seen: Option<Timestamp>,
}

fn achievements(api: &Api, call: &Call<'_>) -> Answer {
    let address = wallet(call)?;
    let standing = Standing::of(api, &address, call.now)?;
    json(&Achievements {
        address: address.lower(),
        current_hashrate: rounded(standing.hashrate, 2),
        online_workers: standing.online_workers,
        total_workers: standing.sums.workers,
        total_blocks: standing.sums.verified_blocks,
        peak_hashrate: rounded(standing.peak_hashrate, 2),
        total_earnings: standing.earnings,
        mining_days: rounded(standing.mining_seconds(call.now) / SECONDS_PER_HOUR / 24.0, 1),
        first_seen: standing.first_seen,
    })
}

#[derive(Serialize)]
struct Stats {
    address: String,
    online_workers: usize,
    total_workers: i64,
    total_hashrate: f64,
    total_gpus: i64,
    total_blocks: i64,
    total_earnings: Amount,
}

fn stats(api: &Api, call: &Call<'_>) -> Answer {
    let address = wallet(call)?;
    let standing = Standing::of(api, &address, call.now)?;
    json(&Stats {
        address: address.lower(),
        online_workers: standing.online_workers,
        total_workers: standing.sums.workers,
        total_hashrate: rounded(standing.hashrate, 2),
        total_gpus: standing.sums.gpus,
        total_blocks: standing.sums.verified_blocks,
        total_earnings: standing.earnings,
    })
}

#[derive(Serialize)]
struct Card {
    address: String,
    full_address: String,
    total_blocks: i64,
    peak_hashrate: f64,
    total_earnings: Amount,
    mining_hours: f64,
    worker_count: i64,
    generated_at: Timestamp,
}

fn share(api: &Api, call: &Call<'_>) -> Answer {
    let address = wallet(call)?;
    let standing = Standing::of(api, &address, call.now)?;
    let full_address = address.lower();
    json(&Card {
        address: format!("{}...{}", &full_address[..6], &full_address[38..]),
        full_address,
        total_blocks: standing.sums.verified_blocks,
        peak_hashrate: rounded(standing.peak_hashrate, 2),
        total_earnings: standing.earnings,
        mining_hours: rounded(standing.mining_seconds(call.now) / SECONDS_PER_HOUR, 1),
        worker_count: standing.sums.workers,
        generated_at: call.now,
    })
}

#[derive(Serialize)]
struct Commanded<'a> {
    status: &'static str,
    worker_id: &'a WorkerId,
    command: &'a str,
    delivered: bool,
}

fn command(api: &Api, call: &Call<'_>) -> Answer {
    let mut body = call.body()?;
    let command = body.text("command");
    let mut params = body.object_or_empty("params");
    body.finish()?;
    let worker = find(api, call)?.worker;
    let actor = call.actor()?;
    if !actor.owns(&worker) {
        return Err(ApiError::new(403, "Worker does not belong to this wallet"));
    }
    if !COMMANDS.contains(&command.as_str()) {
        return Err(ApiError::new(400, "Invalid command"));
    }
    // The control's own key is not to be had by a parameter of that name.
    params.remove("command");
    if command == "update_config" {
        // The state is judged below, in the prototype's words.
        let settings = params.clone().into_iter().filter(|(name, _)| name != "state").collect();
        check_settings("params", &settings)?;
    }
    let id = worker.worker_id;
    let listed = match (command.as_str(), params.get("state")) {
        ("list", _) => Some(true),
        ("unlist", _) => Some(false),
        ("update_config", Some(state)) => Some(listed_by(state)?),
        _ => None,
    };
    if let Some(listed) = listed {
        let id = id.clone();
        api.store.write::<_, Refusal, _>(move |scope| rules::set_listed(scope, &actor, &id, listed))?;
        let state = if listed { ReportedState::Available } else { ReportedState::SelfMining };
        params.insert("state".into(), value!(state.as_str()));
    }
    let sent = if matches!(command.as_str(), "list" | "unlist") { "update_config" } else { &command };
    let delivered = api.link.is_connected(&id);
    api.link.control(&id, &Control::Wallet { command: sent.to_owned(), params });
    json(&Commanded { status: "sent", worker_id: &id, command: &command, delivered })
}

/// What a state asked for means; that a worker is leased is not for its owner to say.
fn listed_by(state: &Value) -> Result<bool, ApiError> {
    match state.as_str() {
        Some("AVAILABLE") => Ok(true),
        Some("SELF_MINING") => Ok(false),
        Some(other) => Err(ApiError::new(400, format!("Invalid state: {other}"))),
        None => Err(ApiError::new(400, format!("Invalid state: {state}"))),
    }
}
