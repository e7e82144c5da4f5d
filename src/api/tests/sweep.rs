//! What holds for every route there is, and for those to come.

use super::house::{ADMIN, Got, House};
use crate::api::request::router::routes;
use crate::api::{Access, Route};

/// The path with something in the place of its parameters.
fn path(route: &Route, with: &str) -> String {
    let fill = |segment: &str| if segment.starts_with('{') { with.to_owned() } else { segment.to_owned() };
    route.path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

/// Asks from an address of its own each time, so that no bucket runs dry.
fn ask(house: &House, n: usize, route: &Route, url: &str, headers: &[(&str, &str)], body: &str) -> Got {
    let peer = format!("10.{}.{}.1:9", n / 250, n % 250);
    house.send_from(&peer, route.method.as_str(), url, headers, body)
}

#[test]
fn in_closed_mode_what_is_not_public_needs_a_credential() {
    let house = House::closed();
    for (n, route) in routes().enumerate().filter(|(_, route)| route.access != Access::Public) {
        let got = ask(&house, n, route, &path(route, "x"), &[], "{}");
        assert_eq!(got.status, 401, "{} {}", route.method.as_str(), route.path);
    }
}

#[test]
fn a_wrong_credential_is_never_as_if_none() {
    for house in [House::open(), House::closed()] {
        let wrong: [(&str, &str); 4] = [
            ("X-API-Key", "nonsense"),
            ("X-API-Key", ""),
            ("Authorization", "Bearer nonsense"),
            ("Authorization", "bearer eyJhbGciOiJub25lIn0.e30."),
        ];
        for (n, route) in routes().enumerate() {
            for (k, credential) in wrong.into_iter().enumerate() {
                let got = ask(&house, 4 * n + k, route, &path(route, "x"), &[credential], "{}");
                assert_eq!(got.status, 401, "{} {} {credential:?}", route.method.as_str(), route.path);
            }
        }
    }
}

#[test]
fn administrators_only_means_that_accounts_are_refused() {
    let house = House::open();
    let key = house.consumer_key();
    for (n, route) in routes().enumerate().filter(|(_, route)| route.access == Access::Administrator) {
        let got = ask(&house, n, route, &path(route, "x"), &[("X-API-Key", &key)], "{}");
        assert_eq!((got.status, got.detail().as_str()), (403, "Admin access required"), "{}", route.path);
    }
}

#[test]
fn no_input_makes_a_route_fail() {
    let house = House::open();
    house.worker("rig-1", None);
    let names = ["x", "rig-1", "consumer-1", "%00", "..", "%2e%2e", "%ff", "'%20OR%201=1--", "0x", "-1"];
    let queries = [
        "",
        "?limit=-1&offset=-1&page=0",
        "?limit=1e309&offset=9223372036854775807&before=0",
        "?state=%00&account=%27&prefix=%25&worker_id=%ff&lease_id=%00&address=%00&format=exe&type=x",
    ];
    let bodies = [
        "",
        "{}",
        "[]",
        "null",
        "{",
        r#"{"amount":1e308,"duration_sec":9223372036854775807,"account_id":"","role":"consumer"}"#,
        r#"{"amount":-0.0000001,"duration_sec":-1,"account_id":"\u0000","role":"provider","key":"00"}"#,
        r#"{"amount":[],"duration_sec":{},"account_id":1,"lease_id":null,"address":"0x","signature":"é","nonce":""}"#,
    ];
    for route in routes() {
        let inputs = names.iter().flat_map(|name| queries.iter().map(move |query| (name, query)));
        for (n, (name, query)) in inputs.enumerate() {
            let url = path(route, name) + query;
            for body in bodies.iter().filter(|body| body.is_empty() || !route.body.is_empty()) {
                let got =
                    ask(&house, n, route, &url, &[("X-API-Key", ADMIN), ("Idempotency-Key", "k")], body);
                // The chain's own manners: a submission that makes no sense is 500 there.
                let is_refusal = route.path == "/verify" && got.text.contains(r#""status":"error""#);
                assert!(got.status < 500 || is_refusal, "{} {url} {body}: {got:?}", route.method.as_str());
                if got.status >= 400 && got.header("Content-Type") == Some("application/json") {
                    let said = got.json();
                    assert!(said.get("detail").or(said.get("message")).is_some(), "{got:?}");
                }
            }
        }
    }
}
