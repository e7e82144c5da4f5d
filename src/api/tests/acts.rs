use std::collections::BTreeSet;

use rouille::Request;

use super::*;
use crate::api::request::router::{Router, routes};
use crate::api::respond;
use crate::api::tests::house::{ADMIN, House};

/// Fields of acts that are left out: free text and whole dictionaries, which may hold anything, and what
/// the renter was shown.
const LEFT_OUT: [&str; 3] = ["config", "expected_price_per_min", "label"];

#[test]
fn every_field_of_an_act_is_shown_or_left_out() {
    let acts = routes().filter(|route| is_act(route));
    let fields: BTreeSet<&str> =
        acts.flat_map(|route| route.body.iter().chain(route.query)).map(|f| f.name).collect();
    for field in &fields {
        assert_ne!(
            SHOWN.contains(field),
            LEFT_OUT.contains(field),
            "{field}: may it be shown to administrators?"
        );
    }
}

/// A route of tomorrow whose author has forgotten that there are administrators.
static FORGETFUL: Route = Route {
    method: Method::Post,
    path: "/api/forgetful",
    access: Access::Administrator,
    scope: None,
    summary: "",
    query: &[],
    body: &[],
    answer: "",
    handle: |_, _| json(&"done"),
};

#[test]
#[should_panic(expected = "POST /api/forgetful was done without being noted")]
fn a_route_that_acts_without_noting_it_fails() {
    let house = House::closed();
    let headers = vec![("X-API-Key".to_owned(), ADMIN.to_owned())];
    let request = Request::fake_http("POST", "/api/forgetful", headers, Vec::new());
    let _ = respond(&house.api, &Router::of([&FORGETFUL]), &request);
}

#[test]
fn a_value_is_cut_by_characters() {
    assert_eq!(cut(&"é".repeat(ACT_VALUE_CHARACTERS_MAX + 1)), "é".repeat(ACT_VALUE_CHARACTERS_MAX));
    assert_eq!(cut("rig-1"), "rig-1");
}
