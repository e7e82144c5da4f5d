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

/// Text on what it stands on, in both themes: `[what, ratio]` below what WCAG 2.2 AA asks for.
const POOR_TOKENS: &str = "(() => {
    const style = getComputedStyle(document.documentElement);
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (name) => {
        const color = style.getPropertyValue(`--${name}`).trim();
        if (!CSS.supports('color', color)) throw new Error(`--${name} is no color`);
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
    const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
    const light = (color) => { const [r, g, b] = color.map((part) => { const c = part / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const ratio = (a, b) => { const [high, low] = [light(a), light(b)].sort((x, y) => y - x); return (high + 0.05) / (low + 0.05); };
    const grounds = ['bg-0', 'bg-1', 'bg-2', 'bg-3', 'bg-4'];
    const pairs = [];
    for (const ground of grounds) for (const text of ['text', 'text-2', 'text-3']) pairs.push([`${text} on ${ground}`, 4.5, rgba(text), rgba(ground)]);
    for (const tone of ['accent', 'success', 'danger', 'warning', 'info']) {
        for (const ground of ['bg-0', 'bg-1', 'bg-2', 'bg-3']) pairs.push([`${tone} on ${ground}`, 4.5, rgba(tone), rgba(ground)]);
        for (const ground of ['bg-0', 'bg-1', 'bg-2']) pairs.push([`${tone} on its badge on ${ground}`, 4.5, rgba(tone), over(rgba(`${tone}-muted`), rgba(ground))]);
    }
    pairs.push(['inverse on accent', 4.5, rgba('inverse'), rgba('accent')]);
    for (const ground of ['bg-0', 'bg-1', 'bg-2']) pairs.push([`a control's border on ${ground}`, 3, rgba('control'), rgba(ground)]);
    for (const chart of [1, 2, 3, 4, 5, 6]) pairs.push([`chart-${chart} on bg-1`, 3, rgba(`chart-${chart}`), rgba('bg-1')]);
    return pairs.map(([what, least, a, b]) => [what, least, ratio(a, b)]).filter(([, least, is]) => is < least);
})()";

#[test]
fn colours_that_are_text_can_be_read_in_both_themes() {
    let house = house();
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.open("/");
    for theme in ["dark", "light"] {
        visitor.theme(theme);
        // The system's theme, and the same one chosen by the switch: two lists of tokens that must agree.
        for chosen in ["", theme] {
            visitor.browser.value(&format!("document.documentElement.dataset.theme = '{chosen}'"));
            assert_eq!(visitor.browser.value(POOR_TOKENS), json!([]), "{theme}, chosen: {chosen:?}");
        }
    }
    visitor.browser.value("document.documentElement.style.setProperty('--text-3', '#9aa4b2')");
    assert_ne!(visitor.browser.value(POOR_TOKENS), json!([]), "the look can fail");
}

#[test]
fn what_moves_stands_still_for_who_asks_for_it() {
    let house = house();
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.open("/");
    visitor.until("document.querySelector('.metric') && document.querySelector('.button')");
    let longest = "(() => { const box = document.createElement('div'); box.className = 'skeleton'; document.body.append(box);
        const spin = Object.assign(document.createElement('span'), { className: 'spinner' }); document.body.append(spin);
        return Math.max(...[box, spin, document.querySelector('.button'), document.querySelector('.metric')].map((it) => {
            const style = getComputedStyle(it); return Math.max(parseFloat(style.animationDuration), parseFloat(style.transitionDuration)); })); })()";
    let mut moves = |preference: &str| {
        let features = json!([{"name": "prefers-reduced-motion", "value": preference}]);
        visitor.browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        visitor.browser.value(longest).as_f64().unwrap()
    };
    assert!(moves("no-preference") > 0.1);
    assert!(moves("reduce") < 0.001);
}

#[test]
fn the_checks_find_what_is_wrong() {
    let house = house();
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.open("/provider");
    visitor.until("document.querySelector('h1') && document.querySelector('.steps') && !document.querySelector('.skeleton')");
    assert_eq!(wrongs(&mut visitor, None), [""; 0]);
    let planted = "(() => {
        const add = (tag, more = {}, text = '') => { const it = document.createElement(tag); for (const [name, value] of Object.entries(more)) it.setAttribute(name, value); it.textContent = text; document.querySelector('main').append(it); };
        add('button', {}); add('input', { type: 'text' }); add('h4', {}, 'too deep'); add('h1', {}, 'a second'); add('a', { href: '/x', tabindex: '3' }, 'first!');
        add('p', { class: 'grey' }, 'hardly seen'); document.querySelector('.grey').style.color = 'rgb(110 118 128 / 60%)';
        add('i', { id: 'main' }); add('nav', {}, 'a way'); add('p', { 'aria-describedby': 'nobody' }, 'told'); })()";
    visitor.browser.value(planted);
    let found = wrongs(&mut visitor, None).join("\n");
    for what in [
        "a button without a name",
        "a field without a label",
        "a heading of level 4 after one of 2",
        "2 of h1",
        "a tabindex above 0",
        "text with a contrast of",
        "an id twice",
        "a navigation without a name",
        "aria-describedby refers to nothing",
        "a target of",
    ] {
        assert!(found.contains(what), "not found: {what}, only\n{found}");
    }
}
