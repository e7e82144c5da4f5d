//! What is wrong with a page for who cannot see it, cannot use a mouse, or sees little: by checks of our own, and by
//! axe-core's where its script is at hand.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::cdp::Browser;

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
/// axe-core's script: what `XENBLOCKS_AXE` names, or where `make accessibility` puts it.
pub fn axe() -> Option<String> {
    let fetched =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/web-tools/node_modules/axe-core/axe.min.js");
    let path = std::env::var_os("XENBLOCKS_AXE").map_or(fetched, PathBuf::from);
    std::fs::read_to_string(path).ok()
}

/// What is wrong with what the page shows now.
pub fn wrongs(browser: &mut Browser, axe: Option<&str>) -> Vec<String> {
    let mut found: Vec<String> = serde_json::from_value(browser.value(CHECKS)).unwrap();
    found.extend(nameless(browser));
    if let Some(script) = axe {
        if browser.value("window.axe === undefined") == true {
            browser.value(&format!("{script}; 1"));
        }
        let run = "axe.run(document, { resultTypes: ['violations'] }).then((run) => run.violations.flatMap((one) =>
            one.nodes.slice(0, 4).map((node) => `axe: ${one.id}: ${node.html.slice(0, 160)} ${node.failureSummary.slice(0, 200)}`)))";
        let violations: Vec<String> = serde_json::from_value(browser.value(run)).unwrap();
        found.extend(violations);
    }
    found
}

/// What the browser would hand to a screen reader without a name.
fn nameless(browser: &mut Browser) -> Vec<String> {
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] == false);
    let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
    let bare = nodes.filter(|node| {
        NAMED.contains(&role(node).as_str())
            && node["name"]["value"].as_str().unwrap_or_default().trim().is_empty()
    });
    bare.map(|node| format!("a {} without a name: {}", role(node), node["properties"])).collect()
}
