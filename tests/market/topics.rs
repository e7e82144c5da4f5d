//! Closed mode over MQTT: who may publish and subscribe where.

use std::fmt::Write as _;

use serde_json::json;

use crate::support::house::{ADMIN_KEY, House};
use crate::support::mqtt_client::{Connect, RawClient, publish};

/// What is done where, and whether it is let in: nobody, another worker, the worker `rig-1` itself, the
/// administrator. `door`: not even connected; `no`: refused, or the connection ends.
const MATRIX: &str = "
    door no  in  no  | publish xenminer/rig-1/register
    door no  in  no  | publish xenminer/rig-1/heartbeat
    door no  in  no  | publish xenminer/rig-1/status
    door no  in  no  | publish xenminer/rig-1/block
    door no  no  no  | publish xenminer/rig-1/task
    door no  no  no  | publish xenminer/rig-1/control
    door no  no  no  | publish xenminer/rig-1/elsewhere
    door no  no  no  | publish xenminer/rig-1
    door no  no  no  | publish elsewhere
    door no  no  no  | publish $SYS/broker
    door no  no  in  | subscribe xenminer/rig-1/register
    door no  no  in  | subscribe xenminer/rig-1/heartbeat
    door no  no  in  | subscribe xenminer/rig-1/status
    door no  no  in  | subscribe xenminer/rig-1/block
    door no  in  in  | subscribe xenminer/rig-1/task
    door no  in  in  | subscribe xenminer/rig-1/control
    door no  no  in  | subscribe xenminer/rig-1/#
    door no  no  in  | subscribe xenminer/+/task
    door no  no  in  | subscribe xenminer/#
    door no  no  no  | subscribe +/rig-1/task
    door no  no  no  | subscribe elsewhere
    door no  no  no  | subscribe $SYS/#
    door no  no  no  | subscribe #
";

const SUBACK_FAILURE: u8 = 0x80;
const PUBACK: u8 = 0x40;

/// One client does one thing.
fn cell(house: &House, login: Option<(&str, &str)>, deed: &str) -> &'static str {
    // Each login has an id of its own: one in use by another login, whose end is still to be heard of, is refused.
    let connect = Connect { login, ..Connect::new(login.map_or("nobody", |(name, _)| name)) };
    let mut client = RawClient::open(house.mqtt());
    client.send(&connect.bytes());
    if client.read().is_none_or(|packet| packet.body[1] != 0) {
        return "door";
    }
    let (verb, topic) = deed.split_once(' ').unwrap();
    let is_in = if verb == "subscribe" {
        client.subscribe(topic, 1).is_some_and(|code| code != SUBACK_FAILURE)
    } else {
        client.send(&publish(topic.as_bytes(), b"{}", 1, 9, false));
        client.read().is_some_and(|packet| packet.first == PUBACK)
    };
    if is_in { "in" } else { "no" }
}

#[test]
fn every_topic_is_for_those_whom_the_matrix_lets_in() {
    let house = House::closed();
    let tokens = ["rig-1", "rig-2"].map(|worker| {
        let made = house.admin().post(&format!("/api/workers/{worker}/tokens"), &json!({})).ok();
        made["token"].as_str().unwrap().to_owned()
    });
    let logins =
        [None, Some(("rig-2", tokens[1].as_str())), Some(("rig-1", &tokens[0])), Some(("admin", ADMIN_KEY))];
    let mut wrong = String::new();
    for line in MATRIX.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (expected, deed) = line.split_once(" | ").unwrap();
        let found = logins.map(|login| cell(&house, login, deed)).join(" ");
        if !found.split(' ').eq(expected.split_whitespace()) {
            writeln!(wrong, "{found} | {deed}, and not {expected}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
