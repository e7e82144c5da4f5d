//! `POST /theblock/fullcheck`: seven steps and a score.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::network::SCHEDULER_FIELDS;
use super::{mark, seconds};
use crate::base::Timestamp;
use crate::block_buster::facts::Facts;
use crate::block_buster::method::{Method, PROBED_DOMAIN};

/// What a step found: its data, or why it has none.
type Found = Result<(Status, Value), String>;

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    Warn,
    Error,
    Skipped,
}

/// A step: its id, its label, the methods whose time it takes, and what it looks at.
type Step = (&'static str, &'static str, &'static [Method], fn(&Look<'_>) -> Found);

const STEPS: [Step; 7] = [
    ("consensus", "Finality + block height", &[Method::Header, Method::Finality], consensus),
    ("peers", "Peer + latency", &[Method::Peers, Method::Stats], peers),
    ("markets", "Compute/Storage/Energy/Ad health", super::markets::MARKETS, markets),
    ("scheduler", "Queue + throughput", &[Method::Scheduler], scheduler),
    ("receipts", "Recent receipts tail", &[Method::Receipts], receipts),
    ("storage_probe", "Storage pipeline preview", &[Method::Storage], storage_probe),
    ("domain_probe", ".block reachability preflight", &[Method::Domain], domain_probe),
];

/// A full check of what the facts say, begun at `started` and taking `took` so far.
pub(in crate::block_buster) fn full(
    facts: &Facts,
    started: Timestamp,
    took: Duration,
    now: Timestamp,
) -> Value {
    let look = Look { facts, now };
    let mut score = 100_i64;
    let steps: Vec<_> = STEPS.iter().map(|step| run(&look, step, &mut score)).collect();
    let mut fields = Map::new();
    fields.insert("started_at".to_owned(), seconds(started).into());
    fields.insert("duration_ms".to_owned(), milliseconds(took));
    fields.insert("summary_score".to_owned(), score.max(0).into());
    fields.insert("steps".to_owned(), steps.into());
    mark(&mut fields, facts, facts.lag(now));
    Value::Object(fields)
}

fn run(look: &Look<'_>, (id, label, methods, step): &Step, score: &mut i64) -> Value {
    let never_asked = methods.iter().all(|method| look.facts.answered(*method).is_none());
    let (status, data) = match step(look) {
        Ok(found) => found,
        // The check's time was over before it came to this: that says nothing about the node.
        Err(error) if never_asked && look.facts.line.connected() => {
            (Status::Skipped, json!({"error": error}))
        }
        Err(error) => (Status::Error, json!({"error": error})),
    };
    let (name, cost) = match status {
        Status::Ok => ("ok", 0),
        Status::Warn => ("warn", 7),
        Status::Error => ("error", 15),
        Status::Skipped => ("skipped", 0),
    };
    *score -= cost;
    let took = methods.iter().map(|method| look.facts.took(*method)).sum();
    json!({"id": id, "label": label, "status": name, "duration_ms": milliseconds(took), "data": data})
}

fn milliseconds(duration: Duration) -> Value {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).into()
}

struct Look<'a> {
    facts: &'a Facts,
    now: Timestamp,
}

impl<'a> Look<'a> {
    fn result(&self, method: Method) -> Result<&'a Value, String> {
        let result = self.facts.current(method, self.now)?;
        if result.is_object() { Ok(result) } else { Err("The result is not an object".to_owned()) }
    }
}

fn number(result: &Value, name: &str) -> Value {
    result.get(name).filter(|value| value.is_number()).cloned().unwrap_or(Value::Null)
}

fn whole(result: &Value, name: &str) -> Option<i64> {
    result.get(name)?.as_i64()
}

fn consensus(look: &Look<'_>) -> Found {
    let header = look.result(Method::Header)?;
    let finality = look.result(Method::Finality)?;
    let height =
        whole(header, "number").or_else(|| whole(header, "height")).ok_or("The height is not a number")?;
    let finalized = whole(finality, "finalized_height").ok_or("finalized_height is not a number")?;
    let data = json!({
        "block_height": height,
        "finalized_height": finalized,
        "lag_blocks": height.saturating_sub(finalized),
        "finality_time": number(header, "finality_time"),
    });
    Ok((Status::Ok, data))
}

fn peers(look: &Look<'_>) -> Found {
    let count = if look.facts.is_missing(Method::Peers) {
        look.result(Method::Overlay).ok().and_then(|overlay| whole(overlay, "active_peers"))
    } else {
        let list = look.result(Method::Peers)?.get("peers").and_then(Value::as_array);
        list.and_then(|list| i64::try_from(list.len()).ok())
    };
    let Some(count) = count else {
        look.result(Method::Peers)?;
        return Err("peers is not a list".to_owned());
    };
    let stats = look.result(Method::Stats)?;
    let data = json!({
        "peers": count,
        "avg_latency_ms": number(stats, "avg_latency_ms"),
        "bandwidth_in": number(stats, "bandwidth_in"),
        "bandwidth_out": number(stats, "bandwidth_out"),
    });
    Ok((if count > 0 { Status::Ok } else { Status::Warn }, data))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a step")]
fn markets(look: &Look<'_>) -> Found {
    let markets = [
        ("compute", Method::Compute),
        ("storage", Method::Storage),
        ("energy", Method::Energy),
        ("ad", Method::Ads),
    ];
    let mut details = Map::new();
    let mut healthy = 0;
    for (name, method) in markets {
        let detail = match look.result(method) {
            Ok(stats) => {
                healthy += 1;
                json!({"status": "healthy", "stats": stats})
            }
            Err(error) => json!({"status": "error", "error": error}),
        };
        details.insert(name.to_owned(), detail);
    }
    let status = match healthy {
        0 => Status::Error,
        4 => Status::Ok,
        _ => Status::Warn,
    };
    Ok((status, json!({"healthy": healthy, "total": markets.len(), "details": details})))
}

fn scheduler(look: &Look<'_>) -> Found {
    let stats = look.result(Method::Scheduler)?;
    let fields = SCHEDULER_FIELDS.map(|(field, name)| (field.to_owned(), number(stats, name)));
    Ok((Status::Ok, Value::Object(fields.into_iter().collect())))
}

/// How many of the newest receipts the step looks at.
const TAIL: usize = 5;

fn receipts(look: &Look<'_>) -> Found {
    let list = look.result(Method::Receipts)?.get("receipts").and_then(Value::as_array);
    let tail: Vec<_> = list.ok_or("receipts is not a list")?.iter().take(TAIL).collect();
    let latest = tail.iter().filter_map(|receipt| whole(receipt, "block_height")).max();
    let status = if tail.is_empty() { Status::Warn } else { Status::Ok };
    Ok((status, json!({"count": tail.len(), "latest_height": latest})))
}

/// What a stored file's contract would look like; nothing is stored.
fn storage_probe(look: &Look<'_>) -> Found {
    let stats = look.result(Method::Storage)?;
    let data = json!({
        "provider_count": number(stats, "providers"),
        "capacity_used": number(stats, "capacity_used"),
        "preview_contract": {
            "file_id": "abcd", "data_hash": "abcd", "duration_epochs": 8, "preview_only": true, "dry_run": true,
            "size_bytes": 10,
        },
        "storage_put_result": {},
        "dry_run": false,
    });
    Ok((Status::Ok, data))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a step")]
fn domain_probe(look: &Look<'_>) -> Found {
    let lookup = match look.result(Method::Domain) {
        Ok(lookup) => lookup,
        Err(error) => return Ok((Status::Error, json!({"domain": PROBED_DOMAIN, "error": error}))),
    };
    let verified = lookup.get("verified").and_then(Value::as_bool).unwrap_or(false);
    let data = json!({
        "domain": PROBED_DOMAIN,
        "verified": verified,
        "record": lookup.get("record").filter(|record| record.is_string()),
        "note": Method::Domain.name(),
    });
    Ok((if verified { Status::Ok } else { Status::Warn }, data))
}
