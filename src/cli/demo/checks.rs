//! Whether the numbers of a rental add up, in exact millionths.

use serde_json::Value;

use super::client::{amount, number, text};
use crate::base::{Amount, Timestamp};
use crate::market::audit::Report;

/// What the platform answered in the course of one rental. Accounts: renter, provider, treasury.
pub(super) struct Evidence {
    pub(super) rented: Value,
    pub(super) stopped: Value,
    pub(super) before: [Value; 3],
    pub(super) after: [Value; 3],
    pub(super) entries: [Value; 3],
    pub(super) lease: Value,
    pub(super) blocks: Value,
    pub(super) on_chain: Value,
    pub(super) renter: Value,
}

/// What was found.
#[derive(Default)]
pub(super) struct Checks {
    passed: Vec<String>,
    off: Vec<String>,
}

const FEE_PERCENT: i64 = 5;
const MICROS_PER_MINUTE: i64 = 60_000_000;

impl Checks {
    pub(super) fn of(told: &Evidence) -> Self {
        let mut checks = Checks::default();
        checks.settlement(&told.stopped["settlement"]);
        checks.ledger(told);
        checks.price(told);
        checks.blocks(told);
        checks
    }

    /// What holds, a line each.
    pub(super) fn passed(&self) -> &[String] {
        &self.passed
    }

    /// What does not.
    pub(super) fn off(&self) -> &[String] {
        &self.off
    }

    /// The audit of the whole database.
    pub(super) fn books(&mut self, report: &Report) {
        let violations = report.violations.len() + report.unsettled.len();
        let first = report.violations.first().or(report.unsettled.first());
        self.same("violations in the audit of the books", &violations, &0);
        if let Some(first) = first {
            self.off.push(first.clone());
        }
    }

    fn settlement(&mut self, settlement: &Value) {
        let parts = sum(&settlement["provider_payment"], &settlement["platform_fee"]);
        self.money("provider_payment + platform_fee = total_cost", parts, amount(&settlement["total_cost"]));
    }

    fn ledger(&mut self, told: &Evidence) {
        let moved = |index: usize| amount(&told.after[index])?.checked_sub(amount(&told.before[index])?);
        let entry = |index: usize| amount(&told.entries[index]["amount"]);
        for (index, name) in ["lease_charge", "provider_payout", "platform_fee"].into_iter().enumerate() {
            self.same("type in the ledger", &text(&told.entries[index]["type"]), &name);
            self.money(&format!("{name} in the ledger = balance after - before"), entry(index), moved(index));
        }
        let cost = entry(0).map(Amount::negated);
        let paid = entry(1).zip(entry(2)).and_then(|(payout, fee)| payout.checked_add(fee));
        self.money("provider_payout + platform_fee = lease_charge", paid, cost);
        self.money("platform_fee = 5 % of the charge, rounded down", entry(2), cost.map(fee_of));
        let shown = cost.map(Amount::shown);
        self.money(
            "total_cost = the charge to 4 decimals",
            amount(&told.stopped["settlement"]["total_cost"]),
            shown,
        );
        self.money("held after the lease", amount(&told.renter["held"]), Some(Amount::ZERO));
    }

    fn price(&mut self, told: &Evidence) {
        let moment = |name: &str| Timestamp::from_seconds(number(&told.lease[name]));
        let elapsed = moment("ended_at").micros_since(moment("created_at"));
        let price = amount(&told.rented["price_per_min"]);
        let charge = amount(&told.entries[0]["amount"]).map(Amount::negated);
        let cost = price.map(|price| price.scale(elapsed, MICROS_PER_MINUTE));
        self.money("charge = price_per_min x time", charge, cost);
        self.same("interrupted_sec", &number(&told.lease["interrupted_sec"]), &0.0);
    }

    /// A block that the worker found before it heard of the end may come later; it is not settled.
    fn blocks(&mut self, told: &Evidence) {
        let prefix = text(&told.rented["prefix"]);
        let ended_at = number(&told.lease["ended_at"]);
        let in_time = |blocks: &Value| -> Vec<Value> {
            let blocks = blocks.as_array().into_iter().flatten();
            blocks.filter(|block| number(&block["timestamp"]) <= ended_at).cloned().collect()
        };
        let (blocks, on_chain) = (in_time(&told.blocks), in_time(&told.on_chain));
        let proven = |block: &&Value| {
            let key = text(&block["key"]);
            let number = &block["chain_block_id"];
            block["prefix_valid"] == true
                && block["chain_verified"] == true
                && key.starts_with(prefix)
                && on_chain.iter().any(|other| other["key"] == key && other["block_id"] == *number)
        };
        let settled = &told.stopped["settlement"]["blocks_found"];
        let proven = blocks.iter().filter(proven).count();
        self.same("blocks of the prefix on the chain", &Value::from(on_chain.len()), settled);
        self.same("blocks of the lease with their proof there", &Value::from(proven), settled);
        self.same("blocks_found of the stopped lease", &told.stopped["blocks_found"], settled);
    }

    fn money(&mut self, what: &str, found: Option<Amount>, expected: Option<Amount>) {
        match (found, expected) {
            (Some(found), Some(expected)) if found == expected => {
                self.passed.push(format!("{what}: {found}"));
            }
            (found, expected) => {
                let show =
                    |amount: Option<Amount>| amount.map_or("nothing".into(), |amount| amount.to_string());
                self.off.push(format!("{what}: {} instead of {}", show(found), show(expected)));
            }
        }
    }

    fn same<T: PartialEq + std::fmt::Display>(&mut self, what: &str, found: &T, expected: &T) {
        if found == expected {
            self.passed.push(format!("{what}: {found}"));
        } else {
            self.off.push(format!("{what}: {found} instead of {expected}"));
        }
    }
}

fn fee_of(cost: Amount) -> Amount {
    cost.scale_down(FEE_PERCENT, 100)
}

fn sum(one: &Value, other: &Value) -> Option<Amount> {
    amount(one)?.checked_add(amount(other)?)
}
