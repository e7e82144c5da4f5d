//! `/theblock/network/metrics`, `/theblock/peers/list` and `/theblock/scheduler/stats`.

use serde_json::{Number, Value, json};

use super::{Draft, View, text};
use crate::base::Timestamp;
use crate::block_buster::facts::Facts;
use crate::block_buster::method::Method;

/// What the network's metrics are made of.
pub(in crate::block_buster) const NETWORK: &[Method] = &[Method::Peers, Method::Stats, Method::Header];
/// What the list of peers is made of.
pub(in crate::block_buster) const PEERS: &[Method] = &[Method::Peers];
const SCHEDULER: &[Method] = &[Method::Scheduler];

/// Height, finality, peers, throughput, and the strength of it all from 0 to 100.
pub(in crate::block_buster) fn metrics(facts: &Facts, now: Timestamp) -> View {
    let mut draft = Draft::of(NETWORK, facts, now);
    let peers = peer_count(&mut draft);
    let stats = draft.result(Method::Stats);
    let tps = draft.number(Method::Stats, stats, "tps");
    let bandwidth_in = draft.number(Method::Stats, stats, "bandwidth_in");
    let bandwidth_out = draft.number(Method::Stats, stats, "bandwidth_out");
    let active_connections = draft.number(Method::Stats, stats, "active_connections");
    let header = draft.result(Method::Header);
    let height = height(&mut draft, header);
    let finality = draft.number(Method::Header, header, "finality_time");
    let parts = (peers.as_ref(), tps.as_ref(), finality.as_ref());
    draft.set("network_strength", strength(parts.0, parts.1, parts.2));
    draft.set("block_height", height);
    draft.set("finality_time", finality);
    draft.set("peer_count", peers);
    draft.set("tps", tps);
    draft.set("bandwidth_in", bandwidth_in);
    draft.set("bandwidth_out", bandwidth_out);
    draft.set("active_connections", active_connections);
    draft.finish()
}

/// The peers, in one shape whatever the node's is.
pub(in crate::block_buster) fn peers(facts: &Facts, now: Timestamp) -> View {
    let mut draft = Draft::of(PEERS, facts, now);
    let list = if facts.is_missing(Method::Peers) {
        facts.get(Method::PeerStats, now).ok().and_then(|result| result.as_array()).map(|statistics| {
            statistics.iter().filter(|peer| peer.is_object()).map(peer_of_statistics).collect::<Vec<_>>()
        })
    } else {
        documented(&mut draft).map(|list| list.iter().filter(|peer| peer.is_object()).map(peer).collect())
    };
    if list.is_none() {
        // What says why: the method itself, not its stand-in.
        draft.result(Method::Peers);
    }
    draft.set("total", list.as_ref().map(Vec::len));
    let total = draft.fields.shift_remove("total");
    draft.set("peers", list);
    draft.set("total", total);
    draft.finish()
}

/// The scheduler's queue.
pub(in crate::block_buster) fn scheduler(facts: &Facts, now: Timestamp) -> View {
    let mut draft = Draft::of(SCHEDULER, facts, now);
    let result = draft.result(Method::Scheduler);
    for (field, name) in SCHEDULER_FIELDS {
        let number = draft.number(Method::Scheduler, result, name);
        draft.set(field, number);
    }
    draft.finish()
}

/// The scheduler's fields: ours, and the node's.
pub(in crate::block_buster) const SCHEDULER_FIELDS: [(&str, &str); 4] = [
    ("queue_depth", "pending_operations"),
    ("avg_wait_time_ms", "avg_wait_time_ms"),
    ("processed_per_block", "ops_per_block"),
    ("throughput", "ops_per_second"),
];

/// A header's height, by either of its names.
pub(in crate::block_buster) fn height(draft: &mut Draft<'_>, header: Option<&Value>) -> Option<Number> {
    let name = if header.is_some_and(|header| header.get("number").is_some()) { "number" } else { "height" };
    draft.number(Method::Header, header, name)
}

fn peer_count(draft: &mut Draft<'_>) -> Option<Number> {
    if draft.facts.is_missing(Method::Peers)
        && let Ok(overlay) = draft.facts.get(Method::Overlay, draft.now)
        && let Some(Value::Number(active)) = overlay.get("active_peers")
    {
        return Some(active.clone());
    }
    documented(draft).map(|list| list.len().into())
}

fn documented<'a>(draft: &mut Draft<'a>) -> Option<&'a Vec<Value>> {
    let list = draft.result(Method::Peers)?.get("peers").and_then(Value::as_array);
    if list.is_none() {
        draft.fail(Method::Peers, "peers is not a list");
    }
    list
}

fn peer(peer: &Value) -> Value {
    let number = |name: &str| peer.get(name).filter(|value| value.is_number()).cloned();
    json!({
        "id": text(peer.get("id")),
        "address": text(peer.get("address")),
        "connected_at": number("connected_at"),
        "latency_ms": number("latency_ms").unwrap_or(0.into()),
        "version": text(peer.get("version")).unwrap_or_else(|| "unknown".to_owned()),
        "is_validator": peer.get("is_validator").and_then(Value::as_bool).unwrap_or(false),
        "reputation": number("reputation").unwrap_or(0.into()),
    })
}

/// The newest known node lists statistics by peer instead.
fn peer_of_statistics(statistics: &Value) -> Value {
    let latency = statistics.pointer("/metrics/last_handshake_ms").filter(|value| value.is_number());
    json!({
        "id": text(statistics.get("peer_id")),
        "address": null,
        "connected_at": null,
        "latency_ms": latency.cloned().unwrap_or(0.into()),
        "version": "unknown",
        "is_validator": false,
        "reputation": 0,
    })
}

/// 0 to 100, or `None` when a part of it is unknown.
fn strength(peers: Option<&Number>, tps: Option<&Number>, finality_time: Option<&Number>) -> Option<i64> {
    let peers = (peers?.as_f64()? / 50.0 * 30.0).clamp(0.0, 30.0);
    let tps = (tps?.as_f64()? / 1000.0 * 40.0).clamp(0.0, 40.0);
    let finality = (30.0 - finality_time?.as_f64()? / 10.0).clamp(0.0, 30.0);
    #[expect(clippy::cast_possible_truncation, reason = "three clamped parts: 0 to 100")]
    Some((peers + tps + finality).floor() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(value: f64) -> Number {
        Number::from_f64(value).unwrap()
    }

    #[test]
    fn strength_is_the_documented_sum() {
        assert_eq!(strength(Some(&23.into()), Some(&number(145.7)), Some(&6.into())), Some(49));
        assert_eq!(strength(Some(&50.into()), Some(&1000.into()), Some(&0.into())), Some(100));
        assert_eq!(strength(Some(&0.into()), Some(&0.into()), Some(&300.into())), Some(0));
        assert_eq!(strength(None, Some(&0.into()), Some(&0.into())), None);
    }

    proptest! {
        #[test]
        fn strength_stays_between_0_and_100(p in -1e300..1e300, t in -1e300..1e300, f in -1e300..1e300) {
            let strength = strength(Some(&number(p)), Some(&number(t)), Some(&number(f))).unwrap();
            prop_assert!((0..=100).contains(&strength));
        }
    }
}
