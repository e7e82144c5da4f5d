//! Blocks: recorded once per key, counted when they are proven and of the lease.

use serde_json::{Value, json};
use xenblocks::chain::Rules;
use xenblocks::platform::{ChainConfig, Config};
use xenblocks::pow::{Difficulty, Hasher, Phc, Salt};

use crate::support::await_some;
use crate::support::house::{House, RENTER_ADDRESS};
use crate::support::rig::{OWNER, Rig, key_of};

/// In one hash of fifty, so that mining takes no time to speak of.
const MARKER: &str = "XE";
const STRANGER: &str = "0x1111111111222222222233333333334444444444";

struct Leased {
    house: House,
    rig: Rig,
    lease: String,
    prefix: String,
}

fn leased() -> Leased {
    leased_with(|_| ())
}

fn leased_with(change: impl FnOnce(&mut Config)) -> Leased {
    let house = House::with(change);
    let rig = house.rig("rig-1");
    let rented = house.rent("rig-1", 3600);
    let text = |name: &str| rented[name].as_str().unwrap().to_owned();
    Leased { lease: text("lease_id"), prefix: text("prefix"), house, rig }
}

impl Leased {
    /// A hash for the renter that bears [`MARKER`], and its key.
    fn mined(&self, kib: u32) -> (String, String) {
        let salt = Salt::of(&RENTER_ADDRESS.parse().unwrap());
        let (difficulty, mut hasher) = (Difficulty::new(kib).unwrap(), Hasher::new());
        (0..10_000)
            .map(|number| key_of(&self.prefix, number))
            .map(|key| (Phc::compute(&key.parse().unwrap(), salt, difficulty, &mut hasher).to_string(), key))
            .find(|(phc, _)| phc.rsplit('$').next().unwrap().contains(MARKER))
            .unwrap()
    }

    fn found(&self) -> i64 {
        self.house.lease(&self.lease)["blocks_found"].as_i64().unwrap()
    }

    /// Blocks of the lease, oldest first.
    fn blocks(&self) -> Vec<Value> {
        let blocks = self.house.api.get(&format!("/api/blocks?lease_id={}", self.lease)).ok();
        blocks.as_array().unwrap().clone()
    }

    fn recorded(&self, key: &str) -> Option<Value> {
        self.blocks().into_iter().find(|block| block["key"] == key)
    }
}

#[test]
fn fault_35_a_block_repeated_or_sent_again_after_a_restart_counts_once() {
    let mut at = leased();
    let key = key_of(&at.prefix, 1);
    at.house.submit(&key, RENTER_ADDRESS).ok();
    at.rig.block(&at.lease, &key, RENTER_ADDRESS);
    at.rig.block(&at.lease, &key, RENTER_ADDRESS);
    at.rig.block(&at.lease, &key.to_uppercase(), RENTER_ADDRESS);
    assert_eq!((at.found(), at.blocks().len()), (1, 1));
    at.house.restart();
    at.rig = at.house.rig("rig-1");
    at.rig.block(&at.lease, &key, RENTER_ADDRESS);
    // And as if it had been found outside the lease.
    at.rig.block("", &key, OWNER);
    assert_eq!((at.found(), at.blocks().len()), (1, 1));
    assert_eq!(at.house.api.get("/api/blocks").ok()["total"], 1);
}

#[test]
fn fault_35_a_block_for_another_workers_lease_is_refused() {
    let mut at = leased();
    let mut thief = at.house.rig("rig-2");
    let key = key_of(&at.prefix, 1);
    at.house.submit(&key, RENTER_ADDRESS).ok();
    thief.block(&at.lease, &key, RENTER_ADDRESS);
    thief.block("lease-that-never-was", &key, RENTER_ADDRESS);
    assert_eq!(at.blocks(), Vec::<Value>::new());
    at.rig.block(&at.lease, &key, RENTER_ADDRESS);
    assert_eq!(at.recorded(&key).unwrap()["worker_id"], "rig-1");
}

#[test]
fn fault_35_a_block_that_proves_nothing_is_recorded_and_not_counted() {
    let mut at = leased();
    let nowhere = key_of(&at.prefix, 1);
    at.rig.block(&at.lease, &nowhere, RENTER_ADDRESS);
    let block = at.recorded(&nowhere).unwrap();
    assert_eq!((&block["prefix_valid"], &block["chain_verified"]), (&json!(true), &json!(false)));

    let other_prefix = key_of("00", 2);
    at.house.submit(&other_prefix, RENTER_ADDRESS).ok();
    at.rig.block(&at.lease, &other_prefix, RENTER_ADDRESS);
    let block = at.recorded(&other_prefix).unwrap();
    assert_eq!((&block["prefix_valid"], &block["chain_verified"]), (&json!(false), &json!(true)));

    // The chain credited it to a stranger: the renter has nothing of it.
    let strangers = key_of(&at.prefix, 3);
    at.house.submit(&strangers, STRANGER).ok();
    at.rig.block(&at.lease, &strangers, RENTER_ADDRESS);
    assert_eq!(at.recorded(&strangers).unwrap()["chain_verified"], false);
    at.rig.block(&at.lease, &key_of(&at.prefix, 4), STRANGER);
    assert_eq!(at.found(), 0);
}

#[test]
fn fault_35_a_forged_hash_is_not_counted_and_a_real_one_is_without_the_chain() {
    let mut at = leased_with(|config| config.marker = MARKER.parse().unwrap());
    let (phc, key) = at.mined(8);
    let forged = key_of(&at.prefix, 999_999_999);
    let mut block = at.rig.block_of(&at.lease, &forged, RENTER_ADDRESS);
    block["hash"] = json!(phc);
    at.rig.say("block", &block);
    let mut block = at.rig.block_of(&at.lease, &key, RENTER_ADDRESS);
    block["hash"] = json!(phc);
    at.rig.say("block", &block);
    await_some("the recomputed block", || (at.found() == 1).then_some(()));
    assert_eq!(at.recorded(&key).unwrap()["chain_verified"], true);
    assert_eq!(at.recorded(&forged).unwrap()["chain_verified"], false);
}

#[test]
fn a_block_easier_than_the_chain_asked_of_the_lease_does_not_count() {
    let harder = ChainConfig { rules: Rules::default(), difficulty: Difficulty::new(16).unwrap() };
    let mut at = leased_with(|config| {
        config.marker = MARKER.parse().unwrap();
        config.chain = Some(harder);
    });
    let (easy, enough) = (at.mined(8), at.mined(16));
    for (phc, key) in [&easy, &enough] {
        let mut block = at.rig.block_of(&at.lease, key, RENTER_ADDRESS);
        block["hash"] = json!(phc);
        at.rig.say("block", &block);
    }
    await_some("the recomputed block", || (at.found() == 1).then_some(()));
    assert_eq!(at.recorded(&enough.1).unwrap()["chain_verified"], true);
    assert_eq!(at.recorded(&easy.1).unwrap()["chain_verified"], false);
}

#[test]
fn a_block_reported_before_the_chain_has_it_counts_once_it_does() {
    let mut at = leased();
    let key = key_of(&at.prefix, 1);
    at.rig.block(&at.lease, &key, RENTER_ADDRESS);
    assert_eq!(at.found(), 0);
    at.house.submit(&key, RENTER_ADDRESS).ok();
    assert_eq!(at.found(), 1);
    assert_eq!(at.house.submit(&key, RENTER_ADDRESS).status, 409);
    assert_eq!(at.found(), 1);
}

#[test]
fn a_block_that_nobody_reported_is_found_on_the_chain() {
    let at = leased();
    for number in 0..3 {
        at.house.submit(&key_of(&at.prefix, number), RENTER_ADDRESS).ok();
    }
    at.house.submit(&key_of(&at.prefix, 7), STRANGER).ok();
    let stopped = at.house.stop(&at.lease);
    assert_eq!(stopped["blocks_found"], 3);
    assert_eq!(stopped["settlement"]["blocks_found"], 3);
}

#[test]
fn a_block_may_come_10_seconds_after_the_lease_and_no_later() {
    let mut at = leased();
    at.house.stop(&at.lease);
    at.house.pass(10);
    let in_time = key_of(&at.prefix, 1);
    at.rig.block(&at.lease, &in_time, RENTER_ADDRESS);
    at.house.pass(1);
    let late = key_of(&at.prefix, 2);
    at.rig.block(&at.lease, &late, RENTER_ADDRESS);
    assert!(at.recorded(&in_time).is_some());
    assert!(at.recorded(&late).is_none());
}

#[test]
fn fault_35_a_stranger_has_no_blocks() {
    let house = House::open();
    let mut nobody = Rig::connect(house.mqtt(), "rig-9");
    let key = key_of("ab", 1);
    house.submit(&key, OWNER).ok();
    nobody.block("", &key, OWNER);
    assert_eq!(house.api.get("/api/blocks").ok()["total"], 0);
}

#[test]
fn self_mined_blocks_count_for_the_worker_when_they_verify() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let key = key_of("ab", 1);
    house.submit(&key, OWNER).ok();
    rig.block("", &key, OWNER);
    for number in 2..100 {
        rig.block("", &key_of("ab", number), OWNER);
    }
    assert_eq!(house.worker("rig-1")["self_blocks_found"], 1);
    let reputation = house.api.get("/api/workers/rig-1/reputation").ok();
    assert_eq!(reputation["breakdown"]["block_detail"]["verified_blocks"], 1);
    assert_eq!(house.api.get("/api/blocks/self-mined?worker_id=rig-1").ok()["total"], 99);
}

#[test]
fn the_chain_answers_as_the_prototypes() {
    let house = House::open();
    let key = key_of("cd", 1);
    let accepted = house.submit(&key, STRANGER).ok();
    let expected = json!({
        "status": "success", "message": "Block accepted: normal #1", "block_type": "normal", "block_id": 1,
    });
    assert_eq!(accepted, expected);
    let again = house.submit(&key, STRANGER);
    assert_eq!((again.status, &again.body["message"]), (409, &json!("Key already exists")));
    let short = house.submit("abcd", STRANGER);
    assert_eq!((short.status, &short.body["message"]), (500, &json!("Key too short: 4 chars (need >= 64)")));
    assert_eq!(house.submit(&"z".repeat(64), STRANGER).status, 500);
    let balance = house.api.get(&format!("/balance/{}", STRANGER.to_uppercase().replace("0X", "0x"))).ok();
    assert_eq!(balance["balance"], 10.0);
    assert_eq!(house.api.get("/getblocks/lastblock").ok()[0]["key"], json!(key));
    assert_eq!(house.api.get("/chain/stats").ok()["next_block_id"], 2);
    assert!(house.api.get("/difficulty").ok()["difficulty"].is_string());
}
