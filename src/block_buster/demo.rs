//! An embedded node: plays the documented shapes, so that the gateway can be seen with nothing else
//! installed. It names itself in every answer, and the gateway passes that on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rouille::Request;
use serde_json::{Value, json};

use super::node::DEMO_NAME;
use crate::base::limits::{GATEWAY_DEMO_CONNECTIONS_MAX, HTTP_BODY_BYTES_MAX};
use crate::base::thread::Deathwatch;
use crate::base::{Clock, Timestamp};
use crate::http::{self, Handler, HttpError, Listener, Reply, Server};

/// Starts it on a free port of this machine.
pub(super) fn start(clock: Clock, watch: &Deathwatch) -> Result<Server, HttpError> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = http::Config {
        connections_max: GATEWAY_DEMO_CONNECTIONS_MAX,
        ..http::Config::new("demo-node", addr)
    };
    Listener::bind(config)?.serve(watch, handler(clock))
}

fn handler(clock: Clock) -> Arc<Handler> {
    let born = clock.now();
    http::handler(move |request| {
        let moment = Moment::new(born, clock.now());
        Reply::Http(http::json(200, answer(request, &moment).to_string()))
    })
}

fn answer(request: &Request, moment: &Moment) -> Value {
    let mut body = Vec::new();
    let limit = u64::try_from(HTTP_BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let read = request.data().map(|data| std::io::Read::take(data, limit));
    let complete = read.is_some_and(|mut data| std::io::Read::read_to_end(&mut data, &mut body).is_ok());
    let call: Value = serde_json::from_slice(&body).ok().filter(|_| complete).unwrap_or_default();
    let id = call.get("id").cloned().unwrap_or(Value::Null);
    let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
    match moment.result(method, call.get("params").unwrap_or(&Value::Null)) {
        Some(result) => json!({"jsonrpc": "2.0", "id": id, "node": DEMO_NAME, "result": result}),
        None => json!({
            "jsonrpc": "2.0", "id": id, "node": DEMO_NAME,
            "error": {"code": -32601, "message": "method not found"},
        }),
    }
}

/// The demonstration's world at one time: everything follows from it, so that answers agree.
struct Moment {
    /// Unix seconds.
    now: i64,
    /// Blocks since the demonstration began; one a second.
    blocks: i64,
}

const FIRST_HEIGHT: i64 = 123_456;
const PEERS: i64 = 24;
const MARKETS: [&str; 4] = ["compute", "storage", "energy", "ad"];
/// Receipts that were there before the demonstration began.
const PAST_RECEIPTS: i64 = 300;
const RECEIPTS_MAX: i64 = 512;

impl Moment {
    fn new(born: Timestamp, now: Timestamp) -> Self {
        let blocks = now.micros_since(born) / 1_000_000;
        Moment { now: now.micros().div_euclid(1_000_000), blocks }
    }

    fn height(&self) -> i64 {
        FIRST_HEIGHT + self.blocks
    }

    /// A slow wave around a middle, with a period in seconds.
    fn wave(&self, middle: f64, swing: f64, period: f64) -> f64 {
        let phase = self.blocks as f64 / period * std::f64::consts::TAU;
        ((middle + swing * phase.sin()) * 100.0).round() / 100.0
    }

    fn result(&self, method: &str, params: &Value) -> Option<Value> {
        let finalized = self.height() - 6;
        Some(match method {
            "light.latest_header" => {
                json!({"number": self.height(), "finality_time": 6, "hash": format!("{:#066x}", self.height())})
            }
            "net.peers" => json!({"peers": (0..PEERS).map(|index| self.peer(index)).collect::<Vec<_>>()}),
            "net.stats" => json!({
                "tps": self.wave(620.0, 240.0, 75.0),
                "bandwidth_in": self.wave(1_024_000.0, 300_000.0, 50.0),
                "bandwidth_out": self.wave(512_000.0, 150_000.0, 65.0),
                "active_connections": PEERS,
                "avg_latency_ms": self.wave(38.0, 6.0, 40.0),
            }),
            "compute_market.stats" => json!({
                "active_jobs": 45 + self.blocks % 7, "providers": 12,
                "avg_utilization": self.wave(0.7, 0.15, 90.0), "total_revenue": 150_000 + self.blocks * 3,
            }),
            "storage.stats" => json!({
                "total_stored": 1_024_000_000 + self.blocks * 4096, "providers": 8, "avg_price": 0.001,
                "capacity_used": self.wave(0.65, 0.05, 120.0),
            }),
            "energy.market_state" => json!({
                "total_credits": 500_000 + self.blocks, "avg_price": self.wave(0.05, 0.02, 60.0), "active_traders": 15,
                "volume_24h": 25_000 + self.blocks,
            }),
            "ad_market.stats" => json!({
                "active_campaigns": 0, "total_impressions": 150_000, "total_revenue": 3500, "avg_cpm": 2.33,
            }),
            "receipt.audit" => self.receipts(params),
            "scheduler.stats" => json!({
                "pending_operations": 12 + self.blocks % 5, "avg_wait_time_ms": 40, "ops_per_block": 120,
                "ops_per_second": 240,
            }),
            "governor.status" => json!({
                "enabled": true,
                "gates": [{"name": "compute", "state": "Trade"}, {"name": "storage", "state": "Rehearsal"}],
                "economics_prev_market_metrics": [
                    {"market": "compute", "utilization_ppm": 500_000, "provider_margin_ppm": 120_000},
                    {"market": "storage", "utilization_ppm": 650_000, "provider_margin_ppm": 80_000},
                ],
            }),
            "consensus.block_height" => json!({"height": self.height(), "finalized_height": finalized}),
            "consensus.finality_status" => json!({
                "finalized_height": finalized, "current_height": self.height(), "blocks_until_finality": 6,
            }),
            "gateway.dns_lookup" => json!({"record": "v=block", "verified": true}),
            _ => return None,
        })
    }

    fn peer(&self, index: i64) -> Value {
        json!({
            "id": format!("demo_peer_{index:03}"),
            "address": format!("192.0.2.{}:8000", index + 1),
            "connected_at": self.now - 60 * index - 30,
            "latency_ms": 24 + (index * 7 + self.blocks) % 40,
            "version": "demo",
            "is_validator": index % 2 == 0,
            "reputation": 95 - index,
        })
    }

    /// A receipt every three seconds, the newest first.
    fn receipts(&self, params: &Value) -> Value {
        let number =
            |name: &str, otherwise| params.get(name).and_then(Value::as_i64).unwrap_or(otherwise).max(0);
        let newest = PAST_RECEIPTS + self.blocks / 3 - 1 - number("offset", 0);
        let oldest = (newest - number("limit", 128).min(RECEIPTS_MAX)).max(-1);
        let receipts: Vec<_> = (oldest + 1..=newest).rev().map(|index| self.receipt(index)).collect();
        json!({"receipts": receipts})
    }

    fn receipt(&self, index: i64) -> Value {
        let age = self.blocks - (index - PAST_RECEIPTS + 1) * 3;
        let market = MARKETS[usize::try_from(index.rem_euclid(4)).unwrap_or_default()];
        json!({
            "id": format!("demo_{index:06}"),
            "market": market,
            "block_height": self.height() - age,
            "timestamp": self.now - age,
            "provider": format!("demo_provider_{}", index % 5),
            "consumer": format!("demo_consumer_{}", index % 7),
            "amount": 20 + (index * 37) % 180,
            "status": if index % 11 == 0 { "failed" } else { "completed" },
            "details": {"demo": true},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_buster::method::Method;

    #[test]
    fn it_plays_every_method_and_says_who_it_is() {
        let moment = Moment { now: 1_000_000, blocks: 10 };
        for method in Method::ALL.into_iter().filter(|method| method.stands_in_for().is_none()) {
            let call = json!({"jsonrpc": "2.0", "id": 1, "method": method.name(), "params": method.params()});
            let request = Request::fake_http("POST", "/", vec![], call.to_string().into_bytes());
            let answer = answer(&request, &moment);
            assert!(answer["result"].is_object(), "{}", method.name());
            assert_eq!(answer["node"], DEMO_NAME);
        }
        let unknown = answer(&Request::fake_http("POST", "/", vec![], b"{}".to_vec()), &moment);
        assert_eq!((&unknown["node"], &unknown["error"]["code"]), (&json!(DEMO_NAME), &json!(-32601)));
    }

    #[test]
    fn receipts_stay_what_they_were() {
        let ids_at = |blocks| {
            let result = Moment { now: 1_000_000 + blocks, blocks }.receipts(&json!({"limit": 5}));
            let list = result["receipts"].as_array().unwrap().clone();
            list.iter().map(|r| (r["id"].to_string(), r["timestamp"].clone())).collect::<Vec<_>>()
        };
        let (before, after) = (ids_at(30), ids_at(33));
        assert_eq!(before[..4], after[1..]);
    }
}
