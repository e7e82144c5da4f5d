//! The first visit of somebody who knows nothing: `xenblocks play` as it comes, a browser, a wallet, and from
//! there on only what the pages show. In the end the figures of the pages are those of the API.

use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::renter::sign_in;
use crate::support::api::Api;
use crate::support::await_some;
use crate::support::server::{Server, folder, program};
use crate::visitor::{DESK, PHONE, Visitor};

const RENTED: &str = "sim-worker-001";
const OWN: &str = "my-rig";
/// The figure of a card, by the card's label.
const FIGURE: &str = "const figure = (label) => [...document.querySelectorAll('.metric')].find((it) => it.querySelector('.metric-label').innerText === label)?.querySelector('.metric-value').innerText;";
/// What a list of facts says, by the name beside it.
const FACT: &str = "const fact = (name) => [...document.querySelectorAll('.facts > div')].find((it) => it.querySelector('dt').innerText === name)?.querySelector('dd').innerText;";

#[test]
fn a_newcomer_rents_a_worker_provides_another_and_takes_the_ledger_home() {
    let (home, db) = folder();
    let statics = concat!(env!("CARGO_MANIFEST_DIR"), "/static");
    let server =
        Server::spawn_command("play", &db, &["--workers", "3", "--log", "off", "--static-dir", statics]);
    let Some(mut newcomer) = Visitor::with_wallet(server.http) else { return };
    // Leaving a page cuts off what it still asks for.
    newcomer.browser.expect("ERR_ABORTED");
    sees_the_fleet(&mut newcomer);
    signs_in_and_pays_in(&mut newcomer);
    let lease = rents_and_watches(&mut newcomer);
    let paid = stops_and_reads_the_settlement(&mut newcomer);
    let _miner = connects_a_worker(&mut newcomer, home.path());
    prices_and_lists_it(&mut newcomer);
    let csv = takes_the_ledger_home(&mut newcomer, home.path());
    let token = newcomer.browser.value("JSON.parse(localStorage['xenblocks.session']).secret");
    agrees(&server.api.with_token(token.as_str().unwrap()), &lease, &paid, &csv);
}

fn sees_the_fleet(newcomer: &mut Visitor) {
    newcomer.open("/");
    newcomer.sees("0 of 4 done");
    newcomer.click(".nav a[href='/monitoring']");
    newcomer.until("document.querySelector('.conn').dataset.state === 'live'");
    // Three rigs, two that wait for leases, and one that really hashes; each has told how fast it is.
    newcomer.until("document.querySelectorAll('tbody .row-link').length === 6 && document.querySelectorAll('tbody .badge.success').length === 6");
    newcomer.until("[...document.querySelectorAll('tbody tr')].every((row) => /[1-9][\\d.]* k?H\\/s/.test(row.innerText))");
}

fn signs_in_and_pays_in(newcomer: &mut Visitor) {
    newcomer.click(".nav a[href='/']");
    sign_in(newcomer);
    newcomer.sees("1 of 4 done");
    newcomer.click("text=Deposit");
    newcomer.until("location.pathname === '/account'");
    newcomer.sees("No money has moved yet");
    newcomer.click("text=Deposit");
    newcomer.click("text=1000");
    newcomer.click("dialog button[type=submit]");
    // At once: while it is still told.
    newcomer.until("document.querySelector('.toast')?.innerText.includes('Deposited 1,000.00') && document.querySelector('tbody')?.innerText.includes('+1,000.00')");
}

/// The lease's id.
fn rents_and_watches(newcomer: &mut Visitor) -> String {
    newcomer.click(".nav a[href='/marketplace']");
    newcomer.click(&format!("[aria-label='Rent {RENTED}']"));
    newcomer.click("text=10 min");
    newcomer.sees("Rent for 6.00");
    newcomer.click("[form=rent-form]");
    newcomer.until("location.pathname.startsWith('/lease/lease-')");
    let lease = newcomer.browser.value("location.pathname.slice('/lease/'.length)");
    let delivered = format!(
        "(() => {{ {FIGURE} return parseFloat(figure('Delivered')) > 0 && Number(figure('Cost so far')) > 0; }})()"
    );
    newcomer.until(&delivered);
    // The market calls it taken, and the fleet's page tells of its blocks as they come.
    newcomer.click(".nav a[href='/monitoring']");
    newcomer.until(&format!("[...document.querySelectorAll('tbody tr')].find((row) => row.innerText.includes('{RENTED}'))?.innerText.includes('Mining')"));
    newcomer.until("!document.querySelector('.skeleton')");
    newcomer.click("[aria-label=Blocks] button:nth-child(2)");
    newcomer.click(".feed a[href^='/lease/']");
    let blocks = format!(
        "(() => {{ {FIGURE} return Number(figure('Blocks')) > 0 && document.querySelector('td .link.mono'); }})()"
    );
    newcomer.until(&blocks);
    newcomer.click("td .link.mono");
    newcomer.sees("Proof of a block");
    newcomer.until("/^[0-9a-f]{16}$/.test(document.querySelector('dialog mark').innerText)");
    // A phone shows the address and the key whole.
    newcomer.screen(PHONE);
    newcomer.until("(() => { const body = document.querySelector('.dialog-body'); return body.scrollWidth === body.clientWidth; })()");
    newcomer.picture("proof-dark-390", PHONE);
    newcomer.screen(DESK);
    newcomer.press("Escape");
    lease.as_str().unwrap().to_owned()
}

/// What the settlement on the page says, as numbers.
fn stops_and_reads_the_settlement(newcomer: &mut Visitor) -> Value {
    newcomer.click("text=Stop");
    newcomer.sees("Comes back to you");
    newcomer.click("text=Stop and settle");
    newcomer.sees("Completed");
    newcomer.sees("Settled");
    newcomer.browser.value(&format!(
        "(() => {{ {FIGURE} {FACT} return {{
            total_cost: Number(fact('In all')), provider_payment: Number(fact('To the provider')), platform_fee: Number(fact(\"Platform's fee\")),
            held: Number(fact('Was held')), refund: Number(fact('Came back of the hold')), card: figure('Paid') }}; }})()"
    ))
}

/// Starts what the page says, on this machine; the page shows the worker without being asked.
fn connects_a_worker(newcomer: &mut Visitor, home: &Path) -> Miner {
    newcomer.click(".nav a[href='/provider']");
    newcomer.sees("No worker is yours yet");
    newcomer.fill("input[name=worker]", OWN);
    let command = newcomer.until(&format!("(() => {{ const text = document.querySelector('[data-command]').innerText; return text.includes('{OWN}') && text; }})()"));
    let words: Vec<_> = command.as_str().unwrap().split_whitespace().filter(|word| *word != "\\").collect();
    assert_eq!(words[..2], ["xenblocks", "worker"]);
    let state = home.join("miner");
    // What a machine that runs other tests needs besides.
    let further =
        ["--state-dir", state.to_str().unwrap(), "--http-port", "0", "--threads", "1", "--log", "off"];
    let mut miner = program(&[&words[1..], &further].concat());
    let miner = Miner(miner.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    newcomer.until(&format!("document.querySelector('[aria-label=\"Unlist {OWN}\"]')"));
    miner
}

fn prices_and_lists_it(newcomer: &mut Visitor) {
    newcomer.click(&format!("[aria-label^='Price of {OWN}']"));
    newcomer.fill("input[name=price]", "0.9");
    newcomer.press("Enter");
    newcomer.sees("1 worker now at 0.90 a minute");
    newcomer.click(&format!("[aria-label='Unlist {OWN}']"));
    newcomer.click("text=Unlist");
    newcomer.until("document.querySelector('tbody').innerText.includes('Self-mining')");
    newcomer.click(&format!("[aria-label='List {OWN}']"));
    newcomer.click("text=List");
    newcomer.until("document.querySelector('tbody').innerText.includes('Available')");
    newcomer.click(".nav a[href='/marketplace']");
    newcomer.fill("input[type=search]", OWN);
    newcomer.until("document.querySelectorAll('.offer').length === 1 && document.querySelector('.offer').innerText.includes('0.90')");
}

/// The file that the page saves, which says what the page says.
fn takes_the_ledger_home(newcomer: &mut Visitor, home: &Path) -> String {
    let into = json!({"behavior": "allow", "downloadPath": home});
    newcomer.browser.call("Page.setDownloadBehavior", into);
    newcomer.click(".nav a[href='/']");
    newcomer.sees("4 of 4 done");
    newcomer.click(".account-button");
    newcomer.click(".menu a[href='/account']");
    newcomer.until("document.querySelectorAll('tbody tr').length === 2");
    newcomer.click("text=CSV");
    let file = home.join("ledger.csv");
    await_some("the ledger", || std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n')))
}

/// The API says of lease and money what the pages and the file said.
fn agrees(api: &Api, lease: &str, shown: &Value, csv: &str) {
    let lease = api.get(&format!("/api/leases/{lease}")).ok();
    for part in ["total_cost", "provider_payment", "platform_fee", "held", "refund"] {
        assert_eq!(
            shown[part].as_f64(),
            lease["paid"][part].as_f64(),
            "{part}: {shown} and {}",
            lease["paid"]
        );
    }
    let total = lease["paid"]["total_cost"].as_f64().unwrap();
    assert_eq!(shown["card"], format!("{total:.4}"));
    assert_eq!(lease["paid"]["held"], 6.0);
    assert!(
        lease["blocks_found"].as_i64() > Some(0) && lease["avg_hashrate"].as_f64() > Some(0.0),
        "{lease}"
    );
    let me = api.get("/api/auth/me").ok();
    let left = 1000.0 - total;
    assert!((me["balance"].as_f64().unwrap() - left).abs() < 1e-9, "{me}");
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + 2, "a header, the deposit and the lease:\n{csv}");
    let charged = lines.iter().find(|line| line.contains("lease_charge")).unwrap();
    assert!(charged.contains(lease["lease_id"].as_str().unwrap()), "{charged}");
    assert!(
        charged.contains(&total.to_string()) && charged.contains(&format!("{}", (left * 1e6).round() / 1e6)),
        "{charged}"
    );
    let workers = api.get("/api/provider/workers").ok();
    assert_eq!(
        (&workers["items"][0]["worker_id"], &workers["items"][0]["price_per_min"]),
        (&json!(OWN), &json!(0.9))
    );
}

/// A miner that ends with the test.
struct Miner(Child);

impl Drop for Miner {
    fn drop(&mut self) {
        // Already gone: that is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
