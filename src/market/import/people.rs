//! Accounts, their keys, and workers.

use super::source::Fields;
use super::{Import, ImportError};
use crate::auth::keys;
use crate::base::limits::{GPUS_MAX, HASHRATE_MAX, PRICE_PER_MIN_MAX, TEXT_BYTES_MAX};
use crate::base::time::micros_of;
use crate::base::{AccountId, Amount, EthAddress, Secret, WorkerId};
use crate::market::Scope;
use crate::market::ledger::{OUTSIDE, TREASURY};
use crate::market::pricing::{DEFAULT_MAX_DURATION_SEC, DEFAULT_MIN_DURATION_SEC, DEFAULT_PRICE_PER_MIN};
use crate::protocol::{Gpu, Register, ReportedState};
use crate::store::accounts::{self, Account, Origin, Role};
use crate::store::workers;

impl Import<'_> {
    pub(super) fn accounts(&mut self, scope: &mut Scope<'_>) -> Result<(), ImportError> {
        let source = self.source;
        source.each("accounts", |row| self.account(scope, row))
    }

    fn account(&mut self, scope: &mut Scope<'_>, row: &Fields<'_>) -> Result<(), ImportError> {
        let (name, number) = (row.text(&["account_id", "id"]), row.number);
        let id = match name.parse::<AccountId>() {
            Ok(id) if id.as_str() != OUTSIDE => id,
            Ok(_) => {
                self.leave_out(format!("account {name}: the name is the platform's own"));
                return Ok(());
            }
            Err(error) => {
                self.leave_out(format!("row {number} of accounts, {name:?}: {error}"));
                return Ok(());
            }
        };
        if self.balances.contains_key(&id) {
            self.leave_out(format!("account {id}, row {number}: it is there twice"));
            return Ok(());
        }
        let role = match row.text(&["role"]).as_str() {
            "consumer" => Role::Consumer,
            "provider" => Role::Provider,
            other => {
                self.leave_out(format!("account {id}: {other:?} is no role"));
                return Ok(());
            }
        };
        let balance = self.balance(&id, row);
        self.balances.insert(id.clone(), balance);
        let key = row.text(&["api_key"]);
        if id.as_str() == TREASURY {
            if !key.is_empty() {
                self.note(format!("account {id}: its API key ends; the platform's account has none"));
            }
            return Ok(());
        }
        let address = self.address(&format!("account {id}"), &row.text(&["eth_address"]));
        let origin = self.origin(scope, &id, role, address)?;
        let created_at = row.time(&["created_at", "registered_at"]).unwrap_or(self.now).min(self.now);
        accounts::insert(scope, &Account::empty(id.clone(), role, origin, address, created_at))?;
        self.done.accounts += 1;
        self.key(scope, &id, origin, key)
    }

    fn balance(&mut self, id: &AccountId, row: &Fields<'_>) -> Amount {
        let was = row.text(&["balance"]);
        let Some(balance) = row.amount(&["balance"]).filter(|balance| !balance.is_negative()) else {
            self.note(format!(
                "account {id}: balance {was:?} is none that an account can have and becomes 0"
            ));
            return Amount::ZERO;
        };
        let value = row.number(&["balance"]).unwrap_or_default();
        if (balance.to_f64() - value).abs() > 0.0 {
            self.note(format!(
                "account {id}: balance {value} is rounded to {balance} ({:+e})",
                balance.to_f64() - value
            ));
        }
        balance
    }

    /// An account that only a signature could have made is the wallet's. Its name says which: the
    /// prototype made it of the address.
    fn origin(
        &mut self,
        scope: &Scope<'_>,
        id: &AccountId,
        role: Role,
        address: Option<EthAddress>,
    ) -> Result<Origin, ImportError> {
        if self.source.has_worker(id.as_str())? && role == Role::Provider {
            return Ok(Origin::Worker);
        }
        let Some(address) = address else { return Ok(Origin::Registered) };
        let named = id.as_str() == format!("wallet-{}", &address.lower()[..WALLET_ID_DIGITS]);
        if !named || role != Role::Provider {
            return Ok(Origin::Registered);
        }
        if accounts::of_wallet(scope, &address)?.is_some() {
            self.note(format!(
                "account {id}: the wallet {address} has an account already; this one is no wallet's"
            ));
            return Ok(Origin::Registered);
        }
        Ok(Origin::Wallet)
    }

    fn key(
        &mut self,
        scope: &Scope<'_>,
        id: &AccountId,
        origin: Origin,
        key: String,
    ) -> Result<(), ImportError> {
        if key.is_empty() {
            return Ok(());
        }
        if origin == Origin::Wallet {
            // The prototype gave such a key to whoever asked for it by name.
            self.note(format!("account {id}: its API key ends; a wallet signs in"));
        } else if keys::adopt(scope, id, &Secret::new(key), self.now)? {
            self.done.keys += 1;
        } else {
            self.leave_out(format!("account {id}: its API key is another account's too"));
        }
        Ok(())
    }

    /// An address, unless it is none; that is told.
    pub(super) fn address(&mut self, whose: &str, text: &str) -> Option<EthAddress> {
        if text.is_empty() {
            return None;
        }
        let address = text.parse().ok();
        if address.is_none() {
            self.note(format!("{whose}: {text:?} is no address and is dropped"));
        }
        address
    }

    pub(super) fn workers(&mut self, scope: &mut Scope<'_>) -> Result<(), ImportError> {
        let source = self.source;
        source.each("workers", |row| self.worker(scope, row))
    }

    fn worker(&mut self, scope: &mut Scope<'_>, row: &Fields<'_>) -> Result<(), ImportError> {
        let (name, number) = (row.text(&["worker_id", "id"]), row.number);
        let id: WorkerId = match name.parse() {
            Ok(id) => id,
            Err(error) => {
                self.leave_out(format!("row {number} of workers, {name:?}: {error}"));
                return Ok(());
            }
        };
        if workers::get(scope, &id)?.is_some() {
            self.leave_out(format!("worker {id}, row {number}: it is there twice"));
            return Ok(());
        }
        let address = self.address(&format!("worker {id}"), &row.text(&["eth_address"]));
        let gpus = self.gpus(&id, &row.text(&["gpus"]));
        let count = row.whole(&["gpu_count"]).and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
        let version: String = row.text(&["version"]).chars().take(TEXT_BYTES_MAX / 4).collect();
        let register = Register {
            worker_id: id.clone(),
            eth_address: address,
            gpu_count: count,
            total_memory_gb: row.number(&["total_memory_gb"]).unwrap_or_default().clamp(0.0, 1e6),
            gpus,
            version: if version.is_empty() { "unknown".into() } else { version },
        };
        self.provider_account(scope, &id, address)?;
        let registered = row.time(&["registered_at", "created_at", "last_heartbeat"]).unwrap_or(self.now);
        let registered_at = registered.min(self.now);
        let price = self.price(&id, row);
        // Each comes back by itself and is then what its owner last made it: for rent or not.
        workers::upsert(scope, &register, ReportedState::Offline, price, registered_at)?;
        let listed = !row.text(&["state"]).eq_ignore_ascii_case(ReportedState::SelfMining.as_str());
        workers::set_listed(scope, &id, listed)?;
        let (min, max) = self.limits(&id, row);
        workers::set_pricing(scope, &id, price, min, max)?;
        let lifetime = self.now.micros_since(registered_at);
        let online =
            std::time::Duration::try_from_secs_f64(row.number(&["total_online_sec"]).unwrap_or_default());
        let pulse = workers::Pulse {
            worker_id: id,
            hashrate: row.number(&["hashrate"]).unwrap_or_default().clamp(0.0, HASHRATE_MAX),
            active_gpus: 0,
            last_heartbeat: row.time(&["last_heartbeat"]).unwrap_or(registered_at).min(self.now),
            online: online.map_or(0, micros_of).min(lifetime),
            hashrate_sum: 0.0,
            hashrate_samples: 0,
        };
        workers::write_pulse(scope, &pulse)?;
        self.done.workers += 1;
        Ok(())
    }

    fn gpus(&mut self, id: &WorkerId, text: &str) -> Vec<Gpu> {
        if text.is_empty() {
            return Vec::new();
        }
        let gpus = serde_json::from_str::<Option<Vec<Gpu>>>(text).unwrap_or_default();
        let gpus = gpus
            .filter(|gpus| gpus.len() <= GPUS_MAX && gpus.iter().all(|gpu| gpu.name.len() <= TEXT_BYTES_MAX));
        gpus.unwrap_or_else(|| {
            self.note(format!("worker {id}: its list of GPUs cannot be read; it sends it again"));
            Vec::new()
        })
    }

    fn provider_account(
        &mut self,
        scope: &Scope<'_>,
        id: &WorkerId,
        address: Option<EthAddress>,
    ) -> Result<(), ImportError> {
        let account = id.account();
        match accounts::get(scope, &account)? {
            Some(found) if found.role == Role::Provider => {}
            Some(_) => self
                .note(format!("worker {id}: its id is a renter's account; it must register under another")),
            None => {
                let account = Account::empty(account, Role::Provider, Origin::Worker, address, self.now);
                accounts::insert(scope, &account)?;
            }
        }
        Ok(())
    }

    fn price(&mut self, id: &WorkerId, row: &Fields<'_>) -> Amount {
        let price = row.amount(&["price_per_min"]);
        if let Some(price) = price.filter(|price| !price.is_negative() && *price <= PRICE_PER_MIN_MAX) {
            return price;
        }
        if row.has("price_per_min") {
            let was = row.text(&["price_per_min"]);
            self.note(format!("worker {id}: price {was:?} a minute becomes {DEFAULT_PRICE_PER_MIN}"));
        }
        DEFAULT_PRICE_PER_MIN
    }

    /// The prototype wrote its defaults where nothing was set.
    fn limits(&mut self, id: &WorkerId, row: &Fields<'_>) -> (Option<i64>, Option<i64>) {
        let min = row.whole(&["min_duration_sec"]).filter(|min| *min != DEFAULT_MIN_DURATION_SEC);
        let max = row.whole(&["max_duration_sec"]).filter(|max| *max != DEFAULT_MAX_DURATION_SEC);
        let (least, most) = (min.unwrap_or(1), max.unwrap_or(i64::MAX));
        if least < 1 || most < least {
            self.note(format!("worker {id}: no lease lasts {least} to {most} s; its limits are dropped"));
            return (None, None);
        }
        (min, max)
    }
}

const WALLET_ID_DIGITS: usize = 10;
