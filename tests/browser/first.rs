//! The client itself, and the two pages at their simplest.

use std::path::Path;

use crate::support::cdp::Browser;
use crate::support::house::House;
use crate::visitor::{DESK, Mood, PHONE, Visitor, house};

#[test]
fn the_overview_and_the_dashboard_show_the_fleet() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.theme("dark");
    visitor.open("/");
    visitor.sees("Hashrate");
    visitor.sees("5.00 kH/s");
    visitor.sees("Difficulty: 8 KiB.");
    visitor.press("Control+k");
    visitor.until("document.activeElement.getAttribute('role') === 'combobox'");
    visitor.type_text("dark or light");
    visitor.sees("nothing found");
    visitor.fill("dialog input", "switch the th");
    visitor.click("[role=option]");
    visitor.until("document.documentElement.dataset.theme === 'light'");
    visitor.picture("overview-light-1280", DESK);
    visitor.open("/dashboard");
    visitor.sees("rig-1");
    for screen in [DESK, PHONE] {
        visitor.screen(screen);
        visitor.assert_no_sideways_scroll("/dashboard");
    }
}

#[test]
fn without_a_chain_the_overview_says_so() {
    let house = House::with(|config| {
        config.chain = None;
        config.static_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("static"));
    });
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.open("/");
    visitor.sees("It is recorded where a chain is connected");
    visitor.sees("Nothing has happened yet");
}

#[test]
fn what_a_page_complains_of_is_a_fault() {
    let house = house();
    let Some(mut browser) = Browser::launch() else { return };
    browser.call("Page.navigate", serde_json::json!({"url": format!("{}/dashboard", house.api.base())}));
    browser.await_value("document.readyState === 'complete'");
    assert_eq!(browser.faults(), [""; 0]);
    browser.value("console.error('said')");
    browser.value("setTimeout(() => { throw new Error('thrown'); }), 0");
    browser.value("fetch('/api/nothing').then((answer) => answer.status)");
    let elsewhere = "new Promise((done) => { addEventListener('securitypolicyviolation', () => done(1));
        document.body.append(Object.assign(document.createElement('img'), { src: 'https://elsewhere.invalid/x.png' })); })";
    browser.value(elsewhere);
    let faults = browser.faults();
    for part in ["said", "thrown", "404 GET", "elsewhere.invalid"] {
        assert!(faults.iter().any(|fault| fault.contains(part)), "{part}: {faults:#?}");
    }
}

#[test]
fn the_wallet_of_the_tests_convinces_the_server_unless_it_forges_or_declines() {
    let house = house();
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    visitor.open("/dashboard");
    let sign_in = "(async () => {
        const [address] = await ethereum.request({ method: 'eth_requestAccounts' });
        const { nonce, message } = await (await fetch(`/api/auth/nonce?address=${address}`)).json();
        const hex = '0x' + Array.from(new TextEncoder().encode(message), (byte) => byte.toString(16).padStart(2, '0')).join('');
        const signature = await ethereum.request({ method: 'personal_sign', params: [hex, address] }).catch((error) => error.code);
        const body = JSON.stringify({ address, nonce, signature });
        return typeof signature === 'number' ? signature
            : (await fetch('/api/auth/verify', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })).status; })()";
    assert_eq!(visitor.browser.value(sign_in), 200);
    visitor.mood.set(Mood::Declines);
    assert_eq!(visitor.browser.value(sign_in), 4001);
    visitor.mood.set(Mood::Forges);
    visitor.browser.expect("401 POST");
    assert_eq!(visitor.browser.value(sign_in), 401);
}
