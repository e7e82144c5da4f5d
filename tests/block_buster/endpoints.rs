//! Every address with every part that a node can play.

use serde_json::{Value, json};

use crate::support::await_until;
use crate::the_block::{Mode, peer, receipt};
use crate::{House, without_time};

const UNKNOWN: &str = "RPC Error -32601: method not found";
const PATHS: [&str; 8] = [
    "/health",
    "/ready",
    "/theblock/network/metrics",
    "/theblock/markets/health",
    "/theblock/receipts",
    "/theblock/operations",
    "/theblock/peers/list",
    "/theblock/scheduler/stats",
];

#[test]
fn the_documented_node_is_shown_as_documented() {
    let house = House::ready();
    let get = |path: &str| without_time(house.get(path).1);
    let expected = json!({
        "network_strength": 49, "block_height": 123_456, "finality_time": 6, "peer_count": 23, "tps": 145.7,
        "bandwidth_in": 1_024_000, "bandwidth_out": 512_000, "active_connections": 23,
    });
    assert_eq!(get("/theblock/network/metrics"), expected);
    let expected = json!({
        "overall_status": "healthy",
        "markets": {
            "compute": {"status": "healthy", "active_jobs": 45, "total_providers": 12, "avg_utilization": 0.75, "total_revenue": 150_000},
            "storage": {"status": "healthy", "total_stored": 1_024_000_000, "total_providers": 8, "avg_price": 0.001, "capacity_used": 0.65},
            "energy": {"status": "healthy", "total_credits": 500_000, "avg_price": 0.05, "active_traders": 15, "trading_volume": 25_000},
            "ads": {"status": "idle", "active_campaigns": 0, "total_impressions": 150_000, "total_revenue": 3500, "avg_cpm": 2.33},
        },
        "healthy_markets": 3, "total_markets": 4,
    });
    assert_eq!(get("/theblock/markets/health"), expected);
    let peers: Vec<_> = (0..23).map(peer).collect();
    assert_eq!(get("/theblock/peers/list"), json!({"peers": peers, "total": 23}));
    let receipts: Vec<_> = (0..100).map(receipt).collect();
    let expected = json!({"receipts": receipts, "total": 100, "limit": 100, "offset": 0});
    assert_eq!(get("/theblock/receipts"), expected);
    let expected =
        json!({"queue_depth": 12, "avg_wait_time_ms": 40, "processed_per_block": 120, "throughput": 240});
    assert_eq!(get("/theblock/scheduler/stats"), expected);
    let operations = get("/theblock/operations");
    assert_eq!((&operations["total"], operations["operations"].as_array().unwrap().len()), (&json!(50), 50));
    let expected = json!({
        "id": "receipt_0003", "type": "ad", "timestamp": 1_738_549_197, "block_height": 123_453, "provider": "0xprov0",
        "consumer": "0xcons3", "amount": 103, "status": "completed", "details": {"n": 3},
    });
    assert_eq!(operations["operations"][3], expected);
    assert_eq!(operations["by_market"]["ad"][0], expected);
}

#[test]
fn a_full_check_finds_what_there_is_and_scores_it() {
    for (mode, score, statuses) in [
        (Mode::Spec, 100, ["ok", "ok", "ok", "ok", "ok", "ok", "ok"]),
        (Mode::Partial, 63, ["ok", "error", "warn", "ok", "ok", "error", "ok"]),
        (Mode::Real, 3, ["error", "error", "warn", "error", "error", "error", "error"]),
        (Mode::RpcErr, 0, ["error"; 7]),
        (Mode::Hang, 0, ["error"; 7]),
    ] {
        let house = House::new(mode);
        await_until("an answer or the lack of one", || {
            let health = house.get("/health").1;
            health["node"]["connected"] == true || health["recent_errors"]["total"].as_i64() > Some(0)
        });
        let (status, check) = house.post("/theblock/fullcheck", "");
        let found: Vec<_> =
            check["steps"].as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
        assert_eq!(
            (status, &check["summary_score"], found),
            (200, &json!(score), statuses.map(Value::from).to_vec()),
            "{mode:?}"
        );
        if mode == Mode::Spec {
            let consensus = json!({"block_height": 123_456, "finalized_height": 123_450, "lag_blocks": 6, "finality_time": 6});
            assert_eq!(check["steps"][0]["data"], consensus);
            let peers = json!({"peers": 23, "avg_latency_ms": 38, "bandwidth_in": 1_024_000, "bandwidth_out": 512_000});
            assert_eq!(check["steps"][1]["data"], peers);
            assert_eq!(check["steps"][2]["data"]["healthy"], 4);
            assert_eq!(check["steps"][4]["data"], json!({"count": 5, "latest_height": 123_456}));
            assert_eq!(check["steps"][6]["data"]["record"], "v=block");
        }
    }
}

#[test]
fn the_newest_node_is_read_in_its_own_shape() {
    let house = House::new(Mode::Real);
    await_until("the stand-ins of net.peers", || house.get("/theblock/peers/list").1["total"] == 2);
    await_until("the energy market", || {
        house.get("/theblock/markets/health").1["markets"]["energy"]["status"] == "healthy"
    });
    let network = without_time(house.get("/theblock/network/metrics").1);
    let expected = json!({
        "network_strength": null, "block_height": 123_456, "finality_time": null, "peer_count": 2, "tps": null,
        "bandwidth_in": null, "bandwidth_out": null, "active_connections": null, "errors": {"net.stats": UNKNOWN},
    });
    assert_eq!(network, expected);
    let markets = house.get("/theblock/markets/health").1;
    assert_eq!((&markets["overall_status"], &markets["healthy_markets"]), (&json!("degraded"), &json!(1)));
    let energy = json!({"status": "healthy", "total_credits": 120, "avg_price": 50, "active_traders": 0, "trading_volume": 0});
    assert_eq!(markets["markets"]["energy"], energy);
    assert_eq!(markets["markets"]["compute"]["active_jobs"], 0);
    assert_eq!(markets["markets"]["storage"], json!({"status": "unavailable", "error": UNKNOWN}));
    let peers = house.get("/theblock/peers/list").1["peers"].clone();
    assert_eq!(
        (&peers[0]["id"], &peers[0]["latency_ms"], &peers[1]["latency_ms"]),
        (&json!("p0"), &json!(20), &json!(0))
    );
    house.node.calls();
    await_until("a further poll", || {
        house.node.calls().iter().any(|call| call.method == "net.overlay_status")
    });
}

#[test]
fn what_fails_is_null_and_named_beside_what_works() {
    let house = House::new(Mode::Partial);
    await_until("the markets, of which the advertisements come last", || {
        house.get("/theblock/markets/health").1["markets"]["ads"]["error"]
            == "RPC Error -32603: internal error"
    });
    let network = house.get("/theblock/network/metrics").1;
    assert_eq!(
        (&network["peer_count"], &network["tps"], &network["network_strength"]),
        (&json!(23), &Value::Null, &Value::Null)
    );
    assert_eq!(network["errors"], json!({"net.stats": "RPC Error -32603: internal error"}));
    let markets = house.get("/theblock/markets/health").1;
    assert_eq!(markets["overall_status"], "degraded");
    assert_eq!(markets["markets"]["ads"]["error"], "RPC Error -32603: internal error");

    for mode in [Mode::RpcErr, Mode::Nulls, Mode::WrongTypes] {
        let house = House::new(mode);
        await_until("answers", || house.get("/theblock/scheduler/stats").0 == 200);
        let network = house.get("/theblock/network/metrics").1;
        assert!(network["tps"].is_null() && network["block_height"].is_null(), "{mode:?}");
        assert_eq!(network["errors"].as_object().unwrap().len(), 3, "{mode:?}: {network}");
        assert!(house.get("/theblock/peers/list").1["peers"].is_null(), "{mode:?}");
        let ready = house.get("/ready");
        let nothing = "The node answers, but knows nothing of its network";
        assert_eq!((ready.0, &ready.1["detail"]), (503, &json!(nothing)), "{mode:?}");
        let markets = house.get("/theblock/markets/health").1;
        assert_eq!(
            (&markets["overall_status"], &markets["healthy_markets"]),
            (&json!("down"), &json!(0)),
            "{mode:?}"
        );
        assert_eq!(markets["markets"]["compute"]["status"], "unavailable", "{mode:?}");
        let receipts = house.get("/theblock/receipts").1;
        if mode == Mode::WrongTypes {
            assert_eq!(receipts["receipts"], json!([{"id": 1}]));
        } else {
            assert!(
                receipts["receipts"].is_null() && receipts["errors"]["receipt.audit"].is_string(),
                "{mode:?}"
            );
        }
        assert!(house.get("/theblock/scheduler/stats").1["errors"]["scheduler.stats"].is_string());
    }
}

#[test]
fn whatever_the_node_plays_every_address_answers_in_json() {
    let modes = [
        Mode::Http500,
        Mode::Http401,
        Mode::Http429,
        Mode::Banned,
        Mode::Garbage,
        Mode::WrongId,
        Mode::Hang,
        Mode::Slow,
        Mode::NoVersion,
        Mode::Hostile,
    ];
    for mode in modes {
        let house = House::new(mode);
        await_until("something that happened", || {
            let health = house.get("/health").1;
            health["node"]["connected"] == true || health["recent_errors"]["total"].as_i64() > Some(0)
        });
        for path in PATHS {
            let (status, json) = house.get(path);
            assert!(matches!(status, 200 | 503) && json.is_object(), "{mode:?} {path}: {status}");
        }
        let health = house.get("/health");
        assert_eq!((health.0, &health.1["status"]), (200, &json!("ok")), "{mode:?}");
        let answers = matches!(mode, Mode::Slow | Mode::NoVersion | Mode::Hostile);
        assert_eq!(health.1["node"]["connected"], answers, "{mode:?}");
        if !answers {
            assert_eq!(house.get("/theblock/network/metrics").0, 503, "{mode:?}");
            assert_eq!(house.get("/ready").0, 503, "{mode:?}");
            assert_eq!(house.get("/theblock/markets/health").1["overall_status"], "down", "{mode:?}");
        }
    }
}

#[test]
fn pages_of_receipts_are_filtered_then_cut_and_bad_numbers_are_refused() {
    let house = House::ready();
    let ids = |query: &str| {
        let (status, page) = house.get(&format!("/theblock/receipts?{query}"));
        assert_eq!(status, 200, "{query}");
        let ids = page["receipts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|receipt| receipt["id"].as_str().unwrap().to_owned());
        (ids.collect::<Vec<_>>(), page["total"].as_u64().unwrap())
    };
    assert_eq!(
        ids("limit=2&offset=1&market=ADS"),
        (vec!["receipt_0007".to_owned(), "receipt_0011".to_owned()], 2)
    );
    assert_eq!(ids("limit=0"), (vec![], 0));
    assert_eq!(ids("offset=1000000"), (vec![], 0));
    assert_eq!(ids("limit=512").1, 300);
    assert_eq!(house.get("/theblock/receipts?limit=100000").1["limit"], 512);
    for query in [
        "limit=",
        "limit=-1",
        "limit=x",
        "offset=1.5",
        "limit=99999999999999999999",
        "limit=1&limit=1",
        "market=gold",
    ] {
        let (status, json) = house.get(&format!("/theblock/receipts?{query}"));
        assert!(status == 400 && json["detail"].is_string(), "{query}: {status}");
    }
}

#[test]
fn browsers_of_all_origins_may_read_or_those_that_are_named() {
    let house = House::ready();
    let open = house.ask("GET /health");
    assert_eq!(open.header("access-control-allow-origin"), Some("*"));
    assert_eq!(open.header("access-control-allow-credentials"), None);
    let preflight = house.ask("OPTIONS /theblock/fullcheck");
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-methods")),
        (204, Some("POST, OPTIONS"))
    );

    let narrow = House::with(Mode::Spec, xenblocks::base::Clock::system(), |settings| {
        settings.cors = vec!["https://a.example".to_owned()];
    });
    let from = |origin: &str| narrow.ask(&format!("GET /health HTTP/1.1\r\nOrigin: {origin}\r\nX:")).headers;
    let allowed =
        |origin: &str| from(origin).into_iter().find(|(name, _)| name == "access-control-allow-origin");
    assert_eq!(allowed("https://a.example").map(|(_, value)| value).as_deref(), Some("https://a.example"));
    assert_eq!(allowed("https://b.example"), None);
    assert!(from("https://b.example").contains(&("vary".to_owned(), "Origin".to_owned())));
}

#[test]
fn methods_and_addresses_that_do_not_exist_are_refused_in_json() {
    let house = House::new(Mode::Spec);
    assert_eq!(house.get("/nothing"), (404, json!({"detail": "Not Found"})));
    let wrong = house.ask("POST /health");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(house.ask("GET /theblock/fullcheck").status, 405);
    assert_eq!(house.get("/features/schema").1["features"].as_array().unwrap().len(), 20);
}

#[test]
fn calls_are_passed_on_only_when_asked_for_and_only_reading_ones() {
    let call = |method: &str| json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": {}}).to_string();
    let closed = House::ready();
    assert_eq!(closed.post("/rpc", &call("net.stats")).0, 404);

    let mut open =
        House::with(Mode::Spec, xenblocks::base::Clock::system(), |settings| settings.allow_rpc = true);
    open.await_ready();
    let (status, answer) = open.post("/rpc", &call("net.stats"));
    assert_eq!((status, &answer["id"], &answer["result"]["tps"]), (200, &json!(5), &json!(145.7)));
    open.node.calls();
    for (body, code) in [
        (call("storage.put"), -32601),
        (call("consensus.block_height"), -32601),
        ("{".to_owned(), -32700),
        ("[]".to_owned(), -32600),
        (json!({"id": 1, "method": "net.stats", "params": []}).to_string(), -32602),
    ] {
        assert_eq!(open.post("/rpc", &body).1["error"]["code"], code, "{body}");
    }
    assert!(open.node.calls().iter().all(|call| call.method != "storage.put"));
    open.node.down();
    await_until("the breaker", || open.get("/health").1["node"]["breaker"] == "open");
    let (status, answer) = open.post("/rpc", &call("net.stats"));
    let detail = answer["detail"].as_str().unwrap();
    assert!(status == 503 && detail.matches("The node cannot be reached").count() == 1, "{status} {detail}");
}

#[test]
fn the_token_goes_to_the_node_with_objects_of_params_and_its_host() {
    let house = House::ready();
    await_until("calls", || {
        house.node.calls().iter().any(|call| {
            assert_eq!(call.authorization.as_deref(), Some("Bearer a-token"));
            assert_eq!(call.host, Some(house.node.addr.to_string()));
            assert!(call.params.is_object(), "{call:?}");
            true
        })
    });
}

#[test]
fn metrics_are_counted_with_cumulative_buckets() {
    let house = House::ready();
    let before = house.ask("GET /theblock/network/metrics");
    assert_eq!(before.header("cache-control"), Some("no-store"));
    let answer = house.ask("GET /metrics");
    let text = answer.text();
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let value = |line: &str| -> f64 {
        let found = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' ')?.parse::<f64>().ok());
        found.unwrap_or_else(|| panic!("no {line}"))
    };
    let name = "block_buster_request_duration_seconds";
    let buckets: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with(&format!("{name}_bucket{{endpoint=\"network_metrics\"")))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(buckets.windows(2).all(|pair| pair[0] <= pair[1]));
    let count = value(&format!("{name}_count{{endpoint=\"network_metrics\"}}"));
    assert_eq!(buckets.last(), Some(&count));
    assert!(
        count >= 1.0
            && value("block_buster_node_up") > 0.5
            && text.contains("\ntheblock_network_strength 49\n")
    );
    assert!(value("block_buster_upstream_calls_total{outcome=\"ok\"}") >= 9.0);
}

#[test]
fn the_demo_node_is_named_in_every_answer_and_asked_by_its_own_gateway() {
    let house =
        House::with(Mode::Spec, xenblocks::base::Clock::system(), |settings| settings.demo_node = true);
    house.await_ready();
    for path in PATHS.into_iter().chain(["/features/schema"]) {
        assert_eq!(house.get(path).1["demo"], true, "{path}");
    }
    assert_eq!(house.post("/theblock/fullcheck", "").1["summary_score"], 100);
    assert!(house.node.calls().is_empty());
}
