//! The order of the fleet's table: by several columns, each either way.

use std::cmp::Ordering;

use super::ApiError;
use super::state::roster::{Glance, Row};
use crate::base::Timestamp;
use crate::market::reputation::Reputation;

/// By which columns, the first first.
pub struct Order(Vec<Column>);

struct Column {
    key: Key,
    descending: bool,
}

#[derive(Clone, Copy)]
enum Key {
    Hashrate,
    Price,
    Gpus,
    Blocks,
    Reputation,
    Uptime,
    State,
    WorkerId,
    LastHeartbeat,
}

const KEYS: [(&str, Key); 9] = [
    ("hashrate", Key::Hashrate),
    ("price", Key::Price),
    ("gpus", Key::Gpus),
    ("blocks", Key::Blocks),
    ("reputation", Key::Reputation),
    ("uptime", Key::Uptime),
    ("state", Key::State),
    ("worker_id", Key::WorkerId),
    ("last_heartbeat", Key::LastHeartbeat),
];

impl Order {
    /// From `-hashrate,price`: a minus means the largest first. 400 names a word that is no column.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let column = |word: &str| {
            let (name, descending) = word.strip_prefix('-').map_or((word, false), |name| (name, true));
            let known = KEYS.iter().find(|(known, _)| *known == name);
            let key = known.map(|(_, key)| *key).ok_or_else(|| {
                let names = KEYS.map(|(name, _)| name).join(", ");
                ApiError::new(400, format!("sort_by: '{name}' is none of {names}"))
            })?;
            Ok(Column { key, descending })
        };
        text.split(',').map(column).collect::<Result<_, _>>().map(Order)
    }

    /// Puts rows into this order; what is equal stays in the table's.
    pub fn sort(&self, rows: &mut [(&Row, &Glance)], now: Timestamp) {
        rows.sort_by(|a, b| self.compare(a, b, now));
    }

    fn compare(&self, a: &(&Row, &Glance), b: &(&Row, &Glance), now: Timestamp) -> Ordering {
        let by = |column: &Column| {
            let order = column.key.compare(a, b, now);
            if column.descending { order.reverse() } else { order }
        };
        self.0.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl Key {
    fn compare(self, (a, at): &(&Row, &Glance), (b, bt): &(&Row, &Glance), now: Timestamp) -> Ordering {
        let (a, b) = (&a.worker, &b.worker);
        match self {
            Key::Hashrate => at.hashrate.total_cmp(&bt.hashrate),
            Key::Price => a.price_per_min.cmp(&b.price_per_min),
            Key::Gpus => a.gpu_count.cmp(&b.gpu_count),
            Key::Blocks => a.self_blocks_found.cmp(&b.self_blocks_found),
            Key::Reputation => Reputation::of(a, now).score().total_cmp(&Reputation::of(b, now).score()),
            Key::Uptime => a.total_online.cmp(&b.total_online),
            Key::State => a.state.as_str().cmp(b.state.as_str()),
            Key::WorkerId => a.worker_id.as_str().cmp(b.worker_id.as_str()),
            Key::LastHeartbeat => a.last_heartbeat.cmp(&b.last_heartbeat),
        }
    }
}
