//! All workers as the pages show them: the rows of the database, read again only after a commit,
//! and beside them what heartbeats said a moment ago. The fleet is the one table that pages filter
//! and sort in every way; the others are read by index.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::api::{Api, ApiError};
use crate::base::Timestamp;
use crate::fleet::Live;
use crate::market::gpus;
use crate::protocol::{Gpu, ReportedState};
use crate::store::workers::{self, Worker};

/// Every worker, first registered first.
pub struct Roster {
    /// The rows.
    pub rows: Vec<Row>,
    /// The different GPUs among them, sorted.
    pub gpu_types: Vec<String>,
    /// GPUs of all workers.
    pub gpus: u64,
}

/// A worker's row.
#[derive(Clone)]
pub struct Row {
    /// As stored.
    pub worker: Worker,
    /// Its GPUs, parsed.
    pub gpus: Arc<Gpus>,
}

/// A worker's GPUs.
pub struct Gpus {
    /// As JSON.
    pub json: Box<RawValue>,
    /// In one line.
    pub label: String,
    /// The different ones.
    kinds: Vec<String>,
    /// Their full names, joined, in lower case: what `gpu_type` is looked for in.
    pub search: String,
}

/// The roster and what is volatile about each of its rows.
pub struct Board {
    /// The rows.
    pub roster: Arc<Roster>,
    /// What is known of each, in the same order.
    pub now: Vec<Glance>,
}

/// What filters and sorting need of a worker's present.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glance {
    /// Heard of in the last 90 s and not gone.
    pub online: bool,
    /// H/s.
    pub hashrate: f64,
}

/// All workers as of the last commit.
pub fn roster(api: &Api) -> Result<Arc<Roster>, ApiError> {
    api.state.memos.roster.get(&api.store, &api.clock, |before| {
        let stored = api.store.read::<_, ApiError, _>(|connection| Ok(workers::all(connection)?))?;
        Ok(Roster::new(stored, before))
    })
}

/// All workers with their present of at most a quarter of a second ago.
pub fn board(api: &Api) -> Result<Arc<Board>, ApiError> {
    api.state.memos.board.get(&api.store, &api.clock, |_| {
        let roster = roster(api)?;
        let moment = api.clock.now();
        let glance = |row: &Row| {
            let live = live(api, &row.worker);
            Glance { online: live.is_online(moment), hashrate: live.hashrate }
        };
        let now = roster.rows.iter().map(glance).collect();
        Ok(Board { roster, now })
    })
}

/// What is known of a worker this moment.
pub fn live(api: &Api, worker: &Worker) -> Live {
    api.fleet.get(&worker.worker_id).unwrap_or_else(|| Live {
        last_seen: worker.last_heartbeat,
        gone_at: (worker.state == ReportedState::Offline).then_some(worker.last_heartbeat),
        hashrate: worker.hashrate,
        active_gpus: worker.active_gpus,
        mining: None,
    })
}

impl Board {
    /// The rows, each with its present.
    pub fn entries(&self) -> impl Iterator<Item = (&Row, &Glance)> {
        self.roster.rows.iter().zip(&self.now)
    }
}

impl Row {
    /// A row by itself.
    pub fn new(worker: Worker) -> Self {
        let gpus = Arc::new(Gpus::parse(&worker.gpus));
        Row { worker, gpus }
    }

    /// Whether its id, its address or its GPUs contain this text, which is in lower case.
    pub fn matches(&self, part: &str) -> bool {
        let address = self.worker.eth_address.as_ref().map(ToString::to_string).unwrap_or_default();
        self.gpus.search.contains(part)
            || self.worker.worker_id.as_str().to_lowercase().contains(part)
            || address.to_lowercase().contains(part)
    }

    /// What is known of it this moment, and whether it is online.
    pub fn live(&self, api: &Api, now: Timestamp) -> (Live, bool) {
        let live = live(api, &self.worker);
        let online = live.is_online(now);
        (live, online)
    }
}

impl Roster {
    fn new(stored: Vec<Worker>, before: Option<&Roster>) -> Self {
        let known = before.map_or(&[][..], |roster| &roster.rows);
        // Rows are only ever added, so a worker keeps its place; GPUs that did not change are not
        // parsed again.
        let row = |(place, worker): (usize, Worker)| match known.get(place) {
            Some(row) if row.worker.gpus == worker.gpus => Row { worker, gpus: row.gpus.clone() },
            _ => Row::new(worker),
        };
        let rows: Vec<Row> = stored.into_iter().enumerate().map(row).collect();
        let types: BTreeSet<&String> = rows.iter().flat_map(|row| &row.gpus.kinds).collect();
        let gpu_types = types.into_iter().cloned().collect();
        let gpus = rows.iter().map(|row| u64::from(row.worker.gpu_count)).sum();
        Roster { rows, gpu_types, gpus }
    }
}

impl Gpus {
    fn parse(text: &str) -> Self {
        // Written by us; an imported text that is no list of GPUs is shown as none.
        let list: Vec<Gpu> = serde_json::from_str(text).unwrap_or_default();
        let json = serde_json::value::to_raw_value(&list).expect("a list of GPUs is JSON");
        let names: Vec<String> = list.iter().map(|gpu| gpu.name.to_lowercase()).collect();
        Gpus {
            json,
            label: gpus::label(&list),
            kinds: gpus::kinds(&list).into_iter().map(|(name, _)| name).collect(),
            search: names.join(" "),
        }
    }
}
