//! `xenblocks demo`: one rental from start to settlement on a marketplace of its own, told step by
//! step. It ends with exit code 0 only when every number adds up.

mod checks;
mod client;
mod house;

use std::time::{Duration, Instant};

use clap::Args;
use crossbeam_channel::Receiver;
use serde_json::{Value, json};

use super::{CliError, say, signals};
use checks::{Checks, Evidence};
use client::{Client, coins, number, text};
use house::{House, WORKER};

/// Flags of `xenblocks demo`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Blocks to wait for before the lease is stopped.
    #[arg(long, env = "XENBLOCKS_DEMO_BLOCKS", default_value_t = 3, value_parser = clap::value_parser!(i64).range(0..=1000), value_name = "N")]
    blocks: i64,
}

const RENTER: &str = "consumer-1";
const TREASURY: &str = "platform-treasury";
const LEASE_SECONDS: i64 = 600;
/// For a worker to appear, and for each block: the simulated one takes half a second on average.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let bell = signals::stop_bell()?;
    say("\n  XenBlocks: one rental, from start to settlement\n");
    let house = House::start()?;
    step("platform", format_args!("{}, MQTT on port {}", house.url(), house.mqtt_port()));
    let demo = Demo { client: Client::new(house.url(), house.administrator_key()), bell };
    let told = demo.rental(arguments.blocks);
    let audited = house.close();
    let mut checks = Checks::of(&told?);
    checks.books(&audited?);
    for line in checks.passed() {
        step("adds up", line);
    }
    match checks.off().first() {
        None => {
            say("\n  Every number adds up.\n");
            Ok(())
        }
        Some(off) => Err(CliError::Said(format!("demo: a number is off: {off}"))),
    }
}

/// Tells one step: what it is about, and what happened.
fn step(about: &str, what: impl std::fmt::Display) {
    say(format_args!("  {about:<11} {what}"));
}

struct Demo {
    client: Client,
    bell: Receiver<()>,
}

impl Demo {
    /// The whole lifecycle; returns what was answered on the way.
    fn rental(&self, blocks: i64) -> Result<Evidence, CliError> {
        let worker = self.until("the worker", || {
            let workers = self.client.get("/api/workers")?;
            let mut workers = workers.as_array().into_iter().flatten();
            let found = workers.find(|worker| worker["worker_id"] == WORKER);
            Ok(found.filter(|worker| number(&worker["hashrate"]) > 0.0).cloned())
        })?;
        step(
            "worker",
            format_args!(
                "{WORKER} is for rent: {} GPUs, {:.0} H/s, {} a minute",
                worker["gpu_count"],
                number(&worker["hashrate"]),
                coins(&worker["price_per_min"])
            ),
        );
        let before = self.balances()?;
        step("renter", format_args!("{RENTER} has {}", coins(&before[0])));
        let rented = self.client.post(
            "/api/rent",
            &json!({"consumer_id": RENTER, "worker_id": WORKER, "duration_sec": LEASE_SECONDS}),
        )?;
        let lease = text(&rented["lease_id"]);
        step(
            "rent",
            format_args!("{lease} for at most {LEASE_SECONDS} s, {} of it held", coins(&rented["held"])),
        );
        step("prefix", format_args!("each key of the lease begins with {}", text(&rented["prefix"])));
        self.watch_blocks(lease, blocks)?;
        let stopped = self.client.post("/api/stop", &json!({ "lease_id": lease }))?;
        let settlement = &stopped["settlement"];
        step(
            "stop",
            format_args!("after {} s with {} blocks", settlement["duration_sec"], settlement["blocks_found"]),
        );
        step(
            "settlement",
            format_args!(
                "{} = {} for the provider + {} for the platform",
                coins(&settlement["total_cost"]),
                coins(&settlement["provider_payment"]),
                coins(&settlement["platform_fee"])
            ),
        );
        let after = self.balances()?;
        for (account, balance) in ACCOUNTS.iter().zip(&after) {
            step("balance", format_args!("{account} has {}", coins(balance)));
        }
        self.gather(rented, stopped, before, after)
    }

    /// Tells of each block of the lease as it counts, until there are so many.
    fn watch_blocks(&self, lease: &str, wanted: i64) -> Result<(), CliError> {
        let mut told = 0;
        while told < wanted {
            let blocks = self.until("a block", || {
                let blocks = self.client.get(&format!("/api/blocks?lease_id={lease}"))?;
                let blocks = blocks.as_array().cloned().unwrap_or_default();
                let counted = blocks.into_iter().filter(|block| block["chain_verified"] == true);
                let counted: Vec<Value> = counted.collect();
                Ok((i64::try_from(counted.len()).unwrap_or(i64::MAX) > told).then_some(counted))
            })?;
            for block in blocks.iter().skip(usize::try_from(told).unwrap_or(usize::MAX)) {
                let key = text(&block["key"]);
                let shown = key.get(..24).unwrap_or(key);
                step(
                    "block",
                    format_args!("key {shown}… is number {} on the chain", block["chain_block_id"]),
                );
                told += 1;
            }
        }
        Ok(())
    }

    /// What the checks need beside the answers so far.
    fn gather(
        &self,
        rented: Value,
        stopped: Value,
        before: [Value; 3],
        after: [Value; 3],
    ) -> Result<Evidence, CliError> {
        let (lease, prefix) = (text(&rented["lease_id"]), text(&rented["prefix"]));
        let entry = |account: &str| {
            let ledger = self.client.get(&format!("/api/accounts/{account}/transactions?limit=10"))?;
            let items = ledger["items"].as_array().cloned().unwrap_or_default();
            let found = items.into_iter().find(|entry| entry["lease_id"] == *lease);
            found
                .ok_or_else(|| CliError::Said(format!("demo: the ledger of {account} does not name {lease}")))
        };
        Ok(Evidence {
            entries: [entry(ACCOUNTS[0])?, entry(ACCOUNTS[1])?, entry(ACCOUNTS[2])?],
            lease: self.client.get(&format!("/api/leases/{lease}"))?,
            blocks: self.client.get(&format!("/api/blocks?lease_id={lease}"))?,
            on_chain: self.client.get(&format!("/chain/blocks?prefix={prefix}&limit=1000"))?,
            renter: self.client.get(&format!("/api/accounts/{RENTER}/balance"))?,
            rented,
            stopped,
            before,
            after,
        })
    }

    fn balances(&self) -> Result<[Value; 3], CliError> {
        let balance = |account: &str| -> Result<Value, CliError> {
            // A worker's account is made by its first registration.
            let view = self.client.get(&format!("/api/accounts/{account}/balance"))?;
            Ok(view["balance"].clone())
        };
        Ok([balance(ACCOUNTS[0])?, balance(ACCOUNTS[1])?, balance(ACCOUNTS[2])?])
    }

    /// Asks again and again; an error when it takes too long or somebody presses Ctrl-C.
    fn until<T>(
        &self,
        what: &str,
        mut ask: impl FnMut() -> Result<Option<T>, CliError>,
    ) -> Result<T, CliError> {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            if started.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(CliError::Said(format!("demo: {what} did not come within {seconds} s")));
            }
            if self.bell.recv_timeout(POLL_INTERVAL).is_ok() {
                return Err(CliError::Said("demo: interrupted".into()));
            }
        }
    }
}

/// Who pays, who is paid, who takes the fee.
const ACCOUNTS: [&str; 3] = [RENTER, WORKER, TREASURY];
