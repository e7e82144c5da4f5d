//! Closed mode: every route and every topic asks who is there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};
use xenblocks::auth::eth::Wallet;
use xenblocks::base::limits::HTTP_SLOWED_TIME;

use super::live::Dashboard;
use crate::support::api::Api;
use crate::support::house::{ADMIN_KEY, House};
use crate::support::mqtt_client::{Connect, RawClient, publish};
use crate::support::rig::{Rig, key_of};

fn register(house: &House, id: &str, role: &str) -> String {
    house.pass(30);
    let body = json!({"account_id": id, "role": role, "balance": 1_000_000});
    let account = house.api.post("/api/auth/register", &body).ok();
    assert_eq!(account["balance"], 0.0, "what one gives oneself is ignored");
    account["api_key"].as_str().unwrap().to_owned()
}

#[test]
fn fault_06_no_key_is_built_in_and_no_account_either() {
    let house = House::closed();
    let accounts = house.admin().get("/api/accounts").ok();
    assert!(accounts.get("consumer-1").is_none(), "{accounts}");
    let me = house.admin().get("/api/auth/me").ok();
    assert_eq!(me["role"], "admin");
}

/// A worker's token, made by the administrator.
fn token_of(house: &House, worker: &str) -> String {
    house.pass(1);
    let answer = house.admin().post(&format!("/api/workers/{worker}/tokens"), &json!({})).ok();
    answer["token"].as_str().unwrap().to_owned()
}

#[test]
fn fault_11_mqtt_asks_for_a_workers_token() {
    let house = House::closed();
    let token = token_of(&house, "rig-1");
    let client_id = "xenminer_rig-1";
    for login in
        [None, Some(("rig-1", "wrong")), Some(("rig-2", token.as_str())), Some(("", "")), Some(("rig-1", ""))]
    {
        let code = RawClient::try_connect(house.mqtt(), &Connect { login, ..Connect::new(client_id) });
        assert!(matches!(code, Some(4 | 5)), "{login:?}: {code:?}");
    }
    let login = Some(("rig-1", token.as_str()));
    let mut rig = Rig::connect_with(house.mqtt(), "rig-1", &Connect { login, ..Connect::new(client_id) });
    rig.register();
    assert_eq!(house.worker("rig-1")["state"], "AVAILABLE");

    let spy = |filter: &str| {
        let connect = Connect { login, ..Connect::new("spy") };
        let mut client = RawClient::connect(house.mqtt(), &connect);
        client.subscribe(filter, 1)
    };
    for filter in ["#", "xenminer/#", "xenminer/+/task", "xenminer/rig-2/task", "xenminer/rig-1/heartbeat"] {
        assert!(matches!(spy(filter), None | Some(0x80)), "{filter}");
    }
    for topic in ["xenminer/rig-2/heartbeat", "xenminer/rig-1/task", "elsewhere"] {
        let mut client = RawClient::connect(house.mqtt(), &Connect { login, ..Connect::new("liar") });
        client.send(&publish(topic.as_bytes(), b"{}", 1, 9, false));
        assert!(client.read().is_none(), "{topic}");
    }
    let administrator = Connect { login: Some(("admin", ADMIN_KEY)), ..Connect::new("tool") };
    assert_eq!(RawClient::connect(house.mqtt(), &administrator).subscribe("xenminer/#", 1), Some(1));
}

struct Rented {
    house: House,
    rig: Rig,
    lease: String,
    prefix: String,
    renter: Api,
}

fn rented() -> Rented {
    let house = House::closed();
    let token = token_of(&house, "rig-1");
    let connect = Connect { login: Some(("rig-1", &token)), ..Connect::new("xenminer_rig-1") };
    let mut rig = Rig::connect_with(house.mqtt(), "rig-1", &connect);
    rig.register();
    let renter = house.api.with_key(&register(&house, "renter", "consumer"));
    house.admin().post("/api/accounts/renter/deposit", &json!({"amount": 100})).ok();
    rig.heartbeat(1.0);
    let body = json!({
        "worker_id": "rig-1", "duration_sec": 60,
        "consumer_address": "0xaabbccddee1234567890abcdef1234567890abcd",
    });
    let lease = crate::support::await_some("a lease", || {
        house.pass(1);
        Some(renter.post("/api/rent", &body)).filter(|reply| reply.status == 200)
    });
    let text = |name: &str| lease.body[name].as_str().unwrap().to_owned();
    Rented { lease: text("lease_id"), prefix: text("prefix"), house, rig, renter }
}

#[test]
fn fault_19_what_a_lease_is_for_is_its_parties_business() {
    let mut at = rented();
    let key = key_of(&at.prefix, 1);
    at.rig.block(&at.lease, &key, "0xaabbccddee1234567890abcdef1234567890abcd");
    let secrets = ["renter", "0xaabbccddee", &at.prefix];
    let stranger = at.house.api.with_key(&register(&at.house, "stranger", "consumer"));
    let lease = format!("/api/leases/{}", at.lease);
    let blocks = format!("/api/blocks?lease_id={}", at.lease);
    let paths = [
        lease.as_str(),
        &blocks,
        "/api/leases",
        "/api/blocks",
        "/api/monitoring/blocks/recent",
        "/api/overview/activity",
    ];
    for path in paths {
        for api in [&at.house.api, &stranger] {
            at.house.pass(1);
            let reply = api.get(path);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text);
            for secret in secrets {
                assert!(!reply.text.to_lowercase().contains(secret), "{path} shows {secret}: {}", reply.text);
            }
        }
    }
    for api in [&at.renter, &at.house.admin()] {
        at.house.pass(1);
        let shown = api.get(&lease).ok();
        assert_eq!((&shown["consumer_id"], &shown["prefix"]), (&json!("renter"), &json!(at.prefix)));
        assert_eq!(api.get(&blocks).ok()[0]["key"], json!(key));
    }
}

#[test]
fn fault_35_in_closed_mode_only_work_counts() {
    let mut at = rented();
    let key = key_of(&at.prefix, 1);
    let refused = at.house.submit(&key, "0xaabbccddee1234567890abcdef1234567890abcd");
    assert_eq!(refused.status, 401, "{}", refused.text);
    at.rig.block(&at.lease, &key, "0xaabbccddee1234567890abcdef1234567890abcd");
    at.house.pass(1);
    let lease: Value = at.renter.get(&format!("/api/leases/{}", at.lease)).ok();
    assert_eq!(lease["blocks_found"], 0);
}

#[test]
fn fault_07_in_closed_mode_nobody_but_the_owner_steers_a_worker() {
    let at = rented();
    let body =
        json!({"action": "set_config", "config": {"address": "0x1111111111222222222233333333334444444444"}});
    let wallet = Wallet::from_seed(b"stranger");
    let challenge = at.house.api.get(&format!("/api/auth/nonce?address={}", wallet.address())).ok();
    let signature = wallet.sign(challenge["message"].as_str().unwrap());
    let answer =
        json!({"address": wallet.address().to_string(), "signature": signature, "nonce": challenge["nonce"]});
    let token = at.house.api.post("/api/auth/verify", &answer).ok()["token"].as_str().unwrap().to_owned();
    for (api, status) in [(&at.house.api, 401), (&at.renter, 403), (&at.house.api.with_token(&token), 403)] {
        at.house.pass(5);
        assert_eq!(api.post("/api/workers/rig-1/control", &body).status, status);
        assert_eq!(api.put("/api/workers/rig-1/pricing", &json!({"price_per_min": 0})).status, status);
        assert_eq!(api.post("/api/workers/rig-1/tokens", &json!({})).status, status);
    }
    at.house.admin().post("/api/workers/rig-1/control", &body).ok();
}

#[test]
fn fault_15_signing_in_is_limited_in_rate() {
    let house = House::closed();
    let ask = || house.api.get("/api/auth/nonce?address=0x1111111111222222222233333333334444444444");
    let refused = (0..200).map(|_| ask()).find(|reply| reply.status != 200).expect("a limit");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(refused.status, 429, "{}", refused.text);
    house.pass(wait);
    ask().ok();
    // What does not sign anybody in has another, larger allowance.
    house.api.get("/api/status").ok();
}

#[test]
fn who_asks_without_pause_is_answered_ten_times_a_second() {
    let house = House::closed();
    let nonce = || house.api.get("/api/auth/nonce?address=0x1111111111222222222233333333334444444444").status;
    while nonce() == 200 {}
    let begin = Instant::now();
    assert!((0..5).all(|_| nonce() == 429), "time stands still here");
    assert!(begin.elapsed() >= 5 * HTTP_SLOWED_TIME);
}

/// Who opens one connection after another for that costs no more than who asks in one.
#[test]
fn what_is_no_http_is_refused_ten_times_a_second() {
    let house = House::closed();
    let begin = Instant::now();
    for _ in 0..5 {
        let mut client = TcpStream::connect(house.http()).unwrap();
        client.write_all(b"HELO market\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(begin.elapsed() >= 5 * HTTP_SLOWED_TIME);
}

#[test]
fn a_workers_address_cannot_be_taken_over_by_another_connection() {
    let at = rented();
    let owner = at.house.worker("rig-1")["eth_address"].clone();
    let token = token_of(&at.house, "rig-2");
    let login = Some(("rig-2", token.as_str()));
    let mut thief = Rig::connect_with(at.house.mqtt(), "rig-2", &Connect { login, ..Connect::new("thief") });
    thief.register();
    let mut description = thief.description();
    description["worker_id"] = json!("rig-1");
    description["eth_address"] = json!("0x1111111111222222222233333333334444444444");
    thief.say("register", &description);
    assert_eq!(thief.command("register_ack")["accepted"], false);
    at.house.pass(1);
    assert_eq!(at.house.worker("rig-1")["eth_address"], owner);
}

#[test]
fn a_workers_address_stays_also_for_who_has_its_token() {
    let mut at = rented();
    let owner = at.house.worker("rig-1")["eth_address"].clone();
    for other in [json!("0x1111111111222222222233333333334444444444"), json!("")] {
        let mut description = at.rig.description();
        description["eth_address"] = other;
        at.rig.say("register", &description);
        let ack = at.rig.command("register_ack");
        assert_eq!(ack["accepted"], false, "{ack}");
        assert!(ack["reason"].as_str().unwrap().contains("another worker_id"), "{ack}");
    }
    assert_eq!(at.house.worker("rig-1")["eth_address"], owner);
    at.rig.register();
}

#[test]
fn fault_19_the_live_feed_tells_strangers_neither_keys_nor_renters() {
    let mut at = rented();
    let mut dashboard = Dashboard::join(&at.house);
    let snapshot = dashboard.next_of("snapshot");
    assert_eq!(snapshot["workers"][0]["worker_id"], "rig-1");
    at.rig.block(&at.lease, &key_of(&at.prefix, 1), "0xaabbccddee1234567890abcdef1234567890abcd");
    let block = dashboard.next_of("block");
    assert_eq!((&block["worker_id"], &block["lease_id"]), (&json!("rig-1"), &json!(at.lease)));
    for told in [snapshot, block] {
        let told = told.to_string().to_lowercase();
        for secret in ["renter", "0xaabbccddee", &at.prefix] {
            assert!(!told.contains(secret), "{secret} is in {told}");
        }
    }
}

/// An account without a wallet, and a caller with its key.
fn account(house: &House, id: &str) -> Api {
    let made = house.api.post("/api/auth/register", &json!({"account_id": id, "role": "provider"})).ok();
    house.api.with_key(made["api_key"].as_str().unwrap())
}

#[test]
fn a_worker_cannot_bear_the_name_of_anothers_account() {
    let house = House::closed();
    let mallory = account(&house, "rig-1");
    let refused = house.admin().post("/api/workers/rig-1/tokens", &json!({})).refused(409);
    assert!(refused.as_str().unwrap().contains("choose another id"), "{refused}");
    mallory.post("/api/workers/rig-1/tokens", &json!({})).ok();
}

#[test]
fn an_administrators_token_voids_those_of_whoever_took_the_name_before() {
    let house = House::closed();
    let mallory = account(&house, "mallory");
    let taken =
        mallory.post("/api/workers/rig-1/tokens", &json!({})).ok()["token"].as_str().unwrap().to_owned();
    let connect = Connect { login: Some(("rig-1", &taken)), ..Connect::new("early") };
    let mut early = RawClient::connect(house.mqtt(), &connect);
    let given = token_of(&house, "rig-1");
    assert!(early.read().is_none(), "a connection with a voided token ends");
    assert_eq!(RawClient::try_connect(house.mqtt(), &connect), Some(5));
    let connect = Connect { login: Some(("rig-1", &given)), ..Connect::new("xenminer_rig-1") };
    Rig::connect_with(house.mqtt(), "rig-1", &connect).register();
    mallory.post("/api/workers/rig-1/tokens", &json!({})).refused(403);
}

#[test]
fn revoking_a_token_ends_the_connections_that_came_in_with_it_and_no_others() {
    let house = House::closed();
    let tokens = [token_of(&house, "rig-1"), token_of(&house, "rig-1")];
    let connect = |name, token: &str| {
        let connect = Connect { login: Some(("rig-1", token)), ..Connect::new(name) };
        Rig::connect_with(house.mqtt(), "rig-1", &connect)
    };
    let mut rig = connect("xenminer_rig-1", &tokens[1]);
    rig.register();
    let (mut old, mut older) = (connect("old", &tokens[0]), connect("older", &tokens[0]));
    let listed = house.admin().get("/api/workers/rig-1/tokens").ok();
    let revoke = |which: usize| {
        let path = format!("/api/workers/rig-1/tokens/{}", listed["tokens"][which]["token_id"]);
        house.admin().send("DELETE", &path, None).ok();
    };
    // The newest stands first.
    revoke(1);
    while old.client.read().is_some() {}
    while older.client.read().is_some() {}
    rig.register();
    revoke(0);
    while rig.client.read().is_some() {}
    for token in &tokens {
        let connect = Connect { login: Some(("rig-1", token)), ..Connect::new("late") };
        assert_eq!(RawClient::try_connect(house.mqtt(), &connect), Some(5));
    }
}
