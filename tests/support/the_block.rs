//! A The Block node that plays one of many parts, and notes what it is asked.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rouille::{Request, Response};
use serde_json::{Value, json};
use xenblocks::base::thread::deathwatch;
use xenblocks::block_buster::Settings;
use xenblocks::http::{self, Config, Reply, Server, handler};

/// What the node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The documented shapes.
    Spec,
    /// The newest known node.
    Real,
    /// Three methods fail.
    Partial,
    /// Every method is unknown.
    RpcErr,
    /// HTTP 500.
    Http500,
    /// HTTP 401.
    Http401,
    /// HTTP 429.
    Http429,
    /// Banned, in the words of JSON-RPC.
    Banned,
    /// No JSON.
    Garbage,
    /// No `"jsonrpc"` in answers, and `"error": null`.
    NoVersion,
    /// The answer to another call.
    WrongId,
    /// `null` for everything.
    Nulls,
    /// Texts where numbers belong.
    WrongTypes,
    /// The documented shapes, after 1.5 s.
    Slow,
    /// No answer at all.
    Hang,
    /// Names that are markup.
    Hostile,
}

/// A call that the node got.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub params: Value,
    pub authorization: Option<String>,
    pub host: Option<String>,
    pub at: Instant,
}

struct Stage {
    mode: Mutex<Mode>,
    changed: Condvar,
    calls: Mutex<Vec<Call>>,
    /// Receipts newer than those of the documented shapes.
    new_receipts: Mutex<i64>,
}

/// A node that runs until it is stopped or dropped.
pub struct Node {
    stage: Arc<Stage>,
    server: Option<Server>,
    pub addr: SocketAddr,
}

const HANG: Duration = Duration::from_secs(30);

impl Node {
    pub fn start(mode: Mode) -> Self {
        let stage = Arc::new(Stage {
            mode: Mutex::new(mode),
            changed: Condvar::new(),
            calls: Mutex::default(),
            new_receipts: Mutex::new(0),
        });
        let mut node = Node { stage, server: None, addr: "127.0.0.1:0".parse().unwrap() };
        node.up();
        node
    }

    /// Listens again, on the port that it had.
    pub fn up(&mut self) {
        let stage = Arc::clone(&self.stage);
        let config = Config::new("node", self.addr);
        let (watch, _deaths) = deathwatch();
        let server = Server::start(config, &watch, handler(move |request| stage.answer(request))).unwrap();
        self.addr = server.local_addr();
        self.server = Some(server);
    }

    /// Is gone: nobody listens on its port.
    pub fn down(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    pub fn play(&self, mode: Mode) {
        *self.stage.mode.lock().unwrap() = mode;
        self.stage.changed.notify_all();
    }

    /// The calls since this was asked last.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.stage.calls.lock().unwrap())
    }

    /// One receipt more.
    pub fn add_receipt(&self) {
        *self.stage.new_receipts.lock().unwrap() += 1;
    }

    /// Of a gateway to this node, on ports that are free.
    pub fn settings(&self) -> Settings {
        let local = [127, 0, 0, 1].into();
        Settings {
            rpc_url: self.url(),
            auth_token: None,
            rpc_timeout: Duration::from_secs(2),
            http_host: local,
            http_port: 0,
            ws_host: local,
            ws_port: 0,
            feature_ws_port: 0,
            cors: Vec::new(),
            allow_rpc: false,
            demo_node: false,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A handler that hangs is let go first.
        self.play(Mode::Spec);
        self.down();
    }
}

impl Stage {
    fn answer(&self, request: &Request) -> Reply {
        let mut body = Vec::new();
        request.data().unwrap().read_to_end(&mut body).unwrap();
        let call: Value = serde_json::from_slice(&body).unwrap();
        let header = |name: &str| request.header(name).map(str::to_owned);
        let method = call["method"].as_str().unwrap().to_owned();
        self.calls.lock().unwrap().push(Call {
            method: method.clone(),
            params: call["params"].clone(),
            authorization: header("Authorization"),
            host: header("Host"),
            at: Instant::now(),
        });
        let mode = *self.mode.lock().unwrap();
        self.hold(mode);
        let status = match mode {
            Mode::Http500 => 500,
            Mode::Http401 => 401,
            Mode::Http429 => 429,
            Mode::Garbage => return Response::html("<html>not json</html>").into(),
            _ => 200,
        };
        if status != 200 {
            return Response::text("no").with_status_code(status).into();
        }
        http::json(200, envelope(mode, &call["id"], self.result(mode, &method)).to_string()).into()
    }

    /// Waits as long as the part asks for, or until it changes.
    fn hold(&self, mode: Mode) {
        let time = match mode {
            Mode::Slow => Duration::from_millis(1500),
            Mode::Hang => HANG,
            _ => return,
        };
        let current = self.mode.lock().unwrap();
        drop(self.changed.wait_timeout_while(current, time, |now| *now == mode).unwrap());
    }

    fn result(&self, mode: Mode, method: &str) -> Result<Value, (i64, &'static str)> {
        let failing = ["net.stats", "storage.stats", "ad_market.stats"].contains(&method);
        match mode {
            Mode::RpcErr => Err(UNKNOWN),
            Mode::Banned => Err((-32002, "banned")),
            Mode::Partial if failing => Err((-32603, "internal error")),
            Mode::Nulls => Ok(Value::Null),
            Mode::WrongTypes => Ok(wrong_types(method)),
            Mode::Real => real(method),
            Mode::Hostile => Ok(hostile(spec(method, 0)?)),
            _ => spec(method, *self.new_receipts.lock().unwrap()),
        }
    }
}

const UNKNOWN: (i64, &str) = (-32601, "method not found");
/// Markup that would run if it were ever taken for markup.
pub const MARKUP: &str =
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";

fn envelope(mode: Mode, id: &Value, result: Result<Value, (i64, &'static str)>) -> Value {
    let id = if mode == Mode::WrongId { json!(999_999) } else { id.clone() };
    match result {
        Ok(result) if mode == Mode::NoVersion => json!({"id": id, "result": result, "error": null}),
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, message)) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
        }
    }
}

const NOW: i64 = 1_738_549_200;

/// The documented peers.
pub fn peer(index: i64) -> Value {
    json!({
        "id": format!("peer_{index:03}"), "address": format!("192.168.1.{}:8000", 100 + index),
        "connected_at": NOW - 60 * index, "latency_ms": 40 + index, "version": "v1.2.0",
        "is_validator": index % 2 == 0, "reputation": 95 - index,
    })
}

/// The documented receipts.
pub fn receipt(index: i64) -> Value {
    let market = ["compute", "storage", "energy", "ad"][usize::try_from(index.rem_euclid(4)).unwrap()];
    let mut receipt = json!({
        "id": format!("receipt_{index:04}"),
        "market": market,
        "block_height": 123_456 - index, "timestamp": NOW - index,
        "provider": format!("0xprov{}", index.rem_euclid(3)), "consumer": format!("0xcons{}", index.rem_euclid(5)),
        "amount": 100 + index,
    });
    if index % 3 != 0 {
        receipt["status"] = "completed".into();
    }
    receipt["details"] = json!({"n": index});
    receipt
}

fn spec(method: &str, new_receipts: i64) -> Result<Value, (i64, &'static str)> {
    Ok(match method {
        "net.peers" => json!({"peers": (0..23).map(|index| {
            let mut peer = peer(index);
            peer["extra_field"] = "left out".into();
            peer
        }).collect::<Vec<_>>()}),
        "net.stats" => json!({
            "tps": 145.7, "bandwidth_in": 1_024_000, "bandwidth_out": 512_000, "active_connections": 23,
            "avg_latency_ms": 38,
        }),
        "light.latest_header" => json!({"number": 123_456, "finality_time": 6, "hash": "0xabc"}),
        "compute_market.stats" => {
            json!({"active_jobs": 45, "providers": 12, "avg_utilization": 0.75, "total_revenue": 150_000})
        }
        "storage.stats" => {
            json!({"total_stored": 1_024_000_000, "providers": 8, "avg_price": 0.001, "capacity_used": 0.65})
        }
        "energy.market_state" => {
            json!({"total_credits": 500_000, "avg_price": 0.05, "active_traders": 15, "volume_24h": 25_000})
        }
        "ad_market.stats" => {
            json!({"active_campaigns": 0, "total_impressions": 150_000, "total_revenue": 3500, "avg_cpm": 2.33})
        }
        "receipt.audit" => json!({"receipts": (-new_receipts..300).map(receipt).collect::<Vec<_>>()}),
        "scheduler.stats" => json!({
            "pending_operations": 12, "avg_wait_time_ms": 40, "ops_per_block": 120, "ops_per_second": 240,
        }),
        "consensus.finality_status" => json!({"finalized_height": 123_450, "current_height": 123_456}),
        "governor.status" => json!({"gates": [{"name": "compute", "state": "Trade"}]}),
        "net.overlay_status" => json!({"active_peers": 23}),
        "gateway.dns_lookup" => json!({"record": "v=block", "verified": true}),
        _ => return Err(UNKNOWN),
    })
}

fn real(method: &str) -> Result<Value, (i64, &'static str)> {
    Ok(match method {
        "light.latest_header" => json!({"height": 123_456, "hash": "abab", "difficulty": 1000}),
        "compute_market.stats" => json!({
            "industrial_backlog": 3, "industrial_utilization": 40, "pending": [], "lanes": [],
        }),
        "energy.market_state" => json!({
            "status": "ok",
            "providers": [{"provider_id": "e", "capacity_kwh": 10_000, "available_kwh": 9000, "price_per_kwh": 50}],
            "credits": [{"provider": "e", "amount_kwh": 120}], "receipts": [], "disputes": [],
        }),
        "net.overlay_status" => json!({"backend": "inhouse", "active_peers": 2, "persisted_peers": 0}),
        "net.peer_stats_all" => {
            json!([{"peer_id": "p0", "metrics": {"last_handshake_ms": 20}}, {"peer_id": "p1", "metrics": {}}])
        }
        _ => return Err(UNKNOWN),
    })
}

fn wrong_types(method: &str) -> Value {
    match method {
        "net.peers" => json!({"peers": {"a": 1}}),
        "net.stats" => json!({"tps": "145.7"}),
        "light.latest_header" => json!({"number": "123456", "finality_time": "6"}),
        "compute_market.stats" => json!({"active_jobs": "45"}),
        "receipt.audit" => json!({"receipts": ["x", {"id": 1}]}),
        _ => json!([]),
    }
}

/// Every text becomes markup, as a node in other hands could say it.
fn hostile(value: Value) -> Value {
    match value {
        Value::String(text) if ["compute", "storage", "energy", "ad"].contains(&text.as_str()) => text.into(),
        Value::String(text) => format!("{MARKUP}{text}").into(),
        Value::Array(list) => list.into_iter().map(hostile).collect(),
        Value::Object(object) => object.into_iter().map(|(name, value)| (name, hostile(value))).collect(),
        other => other,
    }
}
