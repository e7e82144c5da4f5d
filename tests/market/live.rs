//! The live feed of a running marketplace.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::protocol::WebSocket;
use tungstenite::{Message, client};

use crate::support::house::{House, RENTER_ADDRESS};
use crate::support::rig::{OWNER, key_of};

/// A dashboard that is connected.
pub(super) struct Dashboard(WebSocket<TcpStream>);

impl Dashboard {
    /// Connects one.
    pub(super) fn join(house: &House) -> Self {
        Self::join_at(house, "")
    }

    /// Connects one with this query.
    pub(super) fn join_at(house: &House, query: &str) -> Self {
        let stream = TcpStream::connect(house.http()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Dashboard(client(format!("ws://{}/ws/dashboard{query}", house.http()), stream).unwrap().0)
    }

    /// The next message.
    pub(super) fn next(&mut self) -> Value {
        loop {
            match self.0.read().expect("an event") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next event of this type.
    pub(super) fn next_of(&mut self, kind: &str) -> Value {
        self.next_of_by(kind, |_| true)
    }

    /// The next of them that is wanted.
    pub(super) fn next_of_by(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next();
            if event["type"] == kind && wanted(&event["data"]) {
                return event["data"].clone();
            }
        }
    }
}

#[test]
fn a_dashboard_gets_the_snapshot_then_heartbeats_and_blocks_in_order() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 3600);
    let text = |name: &str| lease[name].as_str().unwrap().to_owned();
    let (lease, prefix) = (text("lease_id"), text("prefix"));
    let mut dashboard = Dashboard::join(&house);
    let first = dashboard.next();
    assert_eq!(first["type"], "snapshot");
    assert_eq!(first["ts"].as_f64(), Some(house.clock.now().seconds()));
    let worker = &first["data"]["workers"][0];
    for field in [
        "worker_id",
        "eth_address",
        "gpu_count",
        "total_memory_gb",
        "gpus",
        "version",
        "state",
        "hashrate",
        "active_gpus",
        "last_heartbeat",
        "registered_at",
        "price_per_min",
        "min_duration_sec",
        "max_duration_sec",
        "total_online_sec",
        "last_online_at",
        "self_blocks_found",
    ] {
        assert!(!worker[field].is_null(), "{field} of {worker}");
    }
    assert_eq!(first["data"]["recent_blocks"], json!([]));

    let mut expected = Vec::new();
    for number in 0..10_u32 {
        rig.heartbeat(f64::from(number));
        let beat = json!({"worker_id": "rig-1", "hashrate": f64::from(number), "active_gpus": 1});
        expected.push(("heartbeat".to_owned(), beat));
    }
    for number in 0..5 {
        let key = key_of(&prefix, number);
        house.submit(&key, RENTER_ADDRESS).ok();
        rig.block(&lease, &key, RENTER_ADDRESS);
    }
    let mut beats = Vec::new();
    let mut blocks = Vec::new();
    while beats.len() < 10 || blocks.len() < 5 {
        let event = dashboard.next();
        match event["type"].as_str().unwrap() {
            "heartbeat" => beats.push(("heartbeat".to_owned(), event["data"].clone())),
            "block" => blocks.push(event["data"].clone()),
            _ => {}
        }
    }
    assert_eq!(beats, expected);
    for (number, block) in (0..).zip(&blocks) {
        assert_eq!(block["key"], json!(key_of(&prefix, number)));
        let id = json!(number + 1);
        assert_eq!(
            (&block["chain_verified"], &block["prefix_valid"], &block["chain_block_id"]),
            (&json!(true), &json!(true), &id)
        );
        assert_eq!((&block["lease_id"], &block["worker_id"]), (&json!(lease), &json!("rig-1")));
    }
    let snapshot = Dashboard::join(&house).next();
    let recent = snapshot["data"]["recent_blocks"].as_array().unwrap().clone();
    assert_eq!(recent.len(), 5);
    assert_eq!(recent[0]["key"], json!(key_of(&prefix, 4)), "newest first");
}

#[test]
fn fault_35_blocks_that_are_not_recorded_are_not_announced() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let mut dashboard = Dashboard::join(&house);
    rig.block("lease-that-never-was", &key_of("aa", 1), OWNER);
    rig.block("", &key_of("aa", 2), OWNER);
    rig.block("", &key_of("aa", 2), OWNER);
    rig.block("", &key_of("aa", 3), OWNER);
    assert_eq!(dashboard.next_of("block")["key"], json!(key_of("aa", 2)));
    assert_eq!(dashboard.next_of("block")["key"], json!(key_of("aa", 3)));
}

#[test]
fn leases_and_workers_that_come_and_go_are_told() {
    let house = House::open();
    let mut dashboard = Dashboard::join(&house);
    assert_eq!(dashboard.next()["type"], "snapshot");
    let _rig = house.rig("rig-1");
    house.pass(5);
    let roster = dashboard.next_of("snapshot");
    assert_eq!(roster["workers"][0]["worker_id"], "rig-1");
    let lease = house.rent("rig-1", 60);
    let told = dashboard.next_of("lease");
    assert_eq!((&told["lease_id"], &told["state"]), (&lease["lease_id"], &json!("active")));
    house.stop(lease["lease_id"].as_str().unwrap());
    assert_eq!(dashboard.next_of("lease")["state"], "completed");
    house.pass(100);
    let health = dashboard.next_of_by("health", |silent| silent[0]["worker_id"] == "rig-1");
    assert!(health[0]["offline_sec"].as_f64().unwrap() >= 90.0, "{health}");
}

#[test]
fn fault_45_a_dashboard_that_does_not_read_holds_no_worker_up() {
    let house = House::open();
    let _deaf: Vec<Dashboard> = (0..20).map(|_| Dashboard::join(&house)).collect();
    let mut rig = house.rig("rig-1");
    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    while started.elapsed() < Duration::from_secs(4) {
        let said = Instant::now();
        for _ in 0..50 {
            rig.heartbeat(1.0);
        }
        slowest = slowest.max(said.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "50 heartbeats took {slowest:?}");
    assert_eq!(house.rent("rig-1", 60)["worker_id"], "rig-1");
}

#[test]
fn one_dashboard_too_many_is_told_to_come_later() {
    let house = House::with(|config| config.live_clients_max = 2);
    let mut some: Vec<Dashboard> = (0..2).map(|_| Dashboard::join(&house)).collect();
    for dashboard in &mut some {
        assert_eq!(dashboard.next()["type"], "snapshot");
    }
    let mut third = Dashboard::join(&house);
    let Ok(Message::Close(Some(close))) = third.0.read() else { panic!("a close") };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1013, "Server overloaded"));
}
