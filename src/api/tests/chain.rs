use serde_json::{Value, json};

use crate::api::tests::house::House;
use crate::auth::Mode;

const ADDRESS: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";

fn block(digit: char, hash: &str) -> Value {
    json!({ "hash_to_verify": hash, "key": digit.to_string().repeat(64), "account": ADDRESS, "attempts": "5" })
}

#[test]
fn the_chain_takes_a_block_once_and_pays_for_it() {
    let house = House::open();
    assert_eq!(house.get("/difficulty").text, r#"{"difficulty":"100"}"#);
    let first = house.post("/verify", &block('a', "abcXEN11def"));
    assert_eq!(
        first.text,
        r#"{"status":"success","message":"Block accepted: normal #1","block_type":"normal","block_id":1}"#
    );
    let again = house.post("/verify", &block('a', "abcXEN11def"));
    assert_eq!(
        (again.status, again.text.as_str()),
        (409, r#"{"status":"error","message":"Key already exists"}"#)
    );
    let refused = |body: Value| {
        let got = house.post("/verify", &body);
        (got.status, got.json()["message"].as_str().unwrap().to_owned())
    };
    let marker = "Hash does not contain valid block marker (XEN11 or XUNI)";
    assert_eq!(refused(block('b', "nothing")), (500, marker.into()));
    assert_eq!(refused(json!({})), (500, "Key is empty".into()));
    assert_eq!(refused(json!({ "key": "ab" })), (500, "Key too short: 2 chars (need >= 64)".into()));
    assert_eq!(refused(json!({ "key": "g".repeat(64) })), (500, "Key contains non-hex characters".into()));
    assert_eq!(house.send("POST", "/verify", &[], "[1]").json()["detail"][0]["type"], "dict_type");

    let stats = house.get("/chain/stats").json();
    assert_eq!(
        (&stats["total_blocks"], &stats["unique_miners"], &stats["next_block_id"]),
        (&json!(1), &json!(1), &json!(2))
    );
    let lower = ADDRESS.to_lowercase();
    assert_eq!(
        house.get(&format!("/balance/{lower}")).text,
        format!(r#"{{"address":"{lower}","balance":10.0}}"#)
    );
    assert_eq!(house.get("/balance/0x0").json()["balance"], 0.0);
    let last = house.get("/getblocks/lastblock").json();
    assert_eq!((&last[0]["account"], &last[0]["attempts"]), (&json!(ADDRESS), &json!(5)));
    assert_eq!(house.get("/chain/blocks?prefix=aaaa").json().as_array().unwrap().len(), 1);
    assert_eq!(house.get("/chain/blocks?prefix=bbbb").json(), json!([]));
    assert_eq!(house.get("/chain/blocks?limit=0").status, 422);
    let sent = house.post("/send_pow", &json!({ "block_id": 7 }));
    assert_eq!(sent.text, r#"{"status":"success","message":"PoW accepted (mock)","block_id":7}"#);
}

#[test]
fn a_full_hash_is_recomputed() {
    let house = House::open();
    let tag = "hgdCBNBdDID2GilEh8YFR7GhvDSoibhCxqgTkrtOgjlYy2MkbrcHurOiLva2kINqggB7AtssXR8jlAVXw8ox1w";
    let forged = format!(
        "$argon2id$v=19$m=100,t=1,p=1$JGkeVK+v4kFqglIJfJymdVcnFHU${}",
        tag.replacen("hgdCB", "XEN11", 1)
    );
    let got = house.post("/verify", &block('c', &forged));
    assert_eq!((got.status, got.json()["message"].as_str()), (401, Some("Hash verification failed.")));
    let easy = forged.replace("m=100", "m=99");
    let got = house.post("/verify", &block('c', &easy));
    assert_eq!(got.status, 401);
    assert!(got.json()["message"].as_str().unwrap().starts_with("Hash does not contain 'm=100'"));
}

#[test]
fn a_block_that_a_worker_reported_before_is_proven_by_the_chain() {
    let house = House::open();
    house.worker("rig-1", None);
    let report = crate::protocol::Block {
        worker_id: "rig-1".parse().unwrap(),
        lease_id: None,
        hash: "abcXEN11def".into(),
        key: "d".repeat(64).parse().unwrap(),
        account: Some(ADDRESS.parse().unwrap()),
        attempts: 1,
        hashrate: "1".into(),
    };
    let now = house.clock.now();
    let policy = crate::market::blocks::Policy {
        chain: true,
        require_pow: false,
        marker: crate::pow::Marker::default(),
    };
    house
        .store
        .write::<_, crate::market::Refusal, _>(move |scope| {
            crate::market::blocks::record(scope, &policy, &report, now)
        })
        .unwrap();
    let seen = || house.get("/api/blocks").json()["items"][0].clone();
    assert_eq!(seen()["chain_verified"], false);
    assert_eq!(house.post("/verify", &block('d', "abcXEN11def")).status, 200);
    assert_eq!((&seen()["chain_verified"], &seen()["chain_block_id"]), (&json!(true), &json!(1)));
}

#[test]
fn without_a_chain_there_is_nothing() {
    let house = House::new(Mode::Open, false);
    for path in ["/difficulty", "/getblocks/lastblock", "/balance/0x0", "/chain/stats", "/chain/blocks"] {
        let got = house.get(path);
        assert_eq!((got.status, got.text.as_str()), (404, r#"{"detail":"Not Found"}"#));
    }
    assert_eq!(house.post("/verify", &json!({})).status, 404);
    assert_eq!(house.post("/send_pow", &json!({})).status, 404);
}
