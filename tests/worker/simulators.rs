use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde_json::{Value, json};
use xenblocks::base::{Clock, Secret, Timestamp, WorkerId, thread};
use xenblocks::broker::{self as platform, Admission, Credentials, Identity, Inbound};
use xenblocks::protocol::Channel;
use xenblocks::sim::{SimError, fleet, leases};
use xenblocks::worker::session::Broker as Address;

use crate::broker::{Broker, Seen};
use crate::rpc::Rpc;

const OWNER: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";
const RENTER: &str = "0xaabbccddee1234567890abcdef1234567890abcd";
const PREFIX: &str = "a1b2c3d4e5f60718";

fn address(broker: &Broker) -> Address {
    Address { host: "127.0.0.1".into(), port: broker.port, login: None }
}

/// Runs `simulation` beside `test` and stops it afterwards.
fn beside(simulation: impl FnOnce(Receiver<()>) -> Result<(), SimError> + Send, test: impl FnOnce()) {
    let (stop, stopped): (Sender<()>, _) = bounded(1);
    std::thread::scope(|scope| {
        let simulation = scope.spawn(move || simulation(stopped));
        // Moved in, so that a test that panics stops it too.
        let stop = stop;
        test();
        drop(stop);
        simulation.join().unwrap().unwrap();
    });
}

fn assign(lease: &str, duration_sec: i64) -> Value {
    json!({"command": "assign_task", "lease_id": lease, "consumer_id": "consumer",
        "consumer_address": RENTER, "prefix": PREFIX, "duration_sec": duration_sec})
}

#[test]
fn a_simulated_worker_mines_its_lease_and_ends_it_by_itself_or_when_released() {
    let broker = Broker::start();
    let config = leases::Config {
        workers: 1,
        broker: address(&broker),
        block_interval: Duration::from_millis(50),
        gpu_count: 2,
        api_port: None,
        // Far off: what comes is told for its own sake.
        heartbeat_interval: Duration::from_secs(3600),
        tokens: HashMap::new(),
        seed: Some(3),
    };
    beside(
        |stop| leases::run(config, Clock::system(), stop),
        || {
            let worker = broker.accept_next();
            assert_eq!(worker, "sim-worker-001");
            let heartbeat = broker.next_on("heartbeat");
            assert!((200.0..=3000.0).contains(&heartbeat["hashrate"].as_f64().unwrap()), "{heartbeat}");
            assert_eq!((&heartbeat["prefix"], &heartbeat["active_gpus"]), (&json!(""), &json!(2)));
            broker.next_state("AVAILABLE");

            broker.send(&worker, "task", &assign("lease-1", 0));
            assert_eq!(broker.next_state("LEASED")["lease_id"], "lease-1");
            broker.next_state("MINING");
            broker.until("a leased heartbeat", |_, seen| {
                (seen.on("heartbeat")?["prefix"] == PREFIX).then_some(())
            });
            for _ in 0..3 {
                let block = broker.next_on("block");
                assert_eq!((&block["lease_id"], &block["account"]), (&json!("lease-1"), &json!(RENTER)));
                assert!(block["key"].as_str().unwrap().starts_with(PREFIX), "{block}");
                assert!(block["hash"].as_str().unwrap().contains("XEN11"));
            }
            broker.send(&worker, "task", &json!({"command": "release", "lease_id": "another"}));
            broker.send(&worker, "task", &json!({"command": "release", "lease_id": "lease-1"}));
            assert_eq!(broker.next_state("COMPLETED")["lease_id"], "lease-1");
            broker.next_state("AVAILABLE");

            broker.send(&worker, "task", &assign("lease-2", 1));
            assert_eq!(broker.next_state("COMPLETED")["lease_id"], "lease-2");
            broker.next_state("AVAILABLE");

            let mut bad = assign("lease-3", 60);
            bad["prefix"] = json!("12");
            broker.send(&worker, "task", &bad);
            assert!(broker.next_state("ERROR")["detail"].as_str().unwrap().contains("prefix"));
            broker.next_state("AVAILABLE");
        },
    );
    broker.next_state("offline");
}

#[test]
fn a_block_is_reported_again_after_a_cut_until_it_is_acknowledged() {
    let broker = Broker::start();
    let config = leases::Config {
        workers: 1,
        broker: address(&broker),
        block_interval: Duration::from_millis(200),
        gpu_count: 1,
        api_port: None,
        heartbeat_interval: leases::HEARTBEAT_INTERVAL,
        tokens: HashMap::new(),
        seed: Some(4),
    };
    beside(
        |stop| leases::run(config, Clock::system(), stop),
        || {
            let worker = broker.accept_next();
            broker.next_state("AVAILABLE");
            broker.acknowledge(false);
            broker.send(&worker, "task", &assign("lease-1", 0));
            let lost = broker.next_on("block")["key"].clone();
            broker.cut(&worker);
            broker.acknowledge(true);
            broker.until("the end", |_, seen| matches!(seen, Seen::Gone).then_some(()));
            broker.until("the lost block", |_, seen| (seen.on("block")?["key"] == lost).then_some(()));
            broker.send(&worker, "task", &json!({"command": "register_ack", "accepted": true}));
            assert_eq!(broker.next_state("MINING")["lease_id"], "lease-1");
        },
    );
}

#[test]
fn a_fleet_mines_for_its_owner_and_is_rented_like_any_worker() {
    let broker = Broker::start();
    let config = fleet::Config {
        workers: 20,
        broker: address(&broker),
        block_interval: Duration::from_millis(500),
        owner: OWNER.parse().unwrap(),
        api_port: None,
        heartbeat_interval: fleet::HEARTBEAT_INTERVAL,
        tokens: HashMap::new(),
        seed: Some(5),
    };
    beside(
        |stop| fleet::run(config, Clock::system(), stop),
        || {
            let mut alive = HashSet::new();
            let mut workers = HashSet::new();
            while alive.len() < 20 || workers.len() < 20 {
                let (topic, json) = broker.until("a publish", |_, seen| match seen {
                    Seen::Publish { topic, json, .. } => Some((topic.clone(), json.clone())),
                    _ => None,
                });
                let worker = json["worker_id"].as_str().unwrap().to_owned();
                if topic.ends_with("register") {
                    let ack = json!({"command": "register_ack", "accepted": true});
                    broker.send(&worker, "task", &ack);
                    workers.insert(worker);
                } else if topic.ends_with("heartbeat") {
                    assert!(json["hashrate"].as_f64().unwrap() > 40.0, "{json}");
                    alive.insert(worker);
                }
            }
            let block = broker.next_on("block");
            assert_eq!(block["lease_id"], "");
            assert_eq!(block["account"], OWNER);
            broker.send("fleet-worker-007", "task", &assign("lease-7", 60));
            let leased = broker.until("a leased block", |_, seen| {
                seen.on("block").filter(|block| block["lease_id"] == "lease-7").cloned()
            });
            assert_eq!(leased["worker_id"], "fleet-worker-007");
            assert!(leased["key"].as_str().unwrap().starts_with(PREFIX));
        },
    );
    let mut left = HashSet::new();
    while left.len() < 20 {
        left.insert(broker.next_state("offline")["worker_id"].as_str().unwrap().to_owned());
    }
}

#[test]
fn a_fleets_workers_go_offline_with_a_goodbye_and_come_back_registered() {
    let broker = Broker::start();
    let config = fleet::Config {
        workers: 20,
        broker: address(&broker),
        block_interval: Duration::from_secs(1_000_000),
        owner: RENTER.parse().unwrap(),
        api_port: None,
        heartbeat_interval: fleet::HEARTBEAT_INTERVAL,
        tokens: HashMap::new(),
        seed: Some(7),
    };
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000.0));
    let (tested, end) = bounded::<()>(0);
    let worker = std::thread::scope(|scope| {
        // Time runs some hundred times faster than it does, until the test ends.
        let time = clock.clone();
        scope.spawn(move || {
            while end.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
                time.advance(Duration::from_millis(500));
            }
        });
        let mut gone = String::new();
        beside(
            |stop| fleet::run(config, clock.clone(), stop),
            || {
                let tested = tested;
                gone = broker.next_state("offline")["worker_id"].as_str().unwrap().to_owned();
                let of_gone = |client: &str| client == format!("xenminer_{gone}");
                broker.until("a DISCONNECT", |client, seen| {
                    (of_gone(client) && matches!(seen, Seen::Disconnect)).then_some(())
                });
                // Nothing is heard of it until it connects and registers again.
                let first = broker.until("its next packet", |client, seen| {
                    (of_gone(client) && !matches!(seen, Seen::Gone)).then(|| seen.clone())
                });
                assert!(matches!(first, Seen::Connect(_)), "{first:?}");
                broker.until("its registration", |client, seen| {
                    (of_gone(client) && seen.on("register").is_some()).then_some(())
                });
                broker.until("its heartbeat", |client, seen| {
                    (of_gone(client) && seen.on("heartbeat").is_some()).then_some(())
                });
                drop(tested);
            },
        );
        gone
    });
    assert!(worker.starts_with("fleet-worker-"));
}

#[test]
fn a_fleets_own_and_leased_blocks_go_to_the_chain_too_when_it_has_a_port() {
    let (broker, rpc) = (Broker::start(), Rpc::start());
    let config = fleet::Config {
        workers: 1,
        broker: address(&broker),
        block_interval: Duration::from_millis(50),
        owner: OWNER.parse().unwrap(),
        api_port: Some(rpc.port()),
        heartbeat_interval: fleet::HEARTBEAT_INTERVAL,
        tokens: HashMap::new(),
        seed: Some(6),
    };
    beside(
        |stop| fleet::run(config, Clock::system(), stop),
        || {
            let worker = broker.accept_next();
            let own = broker.next_on("block");
            assert_eq!(rpc.submitted(own["key"].as_str().unwrap())["account"], OWNER);
            broker.send(&worker, "task", &assign("lease-1", 0));
            let leased = broker.until("a leased block", |_, seen| {
                seen.on("block").filter(|block| block["lease_id"] == "lease-1").cloned()
            });
            let submitted = rpc.submitted(leased["key"].as_str().unwrap());
            assert_eq!(
                (&submitted["hash_to_verify"], &submitted["account"]),
                (&leased["hash"], &json!(RENTER))
            );
        },
    );
}

#[test]
fn simulated_blocks_go_to_the_chain_before_the_platform_when_it_has_a_port() {
    let (broker, rpc) = (Broker::start(), Rpc::start());
    let config = leases::Config {
        workers: 1,
        broker: address(&broker),
        block_interval: Duration::from_millis(50),
        gpu_count: 1,
        api_port: Some(rpc.port()),
        heartbeat_interval: leases::HEARTBEAT_INTERVAL,
        tokens: HashMap::new(),
        seed: Some(6),
    };
    beside(
        |stop| leases::run(config, Clock::system(), stop),
        || {
            let worker = broker.accept_next();
            broker.send(&worker, "task", &assign("lease-1", 0));
            for _ in 0..3 {
                let block = broker.next_on("block");
                let submitted = rpc.submitted(block["key"].as_str().unwrap());
                assert_eq!(
                    (&submitted["hash_to_verify"], &submitted["account"]),
                    (&block["hash"], &json!(RENTER))
                );
            }
        },
    );
}

/// Everybody is who they say they are if their token is their name backwards.
struct Backwards;

fn token(worker: &str) -> String {
    worker.chars().rev().collect()
}

impl Credentials for Backwards {
    fn check(&self, user: &str, password: &str) -> Option<Admission> {
        (password == token(user)).then(|| Identity::Worker(user.parse().unwrap()).into())
    }
}

/// A simulation of two workers logs in as both, and does not start with the token of one.
fn logs_in(
    prefix: &str,
    simulate: impl Fn(Address, HashMap<WorkerId, Secret>, Receiver<()>) -> Result<(), SimError> + Sync,
) {
    let (watch, _deaths) = thread::deathwatch();
    let (sender, inbound) = bounded(100);
    let closed = platform::Config::closed("127.0.0.1:0".parse().unwrap());
    let broker = platform::Broker::start(closed, Arc::new(Backwards), sender, &watch).unwrap();
    let address = Address { host: "127.0.0.1".into(), port: broker.local_addr().port(), login: None };
    let names = ["001", "002"].map(|number| format!("{prefix}-worker-{number}"));
    let of = |name: &String| (name.parse().unwrap(), Secret::new(token(name)));
    let (_stop, stopped) = bounded(1);
    let error = simulate(address.clone(), HashMap::from([of(&names[0])]), stopped).unwrap_err().to_string();
    assert_eq!(error, format!("there is no token for {}", names[1]));
    beside(
        |stop| simulate(address, names.each_ref().map(of).into(), stop),
        || {
            let mut registered = HashSet::new();
            while registered.len() < 2 {
                let heard = inbound.recv_timeout(Duration::from_secs(20)).expect("both register");
                let Inbound::Publish { topic, receipt, .. } = heard else { continue };
                if topic.channel == Channel::Register {
                    registered.insert(topic.worker.to_string());
                }
                if let Some(receipt) = receipt {
                    receipt.done();
                }
            }
        },
    );
    broker.stop();
}

#[test]
fn a_fleet_logs_in_worker_by_worker_and_does_not_start_without_a_token() {
    logs_in("fleet", |broker, tokens, stop| {
        let config = fleet::Config {
            workers: 2,
            broker,
            block_interval: Duration::from_secs(1000),
            owner: RENTER.parse().unwrap(),
            api_port: None,
            heartbeat_interval: fleet::HEARTBEAT_INTERVAL,
            tokens,
            seed: Some(3),
        };
        fleet::run(config, Clock::system(), stop)
    });
}

#[test]
fn workers_that_wait_for_leases_log_in_too() {
    logs_in("sim", |broker, tokens, stop| {
        let config = leases::Config {
            workers: 2,
            broker,
            block_interval: Duration::from_secs(1000),
            gpu_count: 1,
            api_port: None,
            heartbeat_interval: leases::HEARTBEAT_INTERVAL,
            tokens,
            seed: Some(3),
        };
        leases::run(config, Clock::system(), stop)
    });
}
