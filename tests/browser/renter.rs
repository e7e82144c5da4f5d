//! A renter's day: sign in, rent, watch, extend, stop, read the settlement.

use serde_json::json;

use crate::visitor::{DESK, Mood, Visitor, house, wallet};

/// Opens a page as the visitor's wallet, through the dialog.
pub fn sign_in(visitor: &mut Visitor) {
    visitor.click("text=Sign in");
    visitor.sees("Signed in as");
    visitor.until("document.querySelector('.account-button') && !document.querySelector('dialog[open]')");
}

/// The account that the page is signed in with.
fn account(visitor: &mut Visitor) -> String {
    let ask = "fetch('/api/auth/me', { headers: { Authorization: `Bearer ${JSON.parse(localStorage['xenblocks.session']).secret}` } })
        .then((answer) => answer.json()).then((account) => account.account_id)";
    visitor.browser.value(ask).as_str().unwrap().to_owned()
}

#[test]
fn sign_in_rent_watch_stop_and_read_the_settlement() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    visitor.open("/renter");
    sign_in(&mut visitor);
    let account = account(&mut visitor);
    house.admin().post(&format!("/api/accounts/{account}/deposit"), &json!({"amount": 3})).ok();
    visitor.open("/marketplace");
    visitor.click("[aria-label='Rent rig-1']");
    // By default an hour; what that costs is more than there is, and there is a way on.
    visitor.sees("Held now");
    visitor.fill("input[name=address]", "0x12");
    visitor.sees("40 hexadecimal digits");
    visitor.fill("input[name=address]", &wallet().address().to_string());
    visitor.fill("input[name=length]", "6 h");
    visitor.sees("is missing on your account");
    visitor.picture("rent-dialog-short-1280", DESK);
    visitor.click("text=Deposit 213.00");
    visitor.until("!document.querySelector('dialog[open] .note.warning')");
    visitor.fill("input[name=length]", "10 min");
    visitor.sees("Rent for 6.00");
    visitor.press("Enter");
    visitor.until("location.pathname.startsWith('/lease/lease-')");
    rig.command("assign_task");
    visitor.sees("Time left");
    house.pass_with(&mut rig, 120);
    visitor.sees("1.20");
    rig.state("ERROR", None);
    visitor.sees("it says ERROR. This time is not charged.");
    visitor.picture("lease-paused-1280", DESK);
    rig.state("MINING", None);
    visitor.until("!document.querySelector('main .note.warning')");
    visitor.click("text=Stop");
    visitor.sees("Comes back to you");
    visitor.click("text=Stop and settle");
    visitor.sees("Settlement");
    visitor.sees("Completed");
    visitor.picture("lease-completed-1280", DESK);
    visitor.open("/renter");
    visitor.sees("rig-1");
}

#[test]
fn a_wallet_that_declines_or_forges_is_told_apart() {
    let house = house();
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    visitor.mood.set(Mood::Declines);
    visitor.open("/renter");
    visitor.click("text=Sign in");
    visitor.sees("You declined in the wallet");
    visitor.mood.set(Mood::Forges);
    visitor.browser.expect("401 POST");
    visitor.click(".wallet");
    visitor.sees("not of the account that was chosen");
}
