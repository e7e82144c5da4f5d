//! What a platform is started with, and what follows from it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::StartError;
use crate::auth::{JwtSecret, Mode, administrator, siwe};
use crate::base::Secret;
use crate::base::limits::{self, JWT_SECRET_BYTES_MIN};
use crate::chain::{self, simulator::DIFFICULTY_START_KIB};
use crate::market::blocks::Policy;
use crate::pow::{Difficulty, Marker};

/// Whether credentials are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Open on loopback, required anywhere else.
    ByAddress,
    /// Open: refused when not on loopback.
    Open,
    /// Required.
    Required,
}

/// The embedded chain.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// Its rules.
    pub rules: chain::Rules,
    /// The difficulty that a new chain starts with.
    pub difficulty: Difficulty,
}

/// How a platform runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that both ports listen on.
    pub bind: IpAddr,
    /// MQTT; 0 takes a free one.
    pub mqtt_port: u16,
    /// REST and the web app; 0 takes a free one.
    pub api_port: u16,
    /// The database's file.
    pub db_path: PathBuf,
    /// Whether credentials are asked for.
    pub auth: AuthMode,
    /// The secret that signs session tokens.
    pub jwt_secret: Option<Secret>,
    /// A file that holds it.
    pub jwt_secret_file: Option<PathBuf>,
    /// A file that holds the administrator's key.
    pub admin_key_file: Option<PathBuf>,
    /// The host that sign-in messages must name; any when `None`.
    pub sign_in_domain: Option<String>,
    /// A folder to read pages from, instead of the embedded ones.
    pub static_dir: Option<PathBuf>,
    /// What a block's hash must contain.
    pub marker: Marker,
    /// Count only blocks whose hash recomputes; always so in closed mode.
    pub require_pow: bool,
    /// The embedded chain; `None` turns it off.
    pub chain: Option<ChainConfig>,
    /// Dashboards at once.
    pub live_clients_max: usize,
    /// MQTT clients at once.
    pub mqtt_connections_max: usize,
    /// HTTP connections at once.
    pub http_connections_max: usize,
}

impl Config {
    /// On loopback and free ports, open, with an embedded chain of `difficulty` and the limits of
    /// [`limits`]: what a demonstration or a test begins with.
    pub fn on_loopback(db_path: PathBuf, difficulty: Difficulty) -> Self {
        Config {
            bind: Ipv4Addr::LOCALHOST.into(),
            mqtt_port: 0,
            api_port: 0,
            db_path,
            auth: AuthMode::ByAddress,
            jwt_secret: None,
            jwt_secret_file: None,
            admin_key_file: None,
            sign_in_domain: None,
            static_dir: None,
            marker: Marker::default(),
            require_pow: false,
            chain: Some(ChainConfig { rules: chain::Rules::default(), difficulty }),
            live_clients_max: limits::LIVE_CLIENTS_MAX,
            mqtt_connections_max: limits::MQTT_CONNECTIONS_MAX,
            http_connections_max: limits::HTTP_CONNECTIONS_MAX,
        }
    }

    /// Checks what cannot be.
    pub(super) fn check(&self) -> Result<(), StartError> {
        if self.auth == AuthMode::Open && !self.bind.is_loopback() {
            return Err(StartError::OpenToStrangers(self.bind));
        }
        if self.api_port == self.mqtt_port && self.api_port != 0 {
            return Err(StartError::SamePort(self.api_port));
        }
        if let Some(domain) = self.sign_in_domain.as_ref().filter(|domain| !siwe::is_domain(domain)) {
            return Err(StartError::SignInDomain(domain.clone()));
        }
        if let Some(folder) = self.static_dir.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(StartError::StaticDir(folder.clone()));
        }
        Ok(())
    }

    pub(super) fn mode(&self) -> Mode {
        match self.auth {
            AuthMode::Open => Mode::Open,
            AuthMode::ByAddress if self.bind.is_loopback() => Mode::Open,
            AuthMode::ByAddress | AuthMode::Required => Mode::Closed,
        }
    }

    pub(super) fn jwt_secret(&self, mode: Mode) -> Result<JwtSecret, StartError> {
        if let Some(secret) = &self.jwt_secret {
            if mode == Mode::Open && secret.expose().len() < JWT_SECRET_BYTES_MIN {
                log::warn!(
                    "the JWT secret is short: closed mode takes none under {JWT_SECRET_BYTES_MIN} bytes, and whoever \
                     guesses it is every wallet"
                );
            }
            return JwtSecret::given(secret.clone(), mode).ok_or(StartError::WeakSecret);
        }
        Ok(match &self.jwt_secret_file {
            Some(path) => JwtSecret::from_file(path)?,
            None => JwtSecret::kept(&beside(&self.db_path, ".sessions.key"))?,
        })
    }

    pub(super) fn administrator(&self, mode: Mode) -> Result<Option<Secret>, StartError> {
        if let Some(path) = &self.admin_key_file {
            return Ok(Some(administrator::load(path)?));
        }
        if mode == Mode::Open {
            return Ok(None);
        }
        let path = beside(&self.db_path, ".admin.key");
        let (key, created) = administrator::first(&path)?;
        if created {
            log::info!("the first administrator's key was written to {}", path.display());
        }
        Ok(Some(key))
    }

    pub(super) fn policy(&self, mode: Mode) -> Policy {
        Policy {
            chain: self.chain.is_some(),
            require_pow: self.require_pow || mode == Mode::Closed,
            marker: self.marker.clone(),
        }
    }

    /// What the embedded chain accepts; in closed mode a hash made up proves nothing there either.
    pub(super) fn chain_rules(&self, mode: Mode) -> Option<chain::Rules> {
        let require_pow = self.policy(mode).require_pow;
        self.chain.as_ref().map(|chain| chain::Rules { require_pow, ..chain.rules.clone() })
    }

    /// Without the chain its books are kept all the same, for the day it is turned on.
    pub(super) fn start_difficulty(&self) -> Difficulty {
        let usual = || Difficulty::new(DIFFICULTY_START_KIB).expect("a constant difficulty");
        self.chain.as_ref().map_or_else(usual, |chain| chain.difficulty)
    }
}

pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
