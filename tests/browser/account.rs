//! An account's day: what happened to it is told, money comes and goes, keys and sessions are made and ended.

use std::path::Path;

use serde_json::{Value, json};
use xenblocks::auth::eth::Wallet;

use crate::renter::sign_in;
use crate::support::await_some;
use crate::support::house::House;
use crate::visitor::{DESK, PHONE, Visitor, house, wallet};

/// Signs the visitor's wallet in from another machine; its token.
fn sign_in_elsewhere(house: &House, own: &Wallet, agent: &str) -> String {
    let address = own.address().to_string();
    let asked = house.api.get(&format!("/api/auth/nonce?address={address}")).ok();
    let body = json!({"address": address, "nonce": asked["nonce"], "signature": own.sign(asked["message"].as_str().unwrap())});
    let answer = house.api.with("User-Agent", agent).post("/api/auth/verify", &body).ok();
    answer["token"].as_str().unwrap().to_owned()
}

/// The visitor with some money, signed in at `path`; and what the account is called.
fn signed_in(house: &House, path: &str) -> Option<(Visitor, String)> {
    let mut visitor = Visitor::with_wallet(house.http())?;
    visitor.open(path);
    sign_in(&mut visitor);
    let token = sign_in_elsewhere(house, &wallet(), "curl/8");
    let me = house.api.with_token(&token).get("/api/auth/me").ok();
    house.api.with_token(&token).post("/api/auth/logout", &json!({})).ok();
    let account = me["account_id"].as_str().unwrap().to_owned();
    house.admin().post(&format!("/api/accounts/{account}/deposit"), &json!({"amount": 100})).ok();
    Some((visitor, account))
}

/// A file that the page saves into `folder`, once it is whole.
fn saved(folder: &Path, name: &str) -> String {
    await_some(name, || std::fs::read_to_string(folder.join(name)).ok().filter(|text| text.ends_with('\n')))
}

#[test]
fn keys_have_a_name_and_an_end_and_are_revoked() {
    let house = house();
    let Some((mut visitor, account)) = signed_in(&house, "/account?tab=keys") else { return };
    visitor.sees("No key yet");
    visitor.click("text=New key");
    visitor.fill("dialog input[name=label]", "<b>rig</b> at home");
    visitor.until("(document.querySelector('dialog select').value = '604800')");
    visitor.picture("account-new-key-1280", DESK);
    visitor.click("text=Make the key");
    visitor.sees("It is shown this once");
    let key = visitor.until("document.querySelector('dialog .secret').innerText");
    let program = house.api.with_key(key.as_str().unwrap());
    assert_eq!(program.get("/api/auth/me").ok()["account_id"], account);
    visitor.click("text=I have kept it");
    visitor.sees("<b>rig</b> at home");
    visitor.sees("Good until");
    visitor.click("text=New key");
    visitor.click("text=Make the key");
    visitor.click("text=I have kept it");
    visitor.sees("No name");
    visitor.sees("In use");
    for (screen, theme) in [(DESK, "dark"), (PHONE, "light")] {
        visitor.theme(theme);
        visitor.screen(screen);
        visitor.assert_no_sideways_scroll("/account?tab=keys");
        visitor.picture(&format!("account-keys-{theme}-{}", screen.0), screen);
    }
    visitor.screen(DESK);
    visitor.click("[aria-label='Revoke <b>rig</b> at home']");
    visitor.click("text=Revoke");
    visitor.until("document.querySelector('main').innerText.includes('Revoked')");
    program.get("/api/auth/me").refused(401);
}

#[test]
fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    let house = house();
    let Some((mut visitor, _)) = signed_in(&house, "/account?tab=sessions") else { return };
    let phone = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0";
    let tokens = [phone, "a program/1.0", ""].map(|agent| sign_in_elsewhere(&house, &wallet(), agent));
    let stands = |token: &str| house.api.with_token(token).get("/api/auth/me").status == 200;
    visitor.open("/account?tab=sessions");
    for text in ["Chrome on Linux", "this one", "Firefox on Android", "a program/1.0"] {
        visitor.sees(text);
    }
    for (screen, theme) in [(DESK, "dark"), (PHONE, "light")] {
        visitor.theme(theme);
        visitor.screen(screen);
        visitor.assert_no_sideways_scroll("/account?tab=sessions");
        visitor.picture(&format!("account-sessions-{theme}-{}", screen.0), screen);
    }
    visitor.screen(DESK);
    let end_phone = "[...document.querySelectorAll('.sessions li')].find((li) => li.innerText.includes('Firefox')).querySelector('button').setAttribute('data-test', '1') ?? true";
    visitor.until(end_phone);
    visitor.click("[data-test='1']");
    visitor.until("!document.querySelector('.sessions').innerText.includes('Firefox')");
    assert_eq!(tokens.each_ref().map(|token| stands(token)), [false, true, true]);
    visitor.click("text=End all others");
    visitor.click("text=End them");
    visitor.until("document.querySelectorAll('.sessions li').length === 1");
    assert_eq!(tokens.each_ref().map(|token| stands(token)), [false; 3]);
    visitor.click("text=Sign out");
    visitor.sees("Sign in to see your account");
}

#[test]
fn money_goes_out_and_the_ledger_reaches_back_and_is_saved() {
    let house = house();
    let Some((mut visitor, account)) = signed_in(&house, "/account") else { return };
    for amount in 1..=60 {
        house.admin().post(&format!("/api/accounts/{account}/deposit"), &json!({ "amount": amount })).ok();
    }
    visitor.open("/account");
    visitor.sees("1,930.00");
    visitor.click("text=Withdraw");
    visitor.fill("dialog input[name=amount]", "5000");
    visitor.click("dialog button[type=submit]");
    visitor.sees("At most 1,930.00 is available");
    visitor.fill("dialog input[name=amount]", "30,5");
    visitor.fill("dialog input[name=to]", "0x12");
    visitor.click("dialog button[type=submit]");
    visitor.sees("40 hexadecimal digits");
    visitor.fill("dialog input[name=to]", &wallet().address().to_string());
    visitor.click("dialog button[type=submit]");
    visitor.sees("Withdrew 30.50");
    visitor.until("!document.querySelector('dialog[open]')");
    assert_eq!(house.balance(&account), 1_899_500_000);
    visitor.open("/account");
    visitor.sees("−30.50");
    visitor.click("text=Older");
    visitor.until("location.search.includes('before=')");
    visitor.sees("+1.00");
    visitor.sees("+100.00");
    visitor.browser.value("history.back()");
    visitor.sees("−30.50");
    let folder = tempfile::tempdir().unwrap();
    let into = json!({"behavior": "allow", "downloadPath": folder.path()});
    visitor.browser.call("Page.setDownloadBehavior", into);
    visitor.click("text=CSV");
    let csv = saved(folder.path(), "ledger.csv");
    assert_eq!(csv.lines().count(), 1 + 62, "a header and all entries:\n{csv}");
    assert!(csv.contains("withdraw") && csv.contains("1899.5"), "{csv}");
}

/// What the notification centre lists, newest first.
fn notices(visitor: &mut Visitor) -> Value {
    visitor.browser.value(
        "[...document.querySelectorAll('.notice-list li div > :first-child')].map((it) => it.innerText)",
    )
}

#[test]
fn the_notification_centre_tells_of_leases_their_blocks_and_workers_that_fall_silent() {
    let house = house();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(5000.0);
    let mut own = crate::support::rig::Rig::connect(house.mqtt(), "own-rig");
    own.owner = wallet().address().to_string();
    own.register();
    own.heartbeat(2000.0);
    let Some((mut visitor, account)) = signed_in(&house, "/") else { return };
    visitor.until(&format!("localStorage['xenblocks.seen.{account}']"));
    // Begun by a program while the page is open.
    let rent = json!({"consumer_id": account, "worker_id": "rig-1", "duration_sec": 600, "consumer_address": wallet().address().to_string()});
    let lease = house.admin().post("/api/rent", &rent).ok();
    let (id, prefix) = (lease["lease_id"].as_str().unwrap(), lease["prefix"].as_str().unwrap());
    rig.command("assign_task");
    visitor.until("document.querySelector('[aria-label^=\"Notifications, \"]')");
    visitor.click("[aria-label^='Notifications']");
    visitor.sees("rig-1 works for you");
    visitor.click("[aria-label^='Notifications']");
    for number in 1..=3 {
        let key = crate::support::rig::key_of(prefix, number);
        let address = wallet().address().to_string();
        house.submit(&key, &address);
        rig.block(id, &key, &address);
    }
    visitor.click("[aria-label='Notifications, 1 new']");
    visitor.sees("Your lease found 3 blocks");
    house.admin().post(&format!("/api/leases/{id}/extend"), &json!({"duration_sec": 600})).ok();
    visitor.sees("Your lease of rig-1 was extended");
    for (screen, theme) in [(DESK, "dark"), (PHONE, "light")] {
        visitor.theme(theme);
        visitor.screen(screen);
        visitor.assert_no_sideways_scroll("the notification centre");
        visitor.picture(&format!("notices-{theme}-{}", screen.0), screen);
    }
    visitor.screen(DESK);
    house.stop(id);
    visitor.sees("Your lease of rig-1 ended");
    // Both fall silent; only one is the visitor's. The loop that looks counts the seconds that it wakes in.
    await_some("the silence", || {
        (0..10).for_each(|_| house.pass(1));
        notices(&mut visitor).to_string().contains("own-rig fell silent").then_some(())
    });
    let listed = notices(&mut visitor);
    assert!(!listed.to_string().contains("rig-1 fell silent"), "{listed:#}");
    // What was read is not news again, and what was there is still there.
    visitor.open("/monitoring");
    visitor.until("document.querySelector('.account-button')");
    visitor.click("[aria-label='Notifications']");
    visitor.sees("Your lease of rig-1 ended");
}
