//! What the log says about refused clients.

use log::LevelFilter;

use super::Harness;
use super::collected;
use super::mqtt_client::{Connect, RawClient, publish};

fn collect() {
    collected::collect(LevelFilter::Info);
}

/// The lines so far that hold `part`.
fn lines_with(part: &str) -> Vec<String> {
    collected::lines_with("::broker", part)
}

#[test]
fn every_refusal_is_logged_without_secrets() {
    collect();
    let house = Harness::closed();
    let token = "0123456789abcdef0123456789abcdef";
    for (id, login, expected) in [
        ("log-a", Some(("rig", "hunter2")), "no valid token of worker rig"),
        ("log-b", None, "it gave no user name and password"),
        ("log-c", Some(("a b", "hunter2")), "its user name is no worker's id"),
        ("log-d", Some((token, "hunter2")), "no valid token of the worker that it names"),
        ("log-e", Some((token, "")), "no valid token of the worker that it names"),
    ] {
        let code = RawClient::try_connect(house.addr(), &Connect { login, ..Connect::new(id) });
        assert_eq!(code, Some(5));
        assert_eq!(lines_with(id), [format!("client \"{id}\": refused: {expected}")]);
    }
    assert_eq!(RawClient::try_connect(house.addr(), &Connect::new("log-f\nforged")), Some(2));
    assert_eq!(lines_with("log-f").len(), 1);
    assert!(lines_with("log-f")[0].contains(r#""log-f\nforged": refused: not a client id"#));
    let login = Some(("rig", "token-of-rig"));
    let mut rig = RawClient::connect(house.addr(), &Connect { login, ..Connect::new("log-g") });
    assert_eq!(rig.subscribe("xenminer/other/task", 1), Some(0x80));
    rig.send(&publish(b"xenminer/other/block", b"{}", 1, 1, false));
    assert_eq!(rig.read(), None);
    let lines = lines_with("log-g");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains(r#"may not subscribe to "xenminer/other/task""#), "{lines:?}");
    assert!(lines[1].contains(r#"publish on "xenminer/other/block""#), "{lines:?}");
    assert!(lines_with("hunter2").is_empty() && lines_with(token).is_empty());
}

#[test]
fn a_worker_id_that_cannot_be_one_is_logged() {
    collect();
    let house = Harness::open();
    let mut rig = house.connect("log-h");
    rig.send(&publish(b"xenminer/<rig>/heartbeat", b"{}", 1, 1, false));
    assert!(rig.read().is_some());
    let lines = lines_with("log-h");
    assert!(lines.len() == 1 && lines[0].contains("no valid worker id"), "{lines:?}");
}

#[test]
fn a_flood_of_refusals_does_not_fill_the_log() {
    collect();
    let house = Harness::closed();
    for _ in 0..100 {
        assert_eq!(RawClient::try_connect(house.addr(), &Connect::new("spate")), Some(5));
    }
    let lines = lines_with("spate").len();
    assert!((1..=30).contains(&lines), "{lines} lines");
}
