//! The live feed's place on the HTTP port: `/ws/dashboard` (contract: web-client.md, WebSocket).

use std::sync::Arc;

use rouille::Request;
use serde::Serialize;
use serde_json::value::RawValue;

use super::monitoring::{self, Member, Stats};
use super::request::input::Query;
use super::state::roster::Row;
use super::views::BlockView;
use super::{Api, ApiError, Call};
use crate::auth::Mode;
use crate::base::limits::LIVE_PAGE_ROWS_MAX;
use crate::base::{Amount, EthAddress, Timestamp, WorkerId};
use crate::fleet::Fleet;
use crate::http::Reply;
use crate::live::Resume;
use crate::market::pricing::duration_limits;
use crate::protocol::ReportedState;
use crate::store::blocks::{self, Block};
use crate::store::workers::{self, Worker};

/// Where dashboards connect.
pub const PATH: &str = "/ws/dashboard";
const RECENT_BLOCKS: i64 = 20;
/// Workers of the second version's first page, unless asked otherwise.
const FIRST_PAGE_ROWS: i64 = 50;
/// Longer than any feed's name.
const FEED_LENGTH_MAX: usize = 64;

/// Takes a dashboard in: it gets the snapshot, then all that happens.
pub(super) fn reply(api: &Arc<Api>, request: &Request) -> Reply {
    if request.method() != "GET" {
        return ApiError::new(405, "Method Not Allowed").with_header("Allow", "GET").into_response().into();
    }
    // Nobody needs a credential here, but a wrong one is wrong here too.
    if let Err(error) = Call::identify(api, request) {
        return error.into_response().into();
    }
    if request.get_param("v").as_deref() == Some("2") {
        return deltas(api, request).unwrap_or_else(|error| error.into_response().into());
    }
    let api = api.clone();
    Reply::WebSocket(Box::new(move |socket| {
        let for_snapshot = api.clone();
        api.live.serve(socket, move || {
            snapshot(&for_snapshot).unwrap_or_else(|_| r#"{"workers":[],"recent_blocks":[]}"#.into())
        });
    }))
}

/// The second version: the first page and totals, then what changes.
fn deltas(api: &Arc<Api>, request: &Request) -> Result<Reply, ApiError> {
    let mut query = Query::new(request);
    let rows = query.integer("limit", FIRST_PAGE_ROWS, 0..=LIVE_PAGE_ROWS_MAX);
    let feed = query.short_text("feed", FEED_LENGTH_MAX);
    let seq = query.optional_integer("seq", 0..=i64::MAX);
    query.finish()?;
    let seq = seq.and_then(|seq| u64::try_from(seq).ok());
    let resume = feed.zip(seq).map(|(feed, seq)| Resume { feed, seq });
    let (api, rows) = (api.clone(), usize::try_from(rows).unwrap_or(usize::MAX));
    Ok(Reply::WebSocket(Box::new(move |socket| {
        let first = || {
            first_page(&api, rows).unwrap_or_else(|error| {
                log::error!("a dashboard begins without a snapshot: {error:?}");
                r#"{"stats":null,"workers":[],"recent_blocks":[]}"#.into()
            })
        };
        api.live.serve_deltas(socket, resume.as_ref(), first);
    })))
}

#[derive(Serialize)]
struct FirstPage {
    stats: Stats,
    workers: Box<RawValue>,
    recent_blocks: Vec<BlockView>,
}

fn first_page(api: &Api, rows: usize) -> Result<String, ApiError> {
    let now = api.clock.now();
    let recent = api.store.read::<_, ApiError, _>(|c| Ok(blocks::newest(c, RECENT_BLOCKS)?))?;
    let page = FirstPage {
        stats: Stats::now(api, now)?,
        workers: monitoring::first_page(api, rows, now)?,
        recent_blocks: recent.into_iter().map(|block| block_for_public(api, &block)).collect(),
    };
    serde_json::to_string(&page).map_err(|error| ApiError::internal(&error))
}

/// Tells those who get deltas how a worker is now.
pub fn publish_worker(api: &Api, worker: &WorkerId) {
    if !api.live.has_delta_clients() {
        return;
    }
    match api.store.read::<_, ApiError, _>(|connection| Ok(workers::get(connection, worker)?)) {
        Ok(Some(found)) => {
            let row = Row::new(found);
            api.live.publish_change("worker", worker.as_str(), &Member::new(api, &row, api.clock.now()));
        }
        Ok(None) => {}
        Err(error) => log::error!("{worker} cannot be shown to dashboards: {error:?}"),
    }
}

/// Tells them the totals.
pub fn publish_stats(api: &Api) {
    if !api.live.has_delta_clients() {
        return;
    }
    match Stats::now(api, api.clock.now()) {
        Ok(stats) => api.live.publish_change("stats", "", &stats),
        Err(error) => log::error!("the totals cannot be shown to dashboards: {error:?}"),
    }
}

#[derive(Serialize)]
struct Snapshot<'a> {
    workers: Vec<WorkerColumns<'a>>,
    recent_blocks: Vec<BlockView>,
}

/// A worker as the prototype's table has it.
#[derive(Serialize)]
struct WorkerColumns<'a> {
    worker_id: &'a WorkerId,
    eth_address: &'a str,
    gpu_count: u32,
    total_memory_gb: f64,
    gpus: &'a RawValue,
    version: &'a str,
    state: &'static str,
    hashrate: f64,
    active_gpus: u32,
    last_heartbeat: Timestamp,
    registered_at: Timestamp,
    price_per_min: Amount,
    min_duration_sec: i64,
    max_duration_sec: i64,
    total_online_sec: f64,
    last_online_at: Timestamp,
    self_blocks_found: i64,
}

impl<'a> WorkerColumns<'a> {
    fn new(worker: &'a Worker, fleet: &Fleet) -> Self {
        let live = fleet.get(&worker.worker_id);
        let last_seen = live.as_ref().map_or(worker.last_heartbeat, |live| live.last_seen);
        let (min_duration_sec, max_duration_sec) = duration_limits(worker);
        WorkerColumns {
            worker_id: &worker.worker_id,
            eth_address: worker.eth_address.as_ref().map_or("", EthAddress::as_str),
            gpu_count: worker.gpu_count,
            total_memory_gb: worker.total_memory_gb,
            gpus: serde_json::from_str(&worker.gpus).unwrap_or(RawValue::NULL),
            version: &worker.version,
            state: ReportedState::as_str(worker.state),
            hashrate: live.as_ref().map_or(worker.hashrate, |live| live.hashrate),
            active_gpus: live.as_ref().map_or(worker.active_gpus, |live| live.active_gpus),
            last_heartbeat: last_seen,
            registered_at: worker.registered_at,
            price_per_min: worker.price_per_min,
            min_duration_sec,
            max_duration_sec,
            total_online_sec: Timestamp::from_micros(worker.total_online).seconds(),
            last_online_at: last_seen,
            self_blocks_found: worker.self_blocks_found,
        }
    }
}

/// The `data` of a `snapshot` message: every worker, and the newest blocks.
pub fn snapshot(api: &Api) -> Result<String, ApiError> {
    let (rows, recent) = api.store.read::<_, ApiError, _>(|connection| {
        Ok((workers::all(connection)?, blocks::newest(connection, RECENT_BLOCKS)?))
    })?;
    let snapshot = Snapshot {
        workers: rows.iter().map(|worker| WorkerColumns::new(worker, &api.fleet)).collect(),
        recent_blocks: recent.into_iter().map(|block| block_for_public(api, &block)).collect(),
    };
    serde_json::to_string(&snapshot).map_err(|error| ApiError::internal(&error))
}

/// A block as every dashboard may see it.
pub fn block_for_public(api: &Api, block: &Block) -> BlockView {
    BlockView::new(block, api.auth.mode() == Mode::Open)
}
