//! The prototype's web app, as it asks: each request in its own spelling, and every field that its pages
//! use, of the type that they use it as (contract: web-client.md).

use serde_json::{Value, json};
use xenblocks::auth::eth::Wallet;

use crate::support::api::Api;
use crate::support::house::House;
use crate::support::rig::key_of;
use crate::wallets::{rig_of, sign_in};

/// A request, where in its answer the fields are ("items" looks at each of a list), and the fields: those
/// of numbers, of texts, and of anything that is not null.
struct Page {
    request: &'static str,
    at: &'static str,
    numbers: &'static str,
    texts: &'static str,
    others: &'static str,
}

const fn page(
    request: &'static str,
    at: &'static str,
    numbers: &'static str,
    texts: &'static str,
    others: &'static str,
) -> Page {
    Page { request, at, numbers, texts, others }
}

const PUBLIC: &[Page] = &[
    page(
        "/api/monitoring/stats",
        "",
        "total_workers online offline total_hashrate total_gpus active_gpus total_blocks blocks_last_hour",
        "",
        "",
    ),
    page("/api/overview/stats", "", "total_hashrate online_workers blocks_24h platform_revenue", "", ""),
    page("/api/overview/activity?page=1&limit=50", "items", "timestamp", "type", "details"),
    page("/api/overview/activity?page=1&limit=50", "", "total_pages", "", "items"),
    page("/api/overview/network", "", "difficulty total_workers total_blocks chain_blocks", "", ""),
    page("/api/monitoring/hashrate-history?hours=1", "*", "hashrate active_gpus timestamp", "worker_id", ""),
    page("/api/monitoring/hashrate-history?hours=24", "*", "hashrate active_gpus timestamp", "worker_id", ""),
    page(
        "/api/monitoring/fleet?page=1&limit=20&sort=desc",
        "items",
        "gpu_count active_gpus hashrate self_blocks_found last_heartbeat",
        "worker_id eth_address state",
        "gpus online",
    ),
    page("/api/monitoring/fleet?page=1&limit=20&sort=asc&status=online", "", "total_pages", "", "items"),
    page(
        "/api/marketplace?page=1&limit=18&sort_by=price_asc",
        "items",
        "gpu_count gpu_memory hashrate price_per_min blocks_mined reputation uptime_pct",
        "worker_id gpu_name state",
        "",
    ),
    page(
        "/api/marketplace?page=1&limit=18&sort_by=reputation&gpu_type=4090&available_only=false",
        "",
        "total_pages",
        "",
        "items gpu_types",
    ),
];

const SIGNED_IN: &[Page] = &[
    page("/api/auth/me", "", "balance", "eth_address account_id role", ""),
    page(
        "/api/renter/leases",
        "items",
        "duration_sec price_per_sec blocks_found avg_hashrate elapsed_sec",
        "lease_id worker_id mining_address consumer_address state",
        "",
    ),
    page("/api/renter/leases?state=active", "", "total", "", "items"),
    page("/api/renter/stats", "", "active_leases completed_leases total_leases total_spent avg_cost", "", ""),
    page(
        "/api/provider/workers",
        "items",
        "memory_gb hashrate price_per_min self_blocks_found total_online_sec",
        "worker_id gpu_name state",
        "online",
    ),
    page("/api/provider/dashboard", "", "total_earned total_blocks_mined avg_hashrate", "", ""),
    page(
        "/api/wallet/history?period=30d",
        "data",
        "timestamp hashrate online_workers total_workers blocks cumulative_blocks earnings",
        "",
        "",
    ),
    page("/api/wallet/achievements", "", "total_blocks peak_hashrate mining_days", "", ""),
];

/// How many rows there were to look at.
fn look(api: &Api, page: &Page) -> usize {
    let answer = api.get(page.request).ok();
    let rows: Vec<&Value> = match page.at {
        "" => vec![&answer],
        "*" => answer.as_array().expect("a bare array").iter().collect(),
        list => answer[list].as_array().expect(list).iter().collect(),
    };
    let each = |names: &'static str, fits: fn(&Value) -> bool| {
        for name in names.split(' ').filter(|name| !name.is_empty()) {
            for row in &rows {
                assert!(fits(&row[name]), "{}: {name} is {}", page.request, row[name]);
            }
        }
    };
    each(page.numbers, Value::is_number);
    each(page.texts, |value| value.as_str().is_some_and(|text| !text.is_empty()));
    each(page.others, |value| !value.is_null());
    rows.len()
}

#[test]
fn its_pages_open_on_an_empty_platform() {
    let house = House::open();
    for page in PUBLIC {
        look(&house.api, page);
    }
    let me = sign_in(&house, &Wallet::from_seed(b"newcomer"));
    for page in SIGNED_IN {
        look(&me.api, page);
    }
}

#[test]
fn its_pages_find_all_that_they_use_in_a_marketplace_at_work() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"both");
    let mut own = rig_of(&house, "rig-own", &wallet);
    let mut other = house.rig("rig-other");
    let me = sign_in(&house, &wallet);
    let address = me.answer["address"].as_str().unwrap();
    assert_eq!(address.to_lowercase(), wallet.address().lower());
    me.api.post(&format!("/api/accounts/{}/deposit", me.account), &json!({"amount": 100})).ok();

    let rent = |worker: &str| {
        let body = json!({"worker_id": worker, "duration_sec": 3600, "consumer_address": address});
        me.api.post("/api/rent", &body).ok()
    };
    let lease = rent("rig-other");
    let (id, prefix) = (lease["lease_id"].as_str().unwrap(), lease["prefix"].as_str().unwrap());
    let key = key_of(prefix, 1);
    house.submit(&key, address).ok();
    other.block(id, &key, address);
    house.pass_with(&mut other, 60);
    house.pass_with(&mut own, 60);
    me.api.post("/api/stop", &json!({ "lease_id": id })).ok();
    other.state("AVAILABLE", None);
    rent("rig-other");
    // The first of the wallet's hours is over.
    house.pass_with(&mut own, 3600);

    for page in PUBLIC.iter().chain(SIGNED_IN) {
        crate::support::await_some(page.request, || (look(&me.api, page) > 0).then_some(()));
    }
    let hours = me.api.get("/api/wallet/history?period=30d").ok();
    let hours: Vec<_> =
        hours["data"].as_array().unwrap().iter().map(|row| row["timestamp"].as_i64().unwrap()).collect();
    assert!(hours.is_sorted_by(|a, b| a < b), "{hours:?}");
}

#[test]
fn its_buttons_are_answered() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"provider");
    let mut rig = rig_of(&house, "rig-1", &wallet);
    let me = sign_in(&house, &wallet);
    let balance = |amount: i64, what: &str| {
        let path = format!("/api/accounts/{}/{what}", me.account);
        me.api.post(&path, &json!({ "amount": amount })).ok()["balance"].clone()
    };
    assert_eq!((balance(5, "deposit"), balance(2, "withdraw")), (json!(5.0), json!(3.0)));
    me.api.put("/api/provider/workers/rig-1/pricing", &json!({"price_per_min": 1.5})).ok();
    assert_eq!(house.worker("rig-1")["price_per_min"], 1.5);
    for state in ["SELF_MINING", "AVAILABLE"] {
        let body = json!({"command": "update_config", "params": { "state": state }});
        me.api.post("/api/wallet/workers/rig-1/command", &body).ok();
        house.await_state("rig-1", state);
        assert_eq!(rig.control()["state"], state);
    }
}
