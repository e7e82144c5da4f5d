//! A platform in this process, with a clock that tests move.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use xenblocks::auth::administrator::TEST_KEY;
use xenblocks::base::{Clock, Timestamp};
use xenblocks::platform::{AuthMode, Config, Platform};
use xenblocks::pow::Difficulty;

use super::api::Api;
use super::await_some;
use super::rig::Rig;

/// The renter that every open house knows, with 1000 coins.
pub const RENTER: &str = "consumer-1";
/// Its address.
pub const RENTER_ADDRESS: &str = "0xaabbccddee1234567890abcdef1234567890abcd";
/// The administrator's key of closed houses.
pub const ADMIN_KEY: &str = "an-administrators-key-of-the-tests";

const START_SECONDS: f64 = 1_800_000_000.0;

/// A platform that runs until it is dropped.
pub struct House {
    /// Its time; stands still until moved.
    pub clock: Clock,
    /// A caller without a credential.
    pub api: Api,
    platform: Option<Platform>,
    config: Config,
    _folder: TempDir,
}

impl House {
    /// In open mode.
    pub fn open() -> Self {
        Self::with(|_| ())
    }

    /// In closed mode, with [`ADMIN_KEY`].
    pub fn closed() -> Self {
        Self::with(|config| config.auth = AuthMode::Required)
    }

    /// With other settings.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("admin.key");
        std::fs::write(&key_file, ADMIN_KEY).unwrap();
        private(&key_file);
        let mut config = Config::on_loopback(folder.path().join("market.db"), Difficulty::new(8).unwrap());
        change(&mut config);
        if config.auth == AuthMode::Required {
            config.admin_key_file = Some(key_file);
        }
        let clock = Clock::manual(Timestamp::from_seconds(START_SECONDS));
        let platform = Platform::start(config.clone(), clock.clone()).unwrap();
        let api = Api::new(platform.api_addr());
        House { clock, api, platform: Some(platform), config, _folder: folder }
    }

    /// Stops the platform and starts it again on the same database.
    pub fn restart(&mut self) {
        self.platform.take().unwrap().stop();
        self.start();
    }

    /// The same on a machine whose clock shows another time when it is back.
    pub fn restart_at(&mut self, now: Timestamp) {
        self.platform.take().unwrap().stop();
        self.clock = Clock::manual(now);
        self.start();
    }

    fn start(&mut self) {
        let platform = Platform::start(self.config.clone(), self.clock.clone()).unwrap();
        self.api = Api::new(platform.api_addr());
        self.platform = Some(platform);
    }

    /// Where MQTT listens.
    pub fn mqtt(&self) -> SocketAddr {
        self.platform.as_ref().unwrap().mqtt_addr()
    }

    /// Where HTTP listens.
    pub fn http(&self) -> SocketAddr {
        self.platform.as_ref().unwrap().api_addr()
    }

    /// The administrator.
    pub fn admin(&self) -> Api {
        let closed = self.config.auth == AuthMode::Required;
        self.api.with_key(if closed { ADMIN_KEY } else { TEST_KEY })
    }

    /// A registered worker.
    pub fn rig(&self, id: &str) -> Rig {
        Rig::join(self.mqtt(), id)
    }

    /// Lets time pass.
    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Lets time pass as a worker lives through it: a heartbeat every 30 s, each of them arrived.
    pub fn pass_with(&self, rig: &mut Rig, seconds: u64) {
        let mut left = seconds;
        while left > 0 {
            let step = left.min(30);
            self.pass(step);
            left -= step;
            self.hear(rig);
        }
    }

    /// A worker's heartbeat, arrived: its acknowledgement alone says only that it will.
    pub fn hear(&self, rig: &mut Rig) {
        rig.heartbeat(1000.0);
        let now = self.clock.now().seconds();
        await_some("the heartbeat", || {
            let seen = self.worker(&rig.id)["last_heartbeat"].as_f64()?;
            ((seen - now).abs() < 1e-3).then_some(())
        });
    }

    /// What `GET /api/workers` says of a worker; null when it is not there.
    pub fn worker(&self, id: &str) -> Value {
        let workers = self.api.get("/api/workers").ok();
        let workers = workers.as_array().expect("a bare array");
        workers.iter().find(|worker| worker["worker_id"] == id).cloned().unwrap_or_default()
    }

    /// Waits until a worker is in this state.
    pub fn await_state(&self, worker: &str, state: &str) {
        await_some(&format!("{worker} {state}"), || (self.worker(worker)["state"] == state).then_some(()));
    }

    /// Rents a worker for the demo renter; the lease as `POST /api/rent` answers it.
    pub fn rent(&self, worker: &str, duration_sec: i64) -> Value {
        let body = json!({"consumer_id": RENTER, "worker_id": worker, "duration_sec": duration_sec});
        self.api.post("/api/rent", &body).ok()
    }

    /// Stops a lease; the answer with its settlement.
    pub fn stop(&self, lease: &str) -> Value {
        self.api.post("/api/stop", &json!({ "lease_id": lease })).ok()
    }

    /// A lease as everybody sees it.
    pub fn lease(&self, id: &str) -> Value {
        self.api.get(&format!("/api/leases/{id}")).ok()
    }

    /// An account's balance in millionths, exactly.
    pub fn balance(&self, account: &str) -> i64 {
        let view = self.admin().get(&format!("/api/accounts/{account}/balance")).ok();
        millionths(&view["balance"])
    }

    /// A key of an account, which in open mode anybody may make.
    pub fn key_of(&self, account: &str) -> String {
        let reply = self.admin().post("/api/auth/login", &json!({ "account_id": account })).ok();
        reply["api_key"].as_str().unwrap().to_owned()
    }

    /// Submits a block to the chain as a simulator does; its answer.
    pub fn submit(&self, key: &str, account: &str) -> super::api::Reply {
        let body = json!({
            "hash_to_verify": super::rig::bare_hash(), "key": key, "account": account,
            "attempts": "1000000", "hashes_per_second": "1234.50", "worker": "tests",
        });
        self.api.post("/verify", &body)
    }

    /// Panics unless the books are in order.
    pub fn assert_books_in_order(&self) {
        assert_books_in_order(&self.config.db_path);
    }
}

/// Panics unless every invariant of the database holds.
pub fn assert_books_in_order(path: &std::path::Path) {
    let connection = xenblocks::store::open_for_reading(path).unwrap();
    let report = xenblocks::market::audit::audit(&connection).unwrap();
    assert!(report.violations.is_empty(), "the books are not in order: {:#?}", report.violations);
    assert!(report.unsettled.is_empty(), "not settled: {:?}", report.unsettled);
}

/// A JSON number of money in millionths.
pub fn millionths(number: &Value) -> i64 {
    let number = number.as_f64().unwrap_or_else(|| panic!("{number} is no number"));
    xenblocks::base::Amount::from_f64(number).unwrap().millionths()
}

impl Drop for House {
    fn drop(&mut self) {
        let Some(platform) = self.platform.take() else { return };
        let death = platform.deaths().try_recv().ok();
        platform.stop();
        if !std::thread::panicking() {
            assert!(death.is_none(), "a thread of the platform died: {death:?}");
            self.assert_books_in_order();
        }
    }
}

fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
