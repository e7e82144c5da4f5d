//! The second version of the live feed of a running marketplace.

use serde_json::{Value, json};

use crate::live::Dashboard;
use crate::support::house::{House, RENTER_ADDRESS};
use crate::support::rig::key_of;

/// What a page keeps of the deltas.
struct Page {
    dashboard: Dashboard,
    feed: String,
    seq: u64,
}

impl Page {
    fn open(house: &House, query: &str) -> (Self, Value) {
        let mut dashboard = Dashboard::join_at(house, query);
        let first = dashboard.next();
        assert_eq!((&first["type"], &first["v"]), (&json!("snapshot"), &json!(2)), "{first}");
        let feed = first["feed"].as_str().unwrap().to_owned();
        (Page { dashboard, feed, seq: first["seq"].as_u64().unwrap() }, first["data"].clone())
    }

    /// The next item of this kind that is wanted; each delta follows the one before.
    fn next_of(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let delta = self.dashboard.next();
            assert_eq!(delta["type"], "delta");
            assert_eq!(delta["since"], json!(self.seq), "{delta}");
            self.seq = delta["seq"].as_u64().unwrap();
            assert!(delta["ts"].as_f64().unwrap() > 0.0);
            let items = delta["data"][kind].as_array().into_iter().flatten();
            if let Some(item) = items.rev().find(|item| wanted(item)) {
                return item.clone();
            }
        }
    }
}

#[test]
fn a_page_gets_the_first_rows_and_totals_then_what_changes() {
    let house = House::open();
    let mut rigs: Vec<_> = (1..4).map(|n| house.rig(&format!("rig-{n}"))).collect();
    for (rig, hashrate) in rigs.iter_mut().zip([10.0, 30.0, 20.0]) {
        house.pass(1);
        rig.heartbeat(hashrate);
        let id = rig.id.clone();
        crate::support::await_some("the heartbeat", || {
            (house.worker(&id)["hashrate"].as_f64()? > 0.0).then_some(())
        });
    }
    house.pass(1);
    let fleet = crate::support::await_some("the heartbeats in the database", || {
        let fleet = house.api.get("/api/monitoring/fleet?limit=2").ok();
        let rows = fleet["items"].as_array()?.clone();
        rows.iter().all(|row| row["total_online_sec"].as_f64() > Some(0.0)).then_some(fleet)
    });
    let (mut page, first) = Page::open(&house, "?v=2&limit=2");
    assert_eq!(first["workers"], fleet["items"], "the fleet's first page");
    assert_eq!(first["workers"][0]["worker_id"], "rig-2");
    assert_eq!(first["stats"], house.api.get("/api/monitoring/stats").ok());
    assert_eq!(first["recent_blocks"], json!([]));

    rigs[0].heartbeat(5.0);
    rigs[0].heartbeat(6.0);
    let beat = page.next_of("heartbeat", |beat| beat["hashrate"] == 6.0);
    assert_eq!(beat, json!({"worker_id": "rig-1", "hashrate": 6.0, "active_gpus": 1}));

    let lease = house.rent("rig-1", 3600);
    let told = page.next_of("lease", |_| true);
    assert_eq!((&told["lease_id"], &told["state"]), (&lease["lease_id"], &json!("active")));
    let text = |name: &str| lease[name].as_str().unwrap().to_owned();
    let (lease, prefix) = (text("lease_id"), text("prefix"));
    let key = key_of(&prefix, 1);
    house.submit(&key, RENTER_ADDRESS).ok();
    rigs[0].block(&lease, &key, RENTER_ADDRESS);
    let block = page.next_of("block", |_| true);
    assert_eq!(block, house.api.get("/api/blocks").ok()["items"][0], "as REST shows it");

    house.stop(&lease);
    let told = page.next_of("lease", |_| true);
    assert_eq!((&told["state"], &told["blocks_found"]), (&json!("completed"), &json!(1)));
    house.pass(1);
    let stats = page.next_of("stats", |stats| stats["total_blocks"] == 1);
    assert_eq!((&stats["online"], &stats["active_leases"]), (&json!(3), &json!(0)));
}

#[test]
fn rows_of_new_and_changed_workers_come_whole() {
    let house = House::open();
    let (mut page, first) = Page::open(&house, "?v=2");
    assert_eq!(first["workers"], json!([]));
    let _rig = house.rig("rig-1");
    assert_eq!(page.next_of("worker", |_| true)["worker_id"], "rig-1");
    house.api.put("/api/workers/rig-1/pricing", &json!({"price_per_min": 2.5})).ok();
    let row = page.next_of("worker", |row| row["price_per_min"] == 2.5);
    assert_eq!(row, house.api.get("/api/monitoring/fleet").ok()["items"][0]);
    let lease = house.rent("rig-1", 60);
    page.next_of("worker", |row| row["state"] == "LEASED");
    house.stop(lease["lease_id"].as_str().unwrap());
    page.next_of("worker", |row| row["state"] == "AVAILABLE");
}

#[test]
fn a_page_that_lost_its_connection_goes_on_where_it_was() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let (mut page, _) = Page::open(&house, "?v=2");
    let mut other = Page::open(&house, "?v=2").0;
    rig.heartbeat(1.0);
    page.next_of("heartbeat", |beat| beat["hashrate"] == 1.0);
    let (feed, seq) = (page.feed.clone(), page.seq);
    drop(page);
    for hashrate in [2.0, 3.0] {
        rig.heartbeat(hashrate);
        other.next_of("heartbeat", |beat| beat["hashrate"] == hashrate);
    }
    let mut dashboard = Dashboard::join_at(&house, &format!("?v=2&feed={feed}&seq={seq}"));
    let first = dashboard.next();
    assert_eq!(first["type"], "resumed");
    assert_eq!((&first["feed"], &first["seq"], &first["data"]), (&json!(feed), &json!(seq), &Value::Null));
    let mut page = Page { dashboard, feed, seq };
    let beat = page.next_of("heartbeat", |_| true);
    assert_eq!(beat["hashrate"], 3.0, "what was missed comes as one delta");
    // Numbers of another process mean nothing here.
    Page::open(&house, &format!("?v=2&feed=0123456789abcdef&seq={seq}"));
}

#[test]
fn what_is_no_number_is_refused_before_the_upgrade() {
    let house = House::open();
    for query in ["limit=201", "limit=-1", "limit=x", "seq=-1&feed=a"] {
        let upgrade = house.api.with("Connection", "Upgrade").with("Upgrade", "websocket");
        upgrade.get(&format!("/ws/dashboard?v=2&{query}")).refused(422);
    }
}

#[test]
fn workers_that_fall_silent_are_named_once() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let (mut page, _) = Page::open(&house, "?v=2");
    house.pass(100);
    let silent = page.next_of("silent", |_| true);
    assert_eq!(silent["worker_id"], "rig-1");
    assert_eq!(silent["offline_sec"], 100.0);
}
