use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use serde_json::{Value, json};
use xenblocks::base::{BlockKey, Clock};
use xenblocks::pow::{Difficulty, Hasher, Phc, Salt};
use xenblocks::worker::session::Broker as Address;
use xenblocks::worker::{Board, Config, Hardware, WorkerError, run};

use crate::broker::Broker;
use crate::rpc::Rpc;

const OWNER: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";
const RENTER: &str = "0xAABBCCDDEE1234567890ABCDEF1234567890ABCD";
const PREFIX: &str = "a1b2c3d4e5f60718";
const WORKER: &str = "rig-1";

fn config(broker: &Broker) -> Config {
    Config {
        worker_id: WORKER.parse().unwrap(),
        address: OWNER.parse().unwrap(),
        broker: Some(Address { host: "127.0.0.1".into(), port: broker.port, login: None }),
        rpc_link: None,
        hardware: Hardware::Cpu { threads: 1 },
        difficulty: Some(Difficulty::MIN),
        marker: "XEN".parse().unwrap(),
        heartbeat_interval: Duration::from_millis(300),
        state_dir: None,
        board: Board::default(),
    }
}

/// Runs a miner beside `test`, which may end it itself; gives how it ended.
fn beside(config: Config, test: impl FnOnce()) -> Result<(), WorkerError> {
    let (stop, stopped): (_, Receiver<()>) = bounded(1);
    std::thread::scope(|scope| {
        let miner = scope.spawn(move || run(config, Clock::system(), stopped));
        let stop = stop;
        test();
        drop(stop);
        miner.join().unwrap()
    })
}

fn assign(duration_sec: i64) -> Value {
    json!({"command": "assign_task", "lease_id": "lease-1", "consumer_id": "consumer",
        "consumer_address": RENTER, "prefix": PREFIX, "duration_sec": duration_sec})
}

fn check(block: &Value, account: &str) {
    let phc: Phc = block["hash"].as_str().unwrap().parse().unwrap();
    let key: BlockKey = block["key"].as_str().unwrap().parse().unwrap();
    assert_eq!(phc.salt, Salt::of(&account.parse().unwrap()));
    assert_eq!(block["account"], account);
    assert!(phc.verify(&key, &mut Hasher::new()), "{block}");
    assert!(phc.tag.to_string().contains("XEN"));
    assert!(block["attempts"].as_i64().unwrap() >= 0);
}

#[test]
fn a_miner_mines_for_its_owner_for_its_renter_and_for_its_owner_again() {
    let broker = Broker::start();
    beside(config(&broker), || {
        let register = broker.next_on("register");
        assert_eq!((&register["worker_id"], &register["eth_address"]), (&json!(WORKER), &json!(OWNER)));
        assert_eq!(register["gpu_count"], 1);
        assert!(register["gpus"][0]["name"].as_str().unwrap().ends_with(", 1 thread"), "{register}");
        broker.send(WORKER, "task", &json!({"command": "register_ack", "accepted": true}));
        broker.next_state("AVAILABLE");
        let own = broker.next_on("block");
        assert_eq!(own["lease_id"], "");
        check(&own, OWNER);

        broker.send(WORKER, "task", &assign(0));
        broker.next_state("MINING");
        for _ in 0..5 {
            let leased = broker.until("a leased block", |_, seen| {
                seen.on("block").filter(|block| block["lease_id"] != "").cloned()
            });
            assert_eq!(leased["lease_id"], "lease-1");
            assert!(leased["key"].as_str().unwrap().starts_with(PREFIX));
            check(&leased, RENTER);
        }
        let heartbeat = broker.until("a leased heartbeat", |_, seen| {
            let heartbeat = seen.on("heartbeat")?;
            let hashing = heartbeat["hashrate"].as_f64()? > 0.0;
            (hashing && heartbeat["prefix"] == PREFIX).then(|| heartbeat.clone())
        });
        assert_eq!((&heartbeat["address"], &heartbeat["block_pattern"]), (&json!(RENTER), &json!("XEN")));
        assert_eq!((&heartbeat["difficulty"], &heartbeat["active_gpus"]), (&json!(8), &json!(1)));

        broker.send(WORKER, "task", &json!({"command": "release", "lease_id": "lease-1"}));
        assert_eq!(broker.next_state("COMPLETED")["lease_id"], "lease-1");
        broker.next_state("AVAILABLE");
        let own = broker.until("an own block", |_, seen| {
            seen.on("block").filter(|block| block["lease_id"] == "").cloned()
        });
        assert!(!own["key"].as_str().unwrap().starts_with(PREFIX));
        check(&own, OWNER);
    })
    .unwrap();
    broker.next_state("offline");
}

#[test]
fn a_lease_goes_on_while_the_broker_is_away_and_ends_in_time() {
    let broker = Broker::start();
    beside(config(&broker), || {
        broker.accept_next();
        broker.next_state("AVAILABLE");
        broker.send(WORKER, "task", &assign(60));
        broker.next_state("MINING");
        broker.cut(WORKER);
        broker.accept_next();
        assert_eq!(broker.next_state("MINING")["lease_id"], "lease-1");
        broker.until("a leased block", |_, seen| (seen.on("block")?["lease_id"] == "lease-1").then_some(()));
        // The platform says again how much time is left.
        broker.send(WORKER, "task", &assign(1));
        assert_eq!(broker.next_state("COMPLETED")["lease_id"], "lease-1");
        broker.next_state("AVAILABLE");
    })
    .unwrap();
}

#[test]
fn operators_pause_resume_configure_and_shut_down() {
    let broker = Broker::start();
    beside(config(&broker), || {
        broker.accept_next();
        broker.next_state("AVAILABLE");
        broker.send(WORKER, "control", &json!({"action": "pause", "config": {}}));
        assert_eq!(broker.next_state("IDLE")["detail"], "paused");
        let resting = broker.until("a resting heartbeat", |_, seen| {
            seen.on("heartbeat").filter(|heartbeat| heartbeat["active_gpus"] == 0).cloned()
        });
        assert_eq!(resting["hashrate"], 0);
        broker.send(WORKER, "control", &json!({"command": "start"}));
        broker.next_state("AVAILABLE");
        let config = json!({"difficulty": 16, "address": RENTER, "prefix": "00112233aabbccdd"});
        broker.send(WORKER, "control", &json!({"action": "set_config", "config": config}));
        let block = broker.until("a block of the new configuration", |_, seen| {
            seen.on("block").filter(|block| block["hash"].as_str().unwrap().contains("$m=16,")).cloned()
        });
        assert!(block["key"].as_str().unwrap().starts_with("00112233aabbccdd"));
        check(&block, RENTER);
        broker.send(WORKER, "control", &json!({"command": "update_config", "state": "SELF_MINING"}));
        broker.next_state("SELF_MINING");
        broker.send(WORKER, "control", &json!({"action": "shutdown"}));
        broker.next_state("offline");
    })
    .unwrap();
}

#[test]
fn the_chain_says_the_difficulty_and_gets_the_blocks_before_the_platform() {
    let (broker, rpc) = (Broker::start(), Rpc::start());
    let config = Config { rpc_link: Some(rpc.base()), difficulty: None, ..config(&broker) };
    beside(config, || {
        broker.accept_next();
        let block = broker.next_on("block");
        check(&block, OWNER);
        assert!(block["hash"].as_str().unwrap().contains("$m=11,"), "{block}");
        let submitted = rpc.submitted(block["key"].as_str().unwrap());
        assert_eq!(
            (&submitted["hash_to_verify"], &submitted["account"]),
            (&block["hash"], &block["account"])
        );
        assert_eq!((&submitted["worker"], submitted["attempts"].is_string()), (&json!(WORKER), true));
        broker.until("accepted blocks", |_, seen| {
            (seen.on("heartbeat")?["accepted_blocks"].as_u64()? > 0).then_some(())
        });
    })
    .unwrap();
}

#[test]
fn a_dead_chain_stops_neither_mining_nor_the_platforms_report() {
    let broker = Broker::start();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    beside(Config { rpc_link: Some(dead), ..config(&broker) }, || {
        broker.accept_next();
        for _ in 0..3 {
            check(&broker.next_on("block"), OWNER);
        }
    })
    .unwrap();
}

#[test]
fn a_miner_that_cannot_know_the_difficulty_is_refused() {
    let broker = Broker::start();
    let config = Config { difficulty: None, ..config(&broker) };
    assert!(matches!(beside(config, || {}), Err(WorkerError::Config(_))));
}
