//! The pages about workers, as the contract has them.

use std::time::Duration;

use serde_json::{Value, json};

use super::house::{ADMIN, Got, House};
use crate::auth::eth::Wallet;
use crate::base::WorkerId;
use crate::market::{Refusal, workers};
use crate::protocol::{Control, Gpu, Heartbeat, Mining, Register};
use crate::store::snapshots::{self, Sample};

pub(in crate::api) fn rig(house: &House, id: &str, gpus: &[&str], address: Option<&Wallet>) {
    let gpu = |name: &&str| Gpu { index: 0, name: (*name).into(), memory_gb: 24.0, bus_id: None };
    let register = Register {
        worker_id: id.parse().unwrap(),
        eth_address: address.map(|wallet| *wallet.address()),
        gpu_count: u32::try_from(gpus.len()).unwrap(),
        total_memory_gb: 24.0 * gpus.len() as f64,
        gpus: gpus.iter().map(gpu).collect(),
        version: "test".into(),
    };
    let now = house.clock.now();
    house.fleet.registered(&register.worker_id, now);
    house.store.write::<_, Refusal, _>(move |scope| workers::register(scope, None, &register, now)).unwrap();
}

pub(in crate::api) fn beat(house: &House, id: &str, hashrate: f64, prefix: Option<&str>) {
    let mining = prefix.map(|prefix| Mining {
        address: "0xaddress".into(),
        prefix: prefix.into(),
        block_pattern: "XEN11".into(),
    });
    let beat = Heartbeat { worker_id: id.parse().unwrap(), hashrate, active_gpus: 1, mining };
    house.fleet.heartbeat(&beat, house.clock.now());
    // What pages share may be a quarter of a second old.
    house.clock.advance(Duration::from_millis(250));
}

fn put(house: &House, url: &str, key: Option<&str>, body: &Value) -> Got {
    let headers: Vec<(&str, &str)> = key.map(|key| ("X-API-Key", key)).into_iter().collect();
    house.send("PUT", url, &headers, &body.to_string())
}

pub(in crate::api) fn ids(got: &Got) -> Vec<String> {
    let json = got.json();
    let items = json.get("items").unwrap_or(&json).as_array().unwrap().clone();
    items.iter().map(|item| item["worker_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn workers_are_a_bare_array_with_all_that_clients_read() {
    let house = House::open();
    rig(&house, "rig-1", &["NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090"], None);
    rig(&house, "rig-2", &[], None);
    beat(&house, "rig-1", 123.5, Some("0011223344556677"));
    let list = house.get("/api/workers").json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let first = &list[0];
    for field in
        "worker_id eth_address gpu_count total_memory_gb gpus state hashrate active_gpus last_heartbeat \
                  price_per_min min_duration_sec max_duration_sec self_blocks_found current_address \
                  current_prefix current_block_pattern reputation"
            .split_whitespace()
    {
        assert!(!first[field].is_null(), "{field}");
    }
    assert_eq!(first["hashrate"], 123.5);
    assert_eq!(first["current_prefix"], "0011223344556677");
    assert_eq!(first["gpus"][1]["name"], "NVIDIA GeForce RTX 4090");
    assert_eq!(first["reputation"]["score"], 30.0);
    assert_eq!(first["reputation"]["breakdown"]["completion_detail"]["weight"], 30.0);
    assert_eq!(ids(&house.get("/api/workers?limit=1&offset=1")), ["rig-2"]);
    let one = house.get("/api/workers/rig-1").json();
    assert_eq!(
        (&one["online"], &one["connected"], &one["gpu_name"]),
        (&json!(true), &json!(true), &json!("2x RTX 4090"))
    );
    assert_eq!(house.get("/api/workers/nobody").detail(), "Worker not found");
}

#[test]
fn what_a_leased_worker_mines_is_for_its_owner_and_the_administrator() {
    let house = House::closed();
    let wallet = Wallet::random();
    rig(&house, "rig-1", &[], Some(&wallet));
    house.rent("rig-1", 600);
    beat(&house, "rig-1", 1.0, Some("0011223344556677"));
    let prefix = |got: &Got| got.json()["current_prefix"].as_str().unwrap().to_owned();
    assert_eq!(prefix(&house.get("/api/workers/rig-1")), "");
    assert_eq!(house.get("/api/workers").json()[0]["current_address"], "");
    assert_eq!(prefix(&house.get_as(ADMIN, "/api/workers/rig-1")), "0011223344556677");
    let bearer = format!("Bearer {}", house.sign_in(&wallet));
    let own = house.send("GET", "/api/workers/rig-1", &[("Authorization", &bearer)], "");
    assert_eq!(prefix(&own), "0011223344556677");
}

#[test]
fn pricing_is_checked_in_the_contracts_order() {
    let house = House::open();
    rig(&house, "rig-1", &["NVIDIA H100"], None);
    let url = "/api/workers/rig-1/pricing";
    let price = |price: f64| json!({ "price_per_min": price });
    assert_eq!(put(&house, "/api/workers/x/pricing", None, &price(-1.0)).detail(), "Worker not found");
    assert_eq!(put(&house, url, None, &price(-1.0)).detail(), "price_per_min must be non-negative");
    assert_eq!(put(&house, url, None, &price(1e300)).status, 400);
    for fine in [0.000_000_6, 0.600_000_4, 999.999_999_9] {
        let refused = put(&house, url, None, &price(fine));
        assert_eq!(
            (refused.status, refused.detail().as_str()),
            (400, "price_per_min must have at most 6 decimals")
        );
        let rank = house.get(&format!("/api/workers/rig-1/pricing/rank?price_per_min={fine}"));
        assert_eq!(rank.status, 400, "{rank:?}");
    }
    let summed = put(&house, url, None, &price(0.1 + 0.2)).json();
    assert_eq!(summed["price_per_min"], 0.3);
    let limits =
        |min: i64, max: i64| json!({ "price_per_min": 1, "min_duration_sec": min, "max_duration_sec": max });
    assert_eq!(put(&house, url, None, &limits(0, 5)).detail(), "min_duration_sec must be at least 1");
    assert_eq!(
        put(&house, url, None, &limits(9, 5)).detail(),
        "max_duration_sec must be >= min_duration_sec"
    );
    assert_eq!(put(&house, url, None, &price(1_000_001.0)).detail(), "price_per_min must be at most 1000000");
    let year = 366 * 86_400;
    for max in [year + 1, 1_000_000_000_000_000_000] {
        let refused = put(&house, url, None, &limits(30, max));
        assert_eq!(
            (refused.status, refused.detail().as_str()),
            (400, "max_duration_sec must be at most 31622400")
        );
    }
    assert_eq!(put(&house, url, None, &limits(30, year)).status, 200);
    assert_eq!(put(&house, url, Some(ADMIN), &limits(30, 90)).status, 200);
    let set = put(&house, "/api/provider/workers/rig-1/pricing", None, &price(0.25)).json();
    assert_eq!(
        set,
        json!({ "worker_id": "rig-1", "price_per_min": 0.25, "min_duration_sec": 30, "max_duration_sec": 90 })
    );
    assert_eq!(house.get(url).json()["price_per_min"], 0.25);
    let consumer = house.consumer_key();
    assert_eq!(put(&house, url, Some(&consumer), &price(1.0)).detail(), "Provider account required");
    let other = house.account("other", "provider");
    assert_eq!(
        put(&house, url, Some(&other), &price(1.0)).detail(),
        "You can only set pricing for your own worker"
    );
    let suggestion = house.get("/api/workers/rig-1/pricing/suggest").json();
    assert_eq!(suggestion["suggested_price_per_min"], 3.5);
    assert!(suggestion["market_median"].is_null());
    house.rent("rig-1", 60);
    house.post("/api/stop", &json!({ "lease_id": house.get("/api/leases").json()["items"][0]["lease_id"] }));
    assert_eq!(house.get("/api/workers/rig-1/pricing/suggest").json()["market_median"], 0.25);
}

#[test]
fn control_goes_to_the_owners_workers_and_broadcast_to_all() {
    let house = House::open();
    rig(&house, "rig-1", &[], None);
    rig(&house, "rig-2", &[], None);
    let url = "/api/workers/rig-2/control";
    assert_eq!(house.post("/api/workers/x/control", &json!({})).status, 404);
    assert_eq!(house.post(url, &json!({ "action": "explode" })).status, 400);
    let stranger = house.account("other", "provider");
    assert_eq!(house.post_as(&stranger, url, &json!({})).status, 403);
    assert_eq!(
        house.post_as(&stranger, "/api/control/broadcast", &json!({})).detail(),
        "Admin access required"
    );
    let sent = house.post(url, &json!({ "config": { "difficulty": 8 } })).json();
    assert_eq!(
        sent,
        json!({ "status": "sent", "worker_id": "rig-2", "action": "set_config", "delivered": false })
    );
    let all = house.post_as(ADMIN, "/api/control/broadcast", &json!({ "action": "pause" })).json();
    assert_eq!(all, json!({ "status": "sent", "workers": ["rig-1", "rig-2"], "action": "pause" }));
    let sent = house.link.sent.lock().unwrap();
    let ids: Vec<&str> = sent.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["rig-2", "rig-1", "rig-2"]);
    let config = json!({ "difficulty": 8 }).as_object().unwrap().clone();
    assert_eq!(sent[0].1, Control::Action { action: "set_config".into(), config });
}

#[test]
fn the_marketplace_filters_sorts_and_pages() {
    let house = House::open();
    rig(&house, "cheap", &["NVIDIA GeForce RTX 3080"], None);
    rig(&house, "big", &["NVIDIA GeForce RTX 4090"; 4], None);
    rig(&house, "mixed", &["NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 3080"], None);
    rig(&house, "away", &["NVIDIA H100"], None);
    for (id, price) in [("cheap", 0.1), ("big", 2.0), ("mixed", 1.0), ("away", 0.05)] {
        let got =
            put(&house, &format!("/api/workers/{id}/pricing"), None, &json!({ "price_per_min": price }));
        assert_eq!(got.status, 200);
    }
    house.clock.advance(Duration::from_secs(80));
    for (id, rate) in [("cheap", 10.0), ("big", 400.0), ("mixed", 100.0)] {
        beat(&house, id, rate, None);
    }
    house.clock.advance(Duration::from_secs(10));
    let found = |query: &str| ids(&house.get(&format!("/api/marketplace?{query}")));
    assert_eq!(found(""), ["cheap", "mixed", "big"]);
    assert_eq!(found("available_only=false"), ["away", "cheap", "mixed", "big"]);
    assert_eq!(found("sort_by=hashrate_desc"), ["big", "mixed", "cheap"]);
    assert_eq!(found("sort_by=gpus"), ["big", "mixed", "cheap"]);
    assert_eq!(found("sort_by=memory&limit=1&page=2"), ["mixed"]);
    assert_eq!(found("sort_by=nonsense"), ["cheap", "big", "mixed"]);
    assert_eq!(found("gpu_type=rtx%203080"), ["cheap", "mixed"]);
    assert_eq!(found("search=BIG"), ["big"]);
    assert_eq!(found("min_hashrate=100&max_price=1"), ["mixed"]);
    assert_eq!(found("min_gpus=3"), ["big"]);
    let page = house.get("/api/marketplace?limit=2").json();
    assert_eq!((&page["total"], &page["total_pages"]), (&json!(3), &json!(2)));
    assert_eq!(page["gpu_types"], json!(["H100", "RTX 3080", "RTX 4090"]));
    let item = &page["items"][0];
    assert_eq!((&item["gpu_name"], &item["online"]), (&json!("RTX 3080"), &json!(true)));
    for number in ["gpu_memory", "reputation", "uptime_pct", "blocks_mined", "hashrate", "price_per_min"] {
        assert!(item[number].is_number(), "{number}");
    }
    house.rent("cheap", 60);
    assert_eq!(found(""), ["mixed", "big"]);
    assert_eq!(house.get("/api/marketplace?limit=101").status, 422);
}

#[test]
fn estimates_add_up_and_warn() {
    let house = House::open();
    let estimate = |query: &str| house.get(&format!("/api/marketplace/estimate?{query}"));
    assert_eq!(estimate("duration_sec=60").detail(), "No available workers matching criteria");
    rig(&house, "rig-1", &[], None);
    assert_eq!(estimate("").status, 422);
    assert_eq!(estimate("duration_sec=0").status, 422);
    assert_eq!(estimate("duration_sec=60&worker_id=x").detail(), "Worker not found");
    put(&house, "/api/workers/rig-1/pricing", None, &json!({ "price_per_min": 999.99 }));
    for seconds in [7, 61, 3601, 86_399] {
        let got = estimate(&format!("duration_sec={seconds}")).json();
        let [total, payout, fee] = ["total_cost", "provider_payout", "platform_fee"]
            .map(|name| (got[name].as_f64().unwrap() * 1e4).round());
        assert!((total - payout - fee).abs() < 0.5, "{got}");
    }
    assert_eq!(estimate("duration_sec=59").json()["warning"], "Duration below minimum (60s)");
    assert_eq!(estimate("duration_sec=86401").json()["warning"], "Duration above maximum (86400s)");
    assert!(estimate("duration_sec=60").json().get("warning").is_none());
    assert_eq!(estimate("duration_sec=60&min_hashrate=5").status, 404);
}

#[test]
fn the_overview_counts_and_tells_what_happened() {
    let house = House::open();
    rig(&house, "rig-1", &[], None);
    beat(&house, "rig-1", 10.005, None);
    let lease = house.rent("rig-1", 120);
    house.clock.advance(Duration::from_secs(60));
    house.post("/api/stop", &json!({ "lease_id": lease }));
    let stats = house.get("/api/overview/stats").json();
    assert_eq!((&stats["total_users"], &stats["total_providers"]), (&json!(4), &json!(1)));
    assert_eq!((&stats["total_leases"], &stats["active_leases"]), (&json!(1), &json!(0)));
    assert_eq!((&stats["total_settled"], &stats["platform_revenue"]), (&json!(0.6), &json!(0.03)));
    house.account("late", "consumer");
    assert_eq!(house.get("/api/overview/stats").json()["total_consumers"], 4);
    let activity = house.get("/api/overview/activity").json();
    let kinds: Vec<&Value> = activity["items"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["lease_completed", "lease_started"]);
    assert_eq!(activity["items"][1]["details"]["duration_sec"], 120);
    assert_eq!(activity["total_pages"], 1);
    let network = house.get("/api/overview/network").json();
    assert_eq!((&network["difficulty"], &network["chain_blocks"]), (&json!(100), &json!(0)));
}

#[test]
fn the_feed_hides_renters_from_strangers() {
    let house = House::closed();
    rig(&house, "rig-1", &[], None);
    house.rent("rig-1", 120);
    let renter = |got: Got| got.json()["items"][0]["details"]["consumer_id"].clone();
    assert_eq!(renter(house.get("/api/overview/activity")), "");
    assert_eq!(renter(house.get_as(ADMIN, "/api/overview/activity")), "consumer-1");
}

#[test]
fn the_fleet_is_sorted_and_its_status_filters() {
    let house = House::open();
    let wallet = Wallet::random();
    assert_eq!(house.get("/api/monitoring/fleet").json()["total_pages"], 1);
    rig(&house, "old", &[], None);
    house.clock.advance(Duration::from_secs(91));
    rig(&house, "slow", &[], Some(&wallet));
    rig(&house, "fast", &["NVIDIA A100"], None);
    beat(&house, "slow", 5.0, None);
    beat(&house, "fast", 50.0, None);
    let fleet = |query: &str| ids(&house.get(&format!("/api/monitoring/fleet?{query}")));
    assert_eq!(fleet(""), ["fast", "slow", "old"]);
    assert_eq!(fleet("sort=asc"), ["old", "slow", "fast"]);
    assert_eq!(fleet("status=online&sort=asc"), ["slow", "fast"]);
    assert_eq!(fleet("status=offline"), ["old"]);
    assert_eq!(fleet(&format!("eth_address={}", wallet.address().lower())), ["slow"]);
    assert!(fleet("eth_address=nobody").is_empty());
    assert_eq!(house.get("/api/monitoring/fleet?sort=up").status, 422);
    let stats = house.get("/api/monitoring/stats").json();
    assert_eq!(
        (&stats["online"], &stats["offline"], &stats["total_gpus"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(stats["total_hashrate"], 55.0);
    assert_eq!(house.get("/api/monitoring/blocks/recent").json(), json!([]));
}

#[test]
fn history_is_by_worker_and_sample_or_summed_by_period() {
    let house = House::open();
    let now = house.clock.now();
    let sample = |worker: &str, ago: u64, hashrate: f64| Sample {
        worker_id: worker.parse::<WorkerId>().unwrap(),
        taken_at: now.minus(Duration::from_secs(ago)),
        hashrate,
        active_gpus: 1,
    };
    let insert = |samples: Vec<Sample>| {
        let job = move |scope: &mut crate::market::Scope<'_>| {
            samples.iter().try_for_each(|sample| Ok(snapshots::insert_sample(scope, sample)?))
        };
        house.store.write::<_, Refusal, _>(job).unwrap();
    };
    insert(vec![
        sample("a", 90, 10.0),
        sample("b", 90, 100.0),
        sample("a", 60, 20.0),
        sample("a", 7000, 1.0),
    ]);
    let rows = house.get("/api/monitoring/hashrate-history").json();
    let row = |n: usize| (rows[n]["worker_id"].as_str().unwrap(), rows[n]["hashrate"].as_f64().unwrap());
    assert_eq!((rows.as_array().unwrap().len(), row(2)), (3, ("a", 20.0)));
    assert_eq!(
        house.get("/api/monitoring/hashrate-history?worker_id=a&hours=2").json().as_array().unwrap().len(),
        3
    );
    let sums_to = |url: &str, expected: f64| {
        let list = house.get(url).json();
        let rates = list.as_array().unwrap().iter().map(|total| total["hashrate"].as_f64().unwrap());
        (rates.sum::<f64>() - expected).abs() < 1e-9
    };
    let url = "/api/monitoring/hashrate-history?resolution=3600&hours=24";
    assert!(sums_to(url, 116.0));
    // A later sample joins its period, whether it was kept or not.
    insert(vec![sample("b", 30, 300.0)]);
    assert!(sums_to(url, 216.0));
    house.clock.advance(Duration::from_secs(7200));
    assert!(sums_to(url, 216.0));
    assert!(sums_to(&format!("{url}&worker_id=a"), 16.0));
    assert_eq!(house.get("/api/monitoring/hashrate-history?hours=25").status, 422);
    assert_eq!(house.get("/api/monitoring/hashrate-history?resolution=1").status, 422);
}

#[test]
fn settings_that_no_worker_could_follow_are_not_sent() {
    let house = House::open();
    rig(&house, "rig-1", &[], None);
    for (field, bad) in [
        ("difficulty", json!(0)),
        ("difficulty", json!("many")),
        ("difficulty", json!(1e30)),
        ("address", json!("0x12")),
        ("prefix", json!("0123")),
        ("block_pattern", json!(["XEN11"])),
        ("block_pattern", json!("XEN 11")),
        ("colour", json!("red")),
    ] {
        let body = json!({ "action": "set_config", "config": { field: bad } });
        for url in ["/api/workers/rig-1/control", "/api/control/broadcast"] {
            let refused = house.post_as(ADMIN, url, &body);
            assert_eq!(refused.status, 422, "{body}: {refused:?}");
            let said = &refused.json()["detail"][0];
            assert_eq!((&said["loc"], &said["input"]), (&json!(["body", "config", field]), &bad));
        }
    }
    assert!(house.link.sent.lock().unwrap().is_empty());
    let config = json!({ "difficulty": "2000", "address": null, "prefix": "", "block_pattern": "XEN11" });
    let sent = house.post("/api/workers/rig-1/control", &json!({ "config": config }));
    assert_eq!((sent.status, house.link.sent.lock().unwrap().len()), (200, 1));
}
