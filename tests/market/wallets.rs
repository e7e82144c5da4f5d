//! Wallets: a signature, and nothing else, makes somebody the owner.

use serde_json::{Value, json};
use xenblocks::auth::eth::Wallet;

use crate::support::api::Api;
use crate::support::house::{House, RENTER_ADDRESS};
use crate::support::rig::Rig;

pub struct SignedIn {
    pub api: Api,
    pub account: String,
    pub answer: Value,
}

fn nonce(house: &House, wallet: &Wallet) -> Value {
    house.api.get(&format!("/api/auth/nonce?address={}", wallet.address())).ok()
}

/// As the prototype's web app does it: the plain message, the address in lower case.
pub fn sign_in(house: &House, wallet: &Wallet) -> SignedIn {
    let challenge = nonce(house, wallet);
    let text = |name: &str| challenge[name].as_str().unwrap().to_owned();
    assert_eq!(
        text("message"),
        format!("Sign this message to authenticate with XenBlocks.\n\nNonce: {}", text("nonce"))
    );
    let body = json!({
        "address": wallet.address().lower(), "signature": wallet.sign(&text("message")), "nonce": text("nonce"),
    });
    let answer = house.api.post("/api/auth/verify", &body).ok();
    let account = answer["account_id"].as_str().unwrap().to_owned();
    SignedIn { api: house.api.with_token(answer["token"].as_str().unwrap()), account, answer }
}

pub fn rig_of(house: &House, id: &str, wallet: &Wallet) -> Rig {
    let mut rig = Rig::connect(house.mqtt(), id);
    rig.owner = wallet.address().to_string();
    rig.register();
    rig
}

#[test]
fn fault_27_a_wallet_gets_what_its_worker_earned_before_and_after_it_signs_in() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"provider");
    let mut rig = rig_of(&house, "rig-1", &wallet);
    let earn = |rig: &mut Rig| {
        let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
        house.pass_with(rig, 60);
        house.stop(&lease);
    };
    earn(&mut rig);
    assert_eq!(house.balance("rig-1"), 570_000);
    let me = sign_in(&house, &wallet);
    assert_eq!(me.answer["role"], "provider");
    assert!(me.account.starts_with("wallet-0x"), "{}", me.account);
    assert_eq!((house.balance(&me.account), house.balance("rig-1")), (570_000, 0));
    earn(&mut rig);
    assert_eq!((house.balance(&me.account), house.balance("rig-1")), (1_140_000, 0));
    assert_eq!(me.api.get("/api/wallet/stats").ok()["total_earnings"], 1.14);
    let again = sign_in(&house, &wallet);
    assert_eq!(again.account, me.account);
    assert_eq!(house.balance(&me.account), 1_140_000);
}

#[test]
fn fault_09_one_wallet_rents_and_provides() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"both");
    let _own = rig_of(&house, "rig-own", &wallet);
    let _other = house.rig("rig-other");
    let me = sign_in(&house, &wallet);
    house.api.post(&format!("/api/accounts/{}/deposit", me.account), &json!({"amount": 10})).ok();
    let lease = me.api.post("/api/rent", &json!({"worker_id": "rig-other", "duration_sec": 60})).ok();
    assert_eq!(lease["consumer_id"], json!(me.account));
    assert_eq!(lease["consumer_address"].as_str().unwrap().to_lowercase(), wallet.address().lower());
    assert_eq!(me.api.get("/api/renter/leases").ok()["total"], 1);
    me.api.put("/api/provider/workers/rig-own/pricing", &json!({"price_per_min": 2})).ok();
    me.api.post("/api/stop", &json!({"lease_id": lease["lease_id"]})).ok();
}

#[test]
fn fault_08_an_owner_prices_all_its_workers_and_nobody_elses() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"owner");
    let _rigs = [rig_of(&house, "rig-1", &wallet), rig_of(&house, "rig-2", &wallet)];
    let _other = house.rig("rig-3");
    let me = sign_in(&house, &wallet);
    let price = json!({"price_per_min": 3});
    for id in ["rig-1", "rig-2"] {
        for path in [format!("/api/workers/{id}/pricing"), format!("/api/provider/workers/{id}/pricing")] {
            assert_eq!(me.api.put(&path, &price).ok()["price_per_min"], 3.0);
        }
    }
    assert_eq!(me.api.put("/api/provider/workers/rig-3/pricing", &price).status, 403);
    assert_eq!(me.api.put("/api/workers/rig-3/pricing", &price).status, 403);
    let consumer = house.api.with_key(&house.key_of("consumer-1"));
    assert_eq!(consumer.put("/api/workers/rig-1/pricing", &price).status, 403);
    for bad in [
        json!({"price_per_min": -1}),
        json!({"price_per_min": 1, "min_duration_sec": 0}),
        json!({"price_per_min": 1, "min_duration_sec": 9, "max_duration_sec": 8}),
    ] {
        assert_eq!(me.api.put("/api/workers/rig-1/pricing", &bad).status, 400, "{bad}");
    }
    assert_eq!(me.api.put("/api/workers/no-such/pricing", &price).status, 404);
    assert_eq!(house.worker("rig-3")["price_per_min"], 0.6);
}

#[test]
fn fault_13_fault_14_an_address_claimed_without_proof_captures_nothing() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"victim");
    let squatted = format!("wallet-{}", &wallet.address().lower()[..10]);
    for account in [squatted.as_str(), "claims-it"] {
        let body = json!({
            "account_id": account, "role": "provider", "eth_address": wallet.address().to_string(), "balance": 5,
        });
        house.api.post("/api/auth/register", &body).ok();
    }
    let me = sign_in(&house, &wallet);
    assert!(me.account != squatted && me.account != "claims-it", "{}", me.account);
    assert_eq!(house.balance(&me.account), 0);
    // And whoever claimed it does not own the wallet's workers.
    let _rig = rig_of(&house, "rig-1", &wallet);
    let thief = house.api.with_key(&house.key_of("claims-it"));
    assert_eq!(thief.put("/api/workers/rig-1/pricing", &json!({"price_per_min": 0})).status, 403);
}

#[test]
fn fault_15_a_nonce_asked_for_by_a_stranger_voids_none_and_each_signs_in_once() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"victim");
    let mine = nonce(&house, &wallet);
    for _ in 0..50 {
        nonce(&house, &wallet);
    }
    let signature = wallet.sign(mine["message"].as_str().unwrap());
    let body =
        json!({"address": wallet.address().to_string(), "signature": signature, "nonce": mine["nonce"]});
    house.api.post("/api/auth/verify", &body).ok();
    assert_eq!(house.api.post("/api/auth/verify", &body).refused(401), "Invalid signature or expired nonce");
    let late = nonce(&house, &wallet);
    house.pass(301);
    let signature = wallet.sign(late["message"].as_str().unwrap());
    let body =
        json!({"address": wallet.address().to_string(), "signature": signature, "nonce": late["nonce"]});
    assert_eq!(house.api.post("/api/auth/verify", &body).status, 401);
}

#[test]
fn a_signature_of_another_wallet_or_none_is_401() {
    let house = House::open();
    let (wallet, other) = (Wallet::from_seed(b"one"), Wallet::from_seed(b"other"));
    let challenge = nonce(&house, &wallet);
    let message = challenge["message"].as_str().unwrap();
    for signature in
        [other.sign(message), wallet.sign("something else"), "0x".into(), "zz".into(), "0".repeat(132)]
    {
        let body = json!({
            "address": wallet.address().to_string(), "signature": signature, "nonce": challenge["nonce"],
        });
        assert_eq!(house.api.post("/api/auth/verify", &body).status, 401, "{signature}");
    }
    assert_eq!(house.api.get("/api/auth/nonce?address=0x12").refused(400), "Invalid Ethereum address");
    assert_eq!(house.api.get("/api/auth/nonce").status, 422);
    let token = sign_in(&house, &wallet).answer["token"].as_str().unwrap().to_owned();
    house.api.with_token(&token).get("/api/auth/me").ok();
    let (body, signature) = token.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    for wrong in [format!("{body}.{flipped}"), format!("{body}."), "a.b.c".into(), String::new()] {
        assert_eq!(house.api.with_token(&wrong).get("/api/auth/me").status, 401, "{wrong}");
    }
    house.pass(86_401);
    assert_eq!(house.api.with_token(&token).get("/api/auth/me").status, 401, "expired");
}

#[test]
fn fault_16_sessions_survive_a_restart() {
    let mut house = House::open();
    let wallet = Wallet::from_seed(b"one");
    let token = sign_in(&house, &wallet).answer["token"].as_str().unwrap().to_owned();
    house.restart();
    let me = house.api.with_token(&token).get("/api/auth/me").ok();
    assert_eq!(me["eth_address"].as_str().unwrap().to_lowercase(), wallet.address().lower());
}

#[test]
fn fault_20_wallet_commands_reach_the_worker() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"owner");
    let mut rig = rig_of(&house, "rig-1", &wallet);
    let me = sign_in(&house, &wallet);
    let command = |body: Value| me.api.post("/api/wallet/workers/rig-1/command", &body);
    let sent = command(json!({"command": "restart", "params": {"delay": 3}})).ok();
    assert_eq!(
        (&sent["status"], &sent["worker_id"], &sent["command"]),
        (&json!("sent"), &json!("rig-1"), &json!("restart"))
    );
    let heard = rig.control();
    assert_eq!((&heard["command"], &heard["delay"]), (&json!("restart"), &json!(3)));
    command(json!({"command": "unlist"})).ok();
    assert_eq!(rig.control()["command"], "update_config");
    house.await_state("rig-1", "SELF_MINING");
    let rent = || house.api.post("/api/rent", &json!({"consumer_id": "consumer-1", "worker_id": "rig-1"}));
    assert_eq!(rent().status, 404);
    command(json!({"command": "list"})).ok();
    house.await_state("rig-1", "AVAILABLE");
    rent().ok();
    assert_eq!(command(json!({"command": "unlist"})).status, 400);
    assert_eq!(command(json!({"command": "explode"})).refused(400), "Invalid command");
    let body = json!({"command": "restart"});
    assert_eq!(me.api.post("/api/wallet/workers/no-such/command", &body).refused(404), "Worker not found");
    let stranger = sign_in(&house, &Wallet::from_seed(b"stranger"));
    let refused = stranger.api.post("/api/wallet/workers/rig-1/command", &body);
    assert_eq!(refused.refused(403), "Worker does not belong to this wallet");
    assert_eq!(house.api.post("/api/wallet/workers/rig-1/command", &body).status, 401);
}

#[test]
fn fault_07_who_shows_a_credential_steers_only_its_own_workers() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"owner");
    let mut rig = rig_of(&house, "rig-1", &wallet);
    let me = sign_in(&house, &wallet);
    let body = json!({"action": "set_config", "config": {"address": RENTER_ADDRESS}});
    let stranger = sign_in(&house, &Wallet::from_seed(b"stranger"));
    let consumer = house.api.with_key(&house.key_of("consumer-1"));
    for api in [&stranger.api, &consumer] {
        assert_eq!(api.post("/api/workers/rig-1/control", &body).status, 403);
        assert_eq!(api.post("/api/control/broadcast", &body).status, 403);
    }
    me.api.post("/api/workers/rig-1/control", &body).ok();
    assert_eq!(rig.control(), body);
    assert_eq!(me.api.post("/api/workers/never-seen/control", &body).status, 404);
}
