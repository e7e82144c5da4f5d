//! How a worker and its reputation look.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::state::roster::Row;
use crate::api::views::rounded;
use crate::base::{Amount, EthAddress, Timestamp, WorkerId};
use crate::fleet::Live;
use crate::market::pricing::duration_limits;
use crate::market::reputation::Reputation;
use crate::protocol::ReportedState;
use crate::store::workers::Worker;

/// A worker (contract: rest.md, GET /api/workers).
#[derive(Serialize)]
pub struct WorkerView<'a> {
    worker_id: &'a WorkerId,
    eth_address: &'a str,
    gpu_count: u32,
    total_memory_gb: f64,
    gpus: &'a RawValue,
    state: &'static str,
    hashrate: f64,
    active_gpus: u32,
    last_heartbeat: Timestamp,
    price_per_min: Amount,
    min_duration_sec: i64,
    max_duration_sec: i64,
    self_blocks_found: i64,
    current_address: String,
    current_prefix: String,
    current_block_pattern: String,
    reputation: ReputationView,
}

impl<'a> WorkerView<'a> {
    /// How a worker looks now; `shown` says whether what it mines for a renter is.
    pub fn new(row: &'a Row, live: Live, now: Timestamp, shown: bool) -> Self {
        let Row { worker, gpus } = row;
        let (min_duration_sec, max_duration_sec) = duration_limits(worker);
        let mining = live.mining.unwrap_or_default();
        // A reported prefix, or a state that is not free: it mines for a renter, or did just now.
        let hidden = !shown && (!mining.prefix.is_empty() || !is_free(worker.state));
        let text = |text: String| if hidden { String::new() } else { text };
        WorkerView {
            worker_id: &worker.worker_id,
            eth_address: address(worker),
            gpu_count: worker.gpu_count,
            total_memory_gb: worker.total_memory_gb,
            gpus: &gpus.json,
            state: worker.state.as_str(),
            hashrate: live.hashrate,
            active_gpus: live.active_gpus,
            last_heartbeat: live.last_seen,
            price_per_min: worker.price_per_min,
            min_duration_sec,
            max_duration_sec,
            self_blocks_found: worker.self_blocks_found,
            current_address: text(mining.address),
            current_prefix: text(mining.prefix),
            current_block_pattern: mining.block_pattern,
            reputation: ReputationView::new(worker, now),
        }
    }
}

/// A worker's address as text, empty when it gave none.
pub fn address(worker: &Worker) -> &str {
    worker.eth_address.as_ref().map_or("", EthAddress::as_str)
}

fn is_free(state: ReportedState) -> bool {
    matches!(state, ReportedState::Available | ReportedState::Idle | ReportedState::SelfMining)
}

/// A reputation (contract: rest.md, reputation).
#[derive(Serialize)]
pub struct ReputationView {
    score: f64,
    stars: f64,
    breakdown: Breakdown,
}

#[derive(Serialize)]
struct Breakdown {
    block_score: f64,
    block_detail: BlockDetail,
    completion_score: f64,
    completion_detail: CompletionDetail,
    uptime_score: f64,
    uptime_detail: UptimeDetail,
    age_score: f64,
    age_detail: AgeDetail,
}

#[derive(Serialize)]
struct BlockDetail {
    verified_blocks: i64,
    max_blocks: i64,
    weight: f64,
}

/// `completed` and `total` bear the prototype's names as well.
#[derive(Serialize)]
struct CompletionDetail {
    completed: i64,
    total: i64,
    rate_pct: f64,
    completed_leases: i64,
    total_leases: i64,
    weight: f64,
}

#[derive(Serialize)]
struct UptimeDetail {
    online_seconds: f64,
    total_seconds: f64,
    uptime_pct: f64,
    weight: f64,
}

#[derive(Serialize)]
struct AgeDetail {
    days: f64,
    max_days: f64,
    weight: f64,
}

impl ReputationView {
    /// A worker's reputation now.
    pub fn new(worker: &Worker, now: Timestamp) -> Self {
        let reputation = Reputation::of(worker, now);
        let breakdown = Breakdown {
            block_score: rounded(reputation.block_score, 2),
            block_detail: BlockDetail {
                verified_blocks: reputation.verified_blocks,
                max_blocks: 100,
                weight: 40.0,
            },
            completion_score: rounded(reputation.completion_score, 2),
            completion_detail: CompletionDetail {
                completed: reputation.completed_leases,
                total: reputation.total_leases,
                rate_pct: rounded(reputation.completion_score / 30.0 * 100.0, 1),
                completed_leases: reputation.completed_leases,
                total_leases: reputation.total_leases,
                weight: 30.0,
            },
            uptime_score: rounded(reputation.uptime_score, 2),
            uptime_detail: UptimeDetail {
                online_seconds: rounded(reputation.online_seconds, 1),
                total_seconds: rounded(reputation.total_seconds, 1),
                uptime_pct: uptime_pct(&reputation),
                weight: 20.0,
            },
            age_score: rounded(reputation.age_score, 2),
            age_detail: AgeDetail {
                days: rounded(reputation.total_seconds / 86_400.0, 1),
                max_days: 90.0,
                weight: 10.0,
            },
        };
        let (score, stars) = (rounded(reputation.score(), 2), rounded(reputation.stars(), 1));
        ReputationView { score, stars, breakdown }
    }
}

/// Per cent of the time since its registration that a worker was online, one decimal.
pub fn uptime_pct(reputation: &Reputation) -> f64 {
    rounded(reputation.uptime_score / 20.0 * 100.0, 1)
}
