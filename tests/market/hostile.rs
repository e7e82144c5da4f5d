//! Packets and bodies that nobody should send.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::house::{House, RENTER};
use crate::support::mqtt_client::{Connect, RawClient, packet, publish};
use crate::support::rig::Rig;

/// Routes that show workers; every one must answer whatever a worker has said.
const LISTINGS: &[&str] = &[
    "/api/workers",
    "/api/workers/rig-1",
    "/api/marketplace?available_only=false&min_hashrate=0",
    "/api/monitoring/fleet",
    "/api/monitoring/stats",
    "/api/monitoring/hashrate-history",
    "/api/overview/stats",
    "/api/overview/activity",
    "/api/overview/network",
    "/api/provider/dashboard?provider_id=rig-1",
    "/api/provider/workers?provider_id=rig-1",
    "/api/provider/earnings?provider_id=rig-1",
    "/api/workers/rig-1/reputation",
    "/api/workers/rig-1/pricing",
    "/api/workers/rig-1/pricing/suggest",
    "/api/marketplace/estimate?duration_sec=60&worker_id=rig-1",
    "/api/status",
    "/api/leases",
    "/api/blocks",
];

fn assert_listings_answer(house: &House) {
    for path in LISTINGS {
        let reply = house.api.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        assert!(!reply.text.contains("NaN") && !reply.text.contains("Infinity"), "{path}: {}", reply.text);
    }
}

#[test]
fn fault_44_a_heartbeat_that_makes_no_sense_takes_nothing_down() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(1234.0);
    let good = rig.beat(5.0).to_string();
    for (field, value) in [
        (r#""hashrate":5.0"#, r#""hashrate":"abc""#),
        (r#""hashrate":5.0"#, r#""hashrate":Infinity"#),
        (r#""hashrate":5.0"#, r#""hashrate":NaN"#),
        (r#""hashrate":5.0"#, r#""hashrate":1e999"#),
        (r#""hashrate":5.0"#, r#""hashrate":1e300"#),
        (r#""hashrate":5.0"#, r#""hashrate":-5"#),
        (r#""hashrate":5.0"#, r#""hashrate":{}"#),
        (r#""active_gpus":1"#, r#""active_gpus":"x""#),
        (r#""active_gpus":1"#, r#""active_gpus":-1"#),
        (r#""active_gpus":1"#, r#""active_gpus":1.5"#),
        (r#""active_gpus":1"#, r#""active_gpus":[]"#),
        (r#""active_gpus":1"#, r#""active_gpus":1,"prefix":7"#),
    ] {
        let beat = good.replace(field, value);
        assert_ne!(beat, good);
        rig.say_bytes("heartbeat", beat.as_bytes());
    }
    for beat in [&good[..good.len() - 1], r#"["worker_id","rig-1"]"#, "null", "", "\u{0}\u{1}\u{2}"] {
        rig.say_bytes("heartbeat", beat.as_bytes());
    }
    rig.say_bytes("heartbeat", &[0xff, 0xfe, 0x80]);
    rig.say_bytes("heartbeat", "[".repeat(30_000).as_bytes());
    // The receipt of this comes when all before it has been dealt with.
    rig.say("block", &json!({"worker_id": "rig-1"}));
    assert_eq!(house.worker("rig-1")["hashrate"], 1234.0);
    assert_listings_answer(&house);
    rig.heartbeat(5.0);
    crate::support::await_until("a good heartbeat", || house.worker("rig-1")["hashrate"] == 5.0);
}

#[test]
fn fault_44_a_registration_that_makes_no_sense_is_refused_with_a_reason() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let good = rig.description();
    let bad: &[(&str, Value)] = &[
        ("gpus", json!([1, 2])),
        ("gpus", json!("RTX")),
        ("gpus", json!([{"name": "x".repeat(1000)}])),
        ("gpus", json!(vec![json!({}); 1000])),
        ("gpu_count", json!(-1)),
        ("gpu_count", json!("two")),
        ("total_memory_gb", json!(1e300)),
        ("eth_address", json!("0x12")),
        ("eth_address", json!(7)),
        ("version", json!("v".repeat(10_000))),
        ("worker_id", json!("<img src=x onerror=alert(1)>")),
        ("worker_id", json!("rig-2")),
        ("worker_id", json!(null)),
    ];
    for (field, value) in bad {
        let mut description = good.clone();
        description[*field] = value.clone();
        rig.say("register", &description);
        let ack = rig.command("register_ack");
        assert_eq!(ack["accepted"], false, "{field} {value}: {ack}");
        assert!(!ack["reason"].as_str().unwrap().is_empty());
    }
    assert_eq!(house.api.get("/api/workers").ok().as_array().unwrap().len(), 1);
    assert_listings_answer(&house);
    rig.register();
}

#[test]
fn fault_10_a_payload_that_names_another_worker_changes_neither() {
    let house = House::open();
    let victim = house.rig("victim");
    let mut thief = house.rig("thief");
    let before = house.worker("victim");
    let mut description = thief.description();
    description["worker_id"] = json!("victim");
    description["eth_address"] = json!("0x1111111111222222222233333333334444444444");
    thief.say("register", &description);
    assert_eq!(thief.command("register_ack")["accepted"], false);
    let mut beat = thief.beat(99.0);
    beat["worker_id"] = json!("victim");
    thief.say("heartbeat", &beat);
    thief.say("status", &json!({"worker_id": "victim", "state": "offline", "timestamp": 0}));
    let lease = house.rent("victim", 60);
    let key = crate::support::rig::key_of(lease["prefix"].as_str().unwrap(), 1);
    let mut block = thief.block_of(lease["lease_id"].as_str().unwrap(), &key, &thief.owner);
    block["worker_id"] = json!("victim");
    thief.say("block", &block);
    assert_eq!(house.api.get("/api/blocks").ok()["total"], 0);
    house.stop(lease["lease_id"].as_str().unwrap());
    let mut after = house.worker("victim");
    // Its one lease counts for its reputation.
    after["reputation"] = before["reputation"].clone();
    assert_eq!(after, before);
    drop(victim);
}

#[test]
fn fault_12_nobody_but_the_platform_commands_a_worker() {
    let house = House::open();
    let mut victim = house.rig("victim");
    for channel in ["task", "control"] {
        let mut thief = RawClient::connect(house.mqtt(), &Connect::new("thief"));
        let command = json!({"command": "assign_task", "action": "shutdown", "lease_id": "mine"}).to_string();
        thief.send(&publish(
            format!("xenminer/victim/{channel}").as_bytes(),
            command.as_bytes(),
            1,
            9,
            false,
        ));
        assert!(thief.read().is_none(), "the thief's connection is closed");
    }
    assert!(!victim.has_command("assign_task"));
}

#[test]
fn fault_41_an_oversized_packet_ends_its_connection_and_no_other() {
    let house = House::open();
    let mut other = house.rig("rig-1");
    let mut client = RawClient::connect(house.mqtt(), &Connect::new("large"));
    client.send(&publish(b"xenminer/large/heartbeat", &vec![b'x'; 65 * 1024], 1, 9, false));
    assert!(client.read().is_none());
    // Said to be 256 MB: refused before it comes.
    let mut client = RawClient::connect(house.mqtt(), &Connect::new("huge"));
    client.send(&[0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, b'a']);
    assert!(client.read().is_none());
    // Five bytes of length do not exist.
    let mut client = RawClient::connect(house.mqtt(), &Connect::new("five"));
    client.send(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01]);
    assert!(client.read().is_none());
    // A payload just below the limit is a message like any other.
    let mut rig = Rig::connect(house.mqtt(), "rig-2");
    let mut description = rig.description();
    description["padding"] = json!("x".repeat(60 * 1024));
    rig.say("register", &description);
    assert_eq!(rig.command("register_ack")["accepted"], true);
    other.heartbeat(1.0);
    assert_eq!(house.rent("rig-1", 60)["worker_id"], "rig-1");
}

#[test]
fn fault_38_packets_that_break_the_protocol_end_their_connection_alone() {
    let house = House::open();
    let mut witness = house.rig("rig-1");
    let connect = Connect::new("first").bytes();
    let bad: Vec<Vec<u8>> = vec![
        // An HTTP client: its first bytes read as an acknowledgement of 69 bytes.
        [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), &[b' '; 64]].concat(),
        vec![0; 64],
        vec![0xff; 64],
        packet(0xc0, &[]),
        [connect.clone(), connect.clone()].concat(),
        [connect.clone(), packet(0x30, &[0, 9, b'a'])].concat(),
        [connect.clone(), packet(0x36, &[0, 1, b'a', 0, 1])].concat(),
        [connect.clone(), packet(0x32, &[0, 1, b'a', 0, 0])].concat(),
        [connect.clone(), packet(0x80, &[0, 1, 0, 1, b'a', 0])].concat(),
        [connect.clone(), publish("xenminer/ä/heartbeat".as_bytes(), b"{}", 1, 9, false)].concat(),
        [connect.clone(), publish(b"xenminer/+/heartbeat", b"{}", 1, 9, false)].concat(),
        [connect, publish(b"$SYS/x", b"{}", 1, 9, false)].concat(),
    ];
    for bytes in bad {
        let mut client = RawClient::open(house.mqtt());
        client.send(&bytes);
        let ended = Instant::now();
        while let Some(packet) = client.read() {
            assert!(
                packet.first == 0x20 || ended.elapsed() < Duration::from_secs(5),
                "{bytes:?}: {packet:?}"
            );
        }
    }
    witness.heartbeat(7.0);
    crate::support::await_until("the witness", || house.worker("rig-1")["hashrate"] == 7.0);
}

#[test]
fn fault_55_a_worker_whose_id_is_html_does_not_get_in() {
    let house = House::open();
    for id in ["<img src=x onerror=alert(1)>", "a b", "\"quoted\"", "../../etc", "ä"] {
        let mut client = RawClient::connect(house.mqtt(), &Connect::new("stranger"));
        let payload = json!({
            "worker_id": id, "eth_address": "", "gpu_count": 0, "total_memory_gb": 0, "gpus": [],
            "version": "2.0.0", "timestamp": 0,
        })
        .to_string();
        client.send(&publish(format!("xenminer/{id}/register").as_bytes(), payload.as_bytes(), 1, 9, false));
        // Closed, or taken for no worker's topic at all.
        while client.read().is_some_and(|packet| packet.first >> 4 != 4) {}
    }
    assert_eq!(house.api.get("/api/workers").ok(), json!([]));
    // What is free text is shown as it came, never as markup: JSON is not HTML.
    let mut rig = Rig::connect(house.mqtt(), "rig-1");
    let mut description = rig.description();
    description["gpus"][0]["name"] = json!("<script>alert(1)</script>");
    rig.say("register", &description);
    let reply = house.api.get("/api/workers");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(!house.api.get("/dashboard").text.contains("<script>alert"));
}

#[test]
fn bodies_of_the_wrong_type_are_422_and_change_nothing() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let rent = |body: &str| house.api.send("POST", "/api/rent", Some(body));
    for body in [
        r#"{"consumer_id": 7}"#,
        r#"{"consumer_id": ["consumer-1"]}"#,
        r#"{"consumer_id": "consumer-1", "duration_sec": "soon"}"#,
        r#"{"consumer_id": "consumer-1", "duration_sec": 60.5}"#,
        r#"{"consumer_id": "consumer-1", "duration_sec": 1e999}"#,
        r#"{"consumer_id": "consumer-1", "duration_sec": {}}"#,
        r#"{"consumer_id": "consumer-1", "worker_id": 7}"#,
        r#"{"consumer_id": "consumer-1", "consumer_address": false}"#,
        "",
        "[]",
        "{",
        "nonsense",
    ] {
        assert_eq!(rent(body).status, 422, "{body}");
    }
    let listed = rent(r#"{"consumer_id": 7, "duration_sec": "soon", "worker_id": []}"#).refused(422);
    let fields: Vec<&Value> = listed.as_array().unwrap().iter().map(|problem| &problem["loc"][1]).collect();
    assert_eq!(fields, ["consumer_id", "duration_sec", "worker_id"]);
    for depth in [32, 33, 100, 127, 128, 50_000] {
        assert_eq!(rent(&"[".repeat(depth)).status, 422, "{depth} levels");
        assert_eq!(rent(&r#"{"a":"#.repeat(depth.min(10_000))).status, 422, "{depth} levels");
    }
    let harmless = json!({"consumer_id": "nobody", "note": "[[[[".repeat(100)});
    assert_eq!(rent(&harmless.to_string()).status, 404, "brackets in a text are text");
    assert_eq!(rent(&format!("{{\"consumer_id\": \"{}\"}}", "x".repeat(70_000))).status, 413);
    assert_eq!(house.api.get("/api/leases").ok()["total"], 0);
    // The prototype takes "120" for a number, and so do we.
    let lease = rent(&format!("{{\"consumer_id\": \"{RENTER}\", \"duration_sec\": \"120\"}}")).ok();
    assert_eq!(lease["duration_sec"], 120);
}

#[test]
fn fault_49_a_limit_out_of_range_is_422() {
    let house = House::open();
    for path in ["/api/leases", "/api/blocks", "/api/settlements", "/api/blocks/self-mined"] {
        for query in [
            "limit=-1",
            "limit=0",
            "limit=50000",
            "limit=x",
            "limit=1.5",
            "offset=-1",
            "limit=99999999999999999999",
        ] {
            assert_eq!(house.api.get(&format!("{path}?{query}")).status, 422, "{path}?{query}");
        }
        assert_eq!(house.api.get(&format!("{path}?limit=1&offset=5")).ok()["items"], json!([]));
    }
    for path in ["/api/marketplace", "/api/monitoring/fleet", "/api/overview/activity"] {
        for query in ["page=0", "page=-1", "limit=0", "limit=5000", "page=x"] {
            assert_eq!(house.api.get(&format!("{path}?{query}")).status, 422, "{path}?{query}");
        }
        assert_eq!(house.api.get(&format!("{path}?page=9")).ok()["items"], json!([]));
    }
}

#[test]
fn fault_54_errors_are_json_with_a_detail() {
    let house = House::open();
    assert_eq!(house.api.get("/no/such/path").refused(404), "Not Found");
    let wrong = house.api.send("DELETE", "/api/rent", None);
    assert_eq!(wrong.header("allow"), Some("POST"));
    assert_eq!(wrong.refused(405), "Method Not Allowed");
    let read_only = house.api.send("PUT", "/api/workers", None);
    assert_eq!((read_only.status, read_only.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(house.api.send("HEAD", "/api/workers", None).status, 200);
    let slash = house.api.get("/api/workers/");
    assert_eq!((slash.status, slash.header("location")), (307, Some("/api/workers")));
    let login = house.api.post("/api/auth/login", &json!({"account_id": "nobody"}));
    assert_eq!(login.refused(404), "Account 'nobody' not found");
    assert_eq!(house.api.get("/api/leases/lease-x").refused(404), "Lease not found");
    assert_eq!(house.api.get("/api/workers/x/pricing").refused(404), "Worker not found");
}

#[test]
fn fault_40_a_subscriber_that_does_not_read_holds_nobody_up() {
    let house = House::open();
    let mut deaf = RawClient::connect(house.mqtt(), &Connect::new("deaf"));
    assert_eq!(deaf.subscribe("xenminer/#", 1), Some(1));
    let mut rig = house.rig("rig-1");
    let mut beat = rig.beat(5.0);
    beat["padding"] = json!("x".repeat(20_000));
    let started = Instant::now();
    for _ in 0..400 {
        rig.say("heartbeat", &beat);
    }
    let lease = house.rent("rig-1", 60);
    assert_eq!(rig.command("assign_task")["lease_id"], lease["lease_id"]);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}
