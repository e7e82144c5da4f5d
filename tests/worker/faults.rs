//! What may go wrong while a miner works: nothing found is lost, nothing is told twice as new, nothing
//! mines for the wrong address.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::broker::Broker;
use crate::process::{Miner, OWNER, fails};
use crate::rpc::Rpc;
use crate::support::api::Api;
use crate::support::await_some;
use crate::support::server::{Server, folder};

const RENTER: &str = "0xAABBCCDDEE1234567890ABCDEF1234567890ABCD";
const PREFIX: &str = "a1b2c3d4e5f60718";
const WORKER: &str = "rig-1";
/// Found in one hash of fifty.
const MARKER: &str = "XE";
/// Never found: the miner hashes, and only what it found before is sent.
const NOTHING: &str = "XEN11XEN11XEN11";

fn assign(duration_sec: i64, prefix: &str) -> Value {
    json!({"command": "assign_task", "lease_id": "lease-1", "consumer_id": "consumer",
        "consumer_address": RENTER, "prefix": prefix, "duration_sec": duration_sec})
}

fn dead_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(broker: &Broker, folder: &tempfile::TempDir, further: &[&str]) -> Miner {
    let port = broker.port.to_string();
    let fixed = ["--mqtt-port", &port, "--mqtt-host", "127.0.0.1"];
    Miner::spawn(WORKER, folder.path(), &[&fixed, further].concat())
}

fn next_block(broker: &Broker, lease: &str) -> Value {
    broker.until("a block", |_, seen| seen.on("block").filter(|block| block["lease_id"] == lease).cloned())
}

fn key(block: &Value) -> String {
    block["key"].as_str().unwrap().to_owned()
}

#[test]
fn blocks_that_were_queued_at_a_kill_9_reach_chain_and_platform_in_the_next_life() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let dead = format!("http://127.0.0.1:{}", dead_port());
    let mining = ["--difficulty", "8", "--block-marker", MARKER, "--rpc-link", &dead];
    // The chain is gone and the platform does not acknowledge: everything is queued.
    broker.acknowledge(false);
    let mut miner = spawn(&broker, &folder, &mining);
    broker.accept_next();
    let queued: HashSet<String> = (0..10).map(|_| key(&next_block(&broker, ""))).collect();
    miner.kill();

    broker.acknowledge(true);
    let rpc = Rpc::start();
    let resting = ["--difficulty", "8", "--block-marker", NOTHING, "--rpc-link", &rpc.base()];
    let mut miner = spawn(&broker, &folder, &resting);
    broker.accept_next();
    let mut missing = queued.clone();
    while !missing.is_empty() {
        let block = next_block(&broker, "");
        let submitted = rpc.submitted(&key(&block));
        assert_eq!(submitted["hash_to_verify"], block["hash"], "the chain first");
        missing.remove(&key(&block));
    }
    await_stats(&miner, "nothing on its way", |stats| stats["pendingBlocks"] == 0);
    assert_eq!(miner.stop(), Some(0));

    // Settled is settled: a third life sends nothing again.
    let again = Rpc::start();
    let resting = ["--difficulty", "8", "--block-marker", NOTHING, "--rpc-link", &again.base()];
    let mut miner = spawn(&broker, &folder, &resting);
    broker.accept_next();
    broker.next_state("AVAILABLE");
    assert_eq!(miner.stop(), Some(0));
    assert_eq!(again.count(), 0);
}

#[test]
fn a_lease_goes_on_after_a_kill_9() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let mining = ["--difficulty", "8", "--block-marker", MARKER];
    let mut miner = spawn(&broker, &folder, &mining);
    broker.accept_next();
    broker.send(WORKER, "task", &assign(3600, PREFIX));
    next_block(&broker, "lease-1");
    miner.kill();
    broker.until("the end of the connection", |_, seen| {
        matches!(seen, crate::broker::Seen::Gone).then_some(())
    });

    let miner = spawn(&broker, &folder, &mining);
    broker.accept_next();
    assert_eq!(broker.next_state("MINING")["lease_id"], "lease-1");
    let lives = broker.until("a block of the new life", |_, seen| seen.on("block").cloned());
    assert!(
        key(&lives).starts_with(PREFIX) && lives["lease_id"] == "lease-1",
        "nothing for itself in between"
    );
    let status = platform_status(&miner);
    assert_eq!((&status["lease_id"], &status["mining_mode"]), (&json!("lease-1"), &json!("platform")));
    assert!((3000..=3600).contains(&status["remaining_sec"].as_i64().unwrap()), "{status}");

    // Released while it was away from the broker's point of view: it is told when it comes back.
    broker.send(WORKER, "task", &json!({"command": "release", "lease_id": "lease-1"}));
    broker.next_state("COMPLETED");
    drop(miner);
    let _miner = spawn(&broker, &folder, &mining);
    broker.accept_next();
    broker.next_state("AVAILABLE");
}

#[test]
fn a_lease_without_a_prefix_is_mined_for_its_renter() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let _miner = spawn(&broker, &folder, &["--difficulty", "8", "--block-marker", MARKER]);
    broker.accept_next();
    broker.send(WORKER, "task", &assign(60, ""));
    let block = next_block(&broker, "lease-1");
    assert_eq!(block["account"], RENTER);
}

#[test]
fn malformed_tasks_change_nothing() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let _miner = spawn(&broker, &folder, &["--difficulty", "8", "--block-marker", MARKER]);
    broker.accept_next();
    broker.next_state("AVAILABLE");
    for bad in [
        json!({"command": "assign_task"}),
        json!({"command": "assign_task", "lease_id": "l", "consumer_id": "c", "consumer_address": "0x12",
            "prefix": PREFIX, "duration_sec": 60}),
        assign(60, "12"),
        json!({"command": "assign_task", "lease_id": 7, "consumer_id": [], "consumer_address": RENTER,
            "prefix": PREFIX, "duration_sec": "long"}),
        json!([1, 2]),
        json!("assign_task"),
        json!({"command": "dance"}),
    ] {
        broker.send(WORKER, "task", &bad);
    }
    // Good ones still work, and in between nobody else was mined for.
    broker.send(WORKER, "task", &assign(60, PREFIX));
    broker.until("the lease", |_, seen| {
        if let Some(block) = seen.on("block") {
            assert!(block["account"] == OWNER || block["lease_id"] == "lease-1", "{block}");
        }
        (seen.on("block")?["lease_id"] == "lease-1").then_some(())
    });
}

#[test]
fn a_block_is_sent_at_the_difficulty_it_was_mined_at() {
    let (broker, rpc, folder) = (Broker::start(), Rpc::start(), tempfile::tempdir().unwrap());
    let _miner = spawn(&broker, &folder, &["--block-marker", MARKER, "--rpc-link", &rpc.base()]);
    broker.accept_next();
    assert!(next_block(&broker, "")["hash"].as_str().unwrap().contains("$m=11,"));
    rpc.set_difficulty("16");
    let changed = broker.until("a block at the new difficulty", |_, seen| {
        let block = seen.on("block")?;
        let (hash, submitted) = (block["hash"].as_str()?, rpc.submitted(&key(block)));
        assert!(hash.contains("$m=11,") || hash.contains("$m=16,"), "{hash}");
        assert_eq!(submitted["hash_to_verify"], block["hash"]);
        hash.contains("$m=16,").then(|| block.clone())
    });
    assert_eq!(changed["account"], OWNER);
}

#[test]
fn two_workers_with_one_id_do_not_share_a_machine() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let _first = spawn(&broker, &folder, &["--difficulty", "8", "--block-marker", NOTHING]);
    let second = fails(WORKER, folder.path(), &["--difficulty", "8"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("--worker-id"), "{said}");
}

#[test]
fn a_rented_worker_makes_verified_blocks_for_its_renter() {
    let ((_keep, db), state) = (folder(), tempfile::tempdir().unwrap());
    let rules = ["--log", "off", "--block-marker", MARKER, "--difficulty", "8"];
    let server = Server::spawn_command("server", &db, &rules);
    let (broker, rpc) = (format!("tcp://{}", server.mqtt), format!("http://{}", server.http));
    let mut miner = Miner::spawn(
        WORKER,
        state.path(),
        &["--mqtt-broker", &broker, "--rpc-link", &rpc, "--test-block-pattern", MARKER],
    );
    let rent = json!({"consumer_id": "consumer-1", "worker_id": WORKER, "duration_sec": 600});
    let lease = await_some("a lease", || {
        let reply = server.api.post("/api/rent", &rent);
        (reply.status == 200).then_some(reply.body)
    });
    let id = lease["lease_id"].as_str().unwrap();
    let blocks = await_some("verified blocks", || {
        let lease = server.api.get(&format!("/api/leases/{id}")).ok();
        let blocks = lease["blocks"].as_array()?.clone();
        (blocks.len() >= 3 && blocks.iter().all(|block| block["chain_verified"] == true)).then_some(blocks)
    });
    let prefix = lease["prefix"].as_str().unwrap();
    assert!(blocks.iter().all(|block| key(block).starts_with(prefix)));
    // Paused by its operator it says so, and its renter does not pay until it mines again.
    let lease = |field: &str| server.api.get(&format!("/api/leases/{id}")).ok()[field].clone();
    let control = |action: &str| {
        let path = format!("/api/workers/{WORKER}/control");
        server.api.post(&path, &json!({ "action": action })).ok();
    };
    // It may have been rented before it knew the difficulty.
    let before = lease("interrupted_sec").as_f64();
    assert_eq!(lease("paused"), json!(null));
    control("pause");
    await_some("the pause", || (lease("paused") == "IDLE").then_some(()));
    control("resume");
    await_some("its end", || lease("paused").is_null().then_some(()));
    let off = lease("interrupted_sec");
    assert!(off.as_f64() > before, "{off} {before:?}");
    assert_eq!(lease("interrupted_sec"), off);
    assert_eq!(miner.stop(), Some(0));
}

pub fn platform_status(miner: &Miner) -> Value {
    Api::new(miner.status).get("/platform/status").ok()
}

fn await_stats(miner: &Miner, what: &str, holds: impl Fn(&Value) -> bool) {
    let api = Api::new(miner.status);
    await_some(what, || Some(api.get("/stats").ok()).filter(&holds));
}
