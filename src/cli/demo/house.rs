//! A marketplace of the demonstration's own: free ports, a temporary database, one simulated worker.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::Clock;
use crate::base::thread::{Death, deathwatch, spawn};
use crate::chain::simulator::DIFFICULTY_START_KIB;
use crate::cli::CliError;
use crate::market::audit::{Report, audit};
use crate::platform::{Config, Platform};
use crate::pow::Difficulty;
use crate::sim::leases;
use crate::store::open_for_reading;
use crate::worker::session::Broker;

/// The simulated worker's id.
pub(super) const WORKER: &str = "sim-worker-001";
const BLOCK_INTERVAL: Duration = Duration::from_millis(500);

/// The marketplace, running.
pub(super) struct House {
    platform: Platform,
    url: String,
    administrator_key: String,
    stop_worker: Sender<()>,
    worker: JoinHandle<()>,
    worker_deaths: Receiver<Death>,
    db_path: PathBuf,
    folder: Folder,
}

impl House {
    pub(super) fn start() -> Result<Self, CliError> {
        let folder = Folder::make()?;
        let db_path = folder.0.join("market.db");
        let key_path = folder.0.join("administrator.key");
        let administrator_key = uuid::Uuid::new_v4().to_string();
        let mut key_file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key_path)?;
        key_file.write_all(administrator_key.as_bytes())?;
        let platform = Platform::start(config(db_path.clone(), key_path), Clock::system())?;
        let mqtt = platform.mqtt_addr();
        let config = leases::Config {
            workers: 1,
            broker: Broker { host: mqtt.ip().to_string(), port: mqtt.port(), login: None },
            block_interval: BLOCK_INTERVAL,
            gpu_count: 2,
            api_port: Some(platform.api_addr().port()),
            heartbeat_interval: leases::HEARTBEAT_INTERVAL,
            tokens: HashMap::new(),
            seed: None,
        };
        let (watch, worker_deaths) = deathwatch();
        let (stop_worker, stopped) = bounded(1);
        let worker = spawn("simulate", &watch, move || Ok(leases::run(config, Clock::system(), stopped)?))?;
        let url = format!("http://{}", platform.api_addr());
        Ok(House { platform, url, administrator_key, stop_worker, worker, worker_deaths, db_path, folder })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The ledgers are for administrators and their owners.
    pub(super) fn administrator_key(&self) -> &str {
        &self.administrator_key
    }

    pub(super) fn mqtt_port(&self) -> u16 {
        self.platform.mqtt_addr().port()
    }

    /// Stops everything, audits the books that are left, and removes them.
    pub(super) fn close(self) -> Result<Report, CliError> {
        drop(self.stop_worker);
        // Err: it died of a panic, which the deathwatch has reported.
        let _ = self.worker.join();
        let death = self.worker_deaths.try_recv().or_else(|_| self.platform.deaths().try_recv());
        self.platform.stop();
        if let Ok(death) = death {
            return Err(CliError::Died(death));
        }
        let report = audit(&open_for_reading(&self.db_path)?)?;
        drop(self.folder);
        Ok(report)
    }
}

fn config(db_path: PathBuf, administrator_key: PathBuf) -> Config {
    let difficulty = Difficulty::new(DIFFICULTY_START_KIB).expect("a constant difficulty");
    Config { admin_key_file: Some(administrator_key), ..Config::on_loopback(db_path, difficulty) }
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn make() -> std::io::Result<Self> {
        let name = format!("xenblocks-demo-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            log::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}
