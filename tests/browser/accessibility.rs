//! The pages for who cannot see, cannot use a mouse, sees little, or minds what moves. Our own checks always; those
//! of axe-core too where its script is at hand (`make accessibility` fetches it).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::pages::{ROUTES, fleet};
use crate::renter::sign_in;
use crate::visitor::{DESK, PHONE, Visitor, house};

const CHECKS: &str = include_str!("accessibility.js");
/// Roles of what a person works with or is told by: each has a name that a screen reader says.
const NAMED: [&str; 16] = [
    "button",
    "link",
    "textbox",
    "searchbox",
    "combobox",
    "checkbox",
    "radio",
    "option",
    "image",
    "img",
    "dialog",
    "progressbar",
    "navigation",
    "region",
    "listbox",
    "heading",
];
/// What opens over a page: where, what is clicked for it (nothing: it is open), and a text that it shows.
const OVERLAYS: [(&str, &str, &str); 8] = [
    ("/marketplace", ".search-button", "Operator dashboard"),
    ("/marketplace", "text=Keyboard", "Switch the theme"),
    ("/monitoring", "[aria-label^='Notifications']", "Notifications"),
    ("/renter", ".account-button", "Held by leases"),
    ("/account", "text=Deposit", "Balance after"),
    ("/account", "text=Withdraw", "To the address"),
    ("/account?tab=keys", "text=New key", "It may"),
    ("/provider", "[aria-label^='Price of rig-5']", "Where it ranks"),
];

/// axe-core's script: what `XENBLOCKS_AXE` names, or where `make accessibility` puts it.
fn axe() -> Option<String> {
    let fetched =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/web-tools/node_modules/axe-core/axe.min.js");
    let path = std::env::var_os("XENBLOCKS_AXE").map_or(fetched, PathBuf::from);
    std::fs::read_to_string(path).ok()
}

/// What is wrong with what the page shows now.
fn wrongs(visitor: &mut Visitor, axe: Option<&str>) -> Vec<String> {
    let mut found: Vec<String> = serde_json::from_value(visitor.browser.value(CHECKS)).unwrap();
    found.extend(nameless(visitor));
    if let Some(script) = axe {
        if visitor.browser.value("window.axe === undefined") == true {
            visitor.browser.value(&format!("{script}; 1"));
        }
        let run = "axe.run(document, { resultTypes: ['violations'] }).then((run) => run.violations.flatMap((one) =>
            one.nodes.slice(0, 4).map((node) => `axe: ${one.id}: ${node.html.slice(0, 160)} ${node.failureSummary.slice(0, 200)}`)))";
        let violations: Vec<String> = serde_json::from_value(visitor.browser.value(run)).unwrap();
        found.extend(violations);
    }
    found
}

/// What the browser would hand to a screen reader without a name.
fn nameless(visitor: &mut Visitor) -> Vec<String> {
    let tree = visitor.browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] == false);
    let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
    let bare = nodes.filter(|node| {
        NAMED.contains(&role(node).as_str())
            && node["name"]["value"].as_str().unwrap_or_default().trim().is_empty()
    });
    bare.map(|node| format!("a {} without a name: {}", role(node), node["properties"])).collect()
}

#[test]
fn every_page_can_be_used_without_seeing_it_well() {
    let house = house();
    let mut rigs = fleet(&house);
    let lease = house.rent("rig-2", 3600)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rigs[2], 60);
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    let axe = axe();
    // Signed out first: the pages that ask for a sign-in are pages too.
    let mut faults: Vec<(String, Vec<String>)> = Vec::new();
    let mut look = |visitor: &mut Visitor, what: &str| {
        for (theme, screen) in [("dark", DESK), ("light", DESK), ("dark", PHONE)] {
            visitor.theme(theme);
            visitor.screen(screen);
            visitor.until("!document.querySelector('.skeleton')");
            let found = wrongs(visitor, axe.as_deref());
            if !found.is_empty() {
                faults.push((format!("{what}, {theme}, {} pixels", screen.0), found));
            }
        }
        visitor.screen(DESK);
    };
    visitor.browser.expect("404 GET");
    for path in ["/renter", "/provider", "/account", "/nothing-here", "/block-buster", "/dashboard"] {
        visitor.open(path);
        visitor.until("document.querySelectorAll('h1').length === 1");
        look(&mut visitor, &format!("{path}, signed out"));
    }
    visitor.open("/renter");
    sign_in(&mut visitor);
    let lease = ("lease", format!("/lease/{lease}"));
    let more = [
        "/worker/rig-1?tab=leases",
        "/worker/rig-1?tab=blocks",
        "/account?tab=keys",
        "/account?tab=sessions",
    ];
    let routes = ROUTES.iter().map(|(name, path)| (*name, (*path).to_owned())).chain([lease]);
    for (_, path) in routes.chain(more.map(|path| ("", path.to_owned()))) {
        visitor.open(&path);
        visitor.until("document.querySelectorAll('h1').length === 1");
        look(&mut visitor, &path);
    }
    for (path, target, text) in OVERLAYS {
        visitor.open(path);
        visitor.click(target);
        visitor.sees(text);
        look(&mut visitor, &format!("{path}, {target}"));
    }
    assert!(faults.is_empty(), "{faults:#?}");
    println!(
        "accessibility: {}",
        if axe.is_some() { "our checks and axe-core's" } else { "our checks; axe-core is not at hand" }
    );
}
