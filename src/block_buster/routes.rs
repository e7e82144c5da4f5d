//! Addresses and what is answered there.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Sender, bounded};
use rouille::{Request, Response};
use serde_json::{Value, json};

use super::board::Prepared;
use super::features;
use super::metrics::Endpoint;
use super::node::CallError;
use super::pages;
use super::poller::Job;
use super::query;
use super::shared::Shared;
use super::sockets::Hub;
use super::streams::{ALL_BITS, FEATURES_BIT};
use super::views::check;
use crate::base::limits::{GATEWAY_CHECK_TIME_MAX, GATEWAY_PASSED_TIME_MAX, HTTP_BODY_BYTES_MAX};
use crate::http::{self, Handler, Reply, detail};

/// What the three ports share.
pub(super) struct Gateway {
    pub(super) shared: Arc<Shared>,
    pub(super) hub: Arc<Hub>,
    pub(super) jobs: Sender<Job>,
    pub(super) cors: Vec<String>,
    pub(super) allow_rpc: bool,
}

/// Methods that may be passed on: they read, and cost the node little.
const PASSED_ON: [&str; 19] = [
    "ad_market.stats",
    "compute_market.stats",
    "consensus.block_height",
    "consensus.finality_status",
    "consensus.stats",
    "energy.market_state",
    "gateway.dns_lookup",
    "governor.status",
    "light.latest_header",
    "light.headers",
    "net.overlay_status",
    "net.peer_stats",
    "net.peer_stats_all",
    "net.peers",
    "net.stats",
    "receipt.audit",
    "scheduler.stats",
    "storage.stats",
    "settlement.stats",
];

/// The main port.
pub(super) fn main(gateway: Arc<Gateway>) -> Arc<Handler> {
    http::handler(move |request| {
        let started = Instant::now();
        let (endpoint, reply) = gateway.answer(request);
        let status = match &reply {
            Reply::Http(response) => response.status_code,
            Reply::WebSocket(_) => 101,
        };
        gateway.shared.metrics.answered(endpoint, status, started.elapsed());
        match reply {
            Reply::Http(response) => gateway.open_to_browsers(request, response).into(),
            socket @ Reply::WebSocket(_) => socket,
        }
    })
}

/// The WebSocket ports: every path is a socket.
pub(super) fn sockets(gateway: Arc<Gateway>, features: bool) -> Arc<Handler> {
    http::handler(move |request| {
        if features {
            gateway.socket(request, FEATURES_BIT)
        } else {
            gateway.socket(request, subscriptions(path(request)))
        }
    })
}

fn path(request: &Request) -> &str {
    request.raw_url().split('?').next().unwrap_or_default()
}

/// Who comes by this path wants everything and need not say so.
fn subscriptions(path: &str) -> u8 {
    if path == "/theblock/ws" { ALL_BITS } else { 0 }
}

impl Gateway {
    fn answer(self: &Arc<Self>, request: &Request) -> (Endpoint, Reply) {
        let path = path(request);
        if matches!(path, "/ws" | "/theblock/ws") {
            return (Endpoint::Socket, self.socket(request, subscriptions(path)));
        }
        let Some((endpoint, method)) = find(path) else {
            return match pages::find(request, path) {
                Some(response) => (Endpoint::Page, response.into()),
                None => (Endpoint::Other, detail(404, "Not Found").into()),
            };
        };
        if request.method() == "OPTIONS" {
            return (endpoint, preflight(method).into());
        }
        let fits = request.method() == method || (method == "GET" && request.method() == "HEAD");
        if !fits {
            let allow = if method == "GET" { "GET, HEAD, OPTIONS" } else { "POST, OPTIONS" };
            let refusal = detail(405, "Method Not Allowed").with_additional_header("Allow", allow);
            return (endpoint, refusal.into());
        }
        (endpoint, self.at(endpoint, request).into())
    }

    fn at(&self, endpoint: Endpoint, request: &Request) -> Response {
        let board = self.shared.board();
        match endpoint {
            Endpoint::Health => send(&board.health),
            Endpoint::Ready => send(&board.ready),
            Endpoint::Network => send(&board.network),
            Endpoint::Markets => send(&board.markets),
            Endpoint::Operations => send(&board.operations),
            Endpoint::Peers => send(&board.peers),
            Endpoint::Scheduler => send(&board.scheduler),
            Endpoint::Receipts => match query::page(request.raw_query_string()) {
                Ok(page) => send(&board.receipts_page(page)),
                Err(fault) => detail(400, &fault),
            },
            Endpoint::Features => json(200, &features::schema(&self.shared.facts())),
            Endpoint::Metrics => self.metrics(),
            Endpoint::Fullcheck => self.fullcheck(),
            Endpoint::Rpc => self.pass_on(request),
            Endpoint::Page | Endpoint::Socket | Endpoint::Other => detail(404, "Not Found"),
        }
    }

    fn metrics(&self) -> Response {
        let now = self.shared.clock.now();
        let text = self.shared.metrics.text(&self.shared.facts(), &self.hub, now);
        no_store(Response::from_data("text/plain; version=0.0.4; charset=utf-8", text))
    }

    /// Has the poller ask anew what is older than a moment; one round serves all who wait.
    fn fullcheck(&self) -> Response {
        let (started, clock) = (Instant::now(), &self.shared.clock);
        let began = clock.now();
        if self.shared.facts().line.connected() {
            let (done, told) = bounded(0);
            // Full: a round is about to run, and what it brings is in the facts soon enough.
            if self.jobs.try_send(Job::Check(done)).is_ok() {
                // Nothing is ever sent: the round's end drops the sender. Out of time: a slow node.
                let _ = told.recv_timeout(GATEWAY_CHECK_TIME_MAX);
            }
        }
        json(200, &check::full(&self.shared.facts(), began, started.elapsed(), clock.now()))
    }

    fn pass_on(&self, request: &Request) -> Response {
        if !self.allow_rpc {
            return detail(404, "Calls are not passed on; start the gateway with --allow-rpc");
        }
        let mut body = Vec::new();
        let limit = u64::try_from(HTTP_BODY_BYTES_MAX).unwrap_or(u64::MAX);
        if let Some(data) = request.data()
            && data.take(limit).read_to_end(&mut body).is_err()
        {
            return detail(400, "The body cannot be read");
        }
        let Ok(call) = serde_json::from_slice::<Value>(&body) else {
            return rpc_error(&Value::Null, -32700, "Parse error");
        };
        let id = call.get("id").filter(|id| id.is_number() || id.is_string()).cloned().unwrap_or(Value::Null);
        let Some(method) = call.get("method").and_then(Value::as_str) else {
            return rpc_error(&id, -32600, "One request object with a method is wanted");
        };
        if !PASSED_ON.contains(&method) {
            return rpc_error(&id, -32601, "This method is not passed on");
        }
        let params = call.get("params").cloned().unwrap_or_else(|| json!({}));
        if !params.is_object() {
            return rpc_error(&id, -32602, "params is an object");
        }
        let (reply, outcome) = bounded(1);
        let job = Job::Call { method: method.to_owned(), params, reply };
        if self.jobs.try_send(job).is_err() {
            return busy("Too many calls wait to be passed on");
        }
        match outcome.recv_timeout(GATEWAY_PASSED_TIME_MAX) {
            Ok(Ok(result)) => json(200, &json!({"jsonrpc": "2.0", "id": id, "result": result})),
            Ok(Err(CallError::Rpc { code, message })) => rpc_error(&id, code, &message),
            Ok(Err(CallError::Null)) => json(200, &json!({"jsonrpc": "2.0", "id": id, "result": null})),
            Ok(Err(error @ CallError::Limited(_))) => busy(&error.to_string()),
            Ok(Err(error)) => detail(503, &error.to_string()),
            // Out of time, or the poller is gone: the gateway is stopping.
            Err(_) => detail(503, "The node did not answer in time"),
        }
    }

    fn socket(self: &Arc<Self>, request: &Request, subscriptions: u8) -> Reply {
        // What narrows who may read answers narrows who may listen: browsers do not do that themselves.
        if let Some(origin) = request.header("Origin")
            && !self.cors.is_empty()
            && !self.cors.iter().any(|allowed| allowed == origin)
            && !is_same_host(origin, request)
        {
            return detail(403, "This origin may not listen").into();
        }
        let gateway = Arc::clone(self);
        Reply::WebSocket(Box::new(move |socket| gateway.hub.serve(socket, subscriptions, &gateway.shared)))
    }

    /// CORS: everybody may read, or those named; never with credentials.
    fn open_to_browsers(&self, request: &Request, mut response: Response) -> Response {
        let mut add =
            |name: &'static str, value: Cow<'static, str>| response.headers.push((name.into(), value));
        if self.cors.is_empty() {
            add("Access-Control-Allow-Origin", "*".into());
            return response;
        }
        add("Vary", "Origin".into());
        if let Some(origin) =
            request.header("Origin").filter(|origin| self.cors.iter().any(|known| known == origin))
        {
            add("Access-Control-Allow-Origin", origin.to_owned().into());
        }
        response
    }
}

/// A browser shows the gateway's own page from the host that it asks.
fn is_same_host(origin: &str, request: &Request) -> bool {
    let host = |authority: &str| authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
    let of_origin = origin.split_once("://").map(|(_, authority)| host(authority));
    of_origin.is_some() && of_origin == request.header("Host").map(host)
}

/// The endpoint at a path, and the method that it takes.
fn find(path: &str) -> Option<(Endpoint, &'static str)> {
    let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
    Some(match path {
        "/health" => (Endpoint::Health, "GET"),
        "/ready" => (Endpoint::Ready, "GET"),
        "/theblock/network/metrics" => (Endpoint::Network, "GET"),
        "/theblock/markets/health" => (Endpoint::Markets, "GET"),
        "/theblock/receipts" => (Endpoint::Receipts, "GET"),
        "/theblock/operations" => (Endpoint::Operations, "GET"),
        "/theblock/peers/list" => (Endpoint::Peers, "GET"),
        "/theblock/scheduler/stats" => (Endpoint::Scheduler, "GET"),
        "/theblock/fullcheck" => (Endpoint::Fullcheck, "POST"),
        "/features/schema" => (Endpoint::Features, "GET"),
        "/metrics" => (Endpoint::Metrics, "GET"),
        "/rpc" => (Endpoint::Rpc, "POST"),
        _ => return None,
    })
}

fn preflight(method: &'static str) -> Response {
    let methods = if method == "GET" { "GET, HEAD, OPTIONS" } else { "POST, OPTIONS" };
    Response::empty_204()
        .with_additional_header("Access-Control-Allow-Methods", methods)
        .with_additional_header("Access-Control-Allow-Headers", "Content-Type")
        .with_additional_header("Access-Control-Max-Age", "600")
}

fn send(prepared: &Prepared) -> Response {
    no_store(
        Response::from_data("application/json", prepared.body.to_vec()).with_status_code(prepared.status),
    )
}

fn json(status: u16, json: &Value) -> Response {
    no_store(http::json(status, json.to_string()))
}

fn no_store(response: Response) -> Response {
    response.with_additional_header("Cache-Control", "no-store")
}

fn rpc_error(id: &Value, code: i64, message: &str) -> Response {
    json(200, &json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}))
}

fn busy(text: &str) -> Response {
    detail(429, text).with_additional_header("Retry-After", "1")
}
