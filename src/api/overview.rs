//! The overview: totals, what happened last, the network.

use serde::Serialize;

use super::request::paging::{PAGE, Paging};
use super::request::router::{Parameter, Route};
use super::views::privacy::Viewer;
use super::views::{BlockView, rounded};
use super::{Access, Answer, Api, ApiError, Call, json};
use crate::base::limits::PAGE_ROWS_MAX;
use crate::base::{Amount, LeaseId, Timestamp, WorkerId};
use crate::chain::simulator;
use crate::store::activity::{self, AccountCounts, LeaseNews};
use crate::store::blocks::{self, Block, Recent};
use crate::store::counters::{self, Counter};
use crate::store::leases;

pub(super) const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
/// The feed is made of this many of the newest blocks, and of leases.
const FEED_DEPTH: i64 = 200;
const FEED_LIMIT: i64 = 50;

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/overview/stats",
        Access::Public,
        None,
        "The platform in numbers",
        &[],
        "Users, workers, hashrate, blocks, leases, revenue",
        stats,
    ),
    Route::get(
        "/api/overview/activity",
        Access::Public,
        None,
        "What happened last: blocks, leases that began, leases that ended",
        &[
            PAGE,
            Parameter {
                name: "limit",
                kind: "integer",
                required: false,
                about: "Rows of a page: 50 by default, at most 200",
            },
        ],
        "items (type, timestamp, details), total, page, limit, total_pages",
        activity,
    ),
    Route::get(
        "/api/overview/network",
        Access::Public,
        None,
        "The chain in numbers",
        &[],
        "Difficulty and counts",
        network,
    ),
    Route::get(
        "/api/overview/difficulty",
        Access::Public,
        None,
        "The network's difficulty over time",
        &[Parameter {
            name: "hours",
            kind: "number",
            required: false,
            about: "How far back: 24 by default, 1 to 2160",
        }],
        "difficulty now, items: timestamp and the difficulty from then on, oldest first",
        difficulty,
    ),
];

const DAY_HOURS: f64 = 24.0;
const HOURS: (f64, f64) = (1.0, 90.0 * 24.0);

/// Accounts by role.
pub struct Users(AccountCounts);

#[derive(Serialize)]
struct Stats {
    total_users: i64,
    total_providers: i64,
    total_consumers: i64,
    total_workers: usize,
    online_workers: usize,
    total_hashrate: f64,
    total_blocks: i64,
    blocks_24h: i64,
    total_leases: i64,
    active_leases: i64,
    total_settled: Amount,
    platform_revenue: Amount,
}

fn stats(api: &Api, call: &Call<'_>) -> Answer {
    let users = api.state.memos.users.get(&api.store, &api.clock, |before| {
        let before = before.map(|users| users.0).unwrap_or_default();
        api.store.read::<_, ApiError, _>(|c| Ok(Users(activity::count_accounts(c, before)?)))
    })?;
    let Users(AccountCounts { providers, consumers, .. }) = *users;
    let day = recent(api, &api.state.memos.blocks_of_day, DAY)?;
    let totals = api.fleet.totals(call.now);
    let stats = api.store.read::<_, ApiError, _>(|connection| {
        let counter = |counter| counters::get(connection, counter);
        Ok(Stats {
            total_users: providers + consumers,
            total_providers: providers,
            total_consumers: consumers,
            total_workers: api.fleet.len(),
            online_workers: totals.online,
            total_hashrate: rounded(totals.hashrate, 2),
            total_blocks: counter(Counter::Blocks)?,
            blocks_24h: day,
            total_leases: counter(Counter::Leases)?,
            active_leases: leases::count_active(connection)?,
            total_settled: Amount::from_millionths(counter(Counter::Settled)?).shown(),
            platform_revenue: Amount::from_millionths(counter(Counter::Fees)?).shown(),
        })
    })?;
    json(&stats)
}

/// Blocks of the last so much time.
pub(super) fn recent(
    api: &Api,
    memo: &super::state::memo::Memo<Recent>,
    window: std::time::Duration,
) -> Result<i64, ApiError> {
    let counted = memo.get(&api.store, &api.clock, |before| {
        let since = api.clock.now().minus(window);
        api.store.read::<_, ApiError, _>(|c| Ok(blocks::count_since(c, before, since)?))
    })?;
    Ok(counted.blocks)
}

/// The newest blocks and leases, and the events they make, newest first.
pub struct Feed {
    blocks: Vec<Block>,
    leases: Vec<LeaseNews>,
    events: Vec<(Timestamp, Entry)>,
}

/// Which row an event is about.
#[derive(Clone, Copy)]
enum Entry {
    Block(usize),
    Started(usize),
    Completed(usize),
}

impl Feed {
    fn new(blocks: Vec<Block>, leases: Vec<LeaseNews>) -> Self {
        let found = blocks.iter().enumerate().map(|(n, block)| (block.created_at, Entry::Block(n)));
        let started = leases.iter().enumerate().map(|(n, lease)| (lease.created_at, Entry::Started(n)));
        let completed =
            leases.iter().enumerate().filter_map(|(n, lease)| Some((lease.ended_at?, Entry::Completed(n))));
        let mut events: Vec<_> = completed.chain(started).chain(found).collect();
        events.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Feed { blocks, leases, events }
    }
}

#[derive(Serialize)]
struct Happening {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    details: Details,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details {
    Block { worker_id: WorkerId, hash: String, lease_id: String },
    Started { lease_id: LeaseId, worker_id: WorkerId, consumer_id: String, duration_sec: i64 },
    Completed { lease_id: LeaseId, worker_id: WorkerId, consumer_id: String, blocks_found: i64 },
}

fn activity(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let paging = Paging::of(&mut query, FEED_LIMIT, PAGE_ROWS_MAX);
    query.finish()?;
    let feed = api.state.memos.feed.get(&api.store, &api.clock, |_| {
        api.store.read::<_, ApiError, _>(|connection| {
            let blocks = blocks::page(connection, FEED_DEPTH, 0)?;
            Ok(Feed::new(blocks, activity::latest_leases(connection, FEED_DEPTH)?))
        })
    })?;
    let viewer = Viewer::of(call);
    let renter = |lease: &LeaseNews| {
        let shown = match &viewer {
            Viewer::All => true,
            Viewer::Account { id, .. } => *id == lease.consumer_id,
            Viewer::Public => false,
        };
        if shown { lease.consumer_id.to_string() } else { String::new() }
    };
    let tell = |(timestamp, entry): &(Timestamp, Entry)| match *entry {
        Entry::Block(n) => {
            let view = BlockView::new(&feed.blocks[n], viewer == Viewer::All);
            let (worker_id, hash, lease_id) = view.into_news();
            Happening {
                kind: "block",
                timestamp: *timestamp,
                details: Details::Block { worker_id, hash, lease_id },
            }
        }
        Entry::Started(n) => {
            let lease = &feed.leases[n];
            let details = Details::Started {
                lease_id: lease.lease_id.clone(),
                worker_id: lease.worker_id.clone(),
                consumer_id: renter(lease),
                duration_sec: lease.duration_sec,
            };
            Happening { kind: "lease_started", timestamp: *timestamp, details }
        }
        Entry::Completed(n) => {
            let lease = &feed.leases[n];
            let details = Details::Completed {
                lease_id: lease.lease_id.clone(),
                worker_id: lease.worker_id.clone(),
                consumer_id: renter(lease),
                blocks_found: lease.blocks_found,
            };
            Happening { kind: "lease_completed", timestamp: *timestamp, details }
        }
    };
    let items = paging.cut(feed.events.iter()).map(tell).collect();
    json(&paging.page(items, feed.events.len()))
}

#[derive(Serialize)]
struct Network {
    difficulty: u32,
    total_workers: usize,
    total_blocks: i64,
    chain_blocks: i64,
}

#[derive(Serialize)]
struct DifficultyHistory {
    difficulty: u32,
    items: Vec<Stretch>,
}

#[derive(Serialize)]
struct Stretch {
    timestamp: Timestamp,
    difficulty: u32,
}

fn difficulty(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let hours = query.number("hours", DAY_HOURS, HOURS.0, HOURS.1);
    query.finish()?;
    if api.chain.is_none() {
        return json(&DifficultyHistory { difficulty: 0, items: Vec::new() });
    }
    let since = call.now.minus(std::time::Duration::from_secs_f64(hours * 3600.0));
    let stretches = api.store.read::<_, ApiError, _>(|c| Ok(simulator::difficulty_since(c, since)?))?;
    let difficulty = stretches.last().map_or(0, |(_, difficulty)| *difficulty);
    let stretch = |(timestamp, difficulty)| Stretch { timestamp, difficulty };
    json(&DifficultyHistory { difficulty, items: stretches.into_iter().map(stretch).collect() })
}

fn network(api: &Api, _: &Call<'_>) -> Answer {
    let network = api.store.read::<_, ApiError, _>(|connection| {
        let total_blocks = counters::get(connection, Counter::Blocks)?;
        let total_workers = api.fleet.len();
        if api.chain.is_none() {
            return Ok(Network { difficulty: 0, total_workers, total_blocks, chain_blocks: 0 });
        }
        let chain = simulator::stats(connection)?;
        Ok(Network {
            difficulty: chain.difficulty,
            total_workers,
            total_blocks,
            chain_blocks: chain.total_blocks,
        })
    })?;
    json(&network)
}
