use std::collections::BTreeSet;

use super::*;
use crate::api::router::routes;

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
