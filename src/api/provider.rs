//! What a provider sees of its own workers.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use serde::Serialize;

use super::leases::{LIMIT, OFFSET};
use super::request::paging::{Listing, PAGE, Paging};
use super::request::router::{Parameter, Route};
use super::state::roster::{self, Row};
use super::views::csv::{self, Table};
use super::views::{SettlementView, rounded};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::auth::Caller;
use crate::base::ids::ID_LENGTH_MAX;
use crate::base::{AccountId, Amount, EthAddress, Timestamp, WorkerId};
use crate::market::Actor;
use crate::store::accounts::{self, Account, Origin};
use crate::store::workers::{self, Owner, Worker};
use crate::store::{leases, settlements};

const WORKERS_LIMIT: i64 = 20;
const WORKERS_LIMIT_MAX: i64 = 100;
const PROVIDER: Parameter = Parameter {
    name: "provider_id",
    kind: "string",
    required: false,
    about: "An address, a worker's id or an account's; the signed-in wallet by default",
};

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/provider/dashboard",
        Access::Open,
        Some(KeyScope::Read),
        "A provider's workers in numbers",
        &[PROVIDER],
        "Workers, earnings, leases, blocks, hashrate",
        dashboard,
    ),
    Route::get(
        "/api/provider/earnings",
        Access::Open,
        Some(KeyScope::Read),
        "What a provider's leases paid, newest first",
        &[PROVIDER, LIMIT, OFFSET, csv::FORMAT],
        "earnings (settlements), total, limit, offset; or a CSV file",
        earnings,
    ),
    Route::get(
        "/api/provider/earnings/summary",
        Access::Open,
        Some(KeyScope::Read),
        "What a provider's leases paid in the last day, week and month, and in all",
        &[PROVIDER],
        "provider_id, periods: for 24h, 7d, 30d and all, earned and leases",
        summary,
    ),
    Route::get(
        "/api/provider/workers",
        Access::Open,
        Some(KeyScope::Read),
        "A provider's workers",
        &[
            PROVIDER,
            PAGE,
            Parameter {
                name: "limit",
                kind: "integer",
                required: false,
                about: "Rows of a page: 20 by default, at most 100",
            },
        ],
        "items, total, page, limit, total_pages",
        list_workers,
    ),
];

/// Whose workers.
struct Provider {
    /// As it was asked for.
    name: String,
    holding: Holding,
}

/// Which workers are a provider's.
enum Holding {
    Nothing,
    One(WorkerId),
    Owned(Owner),
}

impl Provider {
    /// The provider that is asked for, which must be the caller if the caller has shown who it is.
    fn of(api: &Api, call: &Call<'_>, named: Option<String>) -> Result<Self, ApiError> {
        let Some(name) = named else { return Provider::of_caller(api, call) };
        let actor = call.actor()?;
        let (holding, own) = api.store.read::<_, ApiError, _>(|c| resolve(c, &name, &actor))?;
        if !own {
            return Err(ApiError::new(403, "You can only view your own workers"));
        }
        Ok(Provider { name, holding })
    }

    fn of_caller(api: &Api, call: &Call<'_>) -> Result<Self, ApiError> {
        let Caller::Account(session) = &call.caller else {
            return Err(ApiError::new(400, "provider_id query param or wallet JWT required"));
        };
        if let Some(wallet) = session.wallet {
            return Ok(Provider { name: wallet.lower(), holding: Holding::Owned(Owner::Wallet(wallet)) });
        }
        let name = session.account.to_string();
        let actor = call.actor()?;
        let (holding, _) = api.store.read::<_, ApiError, _>(|c| resolve(c, &name, &actor))?;
        Ok(Provider { name, holding })
    }
}

/// What a name stands for, and whether the actor may see it.
fn resolve(connection: &Connection, name: &str, actor: &Actor) -> Result<(Holding, bool), ApiError> {
    let everything = matches!(actor, Actor::Unrestricted);
    if let Ok(address) = name.parse::<EthAddress>() {
        let own = matches!(actor, Actor::Account { wallet: Some(wallet), .. } if *wallet == address);
        return Ok((Holding::Owned(Owner::Wallet(address)), everything || own));
    }
    // What is no id is nobody's.
    let Ok(id) = name.parse::<WorkerId>() else { return Ok((Holding::Nothing, everything)) };
    if let Some(worker) = workers::get(connection, &id)? {
        return Ok((Holding::One(id), actor.owns(&worker)));
    }
    let account: AccountId = id.account();
    let own = actor.is(&account);
    let holding = match accounts::get(connection, &account)? {
        None => Holding::Nothing,
        Some(Account { origin: Origin::Wallet, eth_address: Some(address), .. }) => {
            Holding::Owned(Owner::Wallet(address))
        }
        Some(_) => Holding::Owned(Owner::Keeper(account)),
    };
    Ok((holding, own))
}

#[derive(Serialize)]
struct Dashboard {
    provider_id: String,
    worker_count: usize,
    total_earned: Amount,
    active_leases: i64,
    total_blocks_mined: i64,
    avg_hashrate: f64,
}

fn dashboard(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let named = query.short_text("provider_id", ID_LENGTH_MAX);
    query.finish()?;
    let Provider { name, holding } = Provider::of(api, call, named)?;
    let dashboard = api.store.read::<_, ApiError, _>(|connection| {
        let (ids, blocks, earned, active_leases) = match &holding {
            Holding::Nothing => (Vec::new(), 0, Amount::ZERO, 0),
            Holding::One(id) => {
                let blocks = workers::get(connection, id)?.map_or(0, |worker| worker.self_blocks_found);
                let active = leases::active_of(connection, id)?.is_some();
                (vec![id.clone()], blocks, settlements::paid_for(connection, id)?, i64::from(active))
            }
            Holding::Owned(owner) => (
                workers::ids_of_owner(connection, owner)?,
                workers::sums_of_owner(connection, owner)?.self_blocks_found,
                settlements::paid_for_owner(connection, owner)?.0,
                leases::count_active_of_owner(connection, owner)?,
            ),
        };
        let hashrate: f64 = ids.iter().map(|id| online_hashrate(api, id, call.now)).sum();
        Ok(Dashboard {
            provider_id: name,
            worker_count: ids.len(),
            total_earned: earned.shown(),
            active_leases,
            total_blocks_mined: blocks,
            avg_hashrate: rounded(hashrate / ids.len().max(1) as f64, 2),
        })
    })?;
    json(&dashboard)
}

/// What a worker does now: one that is away keeps its last figure, which counts for nothing.
fn online_hashrate(api: &Api, id: &WorkerId, now: Timestamp) -> f64 {
    api.fleet.get(id).filter(|live| live.is_online(now)).map_or(0.0, |live| live.hashrate)
}

#[derive(Serialize)]
struct Payments<'a> {
    provider_id: &'a str,
    earnings: Vec<SettlementView>,
    total: i64,
    limit: i64,
    offset: i64,
}

fn earnings(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let named = query.short_text("provider_id", ID_LENGTH_MAX);
    let (is_csv, limit) = csv::format_and_limit(&mut query);
    let offset = query.integer("offset", 0, 0..=i64::MAX);
    query.finish()?;
    let Provider { name, holding } = Provider::of(api, call, named)?;
    let (rows, total) = api.store.read::<_, ApiError, _>(|connection| {
        Ok(match &holding {
            Holding::Nothing => (Vec::new(), 0),
            Holding::One(id) => (
                settlements::of_worker(connection, id, limit, offset)?,
                settlements::count_for(connection, id)?,
            ),
            Holding::Owned(owner) => (
                settlements::of_owner(connection, owner, limit, offset)?,
                settlements::paid_for_owner(connection, owner)?.1,
            ),
        })
    })?;
    let earnings: Vec<_> = rows.into_iter().map(|row| SettlementView::new(row, true)).collect();
    if is_csv {
        let mut table = Table::new(&SettlementView::COLUMNS);
        for row in &earnings {
            table.row(row.cells());
        }
        return Ok(table.into_response("earnings"));
    }
    json(&Payments { provider_id: &name, earnings, total, limit, offset })
}

#[derive(Serialize)]
struct Summary {
    provider_id: String,
    periods: BTreeMap<&'static str, Earned>,
}

#[derive(Serialize)]
struct Earned {
    earned: Amount,
    leases: i64,
}

const PERIODS: [(&str, Option<u64>); 4] =
    [("24h", Some(1)), ("7d", Some(7)), ("30d", Some(30)), ("all", None)];
const DAY: u64 = 86_400;

fn summary(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let named = query.short_text("provider_id", ID_LENGTH_MAX);
    query.finish()?;
    let Provider { name, holding } = Provider::of(api, call, named)?;
    let periods = api.store.read::<_, ApiError, _>(|connection| {
        let mut periods = BTreeMap::new();
        for (period, days) in PERIODS {
            let first = match days {
                Some(days) => {
                    let since = call.now.minus(Duration::from_secs(days * DAY));
                    settlements::first_since(connection, since)?.unwrap_or(i64::MAX)
                }
                None => 0,
            };
            let (earned, leases) = match &holding {
                Holding::Nothing => (Amount::ZERO, 0),
                Holding::One(id) => settlements::paid_for_from(connection, id, first)?,
                Holding::Owned(owner) => settlements::paid_for_owner_from(connection, owner, first)?,
            };
            periods.insert(period, Earned { earned: earned.shown(), leases });
        }
        Ok(periods)
    })?;
    json(&Summary { provider_id: name, periods })
}

#[derive(Serialize)]
struct OwnWorker {
    worker_id: WorkerId,
    state: &'static str,
    online: bool,
    listed: bool,
    hashrate: f64,
    gpu_count: u32,
    active_gpus: u32,
    gpu_name: String,
    memory_gb: f64,
    price_per_min: Amount,
    min_duration_sec: i64,
    max_duration_sec: i64,
    self_blocks_found: i64,
    total_online_sec: f64,
    last_heartbeat: Timestamp,
}

impl OwnWorker {
    fn new(api: &Api, worker: Worker, now: Timestamp) -> Self {
        let (min_duration_sec, max_duration_sec) = crate::market::pricing::duration_limits(&worker);
        let live = roster::live(api, &worker);
        let Row { worker, gpus } = Row::new(worker);
        OwnWorker {
            state: worker.state.as_str(),
            online: live.is_online(now),
            listed: worker.listed,
            hashrate: live.hashrate,
            gpu_count: worker.gpu_count,
            active_gpus: live.active_gpus,
            gpu_name: gpus.label.clone(),
            memory_gb: worker.total_memory_gb,
            price_per_min: worker.price_per_min,
            min_duration_sec,
            max_duration_sec,
            self_blocks_found: worker.self_blocks_found,
            total_online_sec: Timestamp::from_micros(worker.total_online).seconds(),
            last_heartbeat: live.last_seen,
            worker_id: worker.worker_id,
        }
    }
}

#[derive(Serialize)]
struct OwnWorkers<'a> {
    provider_id: &'a str,
    #[serde(flatten)]
    page: Listing<OwnWorker>,
}

fn list_workers(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let named = query.short_text("provider_id", ID_LENGTH_MAX);
    let paging = Paging::of(&mut query, WORKERS_LIMIT, WORKERS_LIMIT_MAX);
    query.finish()?;
    let Provider { name, holding } = Provider::of(api, call, named)?;
    let (rows, total) = api.store.read::<_, ApiError, _>(|connection| {
        Ok(match &holding {
            Holding::Nothing => (Vec::new(), 0),
            Holding::One(id) => {
                let only: Vec<Worker> = workers::get(connection, id)?.into_iter().collect();
                (paging.cut(only.into_iter()).collect(), 1)
            }
            Holding::Owned(owner) => (
                workers::of_owner(connection, owner, paging.limit(), paging.offset())?,
                workers::ids_of_owner(connection, owner)?.len(),
            ),
        })
    })?;
    let items = rows.into_iter().map(|worker| OwnWorker::new(api, worker, call.now)).collect();
    json(&OwnWorkers { provider_id: &name, page: paging.page(items, total) })
}
