//! Without a mouse: a rental from sign-in to settlement, dialogs that keep the focus and give it back, and pages that take it.

use serde_json::json;

use crate::visitor::{Visitor, house};

/// What has the focus, in a few words.
const FOCUS: &str =
    "document.activeElement.ariaLabel || document.activeElement.innerText || document.activeElement.tagName";

#[test]
fn a_worker_is_rented_watched_and_stopped_by_keys_alone() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    visitor.open("/");
    visitor.until("document.querySelector('h1')");
    visitor.press("Tab");
    visitor.until("document.activeElement.matches('.skip')");
    visitor.press("Enter");
    visitor.until("document.activeElement.id === 'main'");
    visitor.browser.value("document.activeElement.blur()");
    visitor.tab_to(".top .button.primary");
    visitor.press("Enter");
    visitor.until("document.querySelector('.account-button') && !document.querySelector('dialog[open]')");
    visitor.press("g");
    visitor.press("p");
    visitor.until("location.pathname === '/marketplace' && document.activeElement.tagName === 'H1'");
    visitor.tab_to("[aria-label='Rent rig-1']");
    visitor.press("Enter");
    visitor.until("document.activeElement.name === 'length'");
    visitor.press("Control+a");
    visitor.type_text("10 min");
    visitor.sees("Rent for 6.00");
    visitor.tab_to("text=Deposit 6.00");
    visitor.press("Enter");
    visitor.sees("Deposited 6.00");
    visitor.tab_to("[form=rent-form]");
    visitor.press("Enter");
    visitor.until("location.pathname.startsWith('/lease/lease-') && document.activeElement.tagName === 'H1'");
    rig.command("assign_task");
    house.pass_with(&mut rig, 60);
    visitor.sees("0.60");
    visitor.tab_to("text=Stop");
    visitor.press("Enter");
    visitor.sees("Comes back to you");
    visitor.tab_to("text=Stop and settle");
    visitor.press("Enter");
    visitor.sees("Settlement");
    visitor.until("!document.querySelector('dialog[open]')");
    let settled = house.admin().get("/api/settlements").ok();
    assert_eq!(settled["items"][0]["total_cost"], 0.6);
}

#[test]
fn dialogs_keep_the_focus_and_give_it_back() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.open("/marketplace");
    for (target, key) in
        [("[aria-label='Rent rig-1']", "Enter"), (".search-button", "Space"), (".foot button", "Enter")]
    {
        visitor.until(&format!("document.querySelector({})", json!(target)));
        visitor.tab_to(target);
        visitor.press(key);
        visitor.until("document.querySelector('dialog[open]')?.contains(document.activeElement)");
        // Round and round: inside, or at the browser's own bar, which a page sees as its body.
        for keys in ["Tab", "Shift+Tab"] {
            for _ in 0..15 {
                visitor.press(keys);
                let inside = "document.activeElement === document.body || document.querySelector('dialog[open]').contains(document.activeElement)";
                assert_eq!(visitor.browser.value(inside), true, "{target}: {}", visitor.browser.value(FOCUS));
            }
        }
        visitor.press("Escape");
        visitor.until("!document.querySelector('dialog[open]')");
        let back = format!("document.activeElement === document.querySelector({})", json!(target));
        assert_eq!(visitor.browser.value(&back), true, "{target}: {}", visitor.browser.value(FOCUS));
    }
    // A drawer opened by its row's link gives the focus back to the row.
    visitor.open("/monitoring");
    visitor.until("document.querySelector('.row-link')");
    visitor.tab_to(".row-link");
    visitor.press("Enter");
    visitor.until("document.querySelector('dialog[open]')?.contains(document.activeElement)");
    visitor.press("Escape");
    visitor.until("location.pathname === '/monitoring' && document.activeElement.matches('.row-link')");
}

#[test]
fn a_page_that_is_gone_to_takes_the_focus_and_says_its_name() {
    let house = house();
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.open("/");
    visitor.until("document.querySelector('h1')");
    for (page, name) in [
        ("/monitoring", "Monitoring"),
        ("/marketplace", "Marketplace"),
        ("/provider", "Provider"),
        ("/", "Overview"),
    ] {
        visitor.tab_to(&format!(".nav a[href='{page}']"));
        visitor.press("Enter");
        visitor.until(&format!("document.title.startsWith('{name}') && document.activeElement.matches('h1') && document.activeElement.innerText === '{name}'"));
        visitor.until(&format!("document.querySelector('.nav [aria-current=page]').innerText === '{name}'"));
    }
}
