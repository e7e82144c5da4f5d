//! `/health` and `/ready`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::network::{self, NETWORK};
use super::{View, mark, seconds, tenths};
use crate::base::Timestamp;
use crate::block_buster::facts::{Breaker, Facts};

/// How the gateway is: always 200, it is the gateway that answers.
pub(in crate::block_buster) fn health(
    facts: &Facts,
    started: Timestamp,
    kept: usize,
    now: Timestamp,
) -> View {
    let uptime = Duration::from_micros(now.micros_since(started).unsigned_abs());
    let mut fields = Map::new();
    fields.insert("status".to_owned(), "ok".into());
    fields.insert("service".to_owned(), "the-block-api".into());
    fields.insert("uptime_seconds".to_owned(), tenths(uptime));
    fields.insert("simple_db".to_owned(), simple_db(kept));
    fields.insert("feature_lag_seconds".to_owned(), facts.lag(now).map(tenths).into());
    fields.insert("recent_errors".to_owned(), recent_errors(facts, now));
    let breaker = match facts.line.breaker {
        Breaker::Closed => "closed",
        Breaker::Resting(until) if now < until => "resting",
        Breaker::Open | Breaker::Resting(_) => "open",
    };
    let node = json!({
        "connected": facts.line.connected(),
        "last_success_age_seconds": facts.lag(now).map(tenths),
        "breaker": breaker,
        "last_error": facts.line.last_error.as_ref().filter(|_| !facts.line.connected()),
    });
    fields.insert("node".to_owned(), node);
    if facts.demo {
        fields.insert("demo".to_owned(), true.into());
    }
    fields.insert("timestamp".to_owned(), seconds(now).into());
    View { status: 200, json: Value::Object(fields) }
}

/// Whether what is served is fresh.
pub(in crate::block_buster) fn ready(facts: &Facts, now: Timestamp) -> View {
    let age = facts.age_of(NETWORK, now);
    let network = network::metrics(facts, now).json;
    let has_data = ["block_height", "peer_count", "tps"].iter().any(|field| network[field].is_number());
    let ready = has_data && age.is_some_and(|age| !facts.is_stale(age));
    let mut fields = Map::new();
    fields.insert("ready".to_owned(), ready.into());
    if !ready {
        let detail = if has_data || !facts.line.connected() {
            facts.line.trouble()
        } else {
            "The node answers, but knows nothing of its network".to_owned()
        };
        fields.insert("detail".to_owned(), detail.into());
    }
    mark(&mut fields, facts, age);
    fields.insert("timestamp".to_owned(), seconds(now).into());
    View { status: if ready { 200 } else { 503 }, json: Value::Object(fields) }
}

/// Where the gateway keeps what it knows: in memory, nothing on disk.
pub(in crate::block_buster) fn simple_db(kept: usize) -> Value {
    json!({"backend": "memory", "receipts": kept})
}

/// Calls that failed.
pub(in crate::block_buster) fn recent_errors(facts: &Facts, now: Timestamp) -> Value {
    json!({
        "total": facts.errors.total,
        "last_60s": facts.errors.within(Duration::from_secs(60), now),
        "last_5m": facts.errors.within(Duration::from_secs(300), now),
        "last_error_time": facts.errors.last().map(seconds),
    })
}
