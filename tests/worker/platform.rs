//! A miner against the platform's own broker, in its closed mode.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use serde_json::{Value, json};
use xenblocks::base::{Clock, Secret, thread};
use xenblocks::broker::{self, Admission, Broker, Credentials, Identity, Inbound, Receipt};
use xenblocks::pow::Difficulty;
use xenblocks::protocol::{Channel, Topic};
use xenblocks::worker::session::{Broker as Address, Login};
use xenblocks::worker::{Board, Config, Hardware, run};

const WORKER: &str = "rig-1";
const TOKEN: &str = "correct horse";
const PREFIX: &str = "a1b2c3d4e5f60718";

struct OneWorker;

impl Credentials for OneWorker {
    fn check(&self, user: &str, password: &str) -> Option<Admission> {
        (user == WORKER && password == TOKEN).then(|| Identity::Worker(WORKER.parse().unwrap()).into())
    }
}

struct Platform {
    broker: Broker,
    inbound: Receiver<Inbound>,
    deaths: Receiver<thread::Death>,
}

impl Platform {
    fn start() -> Self {
        let (sender, inbound) = bounded(1000);
        let (watch, deaths) = thread::deathwatch();
        let config = broker::Config::closed("127.0.0.1:0".parse().unwrap());
        let broker = Broker::start(config, Arc::new(OneWorker), sender, &watch).unwrap();
        Platform { broker, inbound, deaths }
    }

    /// The next message on `channel`. Every registration is accepted, whatever is waited for, and
    /// other receipts are given at once.
    fn next_on(&self, channel: Channel) -> (Value, Option<Receipt>) {
        self.until(|topic| topic == channel)
    }

    fn until(&self, wanted: impl Fn(Channel) -> bool) -> (Value, Option<Receipt>) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let inbound = self.inbound.recv_deadline(deadline).expect("the message comes in time");
            assert!(Instant::now() < deadline, "the message comes in time");
            let Inbound::Publish { topic, payload, mut receipt } = inbound else { continue };
            assert_eq!(topic.worker.as_str(), WORKER);
            if topic.channel == Channel::Register {
                receipt.take().unwrap().done();
                self.task(&json!({"command": "register_ack", "accepted": true}));
            }
            if wanted(topic.channel) {
                return (serde_json::from_slice(&payload).unwrap(), receipt);
            }
            if let Some(receipt) = receipt {
                receipt.done();
            }
        }
    }

    fn next_state(&self, state: &str) -> Value {
        loop {
            let (json, _) = self.next_on(Channel::Status);
            if json["state"] == state {
                return json;
            }
        }
    }

    fn task(&self, json: &Value) {
        let topic = Topic { worker: WORKER.parse().unwrap(), channel: Channel::Task };
        self.broker.publisher().publish(&topic, json.to_string().into_bytes());
    }

    fn accept(&self) {
        self.next_on(Channel::Register);
    }

    fn assign(&self) {
        self.task(&json!({"command": "assign_task", "lease_id": "lease-1", "consumer_id": "c",
            "consumer_address": "0xAABBCCDDEE1234567890ABCDEF1234567890ABCD", "prefix": PREFIX,
            "duration_sec": 3600}));
    }
}

/// A miner on one core whose next heartbeat by the clock is far off.
fn config(platform: &Platform, marker: &str) -> Config {
    Config {
        worker_id: WORKER.parse().unwrap(),
        address: "0x24691E54aFafe2416a8252097C9Ca67557271475".parse().unwrap(),
        broker: Some(Address {
            host: "127.0.0.1".into(),
            port: platform.broker.local_addr().port(),
            login: Some(Login { user: WORKER.into(), password: Secret::new(TOKEN) }),
        }),
        rpc_link: None,
        hardware: Hardware::Cpu { threads: 1 },
        difficulty: Some(Difficulty::new(64).unwrap()),
        marker: marker.parse().unwrap(),
        heartbeat_interval: Duration::from_secs(3600),
        state_dir: None,
        board: Board::default(),
    }
}

#[test]
fn who_rents_a_miner_is_told_at_once_how_fast_it_hashes() {
    let platform = Platform::start();
    let config = config(&platform, "XEN11XEN11XEN11");
    let (stop, stopped): (_, Receiver<()>) = bounded(1);
    std::thread::scope(|scope| {
        let miner = scope.spawn(move || run(config, Clock::system(), stopped));
        let stop = stop;
        platform.accept();
        let hashes = |prefix: &str| loop {
            let (heartbeat, _) = platform.next_on(Channel::Heartbeat);
            if heartbeat["prefix"] == prefix && heartbeat["hashrate"].as_f64() > Some(0.0) {
                break;
            }
        };
        hashes("");
        platform.assign();
        hashes(PREFIX);
        drop(stop);
        platform.next_state("offline");
        miner.join().unwrap().unwrap();
    });
    assert!(platform.deaths.try_recv().is_err(), "the broker is well");
}

#[test]
fn a_miner_works_for_the_real_broker_and_repeats_a_block_that_was_not_committed() {
    let platform = Platform::start();
    // One hash in fifty, so that a busy machine finds one in time.
    let config = config(&platform, "XE");
    let (stop, stopped): (_, Receiver<()>) = bounded(1);
    std::thread::scope(|scope| {
        let miner = scope.spawn(move || run(config, Clock::system(), stopped));
        let stop = stop;
        platform.accept();
        platform.next_state("AVAILABLE");
        platform.assign();
        platform.next_state("MINING");
        let (lost, receipt) = loop {
            let (block, receipt) = platform.next_on(Channel::Block);
            if block["lease_id"] == "lease-1" {
                break (block, receipt);
            }
            receipt.unwrap().done();
        };
        assert!(lost["key"].as_str().unwrap().starts_with(PREFIX));
        let deadline = Instant::now() + Duration::from_secs(20);
        // The commit failed: the broker closes the connection without an acknowledgement.
        drop(receipt);
        platform.accept();
        // In either order: the block again, and the state that the worker is still in.
        let (mut repeated, mut mining) = (false, false);
        while !(repeated && mining) {
            let (json, receipt) =
                platform.until(|channel| matches!(channel, Channel::Block | Channel::Status));
            repeated |= json["key"] == lost["key"] && json["hash"] == lost["hash"];
            mining |= json["state"] == "MINING" && json["lease_id"] == "lease-1";
            if let Some(receipt) = receipt {
                receipt.done();
            }
            assert!(Instant::now() < deadline, "the block {repeated}, the state {mining}");
        }
        drop(stop);
        platform.next_state("offline");
        miner.join().unwrap().unwrap();
    });
    assert!(platform.deaths.try_recv().is_err(), "the broker is well");
}
