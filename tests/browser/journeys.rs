//! Addresses: every view can be linked to, and back and forward lead where one was.

use crate::pages::fleet;
use crate::visitor::{Visitor, house};

#[test]
fn a_link_opens_the_view_it_was_copied_from() {
    let house = house();
    let _rigs = fleet(&house);
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.browser.expect("favicon.ico");
    for (path, shows) in [
        (
            "/monitoring?status=online&q=rig-7&fleet-sort=worker_id",
            "document.querySelectorAll('tbody .row-link').length === 1 && document.querySelector('[aria-sort=ascending]').innerText.includes('Worker')",
        ),
        (
            "/worker/rig-7?tab=blocks",
            "document.querySelector('dialog h2').innerText === 'rig-7' && document.querySelector('dialog [aria-pressed=true]').innerText === 'Blocks'",
        ),
        (
            "/marketplace?view=list&gpu=H100&sort=hashrate",
            "document.querySelectorAll('tbody .row-link').length === 4 && document.querySelector('.row-link').innerText === 'rig-7'",
        ),
        ("/marketplace?view=book&gpu=H100", "document.querySelectorAll('.book tbody tr').length === 4"),
        ("/marketplace?rent=rig-5", "document.querySelector('dialog h2').innerText === 'Rent rig-5'"),
        (
            "/?range=24&span=720",
            "[...document.querySelectorAll('[aria-pressed=true]')].map((it) => it.innerText).join() === '24 h,30 d'",
        ),
        (
            "/#theblock",
            "location.pathname === '/block-buster' && document.querySelector('h1').innerText === 'Block Buster'",
        ),
    ] {
        // Another document first: an address that differs by its fragment alone loads nothing.
        visitor.open("/api/status");
        visitor.open(path);
        visitor.until(shows);
    }
    // A page after the last one is the last one.
    for path in ["/marketplace?page=99", "/?page=99"] {
        visitor.open(path);
        visitor.until("location.search === '' && document.querySelector('main .row-link, main .empty')");
    }
    visitor.browser.expect("404 GET");
    for path in ["/worker/%E0%A4%A", "/lease/%"] {
        visitor.open(path);
        visitor.sees("Not there");
    }
    visitor.open("/nowhere/at/all");
    visitor.sees("There is no page at /nowhere/at/all");
    visitor.click("text=Go to the overview");
    visitor.until("location.pathname === '/' && document.querySelector('h1').innerText === 'Overview'");
}

#[test]
fn back_and_forward_lead_where_one_was() {
    let house = house();
    let _rigs = fleet(&house);
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.open("/monitoring");
    visitor.until("document.querySelectorAll('tbody .row-link').length > 5");
    visitor.click("text=Available");
    visitor.fill("input[type=search]", "rig-1");
    visitor.until(
        "location.search.includes('q=rig-1') && document.querySelectorAll('tbody .row-link').length === 3",
    );
    visitor.browser.value("scrollTo(0, 200)");
    visitor.click("text=rig-10");
    visitor.until("location.pathname === '/worker/rig-10' && document.querySelector('dialog[open]')");
    visitor.click("dialog .segments button:last-child");
    visitor.until("location.search.includes('tab=blocks')");
    visitor.browser.value("history.back()");
    visitor.until("location.pathname === '/monitoring' && !document.querySelector('dialog[open]')");
    visitor.until("document.querySelector('input[type=search]').value === 'rig-1' && document.querySelectorAll('tbody .row-link').length === 3");
    visitor.browser.value("history.forward()");
    visitor.until("location.pathname === '/worker/rig-10' && document.querySelector('dialog [aria-pressed=true]')?.innerText === 'Blocks'");
    visitor.press("Escape");
    visitor.until("location.pathname === '/monitoring'");
    visitor.click(".nav a[href='/marketplace']");
    visitor.until("document.querySelector('.offer') && scrollY === 0");
    visitor.browser.value("history.back()");
    visitor.until("document.querySelector('h1').innerText === 'Monitoring' && location.search.includes('status=available')");
    visitor.browser.value("location.reload()");
    visitor.until("document.querySelector('input[type=search]')?.value === 'rig-1' && document.querySelectorAll('tbody .row-link').length === 3");
}
