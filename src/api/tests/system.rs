use std::time::Duration;

use serde_json::json;

use crate::api::tests::house::{ADMIN, House};
use crate::base::limits::READY_TIME_MAX;
use crate::market::{Refusal, Scope};

#[test]
fn programs_get_the_banner_and_browsers_the_app() {
    let house = House::open();
    house.clock.advance(Duration::from_secs(90));
    let banner = house.get("/");
    assert_eq!(
        banner.text,
        format!(
            r#"{{"service":"XenBlocks Platform","mqtt_port":1883,"api_port":8080,"connected_workers":1,"uptime":"running","version":"{}","uptime_seconds":90}}"#,
            env!("CARGO_PKG_VERSION")
        )
    );
    assert_eq!(banner.header("Vary"), Some("Accept"));
    let app = house.send("GET", "/", &[("Accept", "text/html,application/xhtml+xml;q=0.9")], "");
    assert_eq!(app.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(app.header("Vary"), Some("Accept, Accept-Encoding"));
    assert!(app.text.starts_with("<!doctype html>"));
}

#[test]
fn status_counts() {
    let house = House::open();
    house.worker("rig-1", None);
    house.rent("rig-1", 60);
    let expected = json!({
        "mqtt_clients": ["xenminer_rig-1"], "workers": 1, "active_leases": 1, "total_blocks": 0,
        "self_mined_blocks": 0, "total_settlements": 0,
    });
    assert_eq!(house.get("/api/status").json(), expected);
}

#[test]
fn a_platform_whose_writer_has_stopped_is_alive_but_not_ready() {
    let house = House::open();
    assert_eq!(house.get("/health").json()["status"], "ok");
    let ready = house.get("/ready");
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({ "status": "ready", "checks": { "store": "ok", "disk": "ok", "broker": "ok" } }))
    );
    let commits = house.store.generation();
    assert_eq!(house.get("/ready").status, 200);
    assert_eq!(house.store.generation(), commits, "asking again costs no write for a second");
    house.store.stop();
    house.clock.advance(Duration::from_secs(2));
    let ready = house.get("/ready");
    let expected = json!({
        "status": "not ready", "checks": { "store": "failed", "disk": "ok", "broker": "ok" },
        "reason": "the database's writer does not answer",
    });
    assert_eq!((ready.status, ready.json()), (503, expected));
    assert_eq!(house.get("/health").status, 200);
}

#[test]
fn figures_are_for_this_machine_and_administrators() {
    let house = House::closed();
    house.worker("rig-1", None);
    let far = |headers: &[(&str, &str)]| house.send_from("192.0.2.1:9", "GET", "/metrics", headers, "");
    assert_eq!(far(&[]).status, 401);
    assert_eq!(far(&[("X-API-Key", &house.consumer_key())]).status, 403);
    assert_eq!(far(&[("X-API-Key", ADMIN)]).status, 200);
    let proxied = house.send("GET", "/metrics", &[("X-Forwarded-For", "10.0.0.1, 192.0.2.1")], "");
    assert_eq!(proxied.status, 401, "what the proxy forwards is not of this machine");
    let text = house.get("/metrics").text;
    for line in [
        "xenblocks_workers_online 1",
        "xenblocks_leases_active 0",
        "xenblocks_http_answers_total{class=\"4xx\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(
            line.starts_with("xenblocks_") && line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(),
            "{line}"
        );
    }
}

#[test]
fn the_description_is_served() {
    let house = House::closed();
    let document = house.get("/api/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(house.get("/openapi.json").json(), document);
}

#[test]
fn strangers_are_slowed_down_and_loopback_in_open_mode_is_not() {
    let open = House::open();
    assert!((0..500).all(|_| open.get("/api/auth/nonce?address=x").status == 400));

    let closed = House::closed();
    let ask = |peer: &str| closed.send_from(peer, "GET", "/api/auth/nonce?address=x", &[], "");
    let statuses: Vec<u16> = (0..30).map(|_| ask("192.0.2.1:1").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 20);
    let refused = ask("192.0.2.1:2");
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("2")));
    assert_eq!(ask("192.0.2.2:1").status, 400, "another address");
    closed.clock.advance(Duration::from_secs(2));
    assert_eq!(ask("192.0.2.1:1").status, 400);

    let wrong =
        |_| closed.send_from("192.0.2.9:1", "GET", "/api/auth/me", &[("X-API-Key", "guess")], "").status;
    let guesses: Vec<u16> = (0..300).map(wrong).collect();
    assert_eq!(
        guesses.iter().filter(|status| **status == 401).count(),
        200,
        "guessing keys is slowed down too"
    );
}

#[test]
fn an_account_is_slowed_down_wherever_it_comes_from() {
    let house = House::closed();
    let key = house.consumer_key();
    let ask = |n: u32| {
        let peer = format!("192.0.2.{}:1", n % 200);
        house.send_from(&peer, "GET", "/api/auth/me", &[("X-API-Key", &key)], "").status
    };
    let let_in = (0..250).map(ask).filter(|status| *status == 200).count();
    assert_eq!(let_in, 200);
}

#[test]
fn a_platform_whose_writer_does_not_come_to_its_probe_is_not_ready_until_it_does() {
    let house = House::open();
    let (release, waiting) = crossbeam_channel::bounded::<()>(0);
    let hold = move |_: &mut Scope<'_>| {
        // An error: the test has let go.
        let _ = waiting.recv();
        Ok::<_, Refusal>(())
    };
    house.store.submit(hold, |_| ()).unwrap();
    let started = std::time::Instant::now();
    let ready = house.get("/ready");
    assert!(started.elapsed() >= READY_TIME_MAX);
    assert_eq!(
        (ready.status, ready.json()["reason"].as_str()),
        (503, Some("the database's writer does not answer"))
    );
    drop(release);
    assert_eq!(house.get("/ready").status, 200);
}
