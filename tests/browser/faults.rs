//! What goes wrong around the page: each has its own clear state and a way on.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use crate::renter::sign_in;
use crate::support::house::{House, RENTER};
use crate::support::rig::Rig;
use crate::support::server::{Server, folder, program};
use crate::visitor::{DESK, Mood, Visitor, house, wallet};

/// The visitor, signed in and with money, at the rent dialog of `rig-1`.
fn about_to_rent(house: &House) -> Option<Visitor> {
    let mut visitor = Visitor::with_wallet(house.http())?;
    visitor.open("/renter");
    sign_in(&mut visitor);
    let accounts = house.admin().get("/api/accounts").ok();
    let account = accounts.as_object().unwrap().keys().find(|id| id.starts_with("wallet-")).unwrap().clone();
    house.admin().post(&format!("/api/accounts/{account}/deposit"), &json!({"amount": 500})).ok();
    visitor.open("/marketplace?rent=rig-1");
    visitor.sees("Rent for 36.00");
    Some(visitor)
}

#[test]
fn a_price_that_changed_meanwhile_is_shown_before_anything_is_rented() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    let Some(mut visitor) = about_to_rent(&house) else { return };
    let dearer = json!({"price_per_min": 0.9});
    house.admin().put("/api/workers/rig-1/pricing", &dearer).ok();
    visitor.browser.expect("409 POST");
    visitor.click("[form=rent-form]");
    visitor.sees("The price changed from 0.60 to 0.90 a minute. Nothing has been rented.");
    visitor.picture("rent-price-changed-1280", DESK);
    assert_eq!(house.api.get("/api/leases").ok()["total"], 0);
    visitor.click("text=Accept 0.90 / min");
    visitor.sees("Rent for 54.00");
    visitor.click("[form=rent-form]");
    visitor.until("location.pathname.startsWith('/lease/lease-')");
    rig.command("assign_task");
    visitor.sees("0.90 a minute");
}

#[test]
fn a_worker_that_somebody_else_took_is_told_and_there_are_others() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    let mut other = house.rig("rig-2");
    other.heartbeat(4000.0);
    let Some(mut visitor) = about_to_rent(&house) else { return };
    house.rent("rig-1", 600);
    rig.command("assign_task");
    visitor.browser.expect("404 POST");
    visitor.click("[form=rent-form]");
    visitor.sees("It cannot be rented now");
    visitor.sees("Leased");
    visitor.click("text=Show the others");
    visitor.until("!document.querySelector('dialog[open]')");
    visitor.click("[aria-label='Rent rig-2']");
    visitor.sees("Rent for 36.00");
    assert_eq!(
        house.lease(house.api.get("/api/leases").ok()["items"][0]["lease_id"].as_str().unwrap())["consumer_id"],
        RENTER
    );
}

#[test]
fn a_session_that_ended_is_told_and_signing_in_goes_on() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    visitor.open("/renter");
    sign_in(&mut visitor);
    visitor.sees("No lease yet");
    visitor.browser.expect("401 ");
    // A day and a little: the token has run out. The page has the time from the feed, and dates what is signed by it.
    let before = visitor.until("document.querySelector('.foot .warn')?.innerText");
    house.pass(86_500);
    visitor.until(&format!("document.querySelector('.foot .warn').innerText !== {before}"));
    visitor.sees("Sign in again");
    visitor.sees("Sign in to see your leases");
    visitor.click("text=Sign in again");
    visitor.until("document.querySelector('.account-button') && !document.querySelector('dialog[open]')");
    visitor.sees("No lease yet");
}

#[test]
fn a_session_that_ends_during_a_rent_is_taken_up_where_it_was() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    let Some(mut visitor) = about_to_rent(&house) else { return };
    visitor.fill("input[name=length]", "20 min");
    visitor.sees("Rent for 12.00");
    let token = visitor.browser.value("JSON.parse(localStorage['xenblocks.session']).secret");
    house.api.with_token(token.as_str().unwrap()).post("/api/auth/logout", &json!({})).ok();
    visitor.browser.expect("401 ");
    // By key: the button moves when the page finds out by itself, and a click would go astray.
    visitor.browser.value("document.querySelector('[form=rent-form]').focus()");
    visitor.press("Enter");
    visitor.until(&format!("!localStorage['xenblocks.session']?.includes({token})"));
    // The page may have found out by itself, before the click: that led to the wallet at once then.
    let asks = "document.querySelector('[form=rent-form]').innerText === 'Sign in to rent' && document.querySelectorAll('dialog[open]').length === 1";
    visitor.until(&format!("{asks} || localStorage['xenblocks.session']"));
    if visitor.browser.value(asks) == true {
        visitor.click("text=Sign in to rent");
    }
    // The dialog is as it was, and the order is asked for again.
    visitor.until(
        "document.querySelector('.account-button') && document.querySelectorAll('dialog[open]').length === 1",
    );
    visitor.sees("Rent for 12.00");
    visitor.picture("rent-signed-in-again-1280", DESK);
    visitor.click("[form=rent-form]");
    visitor.until("location.pathname.startsWith('/lease/lease-')");
    rig.command("assign_task");
    assert_eq!(house.api.get("/api/leases").ok()["items"][0]["duration_sec"], 1200);
}

#[test]
fn a_wallet_that_is_locked_or_changes_its_account_is_told() {
    let house = house();
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    visitor.mood.set(Mood::Locked);
    visitor.open("/renter");
    visitor.click("text=Sign in");
    visitor.sees("The wallet is already asking. Open its window, unlock it and answer there.");
    visitor.mood.set(Mood::Willing);
    visitor.click(".wallet");
    visitor.until("document.querySelector('.account-button') && !document.querySelector('dialog[open]')");
    // Another chain is the same person, another account is not.
    visitor.browser.value("testWallet_emit('chainChanged', '0x5')");
    visitor.browser.value(&format!("testWallet_emit('accountsChanged', ['{}'])", wallet().address()));
    visitor.until("document.querySelector('.account-button')");
    visitor
        .browser
        .value("testWallet_emit('accountsChanged', ['0x1111111111111111111111111111111111111111'])");
    visitor.sees("Signed out: the wallet changed to another account.");
    visitor.sees("Sign in to see your leases");
}

#[test]
fn without_a_wallet_there_is_what_to_do() {
    let house = house();
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.open("/renter");
    visitor.click("text=Sign in");
    visitor.sees("No wallet in this browser");
    visitor.click("text=API key");
    visitor.browser.expect("401 GET");
    visitor.fill("input[name=key]", "no such key");
    visitor.press("Enter");
    visitor.sees("The server does not know this credential.");
    visitor.fill("input[name=key]", &house.key_of(RENTER));
    visitor.press("Enter");
    visitor.sees("Signed in with an API key");
    visitor.until("document.querySelector('.account-button')");
}

#[test]
fn a_clock_that_is_wrong_changes_nothing_and_is_told() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    // The house's clock stands months from this machine's: the browser's is the wrong one.
    let Some(mut visitor) = about_to_rent(&house) else { return };
    visitor.sees("This machine's clock is");
    visitor.fill("input[name=length]", "10 min");
    visitor.sees("Rent for 6.00");
    visitor.click("[form=rent-form]");
    visitor.until("location.pathname.startsWith('/lease/lease-')");
    rig.command("assign_task");
    house.pass_with(&mut rig, 60);
    visitor.open("/renter");
    visitor.until(r"/00:0(9:00|8:[45]\d)/.test(document.body.innerText)");
    visitor.open("/");
    visitor.sees("Today");
    visitor.open("/worker/rig-1");
    visitor.sees("just now");
}

/// Free, and free again after a restart: programs find the server at one address.
fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

fn serve(port: &str, db: &Path) -> Server {
    let statics = concat!(env!("CARGO_MANIFEST_DIR"), "/static");
    let fixed = ["server", "--mqtt-port", "0", "--log", "off", "--static-dir", statics];
    Server::spawn_program(program(
        &[&fixed[..], &["--api-port", port, "--db-path", db.to_str().unwrap()]].concat(),
    ))
}

#[test]
fn a_rent_that_finds_no_server_is_asked_for_again_and_rents_once() {
    let (_folder, db) = folder();
    let port = free_port();
    let mut server = serve(&port, &db);
    let mut rig = Rig::join(server.mqtt, "rig-1");
    rig.heartbeat(5000.0);
    let Some(mut visitor) = Visitor::with_wallet(server.http) else { return };
    visitor.open("/account");
    sign_in(&mut visitor);
    visitor.click("text=Deposit");
    visitor.click("dialog button[type=submit]");
    visitor.sees("Deposited 100.00");
    visitor.open("/marketplace?rent=rig-1");
    visitor.sees("Rent for 36.00");
    for part in ["ERR_CONNECTION", "WebSocket connection", "ERR_EMPTY_RESPONSE"] {
        visitor.browser.expect(part);
    }
    server.kill();
    visitor.click("[form=rent-form]");
    visitor.sees("The server cannot be reached.");
    drop(server);
    let server = serve(&port, &db);
    let mut rig = Rig::join(server.mqtt, "rig-1");
    rig.heartbeat(5000.0);
    visitor.click("[form=rent-form]");
    visitor.until("location.pathname.startsWith('/lease/lease-')");
    rig.command("assign_task");
    assert_eq!(server.api.get("/api/leases").ok()["total"], 1);
}

#[test]
fn a_server_that_was_away_is_waited_for_and_what_it_says_then_is_shown() {
    let (_folder, db) = folder();
    let port = free_port();
    let mut server = serve(&port, &db);
    let mut rig = Rig::join(server.mqtt, "rig-1");
    rig.heartbeat(5000.0);
    let Some(mut visitor) = Visitor::arrive(server.http) else { return };
    visitor.open("/monitoring");
    visitor.until("document.querySelector('.conn').dataset.state === 'live'");
    visitor.sees("rig-1");
    for part in ["ERR_CONNECTION", "WebSocket connection", "ERR_EMPTY_RESPONSE"] {
        visitor.browser.expect(part);
    }
    server.kill();
    visitor.until("document.querySelector('.conn').dataset.state === 'waiting'");
    visitor.sees("Reconnecting");
    visitor.until("document.querySelector('.conn [role=status]').innerText === 'Connection lost' || document.querySelector('.conn [role=status]').textContent === 'Connection lost'");
    visitor.picture("connection-lost-1280", DESK);
    // A page that asks meanwhile says so, and can be tried again.
    visitor.click(".nav a[href='/marketplace']");
    visitor.sees("A part of the app could not be loaded.");
    drop(server);
    let server = serve(&port, &db);
    let mut newcomer = Rig::join(server.mqtt, "rig-2");
    newcomer.heartbeat(7000.0);
    // By itself, or at once for who does not want to wait.
    visitor.browser.value("document.querySelector('.conn button')?.click()");
    visitor.until("document.querySelector('.conn').dataset.state === 'live'");
    visitor.sees("rig-2");
    visitor.browser.value("history.back()");
    visitor.until("document.querySelector('h1').innerText === 'Monitoring'");
    visitor.sees("7.00 kH/s");
}
